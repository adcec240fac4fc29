//! Swarmbus: a zero-copy message bus in shared memory for thousands of agent processes on one Linux host.
//!
//! A message goes from sender to receiver through memory that both have mapped: no broker, no copy, no system call unless
//! somebody sleeps. Any process may be killed at any instruction; whatever it had is given back to the others.
//!
//! ```
//! use swarmbus_core::{Bus, CreateOptions, SendOptions};
//!
//! let name = format!("doc-{}", std::process::id());
//! let bus = Bus::create(&name, &CreateOptions::default())?;
//! let alice = bus.attach("alice")?;
//! let bob = bus.attach("bob")?;
//! alice.send("bob", b"hello", &SendOptions::default())?;
//! let message = bob.recv(None)?;
//! assert_eq!((&*message, message.sender().as_deref()), (&b"hello"[..], Some("alice")));
//! message.release()?;
//! bus.destroy()?;
//! # Ok::<(), swarmbus_core::Error>(())
//! ```
//!
//! Layers, each using only those below: `bus`, `member`, `observe`, `fsck` (what users see) · `watcher` · `registry`, `reap`, `heap` (a segment's tables) ·
//! `recover`, `queue`, `owner`, `lock`, `topic`, `board`, `parking`, `ring`, `span`, `wait`, `watch` (algorithms over borrowed words; the models of `tests/loom` run these) · `layout`, `word`, `sync`,
//! `platform` (bytes, atomics, the operating system). Invariants are numbered I#, release/acquire edges S#, crash windows W#.

mod error;
mod name;

pub mod binding;
pub mod board;
pub mod claim;
pub mod exit;
pub mod glob;
pub mod keys;
pub mod layout;
pub mod lock;
pub mod memory;
pub mod owner;
pub mod parking;
pub mod queue;
pub mod recover;
pub mod ring;
pub mod span;
pub mod sync;
pub mod topic;
pub mod wait;
pub mod watch;
pub mod word;

mod platform;

#[cfg(not(loom))]
mod bus;
#[cfg(not(loom))]
mod fsck;
#[cfg(not(loom))]
mod heap;
#[cfg(not(loom))]
mod latency;
#[cfg(not(loom))]
mod member;
#[cfg(not(loom))]
mod message;
#[cfg(not(loom))]
mod observe;
#[cfg(not(loom))]
mod reap;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod status;
#[cfg(not(loom))]
mod tap;
#[cfg(not(loom))]
mod watcher;

#[cfg(not(loom))]
pub use bus::{Bus, QueueOptions, TopicOptions, connect};
pub use error::{Error, Result};
#[cfg(not(loom))]
pub use fsck::{Problem, Repaired, repair_bus, repair_file};
#[cfg(not(loom))]
pub use latency::{LatencyInfo, bucket_of};
pub use lock::LockMode;
#[cfg(not(loom))]
pub use member::{
    Agent, Answers, Descriptor, LockGuard, Member, PublishOptions, Published, RawDescriptor, RawLock, Sample,
    SendOptions, Sources, StartAt, Subscription, key_of,
};
#[cfg(not(loom))]
pub use message::{
    Archiver, BatchError, Checker, Checking, ContentType, ForwardError, Heading, Lane, Loan, Message, MessageId,
    NESTING_MAX, PublishError, RawLoan, RawMessage, Refusal, Schema, TraceContext, Unarchiver, Writing, schema_id,
    schema_of,
};
#[cfg(not(loom))]
pub use name::name_matches;
pub use name::{Address, check_name};
#[cfg(not(loom))]
pub use observe::{
    AgentFilter, AgentInfo, BUCKET_ENDS_NS, BoardPulse, BusInfo, ChunkCounts, ClassInfo, CounterInfo, HeapInfo,
    Histogram, LaneInfo, Latencies, LatencyKinds, LockInfo, MemberHistograms, MemberInfo, MemberLatencies, MemberPulse,
    NameInfo, NameKind, Observer, Peeked, Pulse, QueueId, QueueInfo, QueuePulse, StatusInfo, SubscriberInfo, TopicInfo,
};
pub use recover::Reaped;
#[cfg(not(loom))]
pub use rkyv;
#[cfg(not(loom))]
pub use segment::CreateOptions;
#[cfg(not(loom))]
pub use status::{AgentState, Status};
pub use topic::Policy;
