//! A mailbox that changes hands, against a plain model: random operations of several handles, the same answers. A failing case prints its operations; proptest
//! keeps its seed in `tests/names_model.regressions` and runs it first from then on.
mod common;

use common::{TestBus, at_once, kept};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;
use swarmbus_core::{Agent, AgentFilter, CreateOptions, Error, Message, RawMessage};

const HANDLES: usize = 3;
const MAILBOX: &str = "leader";

#[derive(Clone, Copy, Debug)]
enum Operation {
    Attach(usize),
    TakeOver(usize),
    StandBy(usize),
    OwnAgain(usize),
    Close(usize),
    Send,
    SendAs(usize),
    Take(usize),
    Release(usize),
    GiveBack(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        2 => (0..HANDLES).prop_map(Attach),
        3 => (0..HANDLES).prop_map(TakeOver),
        1 => (0..HANDLES).prop_map(StandBy),
        1 => (0..HANDLES).prop_map(OwnAgain),
        1 => (0..HANDLES).prop_map(Close),
        4 => Just(Send),
        2 => (0..HANDLES).prop_map(SendAs),
        6 => (0..HANDLES).prop_map(Take),
        2 => (0..HANDLES).prop_map(Release),
        2 => (0..HANDLES).prop_map(GiveBack),
    ]
}

/// What a mailbox should be: an owner, a count of its changes, messages that came back and messages that are new.
#[derive(Default)]
struct Model {
    owner: Option<usize>,
    epoch: u64,
    returned: Vec<u32>,
    new: VecDeque<u32>,
    /// Of each handle, what it has in flight.
    held: [Vec<u32>; HANDLES],
}

impl Model {
    fn owned_by(&mut self, handle: Option<usize>) {
        self.owner = handle;
        self.epoch += 1;
    }

    fn close(&mut self, handle: usize) {
        if self.owner == Some(handle) {
            self.owned_by(None);
        }
        self.returned.append(&mut self.held[handle]);
    }
}

/// Handles as a program has them: an agent, or none.
#[derive(Default)]
struct Handle {
    agent: Option<Agent>,
    held: Vec<(u32, RawMessage)>,
}

impl Handle {
    fn pop(&mut self) -> Option<(u32, Message<'_>)> {
        let (number, raw) = self.held.pop()?;
        // SAFETY: each raw message is turned back once.
        let message = unsafe { Message::from_raw(self.agent.as_ref()?, raw) }.unwrap();
        Some((number, message))
    }
}

thread_local! { static CASE: Cell<u32> = const { Cell::new(0) }; }

fn run(operations: &[Operation]) -> Result<(), TestCaseError> {
    CASE.set(CASE.get() + 1);
    let options = CreateOptions { agents: 16, heap: 8 << 20, ..CreateOptions::default() };
    let bus = TestBus::with(&format!("names-model-{}", CASE.get()), options);
    let (sender, observer) = (bus.join().unwrap(), bus.observer().unwrap());
    bus.declare(MAILBOX, &Default::default()).unwrap();
    let mut handles: [Handle; HANDLES] = Default::default();
    let (mut model, mut sent) = (Model::default(), 0u32);
    for operation in operations {
        match *operation {
            Operation::Attach(at) | Operation::TakeOver(at) | Operation::StandBy(at) => {
                handles[at] = Handle::default();
                model.close(at);
                let free = model.owner.is_none();
                let result = match operation {
                    Operation::Attach(_) => bus.attach(MAILBOX),
                    Operation::TakeOver(_) => bus.take_over(MAILBOX),
                    _ => bus.stand_by(MAILBOX, Some(Duration::ZERO)),
                };
                match (operation, result) {
                    (Operation::Attach(_), Err(Error::AgentBusy { .. })) => prop_assert!(!free),
                    (Operation::StandBy(_), Err(Error::Timeout)) => prop_assert!(!free),
                    (_, Err(error)) => return Err(TestCaseError::fail(error.to_string())),
                    (_, Ok(agent)) => {
                        prop_assert!(free || matches!(operation, Operation::TakeOver(_)));
                        model.owned_by(Some(at));
                        prop_assert_eq!(agent.epoch(), model.epoch);
                        handles[at].agent = Some(agent);
                    }
                }
            }
            Operation::OwnAgain(at) => {
                let Some(agent) = &handles[at].agent else { continue };
                match agent.own(MAILBOX) {
                    Ok(()) if model.owner == Some(at) => {}
                    Ok(()) => {
                        prop_assert_eq!(model.owner, None);
                        model.owned_by(Some(at));
                    }
                    Err(error) => {
                        prop_assert!(matches!(error, Error::AgentBusy { .. }), "{}", error);
                        prop_assert!(model.owner.is_some_and(|owner| owner != at));
                    }
                }
            }
            Operation::Close(at) => {
                handles[at] = Handle::default();
                model.close(at);
            }
            Operation::Send | Operation::SendAs(_) => {
                sent += 1;
                let (member, deposed) = match operation {
                    Operation::SendAs(at) => match &handles[*at].agent {
                        Some(agent) => (&**agent, model.owner != Some(*at)),
                        None => continue,
                    },
                    _ => (&sender, false),
                };
                match member.send(MAILBOX, &sent.to_ne_bytes(), &at_once()) {
                    Ok(_) => {
                        prop_assert!(!deposed);
                        model.new.push_back(sent);
                    }
                    Err(error) => prop_assert!(deposed && matches!(error, Error::HandedOver { .. }), "{}", error),
                }
            }
            Operation::Take(at) => {
                let Handle { agent: Some(agent), held } = &mut handles[at] else { continue };
                let taken = match agent.try_recv() {
                    Err(Error::HandedOver { name, pid }) => {
                        prop_assert!(model.owner != Some(at) && name == MAILBOX);
                        prop_assert_eq!(pid, model.owner.map_or(0, |_| std::process::id()));
                        continue;
                    }
                    taken => taken.map_err(|error| TestCaseError::fail(error.to_string()))?,
                };
                prop_assert_eq!(model.owner, Some(at));
                let Some(message) = taken else {
                    prop_assert!(model.returned.is_empty() && model.new.is_empty());
                    continue;
                };
                let number = u32::from_ne_bytes(message[..].try_into().unwrap());
                // What the dead and the closed had comes back in any order, before what is new.
                match model.returned.iter().position(|returned| *returned == number) {
                    Some(at) => drop(model.returned.swap_remove(at)),
                    None => {
                        prop_assert!(model.returned.is_empty());
                        prop_assert_eq!(model.new.pop_front(), Some(number));
                        prop_assert_eq!(message.deliveries(), 1);
                    }
                }
                held.push((number, message.into_raw()));
                model.held[at].push(number);
            }
            Operation::Release(at) => {
                if let Some((number, message)) = handles[at].pop() {
                    message.release().unwrap();
                    prop_assert_eq!(model.held[at].pop(), Some(number));
                }
            }
            Operation::GiveBack(at) => {
                if let Some((number, message)) = handles[at].pop() {
                    message.nack().unwrap();
                    prop_assert_eq!(model.held[at].pop(), Some(number));
                    model.returned.push(number);
                }
            }
        }
        let agents = observer.agents(&AgentFilter { alive: Some(true), ..AgentFilter::default() });
        prop_assert_eq!(agents.len(), model.owner.is_some() as usize);
        prop_assert!(agents.iter().all(|agent| agent.epoch == model.epoch && agent.name == MAILBOX));
    }
    Ok(())
}

proptest! {
    #![proptest_config(kept(100))]

    // A member that has taken 31 messages takes new ones first for once, which the model does not know.
    #[test]
    fn a_mailbox_changes_hands_as_its_model_does(operations in prop::collection::vec(operation(), 1..30)) {
        run(&operations)?;
    }
}
