//! Victims that publish, subscribe and read; what their scene has for them; and the witness who reads everything.

use super::{LONG, SOON, Victim};
use crate::Result;
use crate::books::Books;
use crate::clerk::Clerk;
use crate::scene::{number_of, payload};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{Bus, Error, Member, Policy, PublishOptions, StartAt, Subscription, TopicOptions};

/// The topic whose messages are in the books.
pub const NEWS: &str = "news";
/// The capacity of [`NEWS`].
const CAPACITY: u32 = 16;
/// One in which there is room for one message.
const NARROW: &str = "narrow";
/// A lossy one.
const GOSSIP: &str = "gossip";
/// The victim alone uses it.
const OWN: &str = "own";

/// Declares the topics of a scene. Every slot of them is in use, so that each message pushes one out.
///
/// # Errors
/// When one cannot be declared.
pub fn prepare(bus: &Bus) -> Result<()> {
    let member = bus.join()?;
    for (topic, policy, capacity) in [
        (NEWS, Policy::BackPressure, CAPACITY),
        (NARROW, Policy::BackPressure, 1),
        (GOSSIP, Policy::Lossy, 2),
        (OWN, Policy::BackPressure, CAPACITY),
    ] {
        bus.declare_topic(topic, &TopicOptions { policy, capacity: Some(capacity), retain: 0 })?;
        for _ in 0..2 * capacity {
            publish_unbooked(&member, topic)?;
        }
    }
    Ok(())
}

/// Uses every slot again of the topic from which a victim took messages out: one that it left half emptied would show.
///
/// # Errors
/// When nothing can be published there.
pub fn refill(bus: &Bus) -> Result<()> {
    let member = bus.join()?;
    (0..2 * CAPACITY).try_for_each(|_| publish_unbooked(&member, OWN))
}

/// Uses every slot of every topic: where memory was short, messages that nobody needed have been taken out.
///
/// # Errors
/// When nothing can be published.
pub fn fill(bus: &Bus) -> Result<()> {
    let member = bus.join()?;
    for topic in bus.observer()?.topics() {
        (0..2 * topic.capacity.next_power_of_two()).try_for_each(|_| publish_unbooked(&member, &topic.name))?;
    }
    Ok(())
}

fn publish_unbooked(member: &Member, topic: &str) -> Result<()> {
    let options = PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() };
    match member.publish(topic, &payload(0, 40), &options) {
        Ok(_) | Err(Error::Full { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads everything that is published in [`NEWS`] until `done`, then what is left; `ready` is set when it has joined.
///
/// # Errors
/// A torn payload, a gap.
pub fn witness(bus: &Bus, ready: &AtomicBool, done: &AtomicBool) -> Result<Vec<u64>> {
    let member = bus.join()?;
    let mut subscription = member.subscribe(NEWS, StartAt::Now)?;
    let (mut numbers, mut next) = (Vec::new(), subscription.position());
    ready.store(true, Relaxed);
    loop {
        let last = done.load(Relaxed);
        while let Some(sample) = subscription.try_recv()? {
            if (sample.position(), sample.missed()) != (next, 0) {
                return Err(format!("message {} where {next} was expected", sample.position()).into());
            }
            numbers.push(number_of(&sample)?);
            next += 1;
        }
        if last {
            return Ok(numbers);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Enters what the witness has read.
pub fn enter(books: &mut Books, numbers: &[u64]) {
    numbers.iter().for_each(|number| books.add_left(*number, 1));
}

/// A fresh member reads what it publishes in each topic.
///
/// # Errors
/// When it does not.
pub fn probe(bus: &Bus) -> Result<()> {
    let member = bus.join()?;
    for topic in bus.observer()?.topics() {
        let mut subscription = member.subscribe(&topic.name, StartAt::Now)?;
        for _ in 0..3 {
            member.publish(&topic.name, &payload(7, 40), &PublishOptions::default())?;
            let number = number_of(&subscription.recv(Some(LONG))?)?;
            if number != 7 {
                return Err(format!("the probe of topic '{}' came back changed", topic.name).into());
            }
        }
    }
    Ok(())
}

/// What a peer does: publishes, and comes and goes as a subscriber.
///
/// # Errors
/// Whatever the bus says that it should not.
pub fn keep_company(clerk: &mut Clerk, member: &Member, round: u64) -> Result<()> {
    clerk.publish_in(member, NEWS, Duration::ZERO)?;
    if round.is_multiple_of(8) {
        let mut subscription = member.subscribe(NEWS, StartAt::Now)?;
        clerk.publish_in(member, NEWS, Duration::ZERO)?;
        while subscription.try_recv()?.is_some() {}
    }
    for topic in [NARROW, GOSSIP] {
        publish_unbooked(member, topic)?;
    }
    Ok(())
}

/// Comes to one of a few topics that nobody's books are about, publishes, reads what there is, and goes.
///
/// # Errors
/// Whatever the bus says that it should not.
pub fn visit(member: &Member, number: u64) -> Result<()> {
    let topic = format!("place-{number}");
    member.bus().declare_topic(&topic, &TopicOptions { capacity: Some(4), ..TopicOptions::default() })?;
    let mut subscription = member.subscribe(&topic, StartAt::Now)?;
    publish_unbooked(member, &topic)?;
    while let Some(sample) = subscription.try_recv()? {
        number_of(&sample)?;
    }
    Ok(())
}

impl Victim {
    /// The first one warms the member's cache.
    pub(super) fn trim_topic(&mut self, member: &Member) -> Result<()> {
        publish_unbooked(member, OWN)?;
        self.armed(|_| member.trim(OWN).map(drop).map_err(Into::into))
    }

    pub(super) fn publish_topic(&mut self, member: &Member) -> Result<()> {
        self.clerk.publish_in(member, NEWS, LONG)?;
        self.armed(|clerk| clerk.publish_in(member, NEWS, LONG).map(drop))
    }

    /// Its own sleep leaves the sleepers' bit set.
    pub(super) fn publish_waking(&mut self, member: &Member) -> Result<()> {
        publish_unbooked(member, OWN)?;
        let mut subscription = member.subscribe(OWN, StartAt::Now)?;
        rest(&mut subscription, Duration::from_millis(1))?;
        self.armed(|_| publish_unbooked(member, OWN))
    }

    pub(super) fn publish_full(&mut self, timeout: Duration) -> Result<()> {
        let (member, slow) = (self.bus.join()?, self.bus.join()?);
        let _subscription = slow.subscribe(NARROW, StartAt::Now)?;
        publish_unbooked(&member, NARROW)?;
        let options = PublishOptions { timeout: Some(timeout), ..PublishOptions::default() };
        self.armed(|_| match member.publish(NARROW, &payload(0, 40), &options) {
            Err(Error::Full { .. } | Error::Timeout) => Ok(()),
            other => Err(format!("room where there was none: {other:?}").into()),
        })
    }

    pub(super) fn subscribe(&mut self, member: &Member) -> Result<()> {
        // Its slots are committed, its cursors are not.
        let subscription = self.armed(|_| Ok(member.subscribe(OWN, StartAt::Now)?))?;
        drop(subscription);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, member: &Member) -> Result<()> {
        let subscription = member.subscribe(OWN, StartAt::Now)?;
        self.armed(|_| {
            drop(subscription);
            Ok(())
        })
    }

    pub(super) fn read_topic(&mut self, member: &Member) -> Result<()> {
        let mut subscription = member.subscribe(OWN, StartAt::Now)?;
        publish_unbooked(member, OWN)?;
        self.armed(|_| rest(&mut subscription, LONG))
    }

    pub(super) fn read_topic_wait(&mut self, member: &Member) -> Result<()> {
        let mut subscription = member.subscribe(OWN, StartAt::Now)?;
        self.armed(|_| rest(&mut subscription, SOON))
    }

    pub(super) fn read_lossy(&mut self, member: &Member) -> Result<()> {
        let mut subscription = member.subscribe(GOSSIP, StartAt::Now)?;
        for _ in 0..8 {
            publish_unbooked(member, GOSSIP)?;
        }
        self.armed(|_| rest(&mut subscription, LONG))
    }
}

/// Reads a message, if one comes.
fn rest(subscription: &mut Subscription<'_>, timeout: Duration) -> Result<()> {
    match subscription.recv(Some(timeout)) {
        Ok(_) | Err(Error::Timeout) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
