//! Typed messages: what was sent is what is read, in place or copied, in one process or two; what is something else is an error that says so.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus, at_once};
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use swarmbus_core::{
    Bus, ContentType, Error, Loan, Member, Message, NESTING_MAX, RawLoan, Schema, SendOptions, schema, schema_id,
};

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
struct Task {
    number: u64,
    path: String,
    lines: Vec<u32>,
    notes: BTreeMap<String, Option<f64>>,
    wide: u128,
}

/// The same fields as [`Task`] has, and another name.
#[derive(Archive, Serialize, Deserialize, Debug)]
struct OtherTask {
    number: u64,
    path: String,
    lines: Vec<u32>,
    notes: BTreeMap<String, Option<f64>>,
    wide: u128,
}

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
enum Outcome {
    Done { task: u64, took_ns: u64 },
    Failed(String),
}

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
struct Nothing;

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
struct Blob(Vec<u8>);

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
#[rkyv(
    serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source),
    deserialize_bounds(__D::Error: rkyv::rancor::Source),
    bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source))
)]
struct Node {
    value: u32,
    #[rkyv(omit_bounds)]
    children: Vec<Node>,
}

schema!(
    Task = "test.task/1",
    OtherTask = "test.task/2",
    Outcome = "test.outcome/1",
    Nothing = "test.nothing/1",
    Blob = "test.blob/1",
    Node = "test.node/1",
);

fn task(number: u64) -> Task {
    let lines = (0..number as u32 % 50).collect();
    let notes = (0..number % 7).map(|n| (format!("note {n}"), (n % 2 == 0).then_some(n as f64))).collect();
    Task { number, path: format!("src/{number}.rs"), lines, notes, wide: u128::from(number) << 70 }
}

fn typed() -> SendOptions {
    SendOptions { content: ContentType::Rkyv, ..at_once() }
}

/// Sends bytes as an archive of `schema` and gives them to `test`.
fn with_archive(member: &Member, archive: &[u8], schema: u64, test: impl FnOnce(&Message<'_>)) {
    let payload = [archive, &schema.to_ne_bytes()].concat();
    member.send("queue", &payload, &typed()).unwrap();
    let message = member.try_receive("queue").unwrap().unwrap();
    test(&message);
    message.release().unwrap();
}

fn wrong<T>(result: Result<T, Error>) -> String {
    match result.map(|_| ()) {
        Err(Error::WrongType { what }) => what,
        other => panic!("not a wrong type: {other:?}"),
    }
}

fn one_queue(test: &str) -> (TestBus, Member) {
    let bus = TestBus::new(test);
    bus.declare("queue", &Default::default()).unwrap();
    let member = bus.join().unwrap();
    (bus, member)
}

#[test]
fn what_is_sent_is_read_in_place_and_copied() {
    let (_bus, member) = one_queue("typed");
    for number in 0..200 {
        let sent = task(number);
        member.send_typed("queue", &sent, &at_once()).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        assert_eq!((message.content(), message.schema()), (ContentType::Rkyv, Some(Task::ID)));
        let view = message.view::<Task>().unwrap();
        assert_eq!((view.number.to_native(), view.path.as_str()), (sent.number, sent.path.as_str()));
        assert!(message.as_ptr_range().contains(&std::ptr::from_ref(view).cast()), "in place");
        assert_eq!(message.read::<Task>().unwrap(), sent);
        message.release().unwrap();
    }
    assert_eq!(Task::ID, schema_id("test.task/1"));
}

#[test]
fn values_without_bytes_are_their_schema_alone() {
    let (_bus, member) = one_queue("typed-nothing");
    member.send_typed("queue", &Nothing, &at_once()).unwrap();
    let message = member.try_receive("queue").unwrap().unwrap();
    assert_eq!(message.len(), 8);
    assert_eq!((message.view::<Nothing>().is_ok(), message.read::<Nothing>().unwrap()), (true, Nothing));
}

/// The payload bytes of the chunks that wait in queues.
fn queued_bytes(bus: &Bus) -> u64 {
    let classes = bus.observer().unwrap().bus().heap.classes;
    classes.iter().map(|class| class.payload_bytes * class.chunks.queued).sum()
}

#[test]
fn loans_grow_with_the_archive_and_large_ones_are_not_wasted_on_small_values() {
    let (bus, member) = one_queue("typed-sizes");
    let lengths = [0, 1, 47, 48, 49, 100, 5000, 70_000, 3_000_000, 0, 1_000_000, 10, 16_777_000, 300];
    for length in lengths {
        let sent = Blob((0..length).map(|n| n as u8).collect());
        member.send_typed("queue", &sent, &at_once()).unwrap();
        let (archive, queued) = (length as u64 + 16, queued_bytes(&bus));
        assert!(queued <= (archive.max(64).next_power_of_two() * 4).min(16 << 20), "{length} bytes in {queued}");
        let message = member.try_receive("queue").unwrap().unwrap();
        assert!(message.read::<Blob>().unwrap() == sent && message.len() < length + 32);
        message.release().unwrap();
    }
    // Many small pieces: the loan grows step by step.
    let many: Vec<Node> = (0..20_000).map(|value| Node { value, children: Vec::new() }).collect();
    let sent = Node { value: 1, children: many };
    member.send_typed("queue", &sent, &at_once()).unwrap();
    assert_eq!(member.try_receive("queue").unwrap().unwrap().read::<Node>().unwrap(), sent);
    let refused = member.send_typed("queue", &Blob(vec![0; 17 << 20]), &at_once());
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

#[test]
fn loans_at_hand_do_or_come_back() {
    let (_bus, member) = one_queue("typed-loan");
    let loan = member.loan(40).unwrap();
    let refused = loan.publish_typed("queue", &task(3), &at_once()).unwrap_err();
    assert!(matches!(refused.error, Error::TooLarge { limit: 40, .. }), "{refused:?}");
    let refused = member.loan(1000).unwrap().publish_typed("nobody", &task(3), &at_once()).unwrap_err();
    assert!(matches!(refused.error, Error::UnknownAgent { .. }), "{refused:?}");
    refused.loan.publish_typed("queue", &task(4), &at_once()).unwrap();
    assert_eq!(member.try_receive("queue").unwrap().unwrap().read::<Task>().unwrap(), task(4));

    let loans: Vec<Loan<'_>> = (0..5).map(|number| member.loan_typed(&task(number)).unwrap()).collect();
    member.publish_batch("queue", loans, &typed()).unwrap();
    member.try_receive("queue").unwrap().unwrap().nack().unwrap();
    for _ in 0..6 {
        let Some(message) = member.try_receive("queue").unwrap() else { break };
        let number = message.view::<Task>().unwrap().number.to_native();
        assert_eq!(message.read::<Task>().unwrap(), task(number));
        message.release().unwrap();
    }
}

#[test]
fn questions_and_answers_may_be_typed() {
    let bus = TestBus::new("typed-calls");
    let (boss, worker) = (bus.attach("boss").unwrap(), bus.attach("worker").unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..20 {
                let question = worker.recv(HANGS).unwrap();
                let asked = question.view::<Task>().unwrap().number.to_native();
                assert_eq!(asked, number);
                question.reply_typed(&Outcome::Done { task: asked, took_ns: 5 }).unwrap();
                question.release().unwrap();
            }
            let question = worker.recv(HANGS).unwrap();
            question.reply_part_typed(&task(1), HANGS).unwrap();
            question.reply_typed(&Outcome::Failed("the end".into())).unwrap();
            question.release().unwrap();
        });
        let options = SendOptions { timeout: HANGS, ..SendOptions::default() };
        for number in 0..20 {
            let answer = boss.call_typed("worker", &task(number), &options).unwrap();
            assert_eq!(answer.read::<Outcome>().unwrap(), Outcome::Done { task: number, took_ns: 5 });
            answer.release().unwrap();
        }
        let mut answers = boss.call_stream("worker", b"in parts", &options).unwrap();
        let part = answers.next(HANGS).unwrap().unwrap();
        assert_eq!(part.read::<Task>().unwrap(), task(1));
        let end = answers.next(HANGS).unwrap().unwrap();
        assert_eq!(end.read::<Outcome>().unwrap(), Outcome::Failed("the end".into()));
    });
}

#[test]
fn another_type_is_refused_by_name() {
    let (_bus, member) = one_queue("typed-mismatch");
    member.send_typed("queue", &task(5), &at_once()).unwrap();
    let message = member.try_receive("queue").unwrap().unwrap();
    let said = wrong(message.view::<OtherTask>());
    assert!(said.contains("test.task/2") && said.contains(&format!("{:016x}", Task::ID)), "{said}");
    let said = wrong(message.read::<OtherTask>());
    assert!(said.contains("asked for was 'test.task/2'"), "{said}");
    message.release().unwrap();

    for (content, payload) in [
        (ContentType::Bytes, &b"hello"[..]),
        (ContentType::Json, b"{}"),
        (ContentType::Rkyv, b""),
        (ContentType::Rkyv, b"short"),
        (ContentType::Bytes, &Task::ID.to_ne_bytes()),
    ] {
        member.send("queue", payload, &SendOptions { content, ..at_once() }).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        let said = wrong(message.view::<Task>());
        assert!(said.contains(&format!("{} bytes", payload.len())) && said.contains("test.task/1"), "{said}");
        assert_eq!(wrong(message.read::<Task>()), said);
        message.release().unwrap();
    }
}

#[test]
fn bytes_that_are_no_such_value_are_refused_with_the_reason() {
    let (_bus, member) = one_queue("typed-malformed");
    with_archive(&member, b"", Task::ID, |message| {
        let said = wrong(message.view::<Task>());
        assert!(said.contains("0 bytes are no valid 'test.task/1'"), "{said}");
    });
    with_archive(&member, &[0xff; 300], Task::ID, |message| {
        assert!(!wrong(message.view::<Task>()).contains('\n'));
        wrong(message.read::<Task>());
    });
    // An outcome that there is not.
    with_archive(&member, &[9; size_of::<<Outcome as Archive>::Archived>()], Outcome::ID, |message| {
        wrong(message.view::<Outcome>());
    });
}

/// An archive of nodes, each the only child of the next.
fn chain(length: usize) -> Vec<u8> {
    let mut archive = Vec::new();
    for node in 0..length {
        let below = if node == 0 { [-4_i32, 0] } else { [-16, 1] };
        archive.extend_from_slice(&(node as u32).to_le_bytes());
        archive.extend(below.iter().flat_map(|word| word.to_le_bytes()));
    }
    archive
}

fn depth(mut node: &ArchivedNode) -> usize {
    let mut depth = 1;
    while let Some(child) = node.children.first() {
        (node, depth) = (child, depth + 1);
    }
    depth
}

#[test]
fn nesting_is_bounded_however_much_is_sent() {
    let (_bus, member) = one_queue("typed-deep");
    for length in [1, 2, NESTING_MAX / 2, NESTING_MAX - 1] {
        with_archive(&member, &chain(length), Node::ID, |message| {
            assert_eq!(depth(message.view::<Node>().unwrap()), length);
            assert!(message.read::<Node>().is_ok());
        });
    }
    for length in [NESTING_MAX + 1, 10_000, 1_000_000] {
        with_archive(&member, &chain(length), Node::ID, |message| {
            let said = wrong(message.view::<Node>());
            assert!(said.contains("depth"), "{said}");
            assert!(wrong(message.read::<Node>()).contains("depth"));
        });
    }
}

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
struct Table(HashMap<u32, String>);
schema!(Table = "test.table/1");

#[test]
fn tables_can_be_read_and_not_be_viewed() {
    let (_bus, member) = one_queue("typed-tables");
    for entries in [0, 1, 2, 15, 16, 100] {
        let sent = Table((0..entries).map(|n| (n, format!("the text of entry {n}"))).collect());
        member.send_typed("queue", &sent, &at_once()).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        assert_eq!(message.read::<Table>().unwrap(), sent);
        let viewed = message.view::<Table>().map(|table| table.0.len());
        if entries == 0 {
            assert_eq!(viewed, Ok(0));
        } else {
            assert!(wrong(viewed).contains("BTreeMap"));
        }
        message.release().unwrap();
    }
}

#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
struct Tree(BTreeMap<String, u32>);
#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
struct SmallTree(BTreeMap<u8, bool>);
schema!(Tree = "test.tree/1", SmallTree = "test.small-tree/1");

fn text_of(n: u32) -> String {
    format!("the text of entry {n:03}")
}

#[test]
fn trees_of_every_size_are_viewed() {
    let (_bus, member) = one_queue("typed-trees");
    for entries in (0..260).chain([1295, 1296, 1300]) {
        let sent = Tree((0..entries).map(|n| (text_of(n), n)).collect());
        member.send_typed("queue", &sent, &at_once()).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        assert_eq!(message.read::<Tree>().unwrap(), sent);
        let tree = message.view::<Tree>().unwrap();
        let found: BTreeMap<String, u32> = tree.0.iter().map(|(key, n)| (key.to_string(), n.to_native())).collect();
        assert_eq!(found, sent.0);
        message.release().unwrap();
        let small = SmallTree((0..entries.min(256)).map(|n| (n as u8, n % 3 == 0)).collect());
        member.send_typed("queue", &small, &at_once()).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        assert_eq!(message.view::<SmallTree>().unwrap().0.iter().count(), small.0.len());
        message.release().unwrap();
    }
}

/// rkyv's check accepts them; its iterator then hands out an entry that was never checked, or goes where nothing is.
#[test]
fn hollow_trees_are_refused() {
    let (_bus, member) = one_queue("typed-hollow-trees");
    member.send_typed("queue", &Tree((0..12).map(|n| (text_of(n), n)).collect()), &at_once()).unwrap();
    let message = member.try_receive("queue").unwrap().unwrap();
    let right = message.to_vec();
    message.release().unwrap();
    let number = |at: usize| i32::from_le_bytes(right[at..at + 4].try_into().unwrap());
    let put = |bytes: &mut [u8], at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let to = |at: usize| (at as i32 + number(at)) as usize;
    // A pointer to the root and the number of entries; a node has 64 bytes of kind, keys and values, then its length or its children.
    let map = right.len() - 8 - size_of::<<Tree as Archive>::Archived>();
    let root = to(map);
    let (children, leaf) = (root + 64, to(root + 64));
    assert_eq!((right[root], right[leaf], number(map + 4), number(leaf + 64)), (1, 0, 12, 5));
    let mut hollow_leaf = right.clone();
    put(&mut hollow_leaf, leaf + 64, 0);
    put(&mut hollow_leaf, map + 4, 12 - 5);
    // The first key of that leaf, far away.
    put(&mut hollow_leaf, leaf + 8, 0x7000_0000);
    let mut no_first_child = right.clone();
    put(&mut no_first_child, children, 1);
    put(&mut no_first_child, map + 4, 12 - 5);
    for forged in [hollow_leaf, no_first_child] {
        let options = SendOptions { content: ContentType::Rkyv, ..at_once() };
        member.send("queue", &forged, &options).unwrap();
        let message = member.try_receive("queue").unwrap().unwrap();
        assert!(wrong(message.view::<Tree>().map(|tree| tree.0.values().count())).contains("B-tree"));
        assert!(wrong(message.read::<Tree>()).contains("B-tree"));
        message.release().unwrap();
    }
}

#[cfg(feature = "serde")]
#[test]
fn json_is_written_and_read_without_a_type() {
    let (_bus, member) = one_queue("typed-json");
    let sent = serde_json::json!({"path": "a.rs", "lines": [1, 2, 3], "text": "x".repeat(10_000)});
    member.send_json("queue", &sent, &at_once()).unwrap();
    let message = member.try_receive("queue").unwrap().unwrap();
    assert_eq!((message.content(), message.schema()), (ContentType::Json, None));
    assert_eq!(message.json::<serde_json::Value>().unwrap(), sent);
    let borrowed: BTreeMap<&str, serde_json::Value> = message.json().unwrap();
    assert_eq!(borrowed["path"], "a.rs");
    assert!(wrong(message.json::<Vec<u32>>()).contains("content type json"));
    wrong(message.view::<Task>());
    message.release().unwrap();

    member.send("queue", b"[1]", &at_once()).unwrap();
    assert_eq!(member.try_receive("queue").unwrap().unwrap().json::<Vec<u32>>().unwrap(), [1]);
    member.try_receive("queue").unwrap().unwrap().release().unwrap();
    member.send_typed("queue", &task(1), &at_once()).unwrap();
    assert!(wrong(member.try_receive("queue").unwrap().unwrap().json::<Vec<u32>>()).contains("archive"));
    let refused = member.send_json("queue", &BTreeMap::from([(vec![1], 1)]), &at_once());
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
}

/// Ends the other process with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let member = Bus::open(&bus).unwrap().join().unwrap();
    match act.as_str() {
        "sender" => {
            for number in 0..100 {
                member.send_typed("queue", &task(number), &SendOptions::default()).unwrap();
            }
            actor::ready();
        }
        "scribbler" => {
            let loan = member.loan_typed(&task(41)).unwrap();
            let original = loan.to_vec();
            let raw = loan.into_raw();
            // SAFETY: it was just made a raw loan.
            let loan = unsafe { Loan::from_raw(&member, raw) }.unwrap();
            loan.publish("queue", raw.capacity, &typed()).unwrap();
            actor::say_ready();
            scribble(raw, &original);
        }
        other => panic!("no act {other}"),
    }
}

/// What a sender must not do: it goes on writing to a message that it has sent, now this, now that, until it is killed.
fn scribble(raw: RawLoan, original: &[u8]) {
    let (end, mut dice) = (Instant::now() + HANGS.unwrap(), 0x1234_5678_9abc_def1_u64);
    let mut roll = |limit: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 11) as usize % limit
    };
    while Instant::now() < end {
        for _ in 0..1000 {
            for _ in 0..roll(4) {
                let (at, byte) = (roll(original.len()), roll(256) as u8);
                // SAFETY: inside the payload, which is mapped as long as the member lives.
                unsafe { raw.data.wrapping_add(at).write_volatile(byte) };
            }
            for (at, byte) in original.iter().enumerate() {
                // SAFETY: as above.
                unsafe { raw.data.wrapping_add(at).write_volatile(*byte) };
            }
        }
    }
}

#[test]
fn another_process_reads_what_was_sent() {
    let (bus, member) = one_queue("typed-processes");
    let _sender = Killed(actor::spawn("sender", bus.name()));
    for number in 0..100 {
        let message = member.receive("queue", HANGS).unwrap();
        let expected = task(number);
        let view = message.view::<Task>().unwrap();
        assert!(view.lines.iter().map(|line| line.to_native()).eq(expected.lines.iter().copied()));
        assert_eq!(message.read::<Task>().unwrap(), expected);
        message.release().unwrap();
    }
}

#[test]
fn a_copy_is_checked_whatever_its_sender_writes_meanwhile() {
    let (bus, member) = one_queue("typed-scribbler");
    let _scribbler = Killed(actor::spawn("scribbler", bus.name()));
    let message = member.receive("queue", HANGS).unwrap();
    let (mut whole, mut refused, mut others) = (0, 0, 0);
    let end = Instant::now() + Duration::from_secs(20);
    while (whole < 1000 || refused + others < 1000) && Instant::now() < end {
        match message.read::<Task>() {
            Ok(read) if read == task(41) => whole += 1,
            Ok(read) => {
                // Text that is none would show here.
                assert!(read.path.chars().count() <= read.path.len());
                others += 1;
            }
            Err(Error::WrongType { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{whole} whole, {others} others, {refused} refused");
    assert!(whole > 0 && refused + others > 0, "{whole} whole, {others} others, {refused} refused");
}
