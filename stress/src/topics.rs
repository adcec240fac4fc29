//! Topics and many processes: a thousand subscribers, stopped ones, killed ones, ones that come and go.

use crate::Result;
use crate::killer::{PATIENCE, Process};
use crate::kills::Dice;
use crate::peer::stop_flag;
use crate::scene::{Scene, expect_bare, number_of, payload};
use crate::workload::Crowd;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Error, Policy, PublishOptions, StartAt, Subscription, TopicOptions};

const TOPIC: &str = "news";
/// The last number of all.
const END: u64 = u64::MAX;

fn scene(agents: u32, policy: Policy, capacity: u32) -> Result<Scene> {
    let scene = Scene::new(&CreateOptions { agents, heap: 256 << 20, ..CreateOptions::default() })?;
    scene.declare_topic(TOPIC, &TopicOptions { policy, capacity: Some(capacity), retain: capacity })?;
    Ok(scene)
}

fn patient() -> PublishOptions {
    PublishOptions { timeout: Some(PATIENCE), ..PublishOptions::default() }
}

/// Waits until so many subscribe.
fn await_subscribers(bus: &Bus, count: usize) -> Result<()> {
    let (observer, start) = (bus.observer()?, Instant::now());
    while observer.topics().iter().map(|topic| topic.subscribers.len()).sum::<usize>() != count {
        if start.elapsed() > PATIENCE {
            return Err(format!("not {count} subscribers: {:?}", observer.topics()).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// `subscribers` processes subscribe; `messages` of `length` bytes reach all of them, in order.
///
/// # Errors
/// A process that ends otherwise.
pub fn fan_out(program: &Path, subscribers: u32, messages: u64, length: usize) -> Result<String> {
    let (scene, start) = (scene(subscribers + 8, Policy::BackPressure, 16)?, Instant::now());
    let mut crowd = Crowd(Vec::new());
    for _ in 0..subscribers {
        let mut command = Command::new(program);
        command.args(["read-all", "--bus", scene.name(), "--count", &messages.to_string()]);
        crowd.0.push(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    }
    await_subscribers(&scene, subscribers as usize)?;
    let (there, publisher) = (start.elapsed(), scene.join()?);
    let begun = Instant::now();
    for number in 0..messages {
        publisher.publish(TOPIC, &payload(number, length), &patient())?;
    }
    for child in &mut crowd.0 {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("a subscriber ended with {status}").into());
        }
    }
    let took = begun.elapsed();
    drop(publisher);
    expect_bare(&scene)?;
    Ok(format!(
        "{subscribers} processes subscribed in {:.1} s; {messages} messages of {length} bytes reached all, in order, in {:.2} s, their ends included",
        there.as_secs_f64(),
        took.as_secs_f64()
    ))
}

/// A subscriber of [`fan_out`].
///
/// # Errors
/// Any message but the next.
pub fn read_all(bus: &str, count: u64) -> Result<()> {
    let bus = Bus::open(bus)?;
    let member = bus.join()?;
    let mut subscription = member.subscribe(TOPIC, StartAt::Now)?;
    for expected in 0..count {
        let sample = subscription.recv(Some(PATIENCE))?;
        if (number_of(&sample)?, sample.missed()) != (expected, 0) {
            return Err(format!("not message {expected}").into());
        }
    }
    Ok(())
}

/// A subscriber that writes down what it reads, number and missed, until the last message.
///
/// # Errors
/// Those of reading.
pub fn read_on(bus: &str) -> Result<()> {
    let bus = Bus::open(bus)?;
    let member = bus.join()?;
    let mut subscription = member.subscribe(TOPIC, StartAt::Now)?;
    loop {
        let (number, missed) = {
            let sample = subscription.recv(Some(PATIENCE))?;
            (number_of(&sample)?, sample.missed())
        };
        let mut output = std::io::stdout().lock();
        output.write_all(&[number.to_ne_bytes(), missed.to_ne_bytes()].concat())?;
        output.flush()?;
        if number == END {
            return Ok(());
        }
    }
}

/// Stops a process, and waits until it is.
fn stop(process: &Process) -> Result<()> {
    process.signal(Signal::SIGSTOP)?;
    let (path, start) = (format!("/proc/{}/stat", process.pid()), Instant::now());
    while !std::fs::read_to_string(&path)?.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")) {
        if start.elapsed() > PATIENCE {
            return Err("it does not stop".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Numbers and how many were missed before each, as [`read_on`] wrote them down.
fn pairs(process: &Process) -> Result<Vec<(u64, u64)>> {
    Ok(process.words()?.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// What became of messages while a subscriber was stopped, and after that.
///
/// # Errors
/// Anything but what the policy says.
pub fn stopped(program: &Path, policy: Policy) -> Result<String> {
    const CAPACITY: u64 = 8;
    const MESSAGES: u64 = 50;
    let scene = scene(16, policy, CAPACITY as u32)?;
    let mut reader = Process::start(program, &["read-on", "--bus", scene.name()])?;
    await_subscribers(&scene, 1)?;
    let publisher = scene.join()?;
    publisher.publish(TOPIC, &payload(1000, 64), &patient())?;
    reader.wait_for_words(|words| words.len() == 2)?;
    stop(&reader)?;
    let (mut published, mut dropped, mut timed_out) = (Vec::new(), 0, 0);
    for number in 0..MESSAGES {
        // Back-pressure holds a publisher until its deadline and no longer; the others do not ask for one.
        let timeout = (policy == Policy::BackPressure).then_some(Duration::from_millis(2));
        let options = PublishOptions { timeout, ..PublishOptions::default() };
        match publisher.publish(TOPIC, &payload(number, 64), &options) {
            Ok(result) if result.position.is_some() => published.push(number),
            Ok(_) => dropped += 1,
            Err(Error::Timeout) => timed_out += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let left_over = MESSAGES - published.len() as u64;
    let as_documented = match policy {
        Policy::BackPressure => (dropped, timed_out) == (0, left_over) && is_nearly(published.len() as u64, CAPACITY),
        Policy::DropNew => (dropped, timed_out) == (left_over, 0) && is_nearly(published.len() as u64, CAPACITY),
        Policy::Lossy => left_over == 0,
    };
    if !as_documented {
        return Err(
            format!("{policy:?}: {} published, {dropped} dropped, {timed_out} timed out", published.len()).into()
        );
    }
    reader.signal(Signal::SIGCONT)?;
    // Of what is dropped while it catches up nothing is expected.
    while publisher.publish(TOPIC, &payload(END, 64), &patient())?.position.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = reader.end()?;
    let seen = pairs(&reader)?;
    let (numbers, missed): (Vec<u64>, u64) =
        (seen.iter().map(|(number, _)| *number).collect(), seen.iter().map(|(_, missed)| missed).sum());
    let expected: Vec<u64> = [1000].into_iter().chain(published.iter().copied()).chain([END]).collect();
    let right = match policy {
        Policy::Lossy => {
            let tail = expected.len() - (numbers.len() - 1);
            numbers.len() as u64 + missed == expected.len() as u64 && missed > 0 && numbers[1..] == expected[tail..]
        }
        _ => missed == 0 && numbers == expected,
    };
    if !status.success() || !right {
        return Err(format!("{policy:?}: {status}; read {seen:?} of {expected:?}").into());
    }
    drop(publisher);
    expect_bare(&scene)?;
    Ok(format!(
        "{}: while a subscriber was stopped, {} of {MESSAGES} were published, {dropped} dropped, {timed_out} timed out; continued, it read {} and was told of {missed} missed",
        policy.as_str(),
        published.len(),
        numbers.len()
    ))
}

/// It may have stopped in the midst of the first message, or just after.
fn is_nearly(published: u64, capacity: u64) -> bool {
    published == capacity || published + 1 == capacity
}

/// `kills` subscribers are killed at random moments while messages flow to one that lives. Nobody but publishers and subscribers is there to reap.
///
/// # Errors
/// A message that the survivor misses; a publisher that is held up for good; a cursor left behind.
pub fn killed(program: &Path, kills: u32) -> Result<String> {
    let (scene, start, mut dice) = (scene(kills + 16, Policy::BackPressure, 4)?, Instant::now(), Dice::new());
    let done = AtomicBool::new(false);
    let survivor = scene.join()?;
    let mut subscription = survivor.subscribe(TOPIC, StartAt::Now)?;
    let (published, longest) = std::thread::scope(|threads| -> Result<_> {
        let publisher = threads.spawn(|| -> Result<_> {
            let (member, mut number, mut longest) = (scene.join()?, 0, Duration::ZERO);
            while !done.load(Relaxed) {
                let begun = Instant::now();
                member.publish(TOPIC, &payload(number, 4096), &patient())?;
                longest = longest.max(begun.elapsed());
                number += 1;
            }
            member.publish(TOPIC, &payload(END, 64), &patient())?;
            Ok((number, longest))
        });
        let killer = threads.spawn(|| {
            let killed = (|| -> Result<()> {
                let mut victims = Vec::new();
                for _ in 0..kills {
                    victims.push(Process::start(program, &["skim", "--bus", scene.name()])?);
                }
                for victim in &mut victims {
                    victim.wait_for_words(|words| !words.is_empty())?;
                }
                for victim in &victims {
                    std::thread::sleep(Duration::from_nanos(dice.below(500_000)));
                    victim.signal(Signal::SIGKILL)?;
                }
                victims.iter_mut().try_for_each(Process::expect_killed)
            })();
            done.store(true, Relaxed);
            killed
        });
        let mut expected = 0;
        loop {
            let number = number_of(&subscription.recv(Some(PATIENCE))?)?;
            if number == END {
                break;
            }
            if number != expected {
                return Err(format!("{number} where {expected} was expected").into());
            }
            expected += 1;
        }
        killer.join().map_err(|_| "the killer panicked")??;
        let (published, longest) = publisher.join().map_err(|_| "the publisher panicked")??;
        if published == expected { Ok((published, longest)) } else { Err("the last messages are missing".into()) }
    })?;
    survivor.reap()?;
    await_subscribers(&scene, 1)?;
    drop(subscription);
    drop(survivor);
    expect_bare(&scene)?;
    Ok(format!(
        "{kills} subscribers killed while {published} messages flowed: all reached the survivor, in order; no publish took more than {:.1} ms; {:.1} s",
        longest.as_secs_f64() * 1e3,
        start.elapsed().as_secs_f64()
    ))
}

/// A subscriber that says that it is there, and reads until it is killed.
///
/// # Errors
/// Those of reading.
pub fn skim(bus: &str) -> Result<()> {
    let bus = Bus::open(bus)?;
    let member = bus.join()?;
    let mut subscription = member.subscribe(TOPIC, StartAt::Retained)?;
    let mut said = false;
    loop {
        drop(subscription.recv(Some(PATIENCE))?);
        if !std::mem::replace(&mut said, true) {
            std::io::stdout().write_all(&1u64.to_ne_bytes())?;
            std::io::stdout().flush()?;
        }
    }
}

/// Publishers publish while joiners come, read a little and go, for some time.
///
/// # Errors
/// A gap or a duplicate after a joiner has joined.
pub fn comings_and_goings(program: &Path, publishers: u32, joiners: u32, time: Duration) -> Result<String> {
    let scene = scene(publishers + joiners + 8, Policy::BackPressure, 4)?;
    let start = |verb: &str, number: u32| {
        Process::start(program, &[verb, "--bus", scene.name(), "--number", &number.to_string()])
    };
    let mut joined = (0..joiners).map(|number| start("rejoin", number)).collect::<Result<Vec<_>>>()?;
    let mut published = (0..publishers).map(|number| start("proclaim", number)).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(time);
    // Publishers last: a joiner waits for what it wants to read.
    joined.iter_mut().try_for_each(Process::stop)?;
    published.iter_mut().try_for_each(Process::stop)?;
    let sum = |of: &[Process]| -> Result<u64> {
        of.iter().map(|process| Ok(process.words()?.first().copied().unwrap_or(0))).sum()
    };
    let (joins, messages) = (sum(&joined)?, sum(&published)?);
    if joins == 0 || messages == 0 {
        return Err("nobody did anything".into());
    }
    expect_bare(&scene)?;
    Ok(format!(
        "{publishers} processes published {messages} messages, {joiners} joined {joins} times: no gap, no duplicate"
    ))
}

/// Publishes until standard input ends, then says how much.
///
/// # Errors
/// Those of publishing.
pub fn proclaim(bus: &str, number: u32) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, stop_flag());
    let (member, mut count) = (bus.join()?, 0u64);
    while !stop.load(Relaxed) {
        member.publish(TOPIC, &payload((number as u64) << 32 | count, 40), &patient())?;
        count += 1;
    }
    Ok(std::io::stdout().write_all(&count.to_ne_bytes())?)
}

/// Subscribes, reads and ends it, again and again until standard input ends; then says how often.
///
/// # Errors
/// A gap or a duplicate.
pub fn rejoin(bus: &str, number: u32) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, stop_flag());
    let (member, mut joins) = (bus.join()?, 0u64);
    while !stop.load(Relaxed) {
        let from = [StartAt::Now, StartAt::Retained, StartAt::Last(2)][(joins as usize + number as usize) % 3];
        read_some(&mut member.subscribe(TOPIC, from)?)?;
        joins += 1;
    }
    Ok(std::io::stdout().write_all(&joins.to_ne_bytes())?)
}

fn read_some(subscription: &mut Subscription<'_>) -> Result<()> {
    let first = subscription.position();
    let mut last = BTreeMap::<u64, u64>::new();
    for position in first..first + 16 {
        let sample = subscription.recv(Some(PATIENCE))?;
        let number = number_of(&sample)?;
        let before = last.insert(number >> 32, number);
        if (sample.position(), sample.missed()) != (position, 0) || before.is_some_and(|before| before + 1 != number) {
            return Err(format!("{number:#x} at {} after {before:x?}", sample.position()).into());
        }
    }
    Ok(())
}
