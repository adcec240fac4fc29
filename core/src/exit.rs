//! Exit codes from `sysexits.h`, and the one mapping from errors to them: whatever a shell sees says the same by the same number.

use crate::error::Error;

/// Wrong usage: an unknown option, a bad name, no bus given.
pub const USAGE: u8 = 64;
/// Bad data: a corrupt segment, a payload that is too large.
pub const DATA: u8 = 65;
/// The named input file is not there or not readable.
pub const NO_INPUT: u8 = 66;
/// Unknown bus, agent or queue (`EX_NOHOST`).
pub const UNKNOWN: u8 = 68;
/// Closed, not ready yet, of another version or boot.
pub const UNAVAILABLE: u8 = 69;
/// A fault of the program itself.
pub const SOFTWARE: u8 = 70;
/// The operating system refused a call.
pub const SYSTEM: u8 = 71;
/// The bus to be created exists.
pub const CANNOT_CREATE: u8 = 73;
/// Input or output failed.
pub const IO: u8 = 74;
/// Try again: timed out, full, owned by someone else, out of memory.
pub const TEMPORARY: u8 = 75;
/// Permission denied.
pub const PERMISSION: u8 = 77;
/// Wrong configuration.
pub const CONFIG: u8 = 78;
/// A wait that SIGINT ended: 128 + its number, as shells report it.
const INTERRUPTED: u8 = 128 + 2;

impl Error {
    /// What a process exits with that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
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
            Error::Interrupted => INTERRUPTED,
            // Neither comes out of a process with one thread and one handle.
            Error::Forked | Error::Released => SOFTWARE,
        }
    }
}
