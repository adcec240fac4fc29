//! Why a verb failed: an exit code of the core's table, as the command has it, and one line for people.

use std::io;

use swarmbus_core::Error;
use swarmbus_core::exit::{DATA, IO, NO_INPUT, SOFTWARE, TEMPORARY, USAGE};

use crate::shell;

/// The end of what comes in parts: no failure, but nothing was got.
pub const END: i32 = 1;
/// What the builtin returns, and says unless the message is empty.
pub struct Failure {
    pub code: i32,
    pub message: String,
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code: code.into(), message: message.into() }
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
        Failure { code: END, message: String::new() }
    }

    /// A signal ended a wait: what a process returns that it kills. Whoever sent it knows.
    pub fn signal(signal: i32) -> Failure {
        Failure { code: 128 + signal, message: String::new() }
    }

    /// The same after so many messages went well, if it is told at all.
    pub fn after(self, sent: u64) -> Failure {
        match (sent, self.message.as_str()) {
            (0, _) | (_, "") => self,
            (_, message) => Failure { message: format!("{message} ({sent} sent before)"), ..self },
        }
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
            error => Failure::new(error.exit_code(), error.to_string()),
        }
    }
}
