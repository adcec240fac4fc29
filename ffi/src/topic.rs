//! Topics: declare and publish.
use crate::agent::swarmbus_agent;
use crate::bus::swarmbus_bus;
use crate::error::{Failure, Result, border};
use crate::handle;
use crate::loan::{self, swarmbus_loan};
use crate::options::{Sized32, content, hook, read, swarmbus_interrupted, timeout, trace};
use crate::party;
use crate::send::payload;
use crate::text;
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use swarmbus_core::topic::Policy;
use swarmbus_core::{PublishOptions, Published, TopicOptions};

/// Policy of a topic for a message for which a subscriber leaves no room: its publisher waits, no longer than it wants to.
pub const SWARMBUS_POLICY_BACK_PRESSURE: i32 = 0;
/// Policy: it is dropped and counted; its publisher is told.
pub const SWARMBUS_POLICY_DROP_NEW: i32 = 1;
/// Policy: it pushes out the oldest; a subscriber that is too slow is told how many it missed.
pub const SWARMBUS_POLICY_LOSSY: i32 = 2;

/// Options of swarmbus_declare_topic().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_topic_opts {
    /// sizeof(swarmbus_topic_opts).
    pub struct_size: u32,
    /// One of the SWARMBUS_POLICY_ numbers. 0: back-pressure.
    pub policy: i32,
    /// How many messages a subscriber may be behind, 1 to as many as a lane of the bus may hold. 0: 64.
    pub capacity: u32,
    /// How many of the last messages a subscriber can have that came before it, 0 to `capacity`.
    pub retain: u32,
}

/// Options of swarmbus_topic_send() and swarmbus_topic_publish().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_publish_opts {
    /// sizeof(swarmbus_publish_opts).
    pub struct_size: u32,
    /// One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
    pub content: i32,
    /// A number for the subscribers. 0: none.
    pub correlation: u64,
    /// Asked while the call waits for room. NULL: nobody is asked.
    pub interrupted: swarmbus_interrupted,
    /// Handed to `interrupted`.
    pub context: *mut c_void,
    /// The trace that the message belongs to: as in the options of swarmbus_send(). NULL: none.
    pub traceparent: *const c_char,
}

/// What became of a message that was published in a topic.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_published {
    /// Its id.
    pub id: u64,
    /// Its place in the order of its topic, counted from 0. -1: a subscriber left no room, so it was dropped, as the topic's
    /// policy is.
    pub position: i64,
}

const _: () = assert!(size_of::<swarmbus_published>() == 16, "the struct is part of the ABI and does not grow");
// SAFETY: integers, all of them.
unsafe impl Sized32 for swarmbus_topic_opts {}
// SAFETY: integers, pointers and an optional function pointer, none of which is used before its caller vouches for it.
unsafe impl Sized32 for swarmbus_publish_opts {}

/// The C number of a policy.
pub fn policy_number(policy: Policy) -> i32 {
    match policy {
        Policy::BackPressure => SWARMBUS_POLICY_BACK_PRESSURE,
        Policy::DropNew => SWARMBUS_POLICY_DROP_NEW,
        Policy::Lossy => SWARMBUS_POLICY_LOSSY,
    }
}

fn policy(number: i32) -> Result<Policy> {
    let known = [Policy::BackPressure, Policy::DropNew, Policy::Lossy];
    let found = known.into_iter().find(|policy| policy_number(*policy) == number);
    found.ok_or_else(|| Failure::argument(format!("policy is {number}: use one of SWARMBUS_POLICY_")))
}

/// Makes the topic `name` if there is none. What is published there reaches everybody who subscribes. To declare it again
/// changes nothing and is no error: a topic that exists keeps what it has.
///
/// # Errors
/// SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (also when all 256 topics of the bus are taken), SWARMBUS_WRONG_KIND (a
/// mailbox or queue has the name), SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_declare_topic(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    opts: *const swarmbus_topic_opts,
) -> i32 {
    border(|| {
        let bus = handle::bus(bus)?;
        // SAFETY: this function's contract.
        let name = unsafe { text::read(name, "name") }?;
        // SAFETY: this function's contract.
        let given = unsafe { read(opts) }?;
        let capacity = (given.capacity != 0).then_some(given.capacity);
        let options = TopicOptions { policy: policy(given.policy)?, capacity, retain: given.retain };
        Ok(bus.declare_topic(text::local(name, bus.name())?, &options)?)
    })
}

/// The core's options and the caller's hook.
///
/// # Safety
/// `opts` is as `options::read` wants it, the hook in it may be called while the result lives, and the `traceparent` is NULL or a NUL-terminated string.
unsafe fn options(
    opts: *const swarmbus_publish_opts,
    timeout_ns: i64,
) -> Result<(PublishOptions, impl FnMut() -> bool)> {
    // SAFETY: the caller's promise.
    let given = unsafe { read(opts) }?;
    let (timeout, content) = (timeout(timeout_ns)?, content(given.content)?);
    // SAFETY: as above.
    let interrupted = unsafe { hook(given.interrupted, given.context) };
    // SAFETY: as above.
    let trace = unsafe { trace(given.traceparent) }?;
    Ok((PublishOptions { timeout, correlation: given.correlation, content, trace }, interrupted))
}

/// Writes what became of a message, if the caller wants to know.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn report(out: *mut swarmbus_published, published: Published) {
    let position = published.position.map_or(-1, |position| position as i64);
    // SAFETY: the caller's promise.
    unsafe { text::tell(out, swarmbus_published { id: published.id.0, position }) };
}

/// Publishes a copy of `length` bytes in `topic`: everybody who subscribes reads that one copy. `published` may be NULL.
///
/// `timeout_ns`: of a topic with back-pressure, how long to wait for slow subscribers, nanoseconds; 0 tries once,
/// SWARMBUS_FOREVER waits until there is room.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT,
/// SWARMBUS_INVALID_ARGUMENT (also when this agent's own subscription stands in the way), SWARMBUS_TOO_LARGE,
/// SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_HANDED_OVER, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is published then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `topic` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `published` is NULL or may
/// be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_topic_send(
    agent: *mut swarmbus_agent,
    topic: *const c_char,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
    published: *mut swarmbus_published,
    opts: *const swarmbus_publish_opts,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let topic = text::local(unsafe { text::read(topic, "topic") }?, member.bus().name())?;
        // SAFETY: this function's contract.
        let payload = unsafe { payload(data, length) }?;
        // SAFETY: this function's contract.
        let (options, mut interrupted) = unsafe { options(opts, timeout_ns) }?;
        let sent = member.publish_until(topic, payload, &options, &mut interrupted)?;
        // SAFETY: this function's contract.
        unsafe { report(published, sent) };
        Ok(())
    })
}

/// Publishes the first `length` bytes of a loan in `topic`, in place. Otherwise as swarmbus_topic_send(); the loan ends as with
/// swarmbus_publish(), and after an error it is the caller's as before.
///
/// # Errors
/// SWARMBUS_RELEASED (published or discarded before), SWARMBUS_TOO_LARGE (`length` is more than the loan has), and those of
/// swarmbus_topic_send(). Nothing is published then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `loan` may be read and written; `topic` is a NUL-terminated string; `published` is NULL or may be written; `opts` is NULL or
/// as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_topic_publish(
    agent: *mut swarmbus_agent,
    loan: *mut swarmbus_loan,
    topic: *const c_char,
    length: usize,
    timeout_ns: i64,
    published: *mut swarmbus_published,
    opts: *const swarmbus_publish_opts,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let topic = text::local(unsafe { text::read(topic, "topic") }?, party.member().bus().name())?;
        // SAFETY: this function's contract.
        let (options, mut interrupted) = unsafe { options(opts, timeout_ns) }?;
        // SAFETY: this function's contract.
        let found = unsafe { loan::find(agent, &party, loan) }?;
        let sent = found.publish_to_until(topic, length, &options, &mut interrupted);
        // SAFETY: `find` refused NULL, and this function's contract has the rest.
        let sent = unsafe { loan::published(agent, loan, sent) }?;
        // SAFETY: this function's contract.
        unsafe { report(published, sent) };
        Ok(())
    })
}

/// Takes out of a topic the messages that every subscriber has read and that are not retained. Otherwise they go when later
/// ones push them out. `count` may be NULL; else it gets how many went.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `topic` is a NUL-terminated string; `count` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_topic_trim(agent: *mut swarmbus_agent, topic: *const c_char, count: *mut u64) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let topic = text::local(unsafe { text::read(topic, "topic") }?, member.bus().name())?;
        let trimmed = member.trim(topic)?;
        // SAFETY: this function's contract.
        unsafe { text::tell(count, trimmed) };
        Ok(())
    })
}
