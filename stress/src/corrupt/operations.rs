//! What real handles do with a scribbled bus. Whatever error they get is its right; what they are given is read to its last byte.

use super::template::at_once;
use std::time::Duration;
use swarmbus_core::rkyv::{Archive, Deserialize, Serialize};
use swarmbus_core::{
    Agent, AgentState, Answers, Bus, ContentType, Lane, Loan, LockGuard, LockMode, Message, PublishOptions,
    QueueOptions, SendOptions, StartAt, Status, Subscription, TopicOptions, TraceContext, schema,
};

/// A typed message.
#[derive(Archive, Serialize, Deserialize)]
#[rkyv(crate = swarmbus_core::rkyv)]
struct List {
    words: Vec<String>,
}

schema!(List = "stress.list/1");

/// What an operation is done with, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Who.
    pub who: u8,
    /// Which of what there is.
    pub which: u16,
    /// How much, how long, …
    pub value: u64,
}

impl How {
    fn queue(self) -> &'static str {
        ["q", "r", "a", "b", "d", "q", "fresh", "t"][self.which as usize % 8]
    }

    fn topic(self) -> &'static str {
        ["t", "u", "v", "t"][self.which as usize % 4]
    }

    fn lock(self) -> &'static str {
        ["x/1", "x/**", "y", "z", "*"][self.which as usize % 5]
    }

    fn lane(self) -> Lane {
        [Lane::Normal, Lane::Urgent, Lane::High, Lane::Low][self.value as usize / 7 % 4]
    }

    /// Most often none: a wait costs time.
    fn patience(self) -> Option<Duration> {
        Some(if self.value.is_multiple_of(17) { Duration::from_micros(300) } else { Duration::ZERO })
    }

    fn options(self) -> SendOptions {
        let key = (self.value % 5 == 1).then_some(self.value / 5 % 3);
        let time_to_live = (self.value % 11 == 3).then(|| Duration::from_nanos(self.value % 3000));
        SendOptions { lane: self.lane(), timeout: self.patience(), key, time_to_live, trace: self.trace(), ..at_once() }
    }

    fn trace(self) -> Option<TraceContext> {
        self.value.is_multiple_of(3).then(|| TraceContext::new([7; 16], [7; 8], 1).ok()).flatten()
    }

    /// Short, but now and then of another class, or longer than a span.
    fn payload(self) -> Vec<u8> {
        let length = match self.value % 23 {
            22 => 3 << 20,
            20 | 21 => 5000,
            _ => self.value as usize % 120,
        };
        vec![self.value as u8; length]
    }
}

/// The handles of a run, and what they have at the moment.
pub struct Stage<'m> {
    bus: &'m Bus,
    agents: &'m [Agent],
    messages: Vec<Message<'m>>,
    loans: Vec<Loan<'m>>,
    locks: Vec<LockGuard<'m>>,
    subscriptions: Vec<Subscription<'m>>,
    answers: Vec<Answers<'m>>,
    /// Whether typed messages are read in place: nobody writes to them meanwhile.
    is_alone: bool,
}

impl<'m> Stage<'m> {
    /// With these handles, which have nothing yet. `is_alone`: nobody writes to the segment while they read.
    pub fn new(bus: &'m Bus, agents: &'m [Agent], is_alone: bool) -> Stage<'m> {
        let (messages, loans, locks) = (Vec::new(), Vec::new(), Vec::new());
        Stage { bus, agents, messages, loans, locks, subscriptions: Vec::new(), answers: Vec::new(), is_alone }
    }

    fn agent(&self, how: How) -> &'m Agent {
        &self.agents[how.who as usize % self.agents.len()]
    }

    fn keep(&mut self, message: Message<'m>) {
        read(&message, self.is_alone);
        if self.messages.len() < 40 {
            self.messages.push(message);
        }
    }

    fn message(&mut self, how: How) -> Option<Message<'m>> {
        let count = self.messages.len();
        (count > 0).then(|| self.messages.swap_remove(how.which as usize % count))
    }
}

/// Every byte, and everything that a message says of itself.
fn read(message: &Message<'_>, is_alone: bool) {
    let sum: u64 = message.data().iter().map(|byte| u64::from(*byte)).sum();
    assert!(sum <= 255 * message.len() as u64);
    let _ = (message.id(), message.sender(), message.queue(), message.lane(), message.content(), message.schema());
    let _ = (message.deliveries(), message.tapped(), message.correlation(), message.more_follows());
    let _ = message.trace();
    if is_alone {
        let _ = message.view::<List>().map(|list| list.words.iter().map(|word| word.len()).sum::<usize>());
    }
    let _ = message.read::<List>().map(|list| list.words.len());
}

/// A thing to do with a bus.
pub type Operation = fn(&mut Stage<'_>, How);

/// All of them.
pub const OPERATIONS: &[(&str, Operation)] = &[
    ("send", |stage, how| drop(stage.agent(how).send(how.queue(), &how.payload(), &how.options()))),
    ("send typed", |stage, how| {
        let list = List { words: vec!["text".to_owned(); how.value as usize % 9] };
        drop(stage.agent(how).send_typed(how.queue(), &list, &how.options()));
    }),
    ("send batch", |stage, how| {
        let payload = how.payload();
        let payloads: Vec<&[u8]> = (0..how.value % 6).map(|_| &payload[..payload.len().min(90)]).collect();
        drop(stage.agent(how).send_batch(how.queue(), &payloads, &how.options()));
    }),
    ("receive", |stage, how| {
        if let Ok(message) = stage.agent(how).receive(how.queue(), how.patience()) {
            stage.keep(message);
        }
    }),
    ("receive own", |stage, how| {
        if let Ok(message) = stage.agent(how).recv(how.patience()) {
            stage.keep(message);
        }
    }),
    ("receive batch", |stage, how| {
        let messages = stage.agent(how).receive_batch(how.queue(), 1 + how.value as usize % 40, how.patience());
        messages.into_iter().flatten().for_each(|message| stage.keep(message));
    }),
    ("receive any", |stage, how| {
        if let Ok(message) = stage.agent(how).receive_any(&["q", "r", "d"], how.patience()) {
            stage.keep(message);
        }
    }),
    ("release", |stage, how| drop(stage.message(how).map(Message::release))),
    ("nack", |stage, how| drop(stage.message(how).map(Message::nack))),
    ("nack later", |stage, how| {
        let delay = Duration::from_micros(how.value % 3000);
        drop(stage.message(how).map(|message| message.nack_after(delay).map_err(|refused| refused.error)));
    }),
    ("forward", |stage, how| {
        drop(
            stage
                .message(how)
                .map(|message| message.forward(how.queue(), how.patience()).map_err(|refused| refused.error)),
        );
    }),
    ("reply", |stage, how| drop(stage.message(how).map(|message| message.reply(&how.payload(), ContentType::Bytes)))),
    ("reply in parts", |stage, how| {
        let part = |message: Message<'_>| message.reply_part(b"part", ContentType::Bytes, how.patience());
        drop(stage.message(how).map(part));
    }),
    ("detach", |stage, how| {
        if let Some(Ok(loan)) = stage.message(how).map(Message::detach) {
            stage.loans.push(loan);
        }
    }),
    ("loan", |stage, how| {
        if let Ok(mut loan) = stage.agent(how).loan(how.payload().len()) {
            loan.fill(7);
            stage.loans.push(loan);
        }
    }),
    ("publish loan", |stage, how| {
        if let Some(loan) = stage.loans.pop() {
            let length = loan.len().min(how.value as usize % 100);
            drop(loan.publish(how.queue(), length, &how.options()).map_err(|refused| refused.error));
        }
    }),
    ("drop loan", |stage, _| drop(stage.loans.pop())),
    ("call", |stage, how| drop(stage.agent(how).call(how.queue(), b"?", &how.options()))),
    ("call for parts", |stage, how| {
        if let Ok(answers) = stage.agent(how).call_stream(how.queue(), b"?", &how.options()) {
            stage.answers.push(answers);
        }
    }),
    ("next part", |stage, how| {
        if let Some(answers) = stage.answers.last_mut()
            && let Ok(Some(message)) = answers.next(how.patience())
        {
            stage.keep(message);
        }
    }),
    ("end call", |stage, _| drop(stage.answers.pop())),
    ("publish", |stage, how| {
        let options = PublishOptions { timeout: how.patience(), trace: how.trace(), ..PublishOptions::default() };
        drop(stage.agent(how).publish(how.topic(), &how.payload(), &options));
    }),
    ("subscribe", |stage, how| {
        let from = [StartAt::Now, StartAt::Retained, StartAt::Last(2)][how.value as usize % 3];
        if let Ok(subscription) = stage.agent(how).subscribe(how.topic(), from) {
            stage.subscriptions.push(subscription);
        }
    }),
    ("read topic", |stage, how| {
        let count = stage.subscriptions.len().max(1);
        if let Some(subscription) = stage.subscriptions.get_mut(how.which as usize % count)
            && let Ok(sample) = subscription.recv(how.patience())
        {
            assert!(sample.data().iter().map(|byte| u64::from(*byte)).sum::<u64>() < 1 << 40);
            let _ =
                (sample.id(), sample.sender(), sample.content(), sample.correlation(), sample.missed(), sample.trace());
        }
    }),
    ("unsubscribe", |stage, _| drop(stage.subscriptions.pop())),
    ("trim", |stage, how| drop(stage.agent(how).trim(how.topic()))),
    ("lock", |stage, how| {
        let mode = [LockMode::Exclusive, LockMode::Shared][how.value as usize % 2];
        if let Ok(lock) = stage.agent(how).lock(how.lock(), mode, how.patience()) {
            let _ = (lock.token(), lock.name(), lock.mode());
            stage.locks.push(lock);
        }
    }),
    ("unlock", |stage, how| {
        let count = stage.locks.len();
        if count > 0 {
            drop(stage.locks.swap_remove(how.which as usize % count).release());
        }
    }),
    ("set status", |stage, how| {
        let state = [AgentState::Idle, AgentState::Blocked, AgentState::Completed][how.value as usize % 3];
        let note = "n".repeat(how.value as usize % 600);
        drop(stage.agent(how).set_status(&Status { state, note, ..Status::default() }));
        let _ = stage.agent(how).beat();
    }),
    ("read status", |stage, how| drop((stage.bus.status_of(how.queue()), stage.agent(how).status()))),
    ("take role", |stage, how| drop((stage.agent(how).take_role("reviewer"), stage.agent(how).set_tags(&["tag"])))),
    ("drop role", |stage, how| drop(stage.agent(how).drop_role("reviewer"))),
    ("close", |stage, how| drop(stage.agent(how).close_queue(how.queue()))),
    ("reopen", |stage, how| drop(stage.agent(how).reopen_queue(how.queue()))),
    ("purge", |stage, how| drop(stage.agent(how).purge(how.queue()))),
    ("redrive", |stage, how| drop(stage.agent(how).redrive(how.queue(), how.value % 20))),
    ("tap", |stage, how| drop(stage.agent(how).tap(how.queue()))),
    ("untap", |stage, how| drop(stage.agent(how).untap())),
    ("take over", |stage, how| drop(stage.agent(how).take_over(["a", "b", "c", "e"][how.which as usize % 4]))),
    ("stand by", |stage, how| {
        drop(stage.agent(how).stand_by(["a", "b", "c", "e"][how.which as usize % 4], how.patience()))
    }),
    ("set sender", |stage, how| drop(stage.agent(how).set_sender(["a", "b"][how.which as usize % 2]))),
    ("attach", |stage, how| {
        drop(stage.bus.attach(["b", "e", "f"][how.which as usize % 3]).map(|agent| drop(agent.try_recv())))
    }),
    ("join", |stage, how| drop(stage.bus.join().map(|member| drop(member.send(how.queue(), b"new", &at_once()))))),
    ("declare", |stage, how| {
        let options = QueueOptions { limit: Some(1 + how.value as u32 % 16), ..QueueOptions::default() };
        drop(stage.bus.declare(["f", "g", "h"][how.which as usize % 3], &options));
    }),
    ("declare topic", |stage, how| {
        let options = TopicOptions { capacity: Some(1 + how.value as u32 % 16), ..TopicOptions::default() };
        drop(stage.bus.declare_topic(["w", "z"][how.which as usize % 2], &options));
    }),
    ("reap", |stage, how| drop(stage.agent(how).reap())),
    ("reap process", |stage, how| drop(stage.agent(how).reap_process(how.value as u32))),
    ("supervise", |stage, how| drop(stage.agent(how).supervise())),
    ("observe", |stage, how| {
        if let Ok(observer) = stage.bus.observer() {
            let _ = (observer.bus(), observer.queues(), observer.members(), observer.topics(), observer.latencies());
            let _ =
                (observer.locks(), observer.statuses("*"), observer.names("*"), observer.agents(&Default::default()));
            if how.value.is_multiple_of(5) {
                let _ = observer.fsck();
            }
            let _ = (observer.peek(how.queue(), how.value as usize % 20), observer.locks_on(how.lock()));
        }
    }),
    ("open anew", |stage, how| {
        if let Ok(bus) = Bus::open(stage.bus.name()) {
            drop(bus.join().map(|member| drop(member.try_receive(how.queue()))));
        }
    }),
];
