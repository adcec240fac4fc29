//! What can go wrong, said to people: what was wrong, where, what to do.

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! errors {
    ($($(#[doc = $doc:literal])* #[error($($text:tt)*)] $name:ident $({ $($(#[doc = $fdoc:literal])* $field:ident : $type:ty),* $(,)? })? = $code:literal,)*) => {
        /// Every error of the core. Codes and names are stable; C, Python and the command line mirror them.
        #[non_exhaustive]
        #[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
        pub enum Error {
            $($(#[doc = $doc])* #[error($($text)*)] $name $({ $($(#[doc = $fdoc])* $field: $type),* })?,)*
        }

        impl Error {
            /// Every code with its name.
            pub const NAMES: &'static [(i32, &'static str)] = &[$(($code, stringify!($name))),*];

            /// The stable negative code of the C interface.
            pub fn code(&self) -> i32 {
                match self { $(Error::$name { .. } => $code,)* }
            }

            /// The name, e.g. `"AgentBusy"`.
            pub fn name(&self) -> &'static str {
                match self { $(Error::$name { .. } => stringify!($name),)* }
            }
        }
    };
}

errors! {
    /// The deadline passed.
    #[error("timed out: what was waited for did not come within the time given")]
    Timeout = -1,
    /// The lane is at its limit and stayed so until the deadline.
    #[error("queue '{queue}' is full: {limit} messages wait in this lane; receive some, wait with a timeout, or declare it with a higher limit")]
    Full {
        /// The queue.
        queue: String,
        /// Its limit per lane, messages.
        limit: u32
    } = -2,
    /// Intake is stopped, or the bus is gone.
    #[error("{what} is closed")]
    Closed {
        /// The queue or bus.
        what: String
    } = -3,
    /// No mailbox, queue or topic has this name.
    #[error("no mailbox, queue or topic '{name}' on bus '{bus}': declare it first, or attach an agent of that name")]
    UnknownAgent {
        /// The name asked for.
        name: String,
        /// The bus.
        bus: String
    } = -4,
    /// The mailbox has a living owner, or the queue somebody who taps it.
    #[error("'{name}' is taken by process {pid}: a mailbox has one owner, and a queue one tap, at a time; stop that process or use another name")]
    AgentBusy {
        /// The mailbox, or the queue.
        name: String,
        /// Its owner, or who taps it.
        pid: u32
    } = -5,
    /// The payload is over the limit.
    #[error("a payload of {length} bytes is too large: the limit is {limit} bytes; send it in parts")]
    TooLarge {
        /// Bytes asked for.
        length: u64,
        /// Bytes possible.
        limit: u64
    } = -6,
    /// Neither the heap nor /dev/shm has room.
    #[error("out of shared memory for {wanted} bytes: the heap or /dev/shm is full; release messages, or create the bus with a larger heap")]
    OutOfMemory {
        /// Bytes asked for.
        wanted: u64
    } = -7,
    /// Not a name.
    #[error("'{name}' is not a valid name: {reason}; names are 1 to 63 of A-Z a-z 0-9 . _ -")]
    InvalidName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str
    } = -8,
    /// An argument makes no sense.
    #[error("invalid argument: {what}")]
    InvalidArgument {
        /// Which, and what would be right.
        what: String
    } = -9,
    /// A bus of this name exists.
    #[error("bus '{bus}' exists already: open it, destroy it first, or use another name")]
    BusExists {
        /// The bus.
        bus: String
    } = -10,
    /// No bus of this name.
    #[error("no bus '{bus}' on this host: create it first (swarmbus create {bus})")]
    UnknownBus {
        /// The bus.
        bus: String
    } = -11,
    /// The file is not a finished segment.
    #[error("bus '{bus}' is not ready: its file is no complete segment; if it stays so, destroy it")]
    NotReady {
        /// The bus.
        bus: String
    } = -12,
    /// Another version of the library made it.
    #[error("bus '{bus}' {}", whose_layout(*found, *expected, made_by))]
    WrongVersion {
        /// The bus.
        bus: String,
        /// The segment's layout.
        found: u32,
        /// Ours.
        expected: u32,
        /// The version of swarmbus that made it; empty if it does not say (those before layout 4 do not).
        made_by: String
    } = -13,
    /// Made before the last boot.
    #[error("bus '{bus}' was made before the last boot: nobody lives in it any more; destroy it")]
    WrongBoot {
        /// The bus.
        bus: String
    } = -14,
    /// Made in another pid namespace.
    #[error("bus '{bus}' belongs to another pid namespace, from where the life of its members cannot be judged: share it (docker run --pid=host --ipc=host, or --pid=container:NAME)")]
    ForeignNamespace {
        /// The bus.
        bus: String
    } = -15,
    /// Not ours to open.
    #[error("no permission for bus '{bus}': {reason}")]
    Permission {
        /// The bus.
        bus: String,
        /// Why.
        reason: String
    } = -16,
    /// Shared memory holds what cannot be.
    #[error("the segment is corrupt at {at}: {invariant} does not hold; a process has written over it")]
    Corrupt {
        /// Where.
        at: String,
        /// Which invariant.
        invariant: &'static str
    } = -17,
    /// The handle was made before a fork.
    #[error("this handle belongs to the parent process: after fork, attach anew in the child")]
    Forked = -18,
    /// The message or loan is no longer ours.
    #[error("already given back: this message or loan was released, published or recovered before")]
    Released = -19,
    /// All indices are taken.
    #[error("the bus has all of its {limit} agents: create it with more (--agents)")]
    TooManyAgents {
        /// Cells of the bus.
        limit: u32
    } = -20,
    /// The caller's hook ended the wait.
    #[error("interrupted by a signal")]
    Interrupted = -21,
    /// The operating system refused.
    #[error("{what}: {}", std::io::Error::from_raw_os_error(*errno))]
    System {
        /// What was tried.
        what: String,
        /// Its errno.
        errno: i32
    } = -22,
    /// The answer to a question is not whole.
    #[error("the answer is broken: {what}")]
    BrokenAnswer {
        /// What is wrong with it.
        what: String
    } = -23,
    /// The mailbox was handed over to another.
    #[error("mailbox '{name}' was handed over to process {pid}: this handle receives nothing from it any more; close it")]
    HandedOver {
        /// The mailbox.
        name: String,
        /// Its new owner; 0 if that is gone as well.
        pid: u32
    } = -24,
    /// The lock did not come in time.
    #[error("lock '{name}' is taken: {holder} of process {pid} has '{held}'; wait longer, or until it is released")]
    Locked {
        /// What was asked for.
        name: String,
        /// What stands in the way.
        held: String,
        /// The agent that has that, or its member index.
        holder: String,
        /// Its process.
        pid: u32
    } = -25,
    /// The payload is not of the type asked for.
    #[error("the message is not what was asked for: {what}")]
    WrongType {
        /// What it is, and what was expected.
        what: String
    } = -26,
    /// The name is in use for something else.
    #[error("'{name}' is {kind}")]
    WrongKind {
        /// The name.
        name: String,
        /// What it is, and what to do with such a thing.
        kind: &'static str
    } = -27,
}

/// What to say of a segment with another layout.
fn whose_layout(found: u32, expected: u32, made_by: &str) -> String {
    let maker = if made_by.is_empty() { "another version of swarmbus".into() } else { format!("swarmbus {made_by}") };
    let advice = if found > expected {
        "upgrade this program to that version"
    } else {
        "use it with that version, or let its agents finish, destroy it and create it anew"
    };
    let ours = env!("CARGO_PKG_VERSION");
    format!("was made by {maker} with layout {found}, this is swarmbus {ours} with layout {expected}: {advice}")
}

impl Error {
    #[cfg(not(loom))]
    pub(crate) fn system(what: impl Into<String>, errno: nix::errno::Errno) -> Error {
        Error::System { what: what.into(), errno: errno as i32 }
    }

    pub(crate) fn corrupt(at: impl Into<String>, invariant: &'static str) -> Error {
        Error::Corrupt { at: at.into(), invariant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_negative_and_distinct() {
        let mut codes: Vec<i32> = Error::NAMES.iter().map(|(code, _)| *code).collect();
        assert!(codes.iter().all(|code| *code < 0));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Error::NAMES.len());
        assert_eq!((Error::Forked.code(), Error::Forked.name()), (-18, "Forked"));
    }

    #[test]
    fn another_version_is_told_with_what_to_do() {
        let text = |found, made_by: &str| {
            Error::WrongVersion { bus: "demo".into(), found, expected: 4, made_by: made_by.into() }.to_string()
        };
        let newer = text(5, "9.8.7");
        assert!(newer.starts_with("bus 'demo' was made by swarmbus 9.8.7 with layout 5, this is swarmbus "), "{newer}");
        assert!(newer.ends_with(" with layout 4: upgrade this program to that version"), "{newer}");
        assert!(text(3, "").contains("made by another version of swarmbus with layout 3"), "{}", text(3, ""));
        assert!(text(3, "").ends_with("destroy it and create it anew"));
    }
}
