//! A bus of a test's own, gone when the test is, also when it fails; and the talk of numbered messages.

use crate::Result;
use crate::books::Books;
pub use crate::clerk::Clerk;
use crate::killer::PATIENCE;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{Bus, CreateOptions, Error, Lane, Observer, SendOptions, TopicInfo};

static SCENES: AtomicUsize = AtomicUsize::new(0);
static SWEEP: Once = Once::new();

/// A bus that is destroyed on drop.
pub struct Scene(Bus);

impl Scene {
    /// A new bus with a name that nobody else has.
    ///
    /// # Errors
    /// Those of [`Bus::create`].
    pub fn new(options: &CreateOptions) -> Result<Scene> {
        SWEEP.call_once(remove_stale);
        let name = format!("stress-{}-{}", std::process::id(), SCENES.fetch_add(1, Relaxed));
        Ok(Scene(Bus::create(&name, options)?))
    }

    /// The name of a second bus, which a victim may make and which goes with this one.
    pub fn second(&self) -> String {
        second_of(self.0.name())
    }
}

/// Removes what a run left that was itself killed.
fn remove_stale() {
    for bus in Bus::list().unwrap_or_default() {
        let pid = bus.strip_prefix("stress-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = std::fs::remove_file(file_of(&bus));
        }
    }
}

/// The name of the bus that victims on `bus` create and destroy.
pub fn second_of(bus: &str) -> String {
    format!("{bus}-second")
}

/// The file of a bus.
pub fn file_of(bus: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("swarmbus.{bus}"))
}

impl Deref for Scene {
    type Target = Bus;
    fn deref(&self) -> &Bus {
        &self.0
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.0.destroy();
        for bus in [self.0.name().to_owned(), self.second()] {
            let _ = std::fs::remove_file(file_of(&bus));
        }
    }
}

/// The payload of message `number`, `length` bytes: the number over and over.
pub fn payload(number: u64, length: usize) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(length.max(8)).collect()
}

/// The number of a message, all of whose bytes must say so.
///
/// # Errors
/// When they do not.
pub fn number_of(data: &[u8]) -> Result<u64> {
    let number = u64::from_le_bytes(data.get(..8).ok_or("a message of less than 8 bytes")?.try_into()?);
    // Every byte is as the one 8 before it.
    let whole = data[8..] == data[..data.len() - 8];
    if whole { Ok(number) } else { Err(format!("the payload of message {number} is torn").into()) }
}

/// Send options: this lane, this patience.
pub fn patience(lane: Lane, timeout: Duration) -> SendOptions {
    SendOptions { lane, timeout: Some(timeout), ..SendOptions::default() }
}

/// Takes all that is left in the queues, answers that nobody asks for any more among it, and enters it in the books. Returns how many messages were found.
///
/// # Errors
/// Whatever receiving says; a torn payload.
pub fn collect(bus: &Bus, books: &mut Books) -> Result<u64> {
    let (member, observer) = (bus.join()?, bus.observer()?);
    let mut found = 0;
    // What a queue does not deliver any more goes to another, which may have been looked at before.
    for _ in 0..3 {
        for queue in observer.queues() {
            loop {
                let message = match member.try_receive(&queue.name) {
                    Ok(Some(message)) => message,
                    Ok(None) if is_parked(&observer, &queue.name) => member.receive(&queue.name, Some(PATIENCE))?,
                    Ok(None) | Err(Error::Closed { .. }) => break,
                    Err(error) => return Err(error.into()),
                };
                if message.tapped().is_some() {
                    message.release()?;
                    continue;
                }
                books.add_left(number_of(&message)?, message.deliveries());
                message.release()?;
                found += 1;
            }
        }
    }
    books.add_dropped(observer.queues().iter().map(|queue| queue.dropped).sum());
    Ok(found)
}

/// Whether messages of a queue wait for their time.
fn is_parked(observer: &Observer, queue: &str) -> bool {
    let lanes = observer.queues().into_iter().filter(|info| info.name == queue).flat_map(|info| info.lanes);
    lanes.into_iter().any(|lane| lane.lane == "parked" && lane.depth > 0)
}

/// Who cannot send or receive for so long, with nobody else there, is stuck.
const STUCK: Duration = Duration::from_secs(1);

/// [`probe`]s every queue but those of agents' taps, which others do not send to.
///
/// # Errors
/// When one is stuck.
pub fn probe_all(bus: &Bus) -> Result<()> {
    for queue in bus.observer()?.queues() {
        probe(bus, &queue.name).map_err(|error| format!("queue '{}': {error}", queue.name))?;
    }
    Ok(())
}

/// A fresh member talks to itself through a queue.
///
/// # Errors
/// When it cannot.
pub fn probe(bus: &Bus, queue: &str) -> Result<()> {
    let member = bus.join()?;
    for lane in [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low] {
        member.send(queue, b"probe", &patience(lane, STUCK))?;
        let message = member.receive(queue, Some(STUCK))?;
        if (&*message, message.deliveries()) != (&b"probe"[..], 1) {
            return Err(format!("the probe of '{queue}' came back changed").into());
        }
        message.release()?;
    }
    Ok(())
}

/// With everybody gone, nothing is claimed: no members, no chunk held, queued or in flight.
///
/// # Errors
/// What is still there.
pub fn expect_bare(bus: &Bus) -> Result<()> {
    let observer = bus.observer()?;
    let (members, chunks) = (observer.members(), observer.bus().heap.chunks);
    if !members.is_empty() {
        return Err(format!("members are left: {members:?}").into());
    }
    // A topic keeps its last messages, one in each slot.
    let topics = observer.topics();
    let odd = |topic: &&TopicInfo| {
        let slots = 2 * topic.capacity.next_power_of_two() as u64;
        topic.retained_messages != topic.published.min(slots) || !topic.subscribers.is_empty()
    };
    if let Some(topic) = topics.iter().find(odd) {
        return Err(format!("a topic keeps more or less than its slots: {topic:?}").into());
    }
    let kept: u64 = topics.iter().map(|topic| topic.retained_messages).sum();
    if (chunks.held, chunks.queued, chunks.in_flight) != (0, kept, 0) {
        return Err(format!("chunks are left: {chunks:?}").into());
    }
    let locks = observer.locks();
    if !locks.is_empty() {
        return Err(format!("locks are left: {locks:?}").into());
    }
    let odd: Vec<_> = observer.queues().into_iter().filter(|queue| queue.queued + queue.in_flight > 0).collect();
    if odd.is_empty() { Ok(()) } else { Err(format!("queues are not empty: {odd:?}").into()) }
}

/// Every member index, every queue record and every span of the heap can still be had. Uses them up: the last thing done with a bus.
///
/// # Errors
/// What cannot be had.
pub fn expect_capacity(bus: &Bus, heap_too: bool) -> Result<()> {
    let observer = bus.observer()?;
    let (agents, queues) = (observer.bus().agents_max as usize, observer.queues().len());
    let mut members = Vec::new();
    let refused = loop {
        match bus.join() {
            Ok(member) => members.push(member),
            Err(error) => break error,
        }
    };
    if members.len() != agents || !matches!(refused, Error::TooManyAgents { .. }) {
        return Err(format!("{} of {agents} member indices can be had, then: {refused}", members.len()).into());
    }
    drop(members);
    let mut declared = queues;
    let refused = loop {
        match bus.declare(&format!("capacity-{declared}"), &Default::default()) {
            Ok(()) => declared += 1,
            Err(error) => break error,
        }
    };
    if declared != agents || !matches!(refused, Error::TooManyAgents { .. }) {
        return Err(format!("{declared} of {agents} queues can be declared, then: {refused}").into());
    }
    if heap_too {
        let member = bus.join()?;
        let mut loans = Vec::new();
        let refused = loop {
            match member.loan(2 << 20) {
                Ok(loan) => loans.push(loan),
                Err(error) => break error,
            }
        };
        let heap = observer.bus().heap;
        let given: u64 = heap.classes.iter().map(|class| spans_of(class.payload_bytes) * class.spans as u64).sum();
        if given != heap.spans as u64 || !matches!(refused, Error::OutOfMemory { .. }) {
            return Err(format!("{given} of {} spans can be had, then: {refused}: {heap:?}", heap.spans).into());
        }
    }
    Ok(())
}

fn spans_of(payload_bytes: u64) -> u64 {
    (payload_bytes + swarmbus_core::layout::CHUNK_HEADER).div_ceil(swarmbus_core::layout::SPAN_BYTES)
}
