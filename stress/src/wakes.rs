//! Lost wakes: receivers that sleep while their queue has a message, because the sender died before it woke one of them.
//!
//! Senders send a few messages and pause; then they go on, are killed at random moments and reaped. While they pause, and when they are reaped,
//! nobody is about to wake a receiver, so a message that waits while every receiver of its queue sleeps, and sleeps on, is a lost wake.
//! No clock is asked: that they slept all the while is told by the kernel's count of their sleeps.
//!
//! That it would be noticed was tried: with a `wait::ring` that leaves out one kernel's wake in a hundred the pause shows it, and with a reaper
//! that does not pass on the wakes of the dead (`Reaper::wakes`) the time after the reap does.

use crate::Result;
use crate::killer::{PATIENCE, Process, Rest};
use crate::kills::Dice;
use crate::scene::{Scene, expect_bare, number_of, payload};
use crate::sweep::reap_all;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Member, Observer, QueueOptions, SendOptions};

/// The queues, the receivers of each, and the senders of each at a time.
const QUEUES: [(&str, usize, usize); 2] = [("alone", 1, 1), ("shared", 3, 2)];

/// The pause of a lone sender between two messages: its receiver has the time to fall asleep.
const PAUSE: Duration = Duration::from_micros(10);

/// Tells a receiver that nothing comes any more.
const END: u64 = 0;

/// Numbers from here on are a sender's, and below the next multiple.
const EACH: u64 = 1 << 32;

struct Receiver {
    process: Process,
    queue: &'static str,
}

/// Senders send `sends` messages in all; each of them is killed, at a random moment.
///
/// # Errors
/// A lost wake; a message that is lost, there twice, or out of order.
pub fn lost_wakes(program: &Path, sends: u64) -> Result<String> {
    let scene = Scene::new(&CreateOptions { agents: 64, heap: 64 << 20, limit: 1000, ..CreateOptions::default() })?;
    let (supervisor, observer, start, mut dice) = (scene.join()?, scene.observer()?, Instant::now(), Dice::new());
    // The receivers' naps, which mend a lost wake, are long now.
    supervisor.supervise()?;
    let mut receivers = Vec::new();
    for (queue, count, _) in QUEUES {
        scene.declare(queue, &QueueOptions::default())?;
        for _ in 0..count {
            let process = start_listener(program, &scene, &[queue.to_owned()])?;
            receivers.push(Receiver { process, queue });
        }
    }
    let mut claims = Vec::new();
    let mut sent = 0;
    while sent < sends {
        let mut senders = Vec::new();
        for queue in QUEUES.iter().flat_map(|(queue, _, senders)| std::iter::repeat_n(queue, *senders)) {
            let first = (claims.len() + senders.len() + 1) as u64 * EACH;
            senders.push(Sender::start(program, &scene, queue, first, 1 + dice.below(30))?);
        }
        for sender in &mut senders {
            sender.wait_for_pause()?;
        }
        expect_awake_or_empty(&observer, &receivers)?;
        senders.iter_mut().for_each(|sender| sender.process.let_go());
        std::thread::sleep(Duration::from_nanos(dice.below(8_000_000)));
        for sender in &senders {
            sender.process.signal(Signal::SIGKILL)?;
        }
        for sender in senders {
            let claim = sender.end()?;
            sent += claim.sent - claim.first;
            claims.push(claim);
        }
        reap_all(&scene, &supervisor)?;
        expect_awake_or_empty(&observer, &receivers)?;
    }
    let slept = receivers.iter().filter_map(|receiver| receiver.process.rest()).map(|rest| rest.sleeps).sum::<u64>();
    let in_doubt = settle(&supervisor, &mut receivers, &claims)?;
    supervisor.close();
    expect_bare(&scene)?;
    if slept < claims.len() as u64 {
        return Err(format!("the receivers slept {slept} times only: nothing was tried").into());
    }
    Ok(format!(
        "{sent} messages acknowledged to {} senders, all of them killed: each received once, {in_doubt} in doubt were there, \
         receivers slept {slept} times, no wake was lost: {:.1} s",
        claims.len(),
        start.elapsed().as_secs_f64()
    ))
}

/// What a dead sender left written: it was told that `first + 1 ..= sent` are on the bus, and had begun with `tried`.
#[derive(Debug)]
struct Claim {
    first: u64,
    tried: u64,
    sent: u64,
}

struct Sender {
    process: Process,
    first: u64,
    burst: u64,
}

impl Sender {
    fn start(program: &Path, scene: &Scene, queue: &str, first: u64, burst: u64) -> Result<Sender> {
        let arguments = ["tell", "--bus", scene.name(), "--queue", queue];
        let numbers = ["--first", &first.to_string(), "--burst", &burst.to_string()];
        let process = Process::start(program, &[&arguments[..], &numbers].concat())?;
        Ok(Sender { process, first, burst })
    }

    fn wait_for_pause(&mut self) -> Result<()> {
        let pause = self.first + self.burst;
        self.process.wait_for_words(|words| words.get(1) == Some(&pause))
    }

    fn end(mut self) -> Result<Claim> {
        self.process.expect_killed()?;
        let [tried, sent] = self.process.words()?[..] else { return Err("a sender's ledger has two numbers".into()) };
        Ok(Claim { first: self.first, tried, sent })
    }
}

/// With no sender at work: every queue is empty, or will be, since somebody who receives from it is awake.
fn expect_awake_or_empty(observer: &Observer, receivers: &[Receiver]) -> Result<()> {
    for (queue, _, _) in QUEUES {
        let rests = || -> Option<Vec<Rest>> {
            receivers
                .iter()
                .filter(|receiver| receiver.queue == queue)
                .map(|receiver| receiver.process.rest())
                .collect()
        };
        let start = Instant::now();
        let mut suspicion = 0;
        loop {
            let before = rests();
            let waiting = observer.peek(queue, 1)?.len();
            if waiting == 0 {
                break;
            }
            suspicion = if before.is_some() && before == rests() { suspicion + 1 } else { 0 };
            if suspicion > 10 {
                let queues = observer.queues();
                return Err(format!(
                    "a wake was lost: a message waits in '{queue}', all who receive from it sleep: {queues:?}"
                )
                .into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("'{queue}' is never empty").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Ends the receivers and compares what they got with what was sent. Returns how many messages in doubt were there.
fn settle(supervisor: &Member, receivers: &mut [Receiver], claims: &[Claim]) -> Result<u64> {
    for receiver in receivers.iter() {
        supervisor.send(receiver.queue, &payload(END, 40), &SendOptions::default())?;
    }
    let mut received = Vec::new();
    for receiver in receivers {
        receiver.process.stop()?;
        let numbers = receiver.process.words()?;
        if !numbers.is_sorted() && receiver.queue == "alone" {
            return Err("messages of one sender came out of order".into());
        }
        received.extend(numbers.into_iter().filter(|number| *number != END));
    }
    received.sort_unstable();
    let (mut rest, mut in_doubt) = (&received[..], 0);
    for Claim { first, tried, sent } in claims {
        let theirs = rest.partition_point(|number| *number < first + EACH);
        let (got, others) = rest.split_at(theirs);
        rest = others;
        let acknowledged = got.len().min((sent - first) as usize);
        let (got, doubtful) = got.split_at(acknowledged);
        if !got.iter().copied().eq(first + 1..=*sent) || !doubtful.is_empty() && doubtful != [*tried] {
            return Err(format!(
                "of the messages {first}.. to {sent} (and perhaps {tried}), {} came, and {doubtful:?}",
                got.len()
            )
            .into());
        }
        in_doubt += doubtful.len() as u64;
    }
    if rest.is_empty() { Ok(in_doubt) } else { Err(format!("messages that nobody sent: {rest:?}").into()) }
}

/// A process that sends `burst` numbers, waits until its standard input ends, and sends on until it is killed. Its ledger is two numbers: the one that it last tried, and the last that it was told is sent.
///
/// # Errors
/// Those of sending.
pub fn tell(bus: &str, queue: &str, first: u64, burst: u64) -> Result<()> {
    let (bus, ledger) = (Bus::open(bus)?, ledger()?);
    let member = bus.join()?;
    ledger.write_all_at(&[first.to_ne_bytes(), first.to_ne_bytes()].concat(), 0)?;
    for number in first + 1.. {
        ledger.write_all_at(&number.to_ne_bytes(), 0)?;
        member.send(queue, &payload(number, 40), &SendOptions::default())?;
        ledger.write_all_at(&number.to_ne_bytes(), 8)?;
        if number == first + burst {
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        let sent = Instant::now();
        while queue == "alone" && sent.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
    }
    Ok(())
}

/// A process that receives numbers until the end, and then writes them down after the one that it begins with.
///
/// # Errors
/// Those of receiving; a message that was delivered before.
pub fn listen(bus: &str, queues: &[String]) -> Result<()> {
    let (bus, mut ledger) = (Bus::open(bus)?, ledger()?);
    let (member, mut numbers) = (bus.join()?, Vec::<u8>::new());
    let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
    ledger.write_all(&END.to_ne_bytes())?;
    loop {
        let message = match queues[..] {
            [queue] => member.receive(queue, None)?,
            _ => member.receive_any(&queues, None)?,
        };
        let (number, deliveries) = (number_of(&message)?, message.deliveries());
        message.release()?;
        if deliveries != 1 {
            return Err(format!("message {number} was delivered {deliveries} times").into());
        }
        if number == END {
            ledger.write_all(&numbers)?;
            return Ok(());
        }
        numbers.extend(number.to_ne_bytes());
    }
}

/// A receiver waits for a message that does not come, on so many queues at once: the kernel counts neither time nor sleeps for it, beyond what
/// its naps explain.
///
/// # Errors
/// When it does something; when it does not wake up in the end.
pub fn idle(program: &Path, queues: usize, supervised: bool) -> Result<String> {
    let scene = Scene::new(&CreateOptions { agents: 256, heap: 16 << 20, limit: 16, ..CreateOptions::default() })?;
    let member = scene.join()?;
    if supervised {
        member.supervise()?;
    }
    let names: Vec<String> = (0..queues).map(|queue| format!("q{queue}")).collect();
    for name in &names {
        scene.declare(name, &QueueOptions::default())?;
    }
    let mut process = start_listener(program, &scene, &names)?;
    process.wait_for_words(|words| !words.is_empty())?;
    let before = resting(&process)?;
    std::thread::sleep(IDLE);
    let after = resting(&process)?;
    let (ticks, sleeps) = (after.ticks - before.ticks, after.sleeps - before.sleeps);
    if ticks > 2 || sleeps > 20 {
        return Err(format!("an idle receiver used {ticks} clock ticks and slept {sleeps} times in {IDLE:?}").into());
    }
    member.send(&names[queues - 1], &payload(END, 40), &SendOptions::default())?;
    process.stop()?;
    member.close();
    expect_bare(&scene)?;
    let company = if supervised { "with a supervisor" } else { "alone" };
    Ok(format!(
        "{IDLE:?} of waiting on {queues} queues {company}: {ticks} clock ticks of processor time, {sleeps} naps"
    ))
}

/// How long a receiver is watched doing nothing.
const IDLE: Duration = Duration::from_secs(3);

fn resting(process: &Process) -> Result<Rest> {
    let start = Instant::now();
    loop {
        if let Some(rest) = process.rest() {
            return Ok(rest);
        }
        if start.elapsed() > PATIENCE {
            return Err("a receiver of empty queues does not sleep".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start_listener(program: &Path, scene: &Scene, queues: &[String]) -> Result<Process> {
    let arguments = ["listen".into(), "--bus".into(), scene.name().to_owned()];
    let queues = queues.iter().flat_map(|queue| ["--queue".into(), queue.clone()]);
    Process::start(program, &arguments.into_iter().chain(queues).collect::<Vec<String>>())
}

pub(crate) fn ledger() -> Result<std::fs::File> {
    Ok(std::io::stdout().as_fd().try_clone_to_owned()?.into())
}
