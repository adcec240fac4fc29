//! Queue and heap against plain models: random operations, the same answers. A failing case prints its operations; proptest keeps its
//! seed in `tests/model.regressions` and runs it first from then on.
mod common;

use common::{TestBus, kept};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;
use swarmbus_core::{CreateOptions, Error, Lane, Loan, Member, Message, QueueOptions, RawMessage, SendOptions};

const LIMIT: usize = 3;
const LANES: [Lane; 4] = [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low];

#[derive(Clone, Debug)]
enum Operation {
    Send { lane: usize, length: usize },
    SendBatch { lane: usize, count: usize },
    Take,
    Release { held: usize },
    Nack { held: usize },
    Leave,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..LANES.len(), 0usize..300).prop_map(|(lane, length)| Operation::Send { lane, length }),
        2 => (0..LANES.len(), 1usize..5).prop_map(|(lane, count)| Operation::SendBatch { lane, count }),
        6 => Just(Operation::Take),
        2 => (0usize..8).prop_map(|held| Operation::Release { held }),
        2 => (0usize..8).prop_map(|held| Operation::Nack { held }),
        1 => Just(Operation::Leave),
    ]
}

type Messages = VecDeque<(u64, u32)>;

/// What a queue should be: a first-in-first-out list of batches per lane, and one of returned messages before them. What the taker has begun
/// to take of a batch stands at the front of its lane.
#[derive(Default)]
struct Model {
    returned: Messages,
    begun: [Messages; 4],
    lanes: [VecDeque<Messages>; 4],
    held: Vec<(u64, u32)>,
    /// By the present taker; every 32nd time the lanes come first, the least urgent one before the others.
    taken: u32,
}

impl Model {
    fn take(&mut self) -> Option<(u64, u32)> {
        let patient = self.taken % 32 == 31;
        let order = (0..LANES.len()).map(|lane| if patient { LANES.len() - 1 - lane } else { lane });
        let returned = if patient { None } else { self.returned.pop_front() };
        let (number, deliveries) = returned.or_else(|| self.take_from(order)).or_else(|| self.returned.pop_front())?;
        self.taken += 1;
        Some((number, deliveries + 1))
    }

    fn take_from(&mut self, mut order: impl Iterator<Item = usize>) -> Option<(u64, u32)> {
        order.find_map(|lane| {
            if self.begun[lane].is_empty() {
                self.begun[lane] = self.lanes[lane].pop_front()?;
            }
            self.begun[lane].pop_front()
        })
    }

    /// Of what the taker has begun, the next message of each batch is its own already.
    fn counts(&self) -> (u64, u64) {
        let begun: usize = self.begun.iter().map(VecDeque::len).sum();
        let next = self.begun.iter().filter(|begun| !begun.is_empty()).count();
        let lanes: usize = self.lanes.iter().flatten().map(VecDeque::len).sum();
        ((self.returned.len() + lanes + begun - next) as u64, (self.held.len() + next) as u64)
    }
}

fn again(taker: &Member, raw: RawMessage) -> Result<Message<'_>, Error> {
    // SAFETY: each raw message is turned back once.
    unsafe { Message::from_raw(taker, raw) }
}

fn payload(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((0..length).map(|at| (number as usize * 31 + at) as u8));
    bytes
}

fn number_of(message: &Message<'_>) -> u64 {
    u64::from_le_bytes(message[..8].try_into().unwrap())
}

thread_local! { static CASE: Cell<u32> = const { Cell::new(0) }; }

fn next_case() -> u32 {
    CASE.set(CASE.get() + 1);
    CASE.get()
}

proptest! {
    #![proptest_config(kept(64))]

    #[test]
    fn a_queue_answers_as_its_model(operations in prop::collection::vec(operation(), 1..120)) {
        let options = CreateOptions { agents: 8, heap: 8 << 20, ..CreateOptions::default() };
        let bus = TestBus::with(&format!("model-{}", next_case()), options);
        bus.declare("work", &QueueOptions { limit: Some(LIMIT as u32), ..QueueOptions::default() }).unwrap();
        let sender = bus.join().unwrap();
        let mut taker = bus.join().unwrap();
        let mut held: Vec<RawMessage> = Vec::new();
        let mut model = Model::default();
        let mut sent = 0u64;
        for operation in operations {
            match operation {
                Operation::Send { lane, length } => {
                    let options = SendOptions { lane: LANES[lane], timeout: Some(Duration::ZERO), ..SendOptions::default() };
                    let result = sender.send("work", &payload(sent, length), &options);
                    if model.lanes[lane].len() < LIMIT {
                        prop_assert!(result.is_ok(), "{result:?}");
                        model.lanes[lane].push_back(VecDeque::from([(sent, 0)]));
                        sent += 1;
                    } else {
                        prop_assert_eq!(result, Err(Error::Full { queue: "work".into(), limit: LIMIT as u32 }));
                    }
                }
                Operation::SendBatch { lane, count } => {
                    let options = SendOptions { lane: LANES[lane], timeout: Some(Duration::ZERO), ..SendOptions::default() };
                    let numbers = sent..sent + count as u64;
                    let payloads: Vec<_> = numbers.clone().map(|number| payload(number, 8)).collect();
                    let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
                    let result = sender.send_batch("work", &payloads, &options);
                    if model.lanes[lane].len() < LIMIT {
                        prop_assert_eq!(result.map(|ids| ids.len()), Ok(count));
                        model.lanes[lane].push_back(numbers.map(|number| (number, 0)).collect());
                        sent += count as u64;
                    } else {
                        prop_assert_eq!(result, Err(Error::Full { queue: "work".into(), limit: LIMIT as u32 }));
                    }
                }
                Operation::Take => {
                    let got = taker.try_receive("work").unwrap();
                    let expected = model.take();
                    let seen = got.as_ref().map(|message| (number_of(message), message.deliveries()));
                    prop_assert_eq!(seen, expected);
                    if let (Some(message), Some(expected)) = (got, expected) {
                        prop_assert_eq!(&message[..], &payload(expected.0, message.len() - 8)[..]);
                        held.push(message.into_raw());
                        model.held.push(expected);
                    }
                }
                Operation::Release { held: which } if !held.is_empty() => {
                    let which = which % held.len();
                    again(&taker, held.swap_remove(which)).unwrap().release().unwrap();
                    model.held.swap_remove(which);
                }
                Operation::Nack { held: which } if !held.is_empty() => {
                    let which = which % held.len();
                    again(&taker, held.swap_remove(which)).unwrap().nack().unwrap();
                    model.returned.push_back(model.held.swap_remove(which));
                }
                Operation::Leave => {
                    taker.close();
                    taker = bus.join().unwrap();
                    model.taken = 0;
                    for raw in held.drain(..) {
                        prop_assert!(matches!(again(&taker, raw), Err(Error::Released)));
                    }
                    // In what order they come back is not promised: compare them as a set from here on.
                    let begun = model.begun.iter_mut().flat_map(|begun| begun.drain(..));
                    let back = model.held.drain(..).chain(begun).collect::<Vec<_>>();
                    for at in 0..model.returned.len() + back.len() {
                        if at % 31 == 30 {
                            // The 32nd would come from the lanes.
                            taker.close();
                            taker = bus.join().unwrap();
                        }
                        let message = taker.receive("work", Some(Duration::ZERO)).unwrap();
                        let seen = (number_of(&message), message.deliveries() - 1);
                        prop_assert!(model.returned.contains(&seen) || back.contains(&seen), "{seen:?}");
                        message.release().unwrap();
                        model.taken = (at % 31) as u32 + 1;
                    }
                    model.returned.clear();
                }
                Operation::Release { .. } | Operation::Nack { .. } => {}
            }
            let queue = bus.observer().unwrap().queues().remove(0);
            prop_assert_eq!((queue.queued, queue.in_flight), model.counts());
        }
    }

    #[test]
    fn loans_never_overlap_and_memory_comes_back(sizes in prop::collection::vec((prop_oneof![0usize..5000, 0usize..3_000_000], any::<bool>()), 1..60)) {
        let options = CreateOptions { agents: 8, heap: 16 << 20, ..CreateOptions::default() };
        let bus = TestBus::with(&format!("heap-model-{}", next_case()), options);
        let member = bus.join().unwrap();
        let mut loans = Vec::new();
        for (number, (length, give_back)) in sizes.into_iter().enumerate() {
            match member.loan(length) {
                Ok(mut loan) => {
                    prop_assert_eq!(loan.as_ptr() as usize % 64, 0);
                    let range = loan.as_ptr_range();
                    let apart = |other: &Loan<'_>| other.as_ptr_range().end <= range.start || range.end <= other.as_ptr_range().start;
                    prop_assert!(loans.iter().all(|(_, other)| apart(other)), "two loans overlap");
                    if let [first, .., last] = &mut loan[..] {
                        (*first, *last) = (number as u8, number as u8);
                    }
                    loans.push((number as u8, loan));
                }
                Err(error) => prop_assert_eq!(error, Error::OutOfMemory { wanted: length as u64 }),
            }
            if give_back && !loans.is_empty() {
                loans.swap_remove(number % loans.len());
            }
            for (number, loan) in &loans {
                let intact = if let [first, .., last] = &loan[..] { first == number && last == number } else { true };
                prop_assert!(intact, "a loan was written over");
            }
        }
        drop(loans);
        member.close();
        let chunks = bus.observer().unwrap().bus().heap.chunks;
        prop_assert_eq!((chunks.held, chunks.queued, chunks.in_flight), (0, 0, 0));
    }
}
