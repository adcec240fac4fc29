//! Why a verb failed: an exit code of the table that the command has as well (`cli/src/exit.rs`), and one line for people.

use std::io;

use swarmbus_core::Error;

use crate::shell;

/// The end of what comes in parts: no failure, but nothing was got.
pub const END: i32 = 1;
pub const USAGE: i32 = 64;
const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
const UNKNOWN: i32 = 68;
const UNAVAILABLE: i32 = 69;
pub const SOFTWARE: i32 = 70;
const SYSTEM: i32 = 71;
const CANNOT_CREATE: i32 = 73;
const IO: i32 = 74;
const TEMPORARY: i32 = 75;
const PERMISSION: i32 = 77;
const CONFIG: i32 = 78;

/// What the builtin returns, and says unless the message is empty.
pub struct Failure {
    pub code: i32,
    pub message: String,
}

impl Failure {
    fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// Wrong use (64).
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(USAGE, message)
    }

    /// What was sent is not what was asked for (65).
    pub fn data(message: impl Into<String>) -> Failure {
        Failure::new(DATA, message)
    }

    /// A file that cannot be opened (66).
    pub fn no_input(message: impl Into<String>) -> Failure {
        Failure::new(NO_INPUT, message)
    }

    /// A fault of ours (70).
    pub fn fault(message: impl Into<String>) -> Failure {
        Failure::new(SOFTWARE, message)
    }

    /// Input or output failed (74).
    pub fn io(what: &str, error: &io::Error) -> Failure {
        Failure::new(IO, format!("{what}: {error}"))
    }

    /// Nothing came in time (75).
    pub fn late(message: impl Into<String>) -> Failure {
        Failure::new(TEMPORARY, message)
    }

    /// Nothing more comes (1).
    pub fn end() -> Failure {
        Failure::new(END, "")
    }

    /// A signal ended a wait: what a process returns that it kills. Whoever sent it knows.
    pub fn signal(signal: i32) -> Failure {
        Failure::new(128 + signal, "")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Interrupted => Failure::signal(shell::signal().unwrap_or(libc::SIGINT)),
            Error::Forked => Failure::usage(
                "this handle belongs to the parent shell: $( ), ( ), & and pipes are subshells, which open their own \
                 (swarmbus open NAME); to stay in this shell write -v VAR for $( ), and < <(command) for command |",
            ),
            Error::Released => {
                Failure::usage("this message is no longer this shell's: it was released before, or recovered")
            }
            error => Failure::new(code(&error), error.to_string()),
        }
    }
}

fn code(error: &Error) -> i32 {
    match error {
        Error::InvalidName { .. } | Error::InvalidArgument { .. } | Error::WrongKind { .. } => USAGE,
        Error::TooLarge { .. } | Error::Corrupt { .. } | Error::WrongType { .. } => DATA,
        Error::UnknownBus { .. } | Error::UnknownAgent { .. } => UNKNOWN,
        Error::Closed { .. }
        | Error::HandedOver { .. }
        | Error::NotReady { .. }
        | Error::WrongVersion { .. }
        | Error::WrongBoot { .. } => UNAVAILABLE,
        Error::BusExists { .. } => CANNOT_CREATE,
        Error::Timeout
        | Error::Full { .. }
        | Error::AgentBusy { .. }
        | Error::OutOfMemory { .. }
        | Error::BrokenAnswer { .. }
        | Error::Locked { .. }
        | Error::TooManyAgents { .. } => TEMPORARY,
        Error::Permission { .. } => PERMISSION,
        Error::ForeignNamespace { .. } => CONFIG,
        Error::System { .. } => SYSTEM,
        // What is added to the core later has no code yet.
        _ => SOFTWARE,
    }
}
