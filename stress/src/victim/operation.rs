//! The things that a victim can be told to do.

use crate::crash::Point;
use crate::ledger::Mark;
use clap::ValueEnum;
use swarmbus_core::QueueOptions;

/// One thing to do with a bus. The scene has the queues `q` (with messages unless said otherwise) and `quiet` (empty).
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Operation {
    /// Send; everything it needs is in the member's cache.
    Send,
    /// Send to an empty queue.
    SendEmpty,
    /// Send the last message for which a queue has room.
    SendNearlyFull,
    /// Send a message of a size that nobody has used: a span is made.
    SendCold,
    /// Send 5 MiB: a run of spans.
    SendLarge,
    /// Send a message of a size that nobody has used while another size has the whole heap: a run of spans changes its class.
    SendStarved,
    /// Send on a lane that nobody has used.
    SendLane,
    /// Send and ring for a sleeper.
    SendWaking,
    /// Send and ring for one who sleeps on several queues.
    SendGroup,
    /// Send to a full queue without patience.
    SendFull,
    /// Send to a full queue with a little patience.
    SendWait,
    /// Send three messages as one batch.
    SendBatch,
    /// Send a batch to a full queue.
    SendBatchFull,
    /// Borrow a chunk and give it back unpublished.
    Loan,
    /// Publish a loan.
    Publish,
    /// Take a message.
    Receive,
    /// Take a message that was given back before.
    ReceiveAgain,
    /// Wait for a message that does not come.
    ReceiveWait,
    /// Release a message; its chunk goes to the member's cache.
    Release,
    /// Release a large message; its chunk goes to everybody.
    ReleaseLarge,
    /// Give a message back to its queue.
    Nack,
    /// Give a message back to a queue whose redelivery ring is full.
    NackFull,
    /// Give a message back to its queue, to be taken later.
    Park,
    /// Take a message whose time has come.
    ReceiveParked,
    /// Take a batch.
    ReceiveBatch,
    /// Take what comes first of several queues.
    ReceiveAny,
    /// Wait for several queues.
    ReceiveAnyWait,
    /// Take a message that waits in limbo, left there by the dead.
    Fetch,
    /// Take a message out of the bus' care.
    Detach,
    /// Pass a message on.
    Forward,
    /// Pass a message on to a full queue.
    ForwardFull,
    /// Find a message that was delivered too often: it becomes a dead letter.
    DeadLetter,
    /// The same where the queue of dead letters is full: its oldest is dropped.
    DeadLetterFull,
    /// Find a message too late: it becomes a dead letter.
    Expire,
    /// Find a message too late in a queue without dead letters: it is dropped.
    ExpireDropped,
    /// Send to a full queue that makes room.
    MakeRoom,
    /// Drop what waits in a queue.
    Purge,
    /// Send dead letters again.
    Redrive,
    /// Answer a question.
    Answer,
    /// Answer a question of somebody whose reply lane is full: its oldest answer is dropped.
    AnswerFull,
    /// Answer a question in parts.
    AnswerParts,
    /// Ask a question and get the answer.
    Call,
    /// Read an answer that comes in parts.
    ReadParts,
    /// Send with a key.
    SendKeyed,
    /// Send with a key that was sent before.
    SendKeyedAgain,
    /// Send with a key to a full queue.
    SendKeyedFull,
    /// Tap a queue, and end it.
    Tap,
    /// Send to a queue that is tapped.
    SendTapped,
    /// Have a descriptor watch a queue, and take what it tells of.
    Watch,
    /// Take a member's index.
    Join,
    /// Attach an agent that there was not.
    Attach,
    /// Attach an agent whose mailbox exists.
    AttachAgain,
    /// Declare a queue.
    Declare,
    /// Name the sender of its messages.
    SetSender,
    /// Leave, with a mailbox, chunks and a message in flight.
    Close,
    /// Leave as the last who has used a span: its memory goes back.
    CloseUnused,
    /// Stop a queue's intake and let messages in again.
    CloseQueue,
    /// Say that it supervises.
    Supervise,
    /// Reap processes that died with messages.
    ReapMessages,
    /// Reap processes that died while they sent batches.
    ReapBatches,
    /// Reap processes that died while they took memory.
    ReapHeap,
    /// Reap processes that died while they attached or waited.
    ReapNames,
    /// Bind a handle to its thread.
    Bind,
    /// Drop a handle whose thread has ended.
    CloseLate,
    /// Reap handles whose threads have ended.
    ReapThreads,
    /// Reap processes that died while they sent with a key.
    ReapKeyed,
    /// Reap a process that died while it tapped a queue.
    ReapTap,
    /// Take the first lock of a bus.
    LockFirst,
    /// Take a lock that nobody has.
    Lock,
    /// The same, to share it.
    LockShared,
    /// Wait for a lock and get it.
    LockContended,
    /// Wait for a lock in vain.
    LockTimeout,
    /// Release a lock that was waited for.
    Unlock,
    /// Reap processes that died while they took locks.
    ReapLocks,
    /// Take a mailbox over.
    TakeOver,
    /// Find that a mailbox was taken over, with the rest of a batch in hand.
    Deposed,
    /// Claim a message of a mailbox that has got another owner meanwhile.
    ReceiveAnothers,
    /// Stand by for a mailbox.
    StandBy,
    /// Take a role.
    TakeRole,
    /// Reap processes that died while a mailbox changed hands.
    ReapOwners,
    /// Set the first status of an agent.
    SetStatus,
    /// Set a further status.
    SetStatusAgain,
    /// Set a status as the owner of a mailbox that was another's.
    SetStatusAfter,
    /// Take out of a topic what nobody needs.
    TrimTopic,
    /// Publish in a topic: the message pushes an old one out.
    PublishTopic,
    /// Publish and ring for a sleeper.
    PublishWaking,
    /// Publish without patience where a subscriber leaves no room.
    PublishFull,
    /// Publish with a little patience where a subscriber leaves no room.
    PublishWait,
    /// Subscribe to a topic to which nobody has.
    Subscribe,
    /// End a subscription.
    Unsubscribe,
    /// Read a message of a topic.
    ReadTopic,
    /// Wait for a message of a topic that does not come.
    ReadTopicWait,
    /// Read a message of a lossy topic after others were missed.
    ReadLossy,
    /// Declare a topic.
    DeclareTopic,
    /// Reap processes that died while they published.
    ReapPublisher,
    /// Reap processes that died while they subscribed.
    ReapSubscriber,
    /// Create a bus.
    Create,
    /// Destroy a bus.
    Destroy,
}

impl Operation {
    /// As it is written on the command line and in `docs/crash-windows.md`.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The dead whom this operation finds: what they did, and where they died.
    pub(crate) fn corpses(self) -> Vec<(Operation, Point)> {
        use Operation::{Attach, Close, CloseUnused, Fetch, Nack, NackFull, ReapHeap, ReapMessages, ReapNames};
        use Operation::{ReapBatches, Receive, ReceiveWait, Release, Send, SendBatch, SendCold, SendLarge};
        fn at(number: u32) -> Point {
            Point::Window { number, nth: 0 }
        }
        match self {
            ReapMessages => {
                vec![(Release, Point::Write(0)), (Send, at(4)), (Receive, at(12)), (Nack, at(4)), (Close, at(37))]
            }
            ReapBatches => vec![(SendBatch, at(4)), (SendBatch, at(64))],
            ReapHeap => vec![
                (SendCold, at(57)),
                (SendLarge, at(19)),
                (SendLarge, at(22)),
                (SendLarge, at(23)),
                (CloseUnused, at(51)),
                (CloseUnused, at(53)),
            ],
            ReapNames => vec![(Attach, at(28)), (Attach, at(30)), (Attach, at(32)), (ReceiveWait, at(34))],
            Operation::ReapKeyed => [86, 87, 4, 88, 89].map(|number| (Operation::SendKeyed, at(number))).to_vec(),
            Operation::ReapTap => vec![(Operation::Tap, at(32))],
            // Each waits for none of those before it.
            Operation::ReapLocks => [114, 111, 112, 113].map(|number| (Operation::Lock, at(number))).to_vec(),
            Operation::ReapPublisher => {
                [94, 95, 96, 97, 98].map(|number| (Operation::PublishTopic, at(number))).to_vec()
            }
            Operation::ReapSubscriber => vec![(Operation::Subscribe, at(102)), (Operation::ReadTopic, at(106))],
            Fetch => vec![(NackFull, Point::Write(0))],
            Operation::ReapOwners => vec![
                (Operation::TakeOver, at(125)),
                (Operation::Deposed, at(128)),
                // Asleep: at no other time is it certain which of the two, it or the owner in its process, has something left.
                (Operation::StandBy, at(34)),
                (Operation::TakeRole, at(28)),
            ],
            _ => Vec::new(),
        }
    }

    /// Whether somebody is dead, process or thread, before it begins.
    pub(crate) fn finds_the_dead(self) -> bool {
        matches!(self, Operation::CloseLate | Operation::ReapThreads) || !self.corpses().is_empty()
    }

    /// What may happen to messages that it makes dead letters of.
    pub(crate) fn marks(self) -> &'static [Mark] {
        match self {
            Operation::Redrive => &[Mark::Expendable, Mark::Restless],
            _ => &[Mark::Expendable],
        }
    }

    /// The queues that it needs besides `q`, `quiet` and `crowded`.
    pub(crate) fn queues(self) -> Vec<(&'static str, QueueOptions)> {
        use Operation::{DeadLetter, DeadLetterFull, Expire, MakeRoom, Redrive};
        let dying = QueueOptions { dead_letters: Some("dead".into()), ..QueueOptions::default() };
        match self {
            DeadLetter | DeadLetterFull | Expire | Redrive => {
                vec![("mortal", QueueOptions { max_deliveries: Some(1), ..dying })]
            }
            MakeRoom => vec![("roomy", QueueOptions { limit: Some(4), makes_room: true, ..dying })],
            _ if self.is_asking() => vec![("questions", QueueOptions::default())],
            _ if self.changes_hands() => {
                super::owning::MAILBOXES.map(|mailbox| (mailbox, QueueOptions::default())).to_vec()
            }
            _ if self.is_keyed() => vec![(super::keyed::QUEUE, QueueOptions::default())],
            _ => Vec::new(),
        }
    }

    /// Whether it is about questions and answers.
    pub(crate) fn is_asking(self) -> bool {
        use Operation::{Answer, AnswerFull, AnswerParts, Call, ReadParts};
        matches!(self, Answer | AnswerFull | AnswerParts | Call | ReadParts)
    }

    /// How many messages `q` has before.
    pub(crate) fn messages_before(self) -> usize {
        match self {
            Operation::SendFull | Operation::SendWait | Operation::SendBatchFull => 16,
            // Its sender sends one before, and fills it by the next.
            Operation::SendNearlyFull => 14,
            _ => 3,
        }
    }

    /// Whether memory of the heap changes its class by it.
    pub(crate) fn is_about_memory(self) -> bool {
        use Operation::{CloseUnused, ReapHeap, SendCold, SendLarge, SendStarved};
        matches!(self, SendCold | SendLarge | SendStarved | CloseUnused | ReapHeap)
    }

    /// Whether it is about locks.
    pub(crate) fn is_locking(self) -> bool {
        use Operation::{Lock, LockContended, LockFirst, LockShared, LockTimeout, ReapLocks, Unlock};
        matches!(self, LockFirst | Lock | LockShared | LockContended | LockTimeout | Unlock | ReapLocks)
    }

    /// Whether it is about a mailbox that changes hands.
    pub(crate) fn changes_hands(self) -> bool {
        use Operation::{Deposed, ReapOwners, ReceiveAnothers, StandBy, TakeOver, TakeRole};
        matches!(self, TakeOver | Deposed | ReceiveAnothers | StandBy | TakeRole | ReapOwners)
    }

    /// Whether it sets statuses.
    pub(crate) fn speaks(self) -> bool {
        matches!(self, Operation::SetStatus | Operation::SetStatusAgain | Operation::SetStatusAfter)
    }

    /// Whether it is about topics.
    pub(crate) fn is_topical(self) -> bool {
        use Operation::{DeclareTopic, PublishFull, PublishTopic, PublishWait, PublishWaking, ReadLossy};
        use Operation::{ReadTopic, ReadTopicWait, ReapPublisher, ReapSubscriber, Subscribe, TrimTopic, Unsubscribe};
        let publishing = matches!(self, PublishTopic | PublishWaking | PublishFull | PublishWait);
        let reading = matches!(self, Subscribe | Unsubscribe | ReadTopic | ReadTopicWait | ReadLossy);
        publishing || reading || matches!(self, DeclareTopic | ReapPublisher | ReapSubscriber | TrimTopic)
    }

    /// Whether its messages have keys.
    pub(crate) fn is_keyed(self) -> bool {
        use Operation::{ReapKeyed, SendKeyed, SendKeyedAgain, SendKeyedFull};
        matches!(self, SendKeyed | SendKeyedAgain | SendKeyedFull | ReapKeyed)
    }
}
