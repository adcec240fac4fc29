//! How a process ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It could not be started.
    NotStarted,
    /// Nobody knows: it had outlived the supervisor that started it, and the kernel does not tell another one.
    Unknown,
}

impl Exit {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        *self == Exit::Code(0)
    }

    /// Whether a signal ended it, or it never began.
    pub fn is_abnormal(&self) -> bool {
        matches!(self, Exit::Signal(_) | Exit::NotStarted)
    }

    /// The code a shell would show: the signal's number is added to 128.
    pub fn code(&self) -> u8 {
        match self {
            Exit::Code(code) => (*code & 0xff) as u8,
            Exit::Signal(signal) => (128 + (*signal & 0x7f)) as u8,
            Exit::NotStarted => 126,
            Exit::Unknown => 255,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
            Exit::NotStarted => write!(f, "could not be started"),
            Exit::Unknown => write!(f, "ended; how is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_told_as_people_know_them() {
        assert_eq!(Exit::Code(3).to_string(), "exited with code 3");
        assert_eq!(Exit::Signal(9).to_string(), "was killed by SIGKILL");
        assert_eq!((Exit::Code(3).code(), Exit::Signal(9).code()), (3, 137));
    }
}
