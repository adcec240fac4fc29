//! Any bytes may come where a typed message is expected: what is handed out is a value of the type, what is not is refused, and neither takes long or
//! much memory. Archives are flipped, cut, shifted and made up; whatever passes the check is looked at in full.

mod common;

use common::{TestBus, at_once, drawn};
use proptest::prelude::*;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hint::black_box;
use std::sync::Mutex;
use swarmbus_core::{ContentType, Error, Member, Message, Schema, SendOptions, schema};

#[derive(Archive, Serialize, Deserialize, Debug, Clone)]
enum Kind {
    Empty,
    Number(i64),
    Text { text: String, sign: char },
    Pair(Box<(u16, bool)>),
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone)]
#[rkyv(
    serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source),
    deserialize_bounds(__D::Error: rkyv::rancor::Source),
    bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source))
)]
struct Everything {
    wide: u128,
    text: String,
    kinds: Vec<Kind>,
    map: BTreeMap<String, Vec<u8>>,
    maybe: Option<Box<str>>,
    fixed: [u16; 3],
    real: f64,
    #[rkyv(omit_bounds)]
    within: Vec<Everything>,
}

schema!(Kind = "test.kind/1", Everything = "test.everything/1", Wrapped = "test.wrapped/1", Tables = "test.tables/1",);

/// What can be read, and viewed only while it is empty.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Tables {
    numbers: HashMap<u32, String>,
    texts: HashSet<String>,
}

fn tables(seed: u64) -> Tables {
    Tables {
        numbers: (0..seed as u32 % 40).map(|n| (n, format!("the value of number {n}"))).collect(),
        texts: (0..seed % 19).map(|n| format!("text {n} of a table")).collect(),
    }
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone)]
struct Wrapped(Option<Kind>);

fn everything(seed: u64, depth: u32) -> Everything {
    let kinds = vec![
        Kind::Empty,
        Kind::Number(seed as i64),
        Kind::Text { text: format!("a text of more than a few bytes: {seed}"), sign: 'ß' },
        Kind::Pair(Box::new((seed as u16, seed.is_multiple_of(2)))),
    ];
    Everything {
        wide: u128::from(seed) << 60,
        text: "short".into(),
        kinds: kinds.into_iter().cycle().take(seed as usize % 9).collect(),
        map: (0..seed % 23).map(|n| (format!("the key of number {n}"), vec![n as u8; n as usize])).collect(),
        maybe: seed.is_multiple_of(3).then(|| "perhaps a text, perhaps none".into()),
        fixed: [1, 2, 3],
        real: seed as f64,
        within: (0..depth).map(|n| everything(seed / 2 + u64::from(n), depth - 1)).collect(),
    }
}

fn look_at_kind(kind: &ArchivedKind) -> u64 {
    match kind {
        ArchivedKind::Empty => 1,
        ArchivedKind::Number(number) => number.to_native() as u64,
        ArchivedKind::Text { text, sign } => text.chars().count() as u64 + u64::from(u32::from(sign.to_native())),
        ArchivedKind::Pair(pair) => u64::from(pair.0.to_native()) + u64::from(pair.1),
    }
}

fn look_at(one: &ArchivedEverything) -> u64 {
    let kinds = one.kinds.iter().map(look_at_kind).fold(0, u64::wrapping_add);
    let map: usize =
        one.map.iter().map(|(key, bytes)| key.chars().count() + bytes.iter().filter(|b| **b > 1).count()).sum();
    let found = (0..23).filter(|n| one.map.get(format!("the key of number {n}").as_str()).is_some()).count();
    let maybe = one.maybe.as_ref().map_or(0, |text| text.chars().count());
    let within = one.within.iter().map(look_at).fold(0, u64::wrapping_add);
    let fixed: u64 = one.fixed.iter().map(|n| u64::from(n.to_native())).sum();
    let plain = one.wide.to_native() as u64 ^ one.real.to_native().to_bits();
    let lengths = map + found + maybe + one.text.chars().count();
    (lengths as u64 + fixed) ^ kinds ^ plain ^ within
}

/// Whether it is a value of the type; anything but that and a refusal is a failure.
fn outcome<T>(result: Result<T, Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::WrongType { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Asks for everything that a message could be.
fn ask(message: &Message<'_>) {
    let viewed = message.view::<Everything>().map(|view| black_box(look_at(view)));
    let read = message.read::<Everything>().map(black_box);
    assert_eq!(outcome(viewed), outcome(read), "in place and copied are the same");
    let viewed = message.view::<Wrapped>().map(|view| view.0.as_ref().map(|kind| black_box(look_at_kind(kind))));
    assert_eq!(outcome(viewed), outcome(message.read::<Wrapped>()), "in place and copied are the same");
    let read = message.read::<Tables>();
    let is_empty = read.as_ref().is_ok_and(|read| read.numbers.is_empty() && read.texts.is_empty());
    assert!(outcome(message.view::<Tables>()) <= is_empty, "nothing can be looked up in a table");
    outcome(read);
    #[cfg(feature = "serde")]
    outcome(message.json::<serde_json::Value>());
}

struct Case {
    _bus: TestBus,
    member: Member,
}

impl Case {
    fn new() -> Case {
        static CASES: Mutex<u32> = Mutex::new(0);
        let mut case = CASES.lock().unwrap();
        *case += 1;
        let bus = TestBus::new(&format!("typed-bytes-{case}"));
        bus.declare("queue", &Default::default()).unwrap();
        let member = bus.join().unwrap();
        Case { _bus: bus, member }
    }

    fn ask(&self, payload: &[u8], content: ContentType) {
        self.member.send("queue", payload, &SendOptions { content, ..at_once() }).unwrap();
        let message = self.member.try_receive("queue").unwrap().unwrap();
        ask(&message);
        message.release().unwrap();
    }

    fn archive(&self, seed: u64, depth: u32) -> Vec<u8> {
        if depth == 3 {
            return self.member.loan_typed(&tables(seed)).unwrap().to_vec();
        }
        self.member.loan_typed(&everything(seed, depth)).unwrap().to_vec()
    }
}

fn content() -> impl Strategy<Value = ContentType> {
    prop_oneof![8 => Just(ContentType::Rkyv), 1 => Just(ContentType::Bytes), 1 => Just(ContentType::Json)]
}

fn with_schema(mut payload: Vec<u8>, schema: u8) -> Vec<u8> {
    match schema {
        0 => payload.extend_from_slice(&Everything::ID.to_ne_bytes()),
        1 => payload.extend_from_slice(&Wrapped::ID.to_ne_bytes()),
        2 => payload.extend_from_slice(&Tables::ID.to_ne_bytes()),
        _ => {}
    }
    payload
}

proptest! {
    #![proptest_config(drawn(30))]

    #[test]
    fn bytes_out_of_nowhere(
        payloads in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..600), 0u8..4, content()), 30)
    ) {
        let case = Case::new();
        for (payload, schema, content) in payloads {
            case.ask(&with_schema(payload, schema), content);
        }
    }

    /// Small numbers make plausible lengths and offsets.
    #[test]
    fn words_that_could_be_lengths_and_offsets(
        payloads in prop::collection::vec((prop::collection::vec(-600i32..600, 0..150), 0u8..3), 30)
    ) {
        let case = Case::new();
        for (words, schema) in payloads {
            let payload = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            case.ask(&with_schema(payload, schema), ContentType::Rkyv);
        }
    }

    #[test]
    fn flipped_bits(
        seed in 0u64..1000,
        depth in 0u32..4,
        flips in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4), 60),
    ) {
        let case = Case::new();
        let archive = case.archive(seed, depth);
        for flips in flips {
            let mut payload = archive.clone();
            for (at, bit) in flips {
                payload[at.index(archive.len())] ^= 1 << bit;
            }
            case.ask(&payload, ContentType::Rkyv);
        }
    }

    #[test]
    fn words_written_over(
        seed in 0u64..1000,
        depth in 0u32..4,
        writes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![-400i32..400, any::<i32>()]), 60),
    ) {
        let case = Case::new();
        let archive = case.archive(seed, depth);
        for (at, word) in writes {
            let (mut payload, at) = (archive.clone(), at.index(archive.len() / 4) * 4);
            payload[at..at + 4].copy_from_slice(&word.to_le_bytes());
            case.ask(&payload, ContentType::Rkyv);
        }
    }

    #[test]
    fn cut_shifted_and_repeated(
        seed in 0u64..1000,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, 1usize..4), 40),
    ) {
        let case = Case::new();
        let payload = case.archive(seed, 1);
        let archive = &payload[..payload.len() - 8];
        for (cut, shift, times) in cuts {
            let cut = cut.index(archive.len() + 1);
            for part in [&archive[..cut], &archive[cut..]] {
                let changed = [vec![0; shift], part.repeat(times)].concat();
                case.ask(&with_schema(changed, 0), ContentType::Rkyv);
            }
            case.ask(&payload[..cut], ContentType::Rkyv);
        }
    }
}

#[test]
fn each_third_bit_of_an_archive_flipped() {
    let case = Case::new();
    for (seed, depth) in [(21, 1), (37, 3)] {
        let archive = case.archive(seed, depth);
        for bit in (0..archive.len() * 8).step_by(3) {
            let mut payload = archive.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            case.ask(&payload, ContentType::Rkyv);
        }
    }
}

#[test]
fn nothing_and_next_to_nothing() {
    let case = Case::new();
    for content in ContentType::ALL {
        for length in 0..200 {
            for byte in [0, 1, 0x7f, 0xff] {
                case.ask(&vec![byte; length], *content);
                case.ask(&with_schema(vec![byte; length], 0), *content);
            }
        }
    }
}
