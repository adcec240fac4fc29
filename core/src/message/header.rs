//! What a message's header says: identity, lane, content, length, parts.

use super::trace::TraceContext;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The identity of a message on its bus: the member that sent it, and a count. Unique while its bus lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageId(pub u64);

impl MessageId {
    /// What sending returns when a message with the same key was sent before: the id of no message.
    pub const DUPLICATE: MessageId = MessageId(0);

    /// Whether the message was not sent, since one with the same key was sent before.
    pub fn is_duplicate(self) -> bool {
        self == MessageId::DUPLICATE
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! spoken {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $word:literal),* $(,)? } default $default:ident) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $vdoc])* $variant),* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            pub(crate) fn from_number(number: u8) -> $name {
                Self::ALL.get(number as usize).copied().unwrap_or_default()
            }
        }

        impl Default for $name {
            fn default() -> Self { $name::$default }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| Error::InvalidArgument {
                    what: format!(concat!("'{}' is not a ", stringify!($name), "; one of: {}"), text,
                        Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ")),
                })
            }
        }
    };
}

spoken! {
    /// The priority of a message: a lane of its queue. Takers empty the more urgent lane first; within a lane first in, first out.
    Lane {
        /// Before everything else.
        Urgent = "urgent",
        /// Before normal.
        High = "high",
        /// The default.
        Normal = "normal",
        /// When there is nothing else.
        Low = "low",
        /// Answers to questions; only a call hands them out.
        Reply = "reply",
    } default Normal
}

spoken! {
    /// What the payload is, for whoever shows it.
    ContentType {
        /// Anything.
        Bytes = "bytes",
        /// JSON text.
        Json = "json",
        /// An rkyv archive.
        Rkyv = "rkyv",
    } default Bytes
}

impl Lane {
    /// The ring of this lane in a queue.
    pub(crate) const fn ring(self) -> usize {
        match self {
            Lane::Reply => 1,
            Lane::Urgent => 2,
            Lane::High => 3,
            Lane::Normal => 4,
            Lane::Low => 5,
        }
    }
}

/// The names of a queue's rings, by number, and of its parking lot.
pub(crate) const RING_NAMES: [&str; crate::layout::RINGS + 1] =
    ["redelivery", "reply", "urgent", "high", "normal", "low", "parked"];

/// The `meta` word of a chunk header: `flags:16 · traced:1 · content:7 · lane:8 · length:32`.
#[derive(Clone, Copy)]
pub(crate) struct Meta(pub u64);

impl Meta {
    pub(crate) fn new(length: usize, lane: Lane, content: ContentType) -> Meta {
        Meta(length as u64 | (lane as u64) << 32 | (content as u64) << 40)
    }
    pub(crate) fn length(self) -> usize {
        self.0 as u32 as usize
    }
    pub(crate) fn lane(self) -> Lane {
        Lane::from_number((self.0 >> 32) as u8)
    }
    /// Whether it is no answer, and nothing is flagged.
    pub(crate) fn is_plain(self) -> bool {
        self.flags() == 0 && self.lane() != Lane::Reply
    }
    pub(crate) fn content(self) -> ContentType {
        ContentType::from_number((self.0 >> 40) as u8 & 0x7f)
    }
    /// Whether a trace context lies behind the payload.
    pub(crate) fn is_traced(self) -> bool {
        self.0 & TRACED != 0
    }
    pub(crate) fn traced(self) -> Meta {
        Meta(self.0 | TRACED)
    }
    /// Without the bit if a chunk of this capacity has no room for what it promises.
    #[inline]
    pub(crate) fn within(self, capacity: usize) -> Meta {
        if self.is_traced() { self.traced_within(capacity) } else { self }
    }
    #[cold]
    fn traced_within(self, capacity: usize) -> Meta {
        if self.length() + TraceContext::BYTES > capacity { Meta(self.0 & !TRACED) } else { self }
    }
    /// Of an answer, which part it is and whether more follow; of any other message, how many parts answered it so far.
    pub(crate) fn flags(self) -> u16 {
        (self.0 >> 48) as u16
    }
    pub(crate) fn with_flags(self, flags: u16) -> Meta {
        Meta(self.0 & ((1 << 48) - 1) | (flags as u64) << 48)
    }
    /// With no part of an answer counted.
    pub(crate) fn anew(self) -> Meta {
        self.with_flags(if self.is_copy() { COPY } else { 0 })
    }
    /// Of a message that is no answer: whether it was made for a tap.
    pub(crate) fn is_copy(self) -> bool {
        self.lane() != Lane::Reply && self.flags() & COPY != 0
    }
    pub(crate) fn as_copy(self) -> Meta {
        self.with_flags(COPY)
    }
}

/// The bit of a message with a trace context.
const TRACED: u64 = 1 << 47;

/// The flag of a message that was made for a tap.
const COPY: u16 = 1 << 15;

/// The number of a part of an answer. After the highest comes 1, so that the first part of an answer that begins anew is told from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part(u16);

impl Part {
    pub(crate) const MORE: u16 = 1 << 15;
    pub(crate) const FIRST: Part = Part(0);

    pub(crate) fn of(flags: u16) -> Part {
        Part(flags & !Self::MORE)
    }
    pub(crate) fn flags(self, more: bool) -> u16 {
        self.0 | if more { Self::MORE } else { 0 }
    }
    pub(crate) fn next(self) -> Part {
        Part(if self.0 == !Self::MORE { 1 } else { self.0 + 1 })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
