//! A small segment in which something of everything is, living and dead, and copies of it, each a bus of its own.

use crate::Result;
use crate::killer::Process;
use crate::scene::file_of;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::Mode;
use nix::unistd::{LinkatFlags, Whence, linkat, lseek};
use std::fs::File;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use swarmbus_core::layout::{Header, PAGE};
use swarmbus_core::{
    AgentState, Bus, CreateOptions, Lane, LockMode, Policy, PublishOptions, QueueOptions, SendOptions, StartAt, Status,
    TopicOptions,
};

/// Without patience.
pub fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

/// A bus as small as one can be that still has everything.
pub fn small() -> CreateOptions {
    CreateOptions { agents: 10, heap: 3 << 21, limit: 16, ..CreateOptions::default() }
}

/// What a bus is to have before somebody scribbles over it: queues with and without limits, dead letters, topics of each policy.
fn furnish(bus: &Bus) -> Result<()> {
    let letters = QueueOptions { max_deliveries: Some(3), dead_letters: Some("d".into()), ..QueueOptions::default() };
    bus.declare("q", &letters)?;
    bus.declare(
        "r",
        &QueueOptions { limit: Some(4), makes_room: true, dead_letters: Some("d".into()), ..QueueOptions::default() },
    )?;
    for (topic, policy) in [("t", Policy::BackPressure), ("u", Policy::Lossy), ("v", Policy::DropNew)] {
        bus.declare_topic(topic, &TopicOptions { policy, capacity: Some(4), retain: 4 })?;
    }
    Ok(())
}

/// Puts messages everywhere.
fn fill(bus: &Bus) -> Result<()> {
    let agent = bus.attach("a")?;
    agent.set_status(&Status {
        state: AgentState::InProgress,
        task: "a task".into(),
        total: 3,
        ..Status::default()
    })?;
    for number in 0..3u8 {
        for lane in [Lane::Normal, Lane::Urgent] {
            agent.send("q", &[number; 40], &SendOptions { lane, ..at_once() })?;
        }
        agent.send("r", &[number; 40], &SendOptions { key: Some(u64::from(number)), ..at_once() })?;
        agent.send("a", &[number; 90], &SendOptions { time_to_live: Some(Duration::from_secs(60)), ..at_once() })?;
        for topic in ["t", "u", "v"] {
            agent.publish(
                topic,
                &[number; 40],
                &PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() },
            )?;
        }
    }
    agent.send_batch("q", &[&b"one"[..], b"two", b"three"], &at_once())?;
    agent.receive("q", Some(Duration::ZERO))?.nack_after(Duration::from_millis(1)).map_err(|refused| refused.error)?;
    agent.receive("q", Some(Duration::ZERO))?.nack_after(Duration::from_secs(60)).map_err(|refused| refused.error)?;
    agent.receive("q", Some(Duration::ZERO))?.nack()?;
    Ok(())
}

/// Takes something of everything, and dies with it.
///
/// # Errors
/// Those of the bus: it lives, then.
pub fn die(bus: &str) -> Result<()> {
    let bus = Bus::open(bus)?;
    let agent = bus.attach("b")?;
    agent.tap("q")?;
    let _lock = agent.lock("x/**", LockMode::Exclusive, Some(Duration::ZERO))?;
    let _shared = agent.lock("y", LockMode::Shared, Some(Duration::ZERO))?;
    let mut subscription = agent.subscribe("t", StartAt::Retained)?;
    let _sample = subscription.try_recv()?;
    let _taken = agent.receive("q", Some(Duration::ZERO))?;
    let _loan = agent.loan(40)?;
    agent.set_status(&Status { state: AgentState::Blocked, blockers: vec!["itself".into()], ..Status::default() })?;
    agent.take_role("reviewer")?;
    raise(Signal::SIGKILL)?;
    Ok(())
}

/// What is in a segment's file.
pub struct Contents {
    bytes: u64,
    extents: Vec<(u64, Vec<u8>)>,
}

impl Contents {
    /// Of a file, which others may be writing to.
    ///
    /// # Errors
    /// The system's.
    pub fn of(path: &Path) -> Result<Contents> {
        let file = File::open(path)?;
        Ok(Contents { bytes: file.metadata()?.len(), extents: extents(&file)? })
    }

    /// Fills an empty file with it.
    ///
    /// # Errors
    /// The system's.
    pub fn fill(&self, file: &File) -> Result<()> {
        file.set_len(self.bytes)?;
        self.extents.iter().try_for_each(|(at, bytes)| Ok(file.write_all_at(bytes, *at)?))
    }
}

/// A bus to be copied: something of everything is in it.
pub struct Template {
    name: String,
    contents: Contents,
    copies: u64,
}

impl Template {
    /// Makes the segment in a bus of this process' own, which is gone afterwards. `program`: this crate's, which dies there.
    ///
    /// # Errors
    /// Those of the bus.
    pub fn new(name: &str, program: &Path) -> Result<Template> {
        let made = Made(Bus::create(name, &small())?);
        furnish(&made.0)?;
        fill(&made.0)?;
        Process::start(program, &["scribbled-dead", "--bus", name])?.expect_killed()?;
        let contents = Contents::of(&file_of(name))?;
        Ok(Template { name: name.into(), copies: contents.bytes, contents })
    }

    /// The file of its copies.
    pub fn path(&self) -> PathBuf {
        file_of(&self.name)
    }

    /// The name of its copies, one at a time.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A copy, in the place of the one before: a bus as it was, of a birth of its own. It is there whole from one moment to the next.
    ///
    /// # Errors
    /// The system's.
    pub fn copy(&mut self) -> Result<()> {
        let _ = std::fs::remove_file(self.path());
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = File::from(open("/dev/shm", flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        self.contents.fill(&file)?;
        self.copies += 1;
        file.write_all_at(&self.copies.to_ne_bytes(), offset_of!(Header, birth) as u64)?;
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(AT_FDCWD, own.as_str(), AT_FDCWD, &self.path(), LinkatFlags::AT_SYMLINK_FOLLOW)?;
        Ok(())
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// The bus of which a template is made. Its file goes, but it is not destroyed: copies would be of a bus that was.
struct Made(Bus);

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(file_of(self.0.name()));
    }
}

/// The pages of a file that are there and not all zero.
fn extents(file: &File) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut extents = Vec::new();
    let mut at = 0;
    while let Ok(first) = lseek(file, at, Whence::SeekData) {
        let end = lseek(file, first, Whence::SeekHole)?;
        for page in (first as u64..end as u64).step_by(PAGE as usize) {
            let mut bytes = vec![0; PAGE as usize];
            file.read_exact_at(&mut bytes, page)?;
            if bytes.iter().any(|byte| *byte != 0) {
                extents.push((page, bytes));
            }
        }
        at = end;
    }
    Ok(extents)
}
