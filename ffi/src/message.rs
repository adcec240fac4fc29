//! Messages: receive, look at, release, return.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::handle::{self, Party};
use crate::options::{content_number, hook, lane_number, no_flags, read, swarmbus_receive_opts, timeout};
use crate::text;
use std::ffi::{c_char, c_void};
use std::mem::{ManuallyDrop, size_of};
use std::ptr;
use swarmbus_core::{Member, Message, RawMessage, schema_id};

/// A message in flight: received by an agent and not yet released or returned. A plain struct that the caller
/// provides and may copy; whichever copy is given back first counts, and any later one is SWARMBUS_RELEASED.
///
/// A message that is not released before its agent is closed, or its process dies, is delivered again, to the next
/// receiver.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_message {
    /// The payload, in place in shared memory, at a multiple of 64. Read only. Valid until the message is released or
    /// returned or its agent is closed.
    pub data: *const c_void,
    /// The payload's length, bytes.
    pub length: usize,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 6],
}

const _: () = assert!(size_of::<swarmbus_message>() == 64, "the struct is part of the ABI and does not grow");

impl swarmbus_message {
    /// What a caller finds in its struct when no message came.
    const NONE: Self = Self { data: ptr::null(), length: 0, opaque: [0; 6] };

    fn new(agent: *const swarmbus_agent, raw: RawMessage) -> Self {
        let [chunk, word] = raw.token();
        Self { data: raw.data.cast(), length: raw.length, opaque: [agent.addr() as u64, chunk, word, 0, 0, 0] }
    }
}

/// The message that a caller's struct stands for, if it still is this agent's.
///
/// # Safety
/// `message` is NULL or may be read.
unsafe fn find<'a>(
    agent: *const swarmbus_agent,
    party: &'a Party,
    message: *const swarmbus_message,
) -> Result<Message<'a>> {
    if message.is_null() {
        return Err(Failure::NullPointer("message"));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let words = unsafe { message.read() }.opaque;
    if words[0] != agent.addr() as u64 {
        let what =
            "this struct holds no message that this agent received: pass the agent whose swarmbus_receive() filled it";
        return Err(Failure::argument(what));
    }
    // SAFETY: a message exists within one call at most, and calls on one agent come one after the other, by one thread.
    Ok(unsafe { Message::from_raw(party.member(), RawMessage::from_token([words[1], words[2]])) }?)
}

/// Looks at a message in flight, which stays so.
///
/// # Safety
/// `message` is NULL or may be read.
unsafe fn look<R>(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    view: impl FnOnce(&Message<'_>) -> R,
) -> Result<R> {
    let party = handle::agent(agent)?;
    // A message that is dropped goes back to its queue; this one is only looked at.
    // SAFETY: the caller's promise.
    let found = ManuallyDrop::new(unsafe { find(agent, &party, message) }?);
    Ok(view(&found))
}

/// Writes a number that a message has.
///
/// # Safety
/// `message` is NULL or may be read; `out` is NULL or may be written.
unsafe fn tell<N: Copy>(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    out: *mut N,
    what: &'static str,
    number: impl FnOnce(&Message<'_>) -> N,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let value = unsafe { look(agent, message, number) }?;
    // SAFETY: as above.
    unsafe { text::put(out, value, what) }
}

/// Gives a message back and clears the caller's pointer to it, whatever comes of it: from here on it is the core's.
///
/// # Safety
/// `message` is NULL or may be read and written.
unsafe fn give_back(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    how: impl FnOnce(Message<'_>) -> swarmbus_core::Result<()>,
) -> Result<()> {
    let party = handle::agent(agent)?;
    // SAFETY: the caller's promise.
    let given_back = how(unsafe { find(agent, &party, message) }?);
    // The words stay: a second release of this struct is told from a struct that never held a message.
    // SAFETY: `find` refused NULL, and the caller promises the rest.
    let message = unsafe { &mut *message };
    message.data = ptr::null();
    message.length = 0;
    Ok(given_back?)
}

/// Receives into the caller's struct.
///
/// # Safety
/// `message` is NULL or may be written; `opts` is as `options::read` wants it and its hook may be called.
unsafe fn receive(
    agent: *mut swarmbus_agent,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
    queue: Option<&str>,
) -> Result<()> {
    // SAFETY: the caller's promise. A NULL is found before a message is taken.
    unsafe { text::put(message, swarmbus_message::NONE, "message") }?;
    let party = handle::agent(agent)?;
    // SAFETY: the caller's promise.
    let options = unsafe { read(opts) }?;
    no_flags(options.flags)?;
    let timeout = timeout(timeout_ns)?;
    // SAFETY: the caller's promise.
    let mut interrupted = unsafe { hook(options.interrupted, options.context) };
    let member: &Member = party.member();
    let received = match (queue, &*party) {
        (Some(queue), _) => {
            member.receive_until(text::local(queue, member.bus().name())?, timeout, &mut interrupted)?
        }
        (None, Party::Agent(agent)) => agent.recv_until(timeout, &mut interrupted)?,
        (None, Party::Member(_)) => {
            let what = "this member has no mailbox of its own: use swarmbus_receive_from(), \
                        or swarmbus_attach() in place of swarmbus_join()";
            return Err(Failure::argument(what));
        }
    };
    let filled = swarmbus_message::new(agent, received.into_raw());
    // SAFETY: as above.
    unsafe { text::put(message, filled, "message") }
}

/// Receives the next message of the agent's own mailbox into `*message`: redelivered ones first, then
/// replies, urgent, high, normal and low, each in the order of sending. Nothing is copied.
///
/// `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits until a message comes.
///
/// # Errors
/// SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (the mailbox is closed and empty, or the bus is gone), SWARMBUS_INVALID_ARGUMENT
/// (a member without a mailbox), SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
///
/// # Ownership
/// The message is the agent's until swarmbus_release() or swarmbus_nack(). An agent may hold many at a time.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive(
    agent: *mut swarmbus_agent,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { receive(agent, timeout_ns, message, opts, None) })
}

/// Receives the next message of the work queue `queue`, beside any number of other receivers; each message goes to
/// one of them. Otherwise as swarmbus_receive().
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox whose owner is another), SWARMBUS_INVALID_NAME, and those
/// of swarmbus_receive().
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string; `message` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive_from(
    agent: *mut swarmbus_agent,
    queue: *const c_char,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let queue = unsafe { text::read(queue, "queue") }?;
        // SAFETY: this function's contract.
        unsafe { receive(agent, timeout_ns, message, opts, Some(queue)) }
    })
}

/// Releases a message: the acknowledgement. It is gone from the bus, and its data pointer is void; `message->data`
/// becomes NULL.
///
/// # Errors
/// SWARMBUS_RELEASED (given back before), SWARMBUS_INVALID_ARGUMENT (not received by this agent), SWARMBUS_FORKED,
/// SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_release(agent: *mut swarmbus_agent, message: *mut swarmbus_message) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { give_back(agent, message, |message| message.release()) })
}

/// Returns a message to its queue, for the next receiver to get before all others; its count of deliveries rises
/// then. Its data pointer is void; `message->data` becomes NULL.
///
/// # Errors
/// Those of swarmbus_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_nack(agent: *mut swarmbus_agent, message: *mut swarmbus_message) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { give_back(agent, message, |message| message.nack()) })
}

/// Gets a message's id, the same that its sender got.
///
/// # Errors
/// SWARMBUS_RELEASED, SWARMBUS_INVALID_ARGUMENT (not received by this agent), SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `id` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_id(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    id: *mut u64,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, id, "id", |message| message.id().0) })
}

/// Writes the name of a message's sender with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice. Empty
/// if the sender has no name.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read; `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_sender(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let sender = unsafe { look(agent, message, |message| message.sender()) }?;
        // SAFETY: this function's contract.
        unsafe { text::write(sender.as_deref().unwrap_or(""), buffer, capacity) }
    })
}

/// Gets the lane a message was sent in: one of the SWARMBUS_LANE_ numbers.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `lane` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_lane(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    lane: *mut i32,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, lane, "lane", |message| lane_number(message.lane())) })
}

/// Gets how often a message was delivered, this time included: 1 at first, more after its receiver died or returned
/// it.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `deliveries` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_deliveries(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    deliveries: *mut u32,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, deliveries, "deliveries", |message| message.deliveries()) })
}

/// Gets the correlation a message was sent with; 0 if it has none.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `correlation` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_correlation(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    correlation: *mut u64,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, correlation, "correlation", |message| message.correlation()) })
}

/// Gets what a message says it contains: one of the SWARMBUS_CONTENT_ numbers.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `content` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_content(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    content: *mut i32,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, content, "content", |message| content_number(message.content())) })
}

/// Gets the id of a message's schema, which tells of what type the archive in it is; 0 if its content is not
/// SWARMBUS_CONTENT_RKYV. It is the last eight bytes of the payload; the archive is what lies before it.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `schema` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_schema(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    schema: *mut u64,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, schema, "schema", |message| message.schema().unwrap_or(0)) })
}

/// Gets the id of the schema that has a name, as `acme.task/1`.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_INVALID_NAME (it is not UTF-8).
///
/// # Threads
/// Any thread, any time.
///
/// # Safety
/// `name` is a NUL-terminated string; `schema` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_schema_id(name: *const c_char, schema: *mut u64) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let name = unsafe { text::read(name, "name") }?;
        // SAFETY: this function's contract.
        unsafe { text::put(schema, schema_id(name), "schema") }
    })
}
