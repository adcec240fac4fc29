//! Several messages at a time.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::loan::{self, swarmbus_loan};
use crate::message::swarmbus_message;
use crate::options::{hook, read, swarmbus_receive_opts, swarmbus_send_opts, timeout, waiting};
use crate::party;
use crate::send::payload;
use crate::text;
use std::ffi::{c_char, c_void};
use swarmbus_core::{Error, Member, MessageId, SendOptions};

/// The most messages of one batch that is sent.
pub const SWARMBUS_BATCH_MAX: usize = 1024;
/// The most messages that one call receives.
const RECEIVED_MAX: usize = 1 << 20;

/// Bytes somewhere in the caller's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_bytes {
    /// Where. NULL is fine when `length` is 0.
    pub data: *const c_void,
    /// How many.
    pub length: usize,
}

/// What both batches have in common: a destination and how to send.
///
/// # Safety
/// `to` is NULL or a NUL-terminated string; `opts` is as `options::read` wants it and its hook may be called; `ids` is NULL or
/// has room for as many ids as `send` returns.
unsafe fn batch(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    timeout_ns: i64,
    ids: *mut u64,
    opts: *const swarmbus_send_opts,
    send: impl FnOnce(&Member, &str, &SendOptions, &mut dyn FnMut() -> bool) -> Result<Vec<MessageId>>,
) -> Result<()> {
    let party = party::agent(agent)?;
    let member = party.member();
    // SAFETY: the caller's promise.
    let to = text::local(unsafe { text::read(to, "to") }?, member.bus().name())?;
    // SAFETY: as above.
    let options = unsafe { read(opts) }?;
    // SAFETY: as above: what `opts` holds is the caller's hook.
    let mut interrupted = unsafe { hook(options.interrupted, options.context) };
    // SAFETY: as above.
    let options = unsafe { options.to_core(timeout_ns) }?;
    let sent = send(member, to, &options, &mut interrupted)?;
    if !ids.is_null() {
        for (at, id) in sent.iter().enumerate() {
            // SAFETY: as above.
            let place = unsafe { ids.add(at) };
            // SAFETY: as above.
            unsafe { place.write(id.0) };
        }
    }
    Ok(())
}

/// Sends copies of `count` payloads to the mailbox or queue `to` as one batch: all of them or none, one after the other. A
/// batch counts as one message towards the limit of its lane, and goes to one receiver. `ids` may be NULL; else it gets as
/// many ids. `timeout_ns` is that of swarmbus_send().
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (more than SWARMBUS_BATCH_MAX), and those of swarmbus_send(). Nothing is sent then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `to` is a NUL-terminated string; `payloads` has `count` elements, each with as many bytes as it says; `ids` is NULL or has
/// room for `count`; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_send_batch(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    payloads: *const swarmbus_bytes,
    count: usize,
    timeout_ns: i64,
    ids: *mut u64,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        let send = |member: &Member, to: &str, options: &SendOptions, interrupted: &mut dyn FnMut() -> bool| {
            // SAFETY: this function's contract.
            let payloads = unsafe { text::list(payloads, count, SWARMBUS_BATCH_MAX, "payloads") }?;
            let mut loans = Vec::with_capacity(count);
            for bytes in payloads {
                // SAFETY: this function's contract.
                let bytes = unsafe { payload(bytes.data, bytes.length) }?;
                let mut loan = member.loan(bytes.len())?;
                loan.copy_from_slice(bytes);
                loans.push(loan);
            }
            Ok(member.publish_batch_until(to, loans, options, interrupted).map_err(|refused| refused.error)?)
        };
        // SAFETY: this function's contract.
        unsafe { batch(agent, to, timeout_ns, ids, opts, send) }
    })
}

/// Sends `count` loans as one batch, in place: of each its first `length` bytes, which the caller may have lowered. Otherwise
/// as swarmbus_send_batch(); the loans end as with swarmbus_publish(), and after an error they are the caller's as before.
///
/// # Errors
/// SWARMBUS_RELEASED (one was published or discarded before, or is in the array twice), SWARMBUS_TOO_LARGE (a `length` is more
/// than its loan has), SWARMBUS_INVALID_ARGUMENT (more than SWARMBUS_BATCH_MAX, or not a loan of this agent), and those of
/// swarmbus_send(). Nothing is sent then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `to` is a NUL-terminated string; `loans` has `count` elements that may be written; `ids` is NULL or has room for `count`;
/// `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_publish_batch(
    agent: *mut swarmbus_agent,
    loans: *mut swarmbus_loan,
    count: usize,
    to: *const c_char,
    timeout_ns: i64,
    ids: *mut u64,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        let send = |member: &Member, to: &str, options: &SendOptions, interrupted: &mut dyn FnMut() -> bool| {
            // SAFETY: this function's contract.
            let given = unsafe { text::list(loans, count, SWARMBUS_BATCH_MAX, "loans") }?.to_vec();
            check_once(&given)?;
            let mut found = Vec::with_capacity(count);
            let mut failed = None;
            for one in &given {
                // SAFETY: a loan exists once, within this call, as `check_once` says.
                match unsafe { loan::find_for_batch(agent, member, one) } {
                    Ok(loan) => found.push(loan),
                    Err(failure) => {
                        failed = Some(failure);
                        break;
                    }
                }
            }
            let sent = match failed {
                Some(failure) => Err((failure, found)),
                None => member
                    .publish_batch_until(to, found, options, interrupted)
                    .map_err(|refused| (Failure::Core(refused.error), refused.loans)),
            };
            // SAFETY: this function's contract: `count` loans that may be written.
            let places = (0..count).map(|at| unsafe { loans.add(at) });
            match sent {
                Ok(ids) => {
                    // SAFETY: as above.
                    places.for_each(|place| unsafe { loan::clear(place) });
                    Ok(ids)
                }
                Err((failure, kept)) => {
                    for ((place, given), loan) in places.zip(&given).zip(kept) {
                        let renewed = loan::renewed(agent, given, loan.into_raw());
                        // SAFETY: as above.
                        unsafe { place.write(renewed) };
                    }
                    Err(failure)
                }
            }
        };
        // SAFETY: this function's contract.
        unsafe { batch(agent, to, timeout_ns, ids, opts, send) }
    })
}

/// Refuses a loan that is in the array twice.
fn check_once(loans: &[swarmbus_loan]) -> Result<()> {
    let mut chunks: Vec<u64> = loans.iter().map(|loan| loan.opaque[1]).collect();
    chunks.sort_unstable();
    if chunks.windows(2).all(|pair| pair[0] != pair[1]) { Ok(()) } else { Err(Failure::Core(Error::Released)) }
}

/// Receives the next message of a queue as swarmbus_receive_from() does, and with it what else is there, up to `most` in all.
/// `queue` may be NULL for the agent's own mailbox. `*count` gets how many came: they are `messages[0]` and on, each to be
/// released by itself.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (`queue` is NULL and the member has no mailbox), and those of swarmbus_receive_from(). `*count`
/// is 0 then.
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is NULL or a NUL-terminated string; `messages` has room for `most`; `count` may be written; `opts` is NULL or as
/// long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive_batch(
    agent: *mut swarmbus_agent,
    queue: *const c_char,
    timeout_ns: i64,
    messages: *mut swarmbus_message,
    most: usize,
    count: *mut usize,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a message is taken.
        unsafe { text::put(count, 0, "count") }?;
        let party = party::agent(agent)?;
        let member = party.member();
        let queue = match queue.is_null() {
            true => party.agent("receiving without a queue")?.name(),
            // SAFETY: this function's contract.
            false => text::local(unsafe { text::read(queue, "queue") }?, member.bus().name())?,
        };
        text::check_list(messages, most, RECEIVED_MAX, "messages")?;
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let received = member.receive_batch_until(queue, most, timeout, &mut interrupted)?;
        let came = received.len();
        for (at, message) in received.into_iter().enumerate() {
            // SAFETY: this function's contract: at most `most` came.
            let place = unsafe { messages.add(at) };
            // SAFETY: as above.
            unsafe { place.write(swarmbus_message::new(agent, message.into_raw())) };
        }
        // SAFETY: this function's contract.
        unsafe { text::put(count, came, "count") }
    })
}
