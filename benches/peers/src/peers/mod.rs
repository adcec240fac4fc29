//! The rivals, one a file, and ourselves among them.

#[cfg(feature = "aeron")]
mod aeron;
mod bare;
mod iceoryx2;
mod mq;
mod nats;
mod net;
mod pipe;
mod raw;
mod redis;
mod script;
mod swarmbus;
mod unix;
mod zeromq;

pub use net::become_program;

use crate::peer::Rival;
use script::Script;

/// Whether a name is one of ours: each face has one.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("swarmbus")
}

/// All of them, in the order of the tables.
pub static ALL: &[&dyn Rival] = &[
    &raw::Raw,
    &bare::Bare,
    &swarmbus::Swarmbus,
    &iceoryx2::Iceoryx2,
    #[cfg(feature = "aeron")]
    &aeron::Aeron,
    &pipe::Pipe,
    &unix::Unix::STREAM,
    &unix::Unix::SEQPACKET,
    &mq::Mq,
    &zeromq::ZeroMq,
    &nats::Nats,
    &redis::Redis,
    &Script::PYTHON[0],
    &Script::PYTHON[1],
    &Script::PYTHON[2],
    &Script::PYTHON[3],
    &Script::PYTHON[4],
    &Script::PYTHON[5],
    &Script::PYTHON[6],
    &Script::BASH[0],
    &Script::BASH[1],
    &Script::BASH[2],
    &Script::BASH[3],
];

/// Rivals that this program was built without, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "aeron"))]
    ("aeron", "built without the feature `aeron` (it takes cmake, clang and a Java runtime; see setup.sh)"),
];

/// Why something that only carries messages does no calls.
const NO_CALLS: &str = "nothing for questions and answers but messages both ways: round-trip-64 shows them";

/// One by name.
pub fn named(name: &str) -> Option<&'static dyn Rival> {
    ALL.iter().copied().find(|rival| rival.name() == name)
}
