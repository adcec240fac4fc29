//! A topic against a plain model: random operations of a publisher and three subscribers, the same answers under every policy.
mod common;

use common::{TestBus, kept};
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;
use swarmbus_core::{CreateOptions, Error, Policy, PublishOptions, StartAt, Subscription, TopicOptions};

const CAPACITY: u64 = 3;
const RETAIN: u64 = 2;
/// Twice the capacity, rounded up.
const SLOTS: u64 = 8;
const SUBSCRIBERS: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Publish { length: usize },
    Subscribe { who: usize, from: StartAt },
    Read { who: usize },
    Leave { who: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let who = || 0..SUBSCRIBERS;
    let from = prop_oneof![Just(StartAt::Now), Just(StartAt::Retained), (0u32..5).prop_map(StartAt::Last)];
    prop_oneof![
        6 => (8usize..3000).prop_map(|length| Operation::Publish { length }),
        2 => (who(), from).prop_map(|(who, from)| Operation::Subscribe { who, from }),
        6 => who().prop_map(|who| Operation::Read { who }),
        1 => who().prop_map(|who| Operation::Leave { who }),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::BackPressure), Just(Policy::DropNew), Just(Policy::Lossy)]
}

/// What a topic should be: a list, and a place in it for each subscriber.
#[derive(Default)]
struct Model {
    published: Vec<usize>,
    dropped: u64,
    /// The next position, and how many were missed.
    subscribers: [Option<(u64, u64)>; SUBSCRIBERS],
}

impl Model {
    fn end(&self) -> u64 {
        self.published.len() as u64
    }

    fn has_room(&self) -> bool {
        self.subscribers.iter().flatten().all(|(next, _)| self.end() - next < CAPACITY)
    }

    /// Position and missed of what this subscriber reads next.
    fn read(&mut self, who: usize) -> Option<(u64, u64)> {
        let end = self.end();
        let (next, missed) = self.subscribers[who].as_mut()?;
        let lost = if end - *next > SLOTS { end - CAPACITY - *next } else { 0 };
        (*next, *missed) = (*next + lost, *missed + lost);
        if *next == end {
            return None;
        }
        *next += 1;
        Some((*next - 1, lost))
    }
}

fn payload(position: u64, length: usize) -> Vec<u8> {
    position.to_le_bytes().into_iter().cycle().take(length).collect()
}

thread_local! { static CASE: Cell<u32> = const { Cell::new(0) }; }

proptest! {
    #![proptest_config(kept(96))]

    #[test]
    fn a_topic_answers_as_its_model(policy in policy(), operations in prop::collection::vec(operation(), 1..150)) {
        CASE.set(CASE.get() + 1);
        let options = CreateOptions { agents: 8, heap: 16 << 20, ..CreateOptions::default() };
        let bus = TestBus::with(&format!("topic-model-{}", CASE.get()), options);
        let options = TopicOptions { policy, capacity: Some(CAPACITY as u32), retain: RETAIN as u32 };
        bus.declare_topic("news", &options).unwrap();
        let (publisher, observer) = (bus.join().unwrap(), bus.observer().unwrap());
        let members: Vec<_> = (0..SUBSCRIBERS).map(|_| bus.join().unwrap()).collect();
        let mut subscriptions: Vec<Option<Subscription<'_>>> = (0..SUBSCRIBERS).map(|_| None).collect();
        let mut model = Model::default();
        for operation in operations {
            match operation {
                Operation::Publish { length } => {
                    let options = PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() };
                    let result = publisher.publish("news", &payload(model.end(), length), &options);
                    let position = result.as_ref().map(|published| published.position);
                    if policy == Policy::Lossy || model.has_room() {
                        prop_assert_eq!(position, Ok(Some(model.end())));
                        model.published.push(length);
                    } else if policy == Policy::DropNew {
                        prop_assert_eq!(position, Ok(None));
                        model.dropped += 1;
                    } else {
                        prop_assert_eq!(result, Err(Error::Full { queue: "news".into(), limit: CAPACITY as u32 }));
                    }
                }
                Operation::Subscribe { who, from } => {
                    let history = match from {
                        StartAt::Now => 0,
                        StartAt::Retained => RETAIN,
                        StartAt::Last(count) => RETAIN.min(count as u64),
                    };
                    match members[who].subscribe("news", from) {
                        Ok(subscription) => {
                            prop_assert!(model.subscribers[who].is_none());
                            model.subscribers[who] = Some((model.end() - history.min(model.end()), 0));
                            subscriptions[who] = Some(subscription);
                        }
                        Err(error) => {
                            let twice = matches!(error, Error::InvalidArgument { .. });
                            prop_assert!(twice, "{error}");
                            prop_assert!(model.subscribers[who].is_some());
                        }
                    }
                }
                Operation::Read { who } => {
                    if let Some(subscription) = &mut subscriptions[who] {
                        let expected = model.read(who);
                        let sample = subscription.try_recv().unwrap();
                        prop_assert_eq!(sample.as_ref().map(|sample| (sample.position(), sample.missed())), expected);
                        if let Some(sample) = sample {
                            let length = model.published[sample.position() as usize];
                            prop_assert_eq!(sample.data(), &payload(sample.position(), length)[..]);
                        }
                    }
                }
                Operation::Leave { who } => {
                    subscriptions[who] = None;
                    model.subscribers[who] = None;
                }
            }
            let info = observer.topics().remove(0);
            prop_assert_eq!((info.published, info.dropped), (model.end(), model.dropped));
            prop_assert_eq!(info.retained_messages, model.end().min(SLOTS));
            let seen: Vec<_> = info.subscribers.iter().map(|one| (one.behind, one.missed)).collect();
            let in_order = members.iter().zip(&model.subscribers);
            let mut expected: Vec<_> = in_order
                .filter_map(|(member, one)| one.map(|(next, missed)| (member.index(), (model.end() - next, missed))))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(seen, expected.into_iter().map(|(_, one)| one).collect::<Vec<_>>());
        }
    }
}
