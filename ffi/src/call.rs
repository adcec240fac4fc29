//! Questions and answers.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::message::{look, swarmbus_message};
use crate::options::{
    Sized32, content, hook, read, swarmbus_interrupted, swarmbus_receive_opts, swarmbus_send_opts, timeout, waiting,
};
use crate::party;
use crate::send::payload;
use crate::text;
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use swarmbus_core::{Agent, MessageId, SendOptions};

/// An answer that may come in parts. A plain struct that the caller provides.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_answers {
    /// The id of the question.
    pub question: u64,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 3],
}

const _: () = assert!(size_of::<swarmbus_answers>() == 32, "the struct is part of the ABI and does not grow");

/// Options of swarmbus_reply() and swarmbus_reply_part().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_reply_opts {
    /// sizeof(swarmbus_reply_opts).
    pub struct_size: u32,
    /// One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
    pub content: i32,
    /// Asked while swarmbus_reply_part() waits for room. NULL: nobody is asked.
    pub interrupted: swarmbus_interrupted,
    /// Handed to `interrupted`.
    pub context: *mut c_void,
}

// SAFETY: integers, a pointer and an optional function pointer, which is not called before its caller vouches for it.
unsafe impl Sized32 for swarmbus_reply_opts {}

/// A question as both kinds of call send it.
///
/// # Safety
/// `to` is NULL or a NUL-terminated string; `data` is as `payload` wants it; `opts` is as `options::read` wants it and its hook
/// may be called.
unsafe fn ask(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    (data, length): (*const c_void, usize),
    timeout_ns: i64,
    opts: *const swarmbus_send_opts,
    send: impl FnOnce(&Agent, &str, &[u8], &SendOptions, &mut dyn FnMut() -> bool) -> Result<()>,
) -> Result<()> {
    let party = party::agent(agent)?;
    let asker = party.agent("a call")?;
    // SAFETY: the caller's promise.
    let to = text::local(unsafe { text::read(to, "to") }?, asker.bus().name())?;
    // SAFETY: as above.
    let question = unsafe { payload(data, length) }?;
    // SAFETY: as above.
    let options = unsafe { read(opts) }?;
    // SAFETY: as above: what `opts` holds is the caller's hook.
    let mut interrupted = unsafe { hook(options.interrupted, options.context) };
    // SAFETY: as above.
    let options = unsafe { options.to_core(timeout_ns) }?;
    send(asker, to, question, &options, &mut interrupted)
}

/// Sends a question to the mailbox or queue `to` and waits for its answer, which is a message of this agent's: release it.
///
/// `timeout_ns`: for the sending and the answer together, nanoseconds; SWARMBUS_FOREVER waits without end.
///
/// # Errors
/// SWARMBUS_TIMEOUT (also when nobody answered in time: a late answer is dropped), SWARMBUS_BROKEN_ANSWER (it comes in parts:
/// ask with swarmbus_call_stream()), SWARMBUS_INVALID_ARGUMENT (also a member without a mailbox, or a key), and those of
/// swarmbus_send(). `answer->data` is NULL then.
///
/// # Ownership
/// The answer is the agent's until swarmbus_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `answer` may be written;
/// `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_call(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
    answer: *mut swarmbus_message,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before anything is asked.
        unsafe { text::put(answer, swarmbus_message::NONE, "answer") }?;
        let call =
            |asker: &Agent, to: &str, question: &[u8], options: &SendOptions, interrupted: &mut dyn FnMut() -> bool| {
                let raw = asker.call_until(to, question, options, interrupted)?.into_raw();
                // SAFETY: this function's contract.
                unsafe { text::put(answer, swarmbus_message::new(agent, raw), "answer") }
            };
        // SAFETY: this function's contract.
        unsafe { ask(agent, to, (data, length), timeout_ns, opts, call) }
    })
}

/// Sends a question whose answer may come in parts, to be taken with swarmbus_answers_next(). Any number may be open at a time.
///
/// `timeout_ns`: for the sending alone, as with swarmbus_send().
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (also a member without a mailbox, or a key), and those of swarmbus_send(). Nothing is asked then.
///
/// # Ownership
/// Who wants no more of the answer before its end calls swarmbus_answers_close(); closing the agent does so too.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `answers` may be written;
/// `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_call_stream(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
    answers: *mut swarmbus_answers,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before anything is asked.
        unsafe { text::put(answers, swarmbus_answers { question: 0, opaque: [0; 3] }, "answers") }?;
        let call =
            |asker: &Agent, to: &str, question: &[u8], options: &SendOptions, interrupted: &mut dyn FnMut() -> bool| {
                let id = asker.call_stream_until(to, question, options, interrupted)?.into_raw().0;
                let filled = swarmbus_answers { question: id, opaque: [agent.addr() as u64, id, 0] };
                // SAFETY: this function's contract.
                unsafe { text::put(answers, filled, "answers") }
            };
        // SAFETY: this function's contract.
        unsafe { ask(agent, to, (data, length), timeout_ns, opts, call) }
    })
}

/// The question that a caller's struct stands for.
///
/// # Safety
/// `answers` is NULL or may be read.
unsafe fn question(agent: *const swarmbus_agent, answers: *const swarmbus_answers) -> Result<MessageId> {
    if answers.is_null() {
        return Err(Failure::NullPointer("answers"));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let words = unsafe { answers.read() }.opaque;
    if words[0] != agent.addr() as u64 {
        let what = "this struct holds no question of this agent, or was closed: swarmbus_call_stream() fills one";
        return Err(Failure::argument(what));
    }
    Ok(MessageId(words[1]))
}

/// Receives the next part of an answer, in order. After the last one SWARMBUS_OK comes with `message->data` NULL (that of an
/// empty part is not).
///
/// `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits without end.
///
/// # Errors
/// SWARMBUS_TIMEOUT (the answer goes on: ask again), SWARMBUS_BROKEN_ANSWER (a part was lost, or the answer began anew; it has
/// ended then), SWARMBUS_INVALID_ARGUMENT (not a question of this agent, or closed), SWARMBUS_CLOSED, SWARMBUS_HANDED_OVER,
/// SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
///
/// # Ownership
/// The part is the agent's until swarmbus_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `answers` may be read and `message` written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_answers_next(
    agent: *mut swarmbus_agent,
    answers: *mut swarmbus_answers,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a part is taken.
        unsafe { text::put(message, swarmbus_message::NONE, "message") }?;
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let question = unsafe { question(agent, answers) }?;
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let mut of = party.agent("an answer")?.answers_from_raw(question);
        let next = of.next_until(timeout, &mut interrupted);
        // Dropped, the answer would end here.
        of.into_raw();
        match next? {
            // SAFETY: this function's contract.
            Some(part) => unsafe { text::put(message, swarmbus_message::new(agent, part.into_raw()), "message") },
            None => Ok(()),
        }
    })
}

/// Wants no more of an answer: parts that come later are dropped. The struct is void; after the last part nothing needs closing,
/// and does no harm.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (not a question of this agent, or closed), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `answers` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_answers_close(agent: *mut swarmbus_agent, answers: *mut swarmbus_answers) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let question = unsafe { question(agent, answers) }?;
        drop(party.agent("an answer")?.answers_from_raw(question));
        // SAFETY: `question` refused NULL, and this function's contract has the rest.
        unsafe { answers.write(swarmbus_answers { question: 0, opaque: [0; 3] }) };
        Ok(())
    })
}

/// Answers a message that came by a call: after swarmbus_reply_part() this is the last part. Never waits. The message stays
/// the caller's: release it afterwards. `id` may be NULL; else it gets the answer's id.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (its sender has no mailbox; or it is a copy that a tap made), SWARMBUS_RELEASED,
/// SWARMBUS_TOO_LARGE, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read; `data` has `length` bytes (NULL is fine when `length` is 0); `id` is NULL or may be written; `opts`
/// is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_reply(
    agent: *mut swarmbus_agent,
    message: *const swarmbus_message,
    data: *const c_void,
    length: usize,
    id: *mut u64,
    opts: *const swarmbus_reply_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let answer = unsafe { payload(data, length) }?;
        // SAFETY: this function's contract.
        let content = content(unsafe { read(opts) }?.content)?;
        // SAFETY: this function's contract.
        let sent = unsafe { look(agent, message, |message| message.reply(answer, content)) }??;
        // SAFETY: this function's contract.
        unsafe { text::tell(id, sent.0) };
        Ok(())
    })
}

/// Answers a message in part; more parts follow, and a swarmbus_reply() at last. Who asked with swarmbus_call_stream() takes
/// them one by one. Waits while the asker is far behind. If the message is delivered again, the answer begins anew, and who
/// asked is told that it is broken. `id` may be NULL; else it gets the part's id.
///
/// `timeout_ns`: how long to wait for room, nanoseconds; 0 tries once, SWARMBUS_FOREVER waits as long as the asker lives.
///
/// # Errors
/// SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (also: no room, and the asker is gone), SWARMBUS_INTERRUPTED,
/// SWARMBUS_SYSTEM, and those of swarmbus_reply().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// As for swarmbus_reply().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_reply_part(
    agent: *mut swarmbus_agent,
    message: *const swarmbus_message,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
    id: *mut u64,
    opts: *const swarmbus_reply_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let answer = unsafe { payload(data, length) }?;
        // SAFETY: this function's contract.
        let options = unsafe { read(opts) }?;
        // SAFETY: this function's contract: what `opts` holds is the caller's hook.
        let mut interrupted = unsafe { hook(options.interrupted, options.context) };
        let (content, timeout) = (content(options.content)?, timeout(timeout_ns)?);
        // SAFETY: this function's contract.
        let sent = unsafe {
            look(agent, message, |message| message.reply_part_until(answer, content, timeout, &mut interrupted))
        }??;
        // SAFETY: this function's contract.
        unsafe { text::tell(id, sent.0) };
        Ok(())
    })
}
