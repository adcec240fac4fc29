//! How a verb ends: an exit code and a line for people.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use swarmbus_core::Error;

pub use swarmbus_core::exit::*;

/// The reader of the output is gone: 128 + SIGPIPE, what the shell reports of programs that the signal ends.
const CLOSED_PIPE: u8 = 128 + 13;

/// Why a verb failed: its exit code and one line for people. An empty message prints nothing.
#[derive(Debug)]
pub struct Failure {
    /// What the process exits with.
    pub code: u8,
    /// What was wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with an exit code of the caller's choice.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Wrong usage (64).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Bad data (65).
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(DATA, message)
    }

    /// A file that the user named cannot be opened (66).
    pub fn no_input(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(NO_INPUT, format!("cannot read {}: {error}", path.display()))
    }

    /// Unavailable (69).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, message)
    }

    /// A call of the operating system failed (71).
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(SYSTEM, message)
    }

    /// Input or output failed (74); `what` says which, such as "cannot read jobs.txt".
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::new(IO, format!("{what}: {error}"))
    }

    /// Ended by a signal: 128 + its number, and nothing on stderr, since whoever sent it knows.
    pub fn signal(signal: i32) -> Self {
        Self::new(signal_code(signal), "")
    }

    /// The same failure, its message led by where it happened.
    pub fn within(mut self, place: impl std::fmt::Display) -> Self {
        if !self.message.is_empty() {
            self.message = format!("{place}: {}", self.message);
        }
        self
    }

    /// Prints the message as one line on stderr and gives the exit code. A closed stderr is no reason to fail differently.
    pub fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            let line = self.message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
            let _ = writeln!(std::io::stderr(), "swarmbus: {line}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}

/// An error while *printing*; what a verb reads or writes elsewhere goes through `Failure::io`.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(CLOSED_PIPE, ""),
            _ => Self::io("cannot write the output", &error),
        }
    }
}

/// The exit code of a process that a signal ended, as shells report it.
pub fn by_signal(signal: i32) -> ExitCode {
    ExitCode::from(signal_code(signal))
}

fn signal_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(SOFTWARE)
}

/// What clap has to say: help and version go to stdout, a wrong command line becomes one line on stderr and code 64.
pub fn from_usage(error: &clap::Error, command: &clap::Command) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Failure::from(error).report(),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        _ => {
            let verb = std::env::args().skip(1).find(|word| command.find_subcommand(word).is_some());
            let verb = verb.map_or_else(String::new, |verb| format!(" {verb}"));
            Failure::usage(format!("{}; see 'swarmbus{verb} --help'", one_line(&error.render().to_string()))).report()
        }
    }
}

/// Clap's report has paragraphs: the error, tips, the usage, where help is. Keep the error and the tips.
fn one_line(report: &str) -> String {
    let paragraphs = report.split("\n\n").map(str::trim).filter(|paragraph| {
        !paragraph.is_empty() && !paragraph.starts_with("Usage: ") && !paragraph.starts_with("For more information")
    });
    let lines = paragraphs.map(|paragraph| {
        let words = paragraph.strip_prefix("error: ").unwrap_or(paragraph).split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_documented_code() {
        let text = String::new;
        let expected = [
            (Error::Timeout, 75),
            (Error::Full { queue: text(), limit: 1 }, 75),
            (Error::Closed { what: text() }, 69),
            (Error::UnknownAgent { name: text(), bus: text() }, 68),
            (Error::AgentBusy { name: text(), pid: 1 }, 75),
            (Error::TooLarge { length: 2, limit: 1 }, 65),
            (Error::OutOfMemory { wanted: 1 }, 75),
            (Error::InvalidName { name: text(), reason: "" }, 64),
            (Error::InvalidArgument { what: text() }, 64),
            (Error::BusExists { bus: text() }, 73),
            (Error::UnknownBus { bus: text() }, 68),
            (Error::NotReady { bus: text() }, 69),
            (Error::WrongVersion { bus: text(), found: 2, expected: 1, made_by: text() }, 69),
            (Error::WrongBoot { bus: text() }, 69),
            (Error::ForeignNamespace { bus: text() }, 78),
            (Error::Permission { bus: text(), reason: text() }, 77),
            (Error::Corrupt { at: text(), invariant: "" }, 65),
            (Error::TooManyAgents { limit: 1 }, 75),
            (Error::Interrupted, 130),
            (Error::System { what: text(), errno: 1 }, 71),
            (Error::BrokenAnswer { what: text() }, 75),
            (Error::HandedOver { name: text(), pid: 1 }, 69),
            (Error::Locked { name: text(), held: text(), holder: text(), pid: 1 }, 75),
            (Error::WrongType { what: text() }, 65),
            (Error::WrongKind { name: text(), kind: "" }, 64),
        ];
        for (error, code) in expected {
            assert_eq!(Failure::from(error.clone()).code, code, "{error:?}");
        }
    }

    #[test]
    fn a_closed_pipe_is_quiet() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.message.as_str()), (141, ""));
    }

    #[test]
    fn a_usage_report_becomes_one_line() {
        let report = "error: unexpected argument '--lan' found\n\n  tip: a similar argument exists: '--lane'\n\n\
                      Usage: swarmbus send [OPTIONS] <ADDRESS> [PAYLOAD]\n\nFor more information, try '--help'.\n";
        assert_eq!(one_line(report), "unexpected argument '--lan' found; tip: a similar argument exists: '--lane'");
    }
}
