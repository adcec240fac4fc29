//! Codes, their names and texts.
//!
//! And the border, where a result becomes a code.
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use swarmbus_core::Error;

/// Success. Every function that returns a code returns this or one of the negative codes below.
pub const SWARMBUS_OK: i32 = 0;
/// Timeout: the time given passed before a message came or room was made.
pub const SWARMBUS_TIMEOUT: i32 = -1;
/// Full: the lane is at its limit and the timeout was 0 (or passed).
pub const SWARMBUS_FULL: i32 = -2;
/// Closed: the queue takes no more messages, or has none left; or the bus was destroyed.
pub const SWARMBUS_CLOSED: i32 = -3;
/// UnknownAgent: no mailbox or queue has this name.
pub const SWARMBUS_UNKNOWN_AGENT: i32 = -4;
/// AgentBusy: the mailbox has a living owner. The detail text names its process.
pub const SWARMBUS_AGENT_BUSY: i32 = -5;
/// TooLarge: the payload is larger than a message can be. The detail text names the limit.
pub const SWARMBUS_TOO_LARGE: i32 = -6;
/// OutOfMemory: the bus's heap or /dev/shm has no room.
pub const SWARMBUS_OUT_OF_MEMORY: i32 = -7;
/// InvalidName: names are 1 to 63 of A-Z a-z 0-9 . _ -
pub const SWARMBUS_INVALID_NAME: i32 = -8;
/// InvalidArgument: an argument makes no sense. The detail text says which and what would be right.
pub const SWARMBUS_INVALID_ARGUMENT: i32 = -9;
/// BusExists: a bus of this name exists already.
pub const SWARMBUS_BUS_EXISTS: i32 = -10;
/// UnknownBus: no bus of this name on this host.
pub const SWARMBUS_UNKNOWN_BUS: i32 = -11;
/// NotReady: the bus's file is no complete segment.
pub const SWARMBUS_NOT_READY: i32 = -12;
/// WrongVersion: the bus was made by a version of Swarmbus with another layout.
pub const SWARMBUS_WRONG_VERSION: i32 = -13;
/// WrongBoot: the bus was made before the last boot.
pub const SWARMBUS_WRONG_BOOT: i32 = -14;
/// ForeignNamespace: the bus belongs to another pid namespace, from where the life of its members can't be judged.
pub const SWARMBUS_FOREIGN_NAMESPACE: i32 = -15;
/// Permission: the bus is not this user's to open.
pub const SWARMBUS_PERMISSION: i32 = -16;
/// Corrupt: shared memory holds what can't be. The detail text says where.
pub const SWARMBUS_CORRUPT: i32 = -17;
/// Forked: the handle was made before a fork, by the parent process.
pub const SWARMBUS_FORKED: i32 = -18;
/// Released: the message or loan was released, returned, published or discarded before.
pub const SWARMBUS_RELEASED: i32 = -19;
/// TooManyAgents: every member index of the bus is taken.
pub const SWARMBUS_TOO_MANY_AGENTS: i32 = -20;
/// Interrupted: the caller's `interrupted` hook ended the wait.
pub const SWARMBUS_INTERRUPTED: i32 = -21;
/// System: the operating system refused. The detail text has the call and the reason.
pub const SWARMBUS_SYSTEM: i32 = -22;
/// BrokenAnswer: the answer to a question is not whole. The detail text says why.
pub const SWARMBUS_BROKEN_ANSWER: i32 = -23;
/// HandedOver: the mailbox was handed over to another owner. Close the handle.
pub const SWARMBUS_HANDED_OVER: i32 = -24;
/// Locked: the lock is taken and stayed so until the deadline. The detail text says by whom.
pub const SWARMBUS_LOCKED: i32 = -25;
/// WrongType: the payload is not of the type asked for. The detail text says what it is.
pub const SWARMBUS_WRONG_TYPE: i32 = -26;
/// WrongKind: the name is in use for something else, a topic where a queue was meant or the reverse.
pub const SWARMBUS_WRONG_KIND: i32 = -27;
/// Panic: a defect in the library. The call had an unknown effect; the process may go on.
pub const SWARMBUS_PANIC: i32 = -1000;
/// WrongThread: an agent and what it has belong to the thread that made the agent (attach, join or connect).
pub const SWARMBUS_WRONG_THREAD: i32 = -1001;
/// NullPointer: a pointer that must not be NULL is. The detail text names the parameter.
pub const SWARMBUS_NULL_POINTER: i32 = -1002;
/// BadHandle: the handle is closed, of another kind, or was never one.
pub const SWARMBUS_BAD_HANDLE: i32 = -1003;

/// A code with its name and its text for people.
struct Entry {
    code: i32,
    name: &'static CStr,
    text: &'static CStr,
}

const fn entry(code: i32, name: &'static CStr, text: &'static CStr) -> Entry {
    Entry { code, name, text }
}

/// The codes up to -999 mirror the core's; those from -1000 on exist only at this border.
static ENTRIES: &[Entry] = &[
    entry(SWARMBUS_OK, c"Ok", c"no error"),
    entry(SWARMBUS_TIMEOUT, c"Timeout", c"timed out: nothing came, or no room was made, within the time given"),
    entry(
        SWARMBUS_FULL,
        c"Full",
        c"the queue is full: wait with a timeout, receive some, or declare it with a higher limit",
    ),
    entry(SWARMBUS_CLOSED, c"Closed", c"the queue or the bus is closed"),
    entry(
        SWARMBUS_UNKNOWN_AGENT,
        c"UnknownAgent",
        c"no mailbox or queue of this name: declare it first, or attach an agent of that name",
    ),
    entry(SWARMBUS_AGENT_BUSY, c"AgentBusy", c"the mailbox has a living owner: one consumer at a time"),
    entry(SWARMBUS_TOO_LARGE, c"TooLarge", c"the payload is larger than a message can be: send it in parts"),
    entry(
        SWARMBUS_OUT_OF_MEMORY,
        c"OutOfMemory",
        c"out of shared memory: release messages, or create the bus with a larger heap",
    ),
    entry(SWARMBUS_INVALID_NAME, c"InvalidName", c"not a valid name: 1 to 63 of A-Z a-z 0-9 . _ -"),
    entry(
        SWARMBUS_INVALID_ARGUMENT,
        c"InvalidArgument",
        c"an argument makes no sense; swarmbus_last_error() says which",
    ),
    entry(
        SWARMBUS_BUS_EXISTS,
        c"BusExists",
        c"a bus of this name exists already: open it, destroy it first, or use another name",
    ),
    entry(SWARMBUS_UNKNOWN_BUS, c"UnknownBus", c"no bus of this name on this host: create it first"),
    entry(SWARMBUS_NOT_READY, c"NotReady", c"the bus's file is no complete segment: if it stays so, destroy it"),
    entry(
        SWARMBUS_WRONG_VERSION,
        c"WrongVersion",
        c"the bus has another layout version: use the same version of Swarmbus on both sides",
    ),
    entry(SWARMBUS_WRONG_BOOT, c"WrongBoot", c"the bus was made before the last boot: destroy it"),
    entry(
        SWARMBUS_FOREIGN_NAMESPACE,
        c"ForeignNamespace",
        c"the bus belongs to another pid namespace: share it with this container",
    ),
    entry(SWARMBUS_PERMISSION, c"Permission", c"no permission for this bus"),
    entry(SWARMBUS_CORRUPT, c"Corrupt", c"shared memory holds what can't be: a process has written over the segment"),
    entry(
        SWARMBUS_FORKED,
        c"Forked",
        c"this handle belongs to the parent process: after fork, attach anew in the child",
    ),
    entry(
        SWARMBUS_RELEASED,
        c"Released",
        c"already given back: this message or loan was released, published or recovered before",
    ),
    entry(SWARMBUS_TOO_MANY_AGENTS, c"TooManyAgents", c"the bus has all of its agents: create it with more"),
    entry(SWARMBUS_INTERRUPTED, c"Interrupted", c"interrupted: the caller's hook ended the wait"),
    entry(SWARMBUS_SYSTEM, c"System", c"the operating system refused; swarmbus_last_error() says what"),
    entry(
        SWARMBUS_BROKEN_ANSWER,
        c"BrokenAnswer",
        c"the answer to a question is not whole; swarmbus_last_error() says why",
    ),
    entry(
        SWARMBUS_HANDED_OVER,
        c"HandedOver",
        c"the mailbox was handed over to another owner: this handle receives nothing from it any more",
    ),
    entry(SWARMBUS_LOCKED, c"Locked", c"the lock is taken and stayed so; swarmbus_last_error() says by whom"),
    entry(
        SWARMBUS_WRONG_TYPE,
        c"WrongType",
        c"the payload is not of the type asked for; swarmbus_last_error() says what it is",
    ),
    entry(
        SWARMBUS_WRONG_KIND,
        c"WrongKind",
        c"the name is in use for something else; swarmbus_last_error() says for what",
    ),
    entry(
        SWARMBUS_PANIC,
        c"Panic",
        c"a defect in the library: please report it with the text of swarmbus_last_error()",
    ),
    entry(
        SWARMBUS_WRONG_THREAD,
        c"WrongThread",
        c"an agent and what it has belong to the thread that made it: attach another one in this thread",
    ),
    entry(
        SWARMBUS_NULL_POINTER,
        c"NullPointer",
        c"a pointer that must not be NULL is NULL; swarmbus_last_error() says which",
    ),
    entry(
        SWARMBUS_BAD_HANDLE,
        c"BadHandle",
        c"not a live handle of this kind: it is closed, of another kind, or was never one",
    ),
];

static UNKNOWN: Entry = entry(1, c"Unknown", c"no code of this version of the library");

fn look_up(code: i32) -> &'static Entry {
    ENTRIES.iter().find(|entry| entry.code == code).unwrap_or(&UNKNOWN)
}

/// Why a call failed: the core's reason, or one of the border's own.
#[derive(Debug)]
pub enum Failure {
    /// The core says so.
    Core(Error),
    /// The named parameter is NULL.
    NullPointer(&'static str),
    /// The text says what is wrong with the handle.
    BadHandle(String),
    /// Used by another thread than its maker.
    WrongThread,
    /// A panic, with its text.
    Panic(String),
    /// Called from a destructor of an ending thread whose agents are closed already.
    ThreadEnding,
}

/// The result of the inside of every call.
pub type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(error)
    }
}

impl Failure {
    /// An `InvalidArgument` with this text.
    pub fn argument(what: impl Into<String>) -> Self {
        Failure::Core(Error::InvalidArgument { what: what.into() })
    }

    fn code(&self) -> i32 {
        match self {
            Failure::Core(error) => error.code(),
            Failure::NullPointer(_) => SWARMBUS_NULL_POINTER,
            Failure::BadHandle(_) => SWARMBUS_BAD_HANDLE,
            Failure::Panic(_) => SWARMBUS_PANIC,
            Failure::WrongThread | Failure::ThreadEnding => SWARMBUS_WRONG_THREAD,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Core(error) => error.fmt(f),
            Failure::NullPointer(what) => write!(f, "{what} is NULL: pass a valid pointer"),
            Failure::BadHandle(text) => f.write_str(text),
            Failure::WrongThread => f.write_str(
                "this handle was made by another thread, or by one that has ended: \
                 each thread attaches or joins an agent of its own",
            ),
            Failure::Panic(text) => write!(f, "a defect in the library: {text}; please report it"),
            Failure::ThreadEnding => f.write_str("this thread is ending and its agents are closed already"),
        }
    }
}

/// The last failure of a thread. Its text is made when somebody asks, so that polling with a timeout of 0 stays
/// cheap.
struct Last {
    failure: Option<Failure>,
    text: Vec<u8>,
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { failure: None, text: Vec::new() }) };
}

fn remember(failure: Failure) {
    // A thread that is ending may have lost its cell; then the code alone has to do.
    let _ = LAST.try_with(|last| last.borrow_mut().failure = Some(failure));
}

fn last_text() -> *const c_char {
    let text = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        if let Some(failure) = last.failure.take() {
            // A NUL from a caller's bytes would end the text early.
            last.text = failure.to_string().replace('\0', "\\0").into_bytes();
            last.text.push(0);
        }
        if last.text.is_empty() { c"".as_ptr() } else { last.text.as_ptr().cast() }
    });
    text.unwrap_or(c"".as_ptr())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Runs the inside of a call: no panic leaves it, a failure leaves its text with the thread.
///
/// What the call touches stays usable after a panic: the core's shared words are valid at every step (a process may
/// die at any of them), and the tables here are changed by single pushes and takes.
pub fn border(inside: impl FnOnce() -> Result<()>) -> i32 {
    match catch_unwind(AssertUnwindSafe(inside)) {
        Ok(Ok(())) => SWARMBUS_OK,
        Ok(Err(failure)) => {
            let code = failure.code();
            remember(failure);
            code
        }
        Err(panic) => {
            remember(Failure::Panic(panic_text(&*panic).to_owned()));
            // A payload whose destructor panics in turn must not unwind into C either.
            std::mem::forget(panic);
            SWARMBUS_PANIC
        }
    }
}

/// What a code means in general, in English. Static memory, never NULL: never free it. swarmbus_last_error() knows
/// more about the case at hand.
///
/// # Threads
/// Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_strerror(code: i32) -> *const c_char {
    look_up(code).text.as_ptr()
}

/// The name of a code, such as "AgentBusy"; Python's exceptions and the command line use the same. "Ok" for 0,
/// "Unknown" for a number that is no code. Static memory, never NULL: never free it.
///
/// # Threads
/// Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_error_name(code: i32) -> *const c_char {
    look_up(code).name.as_ptr()
}

/// What went wrong in the last failed call of the calling thread: what was wrong, where, and what to do. Never NULL;
/// empty if none failed yet. A call that succeeds leaves it as it is.
///
/// # Ownership
/// The text belongs to the library and is valid until this thread asks again after another failed call, or ends: copy
/// what you keep.
///
/// # Threads
/// Each thread has its own text.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_last_error() -> *const c_char {
    catch_unwind(last_text).unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_core_has_its_entry_here() {
        for (code, name) in Error::NAMES {
            let entry = look_up(*code);
            assert_eq!(entry.name.to_str(), Ok(*name), "code {code}");
        }
        let core = ENTRIES.iter().filter(|entry| (-999..0).contains(&entry.code)).count();
        assert_eq!(core, Error::NAMES.len(), "a code here that the core does not have");
    }

    #[test]
    fn codes_are_distinct_and_unknown_ones_have_a_text() {
        for (at, entry) in ENTRIES.iter().enumerate() {
            assert!(ENTRIES[..at].iter().all(|other| other.code != entry.code), "{:?}", entry.name);
            assert!(!entry.text.is_empty());
        }
        assert_eq!(look_up(12345).name, c"Unknown");
        assert_eq!(look_up(-999).name, c"Unknown");
    }

    #[test]
    fn a_panic_becomes_a_code_with_its_text() {
        assert_eq!(border(|| panic!("seven is {}", 7)), SWARMBUS_PANIC);
        // SAFETY: the library's text is NUL-terminated and this thread has no further call in between.
        let text = unsafe { CStr::from_ptr(swarmbus_last_error()) };
        assert!(text.to_str().unwrap().contains("seven is 7"), "{text:?}");
    }

    #[test]
    fn a_success_keeps_the_text_of_the_failure_before() {
        assert_eq!(border(|| Err(Failure::NullPointer("name"))), SWARMBUS_NULL_POINTER);
        assert_eq!(border(|| Ok(())), SWARMBUS_OK);
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(swarmbus_last_error()) };
        assert_eq!(text, c"name is NULL: pass a valid pointer");
    }
}
