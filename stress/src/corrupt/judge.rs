//! The end of a scribbled bus: whether `fsck` makes a copy of it, made while others are at work, as good as new.
//!
//! A process of its own does this, for it may crash or hang over what it finds.

use super::template::Contents;
use crate::scene::{expect_capacity, file_of, patience};
use crate::{Failure, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use swarmbus_core::{Bus, Error, Lane, LockMode, Observer, Problem, PublishOptions, StartAt, repair_file};

/// Who has a bus to itself and gets nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(10);
/// More messages than a queue can hold.
const MESSAGES_MAX: usize = 1000;

/// The name of the bus that is a repaired copy of another.
pub fn copy_of(bus: &str) -> String {
    format!("{bus}-repaired")
}

/// Judges a bus, and writes down whether it is one; or a copy that is there already.
///
/// # Errors
/// As [`judge`].
pub fn run(bus: Option<&str>, file: Option<&Path>) -> Result<()> {
    if let Some(path) = file {
        println!("{}", if judge_file(path)? { "repaired, and works" } else { "no bus any more" });
        return Ok(());
    }
    let is_bus = judge(bus.ok_or("no bus")?)?;
    Ok(std::io::stdout().write_all(&u64::from(is_bus).to_ne_bytes())?)
}

/// Repairs a copy of a bus that others use, and uses that. `false`: the header says that this is no bus.
///
/// # Errors
/// When the repaired copy is still not sound, or does not work. The copy as it was is in a file then, which the error names.
fn judge(bus: &str) -> Result<bool> {
    let contents = Contents::of(&file_of(bus))?;
    let copy = Copy(copy_of(bus));
    contents.fill(&File::create(file_of(&copy.0))?)?;
    judge_copy(&copy.0).map_err(|failure| match keep(&contents, bus) {
        Ok(path) => format!("{failure}; the bus before its repair: {}", path.display()).into(),
        Err(error) => format!("{failure} (and the bus before its repair could not be kept: {error})").into(),
    })
}

/// Repairs and tries a copy of a bus that is a file of the user's.
///
/// # Errors
/// As [`judge`].
fn judge_file(path: &Path) -> Result<bool> {
    let copy = Copy(format!("stress-{}-judged", std::process::id()));
    Contents::of(path)?.fill(&File::create(file_of(&copy.0))?)?;
    judge_copy(&copy.0)
}

/// The file of a copied bus, which goes with this.
struct Copy(String);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(file_of(&self.0));
    }
}

fn keep(contents: &Contents, bus: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("swarmbus.{bus}.scribbled"));
    contents.fill(&File::create(&path)?)?;
    Ok(path)
}

fn judge_copy(copy: &str) -> Result<bool> {
    let path = file_of(copy);
    let repaired = match repair_file(&path) {
        Ok(repaired) => repaired,
        Err(error) if is_no_bus(&error) => return Ok(false),
        Err(error) => return Err(format!("fsck cannot repair it: {error}").into()),
    };
    let judge_it = || {
        expect_sound(&path, &repaired.left)?;
        expect_sound(&path, &Observer::open_file(&path)?.fsck())?;
        match Bus::open(copy) {
            Err(error) if is_no_bus(&error) => return Ok(false),
            // What is in memory that nobody had used shows only now, and hinders nobody.
            bus => works(&bus?)?,
        }
        Ok(true)
    };
    judge_it()
        .map_err(|failure: Failure| format!("{failure}, after a repair that did this: {:#?}", repaired.done).into())
}

/// That no problem is left. Of a bus whose queues are all taken one may be: messages that belong in none have no place.
fn expect_sound(path: &Path, problems: &[Problem]) -> Result<()> {
    let observer = Observer::open_file(path)?;
    let is_full = observer.queues().len() as u64 >= u64::from(observer.bus().agents_max);
    let left: Vec<&Problem> = problems.iter().filter(|problem| !(is_full && problem.kind == "message")).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("this is wrong: {left:#?}").into()) }
}

/// What a header that was written over says: a repair does not guess what a bus was.
fn is_no_bus(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { .. }
            | Error::NotReady { .. }
            | Error::WrongVersion { .. }
            | Error::WrongBoot { .. }
            | Error::ForeignNamespace { .. }
            | Error::UnknownBus { .. }
            | Error::Closed { .. }
    )
}

/// Whether a bus that nobody else uses does everything for a fresh process.
fn works(bus: &Bus) -> Result<()> {
    let observer = bus.observer()?;
    for queue in observer.queues() {
        talk(bus, &queue.name).map_err(|failure| format!("queue '{}': {failure}", queue.name))?;
    }
    for topic in observer.topics() {
        tell(bus, &topic.name).map_err(|failure| format!("topic '{}': {failure}", topic.name))?;
    }
    drop(bus.join()?.lock("**", LockMode::Exclusive, Some(STUCK)).map_err(|error| format!("all locks: {error}"))?);
    expect_capacity(bus, false)
}

/// Sends to a queue in each lane, and receives that, after what is there.
fn talk(bus: &Bus, queue: &str) -> Result<()> {
    let member = bus.join()?;
    member.reopen_queue(queue)?;
    member.purge(queue)?;
    for lane in [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low] {
        let told = format!("probe in lane {lane:?}");
        member.send(queue, told.as_bytes(), &patience(lane, STUCK)).map_err(|error| format!("{told}: {error}"))?;
        let mut others = 0;
        loop {
            let message = member.receive(queue, Some(STUCK)).map_err(|error| format!("{told}: {error}"))?;
            let is_it = message.data() == told.as_bytes();
            message.release()?;
            if is_it {
                break;
            }
            others += 1;
            if others > MESSAGES_MAX {
                return Err(format!("{told}: {others} messages come before it").into());
            }
        }
    }
    Ok(())
}

/// Publishes to a topic and reads that.
fn tell(bus: &Bus, topic: &str) -> Result<()> {
    let (publisher, reader) = (bus.join()?, bus.join()?);
    let mut subscription = reader.subscribe(topic, StartAt::Now)?;
    let options = PublishOptions { timeout: Some(STUCK), ..PublishOptions::default() };
    publisher.publish(topic, b"probe", &options)?;
    let sample = subscription.recv(Some(STUCK))?;
    if sample.data() == b"probe" { Ok(()) } else { Err("the probe came back changed".into()) }
}
