//! What the header of a message says, copied once: for bindings, whose objects are asked for it one by one and after the message has ended.

use super::Message;
use super::header::{ContentType, Lane, MessageId, Meta, Part};
use crate::bus::Bus;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;

/// A copy of what the header of a message said when it was made: see [`Message::heading`].
#[derive(Clone, Copy, Debug)]
pub struct Heading {
    meta: u64,
    home: u64,
    id: u64,
    correlation: u64,
    deliveries: u64,
}

impl Message<'_> {
    /// What its header says, in one look. It stays true when the message has ended.
    pub fn heading(&self) -> Heading {
        let header = self.chunk.header();
        // Relaxed, all of it: our chunk's header (I7), seen by S1.
        Heading {
            meta: header.meta.load(Relaxed),
            home: header.home.load(Relaxed),
            id: header.id.load(Relaxed),
            correlation: header.correlation.load(Relaxed),
            deliveries: header.deliveries.load(Relaxed),
        }
    }
}

impl Heading {
    pub(super) fn meta(&self) -> Meta {
        Meta(self.meta)
    }

    /// The queue in which it lies.
    pub(super) fn home(&self) -> Name {
        Name::from_bits(self.home)
    }

    /// The mailbox of its sender.
    pub(super) fn sender_name(&self) -> Option<Name> {
        (self.home >> 32).checked_sub(1).map(Name::from_bits)
    }

    /// Of a copy for a tap, the queue that was tapped; of a dead letter, the one in which it died.
    pub(super) fn sent_to(&self) -> Option<Name> {
        (self.deliveries >> 32).checked_sub(1).map(Name::from_bits)
    }

    /// [`Message::id`].
    pub fn id(&self) -> MessageId {
        MessageId(self.id)
    }

    /// [`Message::lane`].
    pub fn lane(&self) -> Lane {
        self.meta().lane()
    }

    /// [`Message::content`].
    pub fn content(&self) -> ContentType {
        self.meta().content()
    }

    /// [`Message::correlation`].
    pub fn correlation(&self) -> u64 {
        self.correlation
    }

    /// [`Message::deliveries`].
    pub fn deliveries(&self) -> u32 {
        self.deliveries as u32
    }

    /// [`Message::more_follows`].
    pub fn more_follows(&self) -> bool {
        self.lane() == Lane::Reply && self.meta().flags() & Part::MORE != 0
    }

    /// [`Message::sender`]; of a message of this bus.
    pub fn sender(&self, bus: &Bus) -> Option<String> {
        bus.segment().queue_name(self.sender_name()?)
    }

    /// [`Message::queue`]; of a message of this bus.
    pub fn queue(&self, bus: &Bus) -> String {
        bus.segment().queue_name(self.home()).unwrap_or_default()
    }

    /// [`Message::tapped`]; of a message of this bus.
    pub fn tapped(&self, bus: &Bus) -> Option<String> {
        bus.segment().queue_name(self.sent_to().filter(|_| self.meta().is_copy())?)
    }
}

#[cfg(test)]
mod tests {
    use crate::bus::{Bus, Removed};
    use crate::{ContentType, CreateOptions, Lane, SendOptions};

    #[test]
    fn a_heading_says_what_the_message_says_and_outlives_it() {
        let name = format!("test-{}-heading", std::process::id());
        let bus = Removed(Bus::create(&name, &CreateOptions { agents: 8, ..CreateOptions::default() }).unwrap());
        let (alice, bob) = (bus.0.attach("alice").unwrap(), bus.0.attach("bob").unwrap());
        alice.tap("bob").unwrap();
        let options =
            SendOptions { lane: Lane::High, correlation: 7, content: ContentType::Json, ..SendOptions::default() };
        let id = alice.send("bob", b"{}", &options).unwrap();
        for (message, tapped, home) in
            [(bob.recv(None).unwrap(), None, "bob"), (alice.recv(None).unwrap(), Some("bob"), "alice")]
        {
            let heading = message.heading();
            assert_eq!((heading.id(), heading.lane()), (id, Lane::High));
            assert_eq!((heading.content(), heading.correlation()), (ContentType::Json, 7));
            assert_eq!((heading.deliveries(), heading.more_follows()), (message.deliveries(), false));
            assert_eq!(heading.tapped(&bus.0).as_deref(), tapped);
            assert_eq!(message.queue(), home);
            message.release().unwrap();
            alice.send("bob", b"into the same chunk", &SendOptions::default()).unwrap();
            bob.recv(None).unwrap().release().unwrap();
            assert_eq!((heading.id(), heading.sender(&bus.0).as_deref()), (id, Some("alice")));
            assert_eq!(heading.queue(&bus.0), home);
        }
    }
}
