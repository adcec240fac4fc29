//! What a message in flight says of itself.
use crate::agent::swarmbus_agent;
use crate::error::{Result, border};
use crate::message::{look, swarmbus_message};
use crate::options::{content_number, lane_number};
use crate::text;
use std::ffi::c_char;
use swarmbus_core::{Message, schema_id};

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

/// Writes a text that a message has; the empty one if it has none.
///
/// # Safety
/// `message` is NULL or may be read; `buffer` is as `text::write` wants it.
unsafe fn tell_text(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    buffer: *mut c_char,
    capacity: usize,
    text: impl FnOnce(&Message<'_>) -> Option<String>,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let found = unsafe { look(agent, message, text) }?;
    // SAFETY: as above.
    unsafe { text::write(found.as_deref().unwrap_or(""), buffer, capacity) }
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
    // SAFETY: this function's contract.
    border(|| unsafe { tell_text(agent, message, buffer, capacity, |message| message.sender()) })
}

/// Writes the name of the mailbox or queue from which a message was received with its NUL into `buffer`;
/// SWARMBUS_NAME_SIZE bytes always suffice.
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
pub unsafe extern "C" fn swarmbus_message_queue(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell_text(agent, message, buffer, capacity, |message| Some(message.queue())) })
}

/// Writes the name of the queue to which a message was sent of which this is the copy that a tap made; empty if it is no
/// such copy. A copy can't be answered.
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
pub unsafe extern "C" fn swarmbus_message_tapped(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell_text(agent, message, buffer, capacity, |message| message.tapped()) })
}

/// Writes the trace that a message belongs to, as a W3C `traceparent` with its NUL, into `buffer`; SWARMBUS_TRACEPARENT_SIZE
/// bytes always suffice. Empty if its sender named none. An answer belongs to the trace of its question.
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
pub unsafe extern "C" fn swarmbus_message_traceparent(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe {
        tell_text(agent, message, buffer, capacity, |message| message.trace().map(|trace| trace.to_string()))
    })
}

/// Gets whether a message is a part of an answer and more parts follow: 1 or 0.
///
/// # Errors
/// Those of swarmbus_message_id().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and `more` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_message_more_follows(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    more: *mut i32,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell(agent, message, more, "more", |message| message.more_follows() as i32) })
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
