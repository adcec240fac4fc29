//! A small /dev/shm of one process' own, filled up to the last page; and a bus seen from another pid namespace.

use crate::Result;
use crate::killer::Process;
use crate::ledger::Event;
use crate::scene::{Clerk, Scene, expect_bare, number_of, patience, probe};
use crate::sweep::reap_all;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;
use nix::unistd::{getgid, getuid};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use swarmbus_core::{Bus, CreateOptions, Error, Lane, Member, QueueOptions, SendOptions};

/// This machine lets us make neither a mount namespace nor a user namespace.
#[derive(Debug)]
pub struct NotPermitted(Errno);

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespaces are not permitted here ({})", self.0)
    }
}

impl std::error::Error for NotPermitted {}

/// Exit code of a process that met [`NotPermitted`].
pub const NOT_PERMITTED: u8 = 77;

fn enter(namespace: CloneFlags) -> Result<()> {
    if unshare(namespace).is_ok() {
        return Ok(());
    }
    let (user, group) = (getuid(), getgid());
    unshare(namespace | CloneFlags::CLONE_NEWUSER).map_err(NotPermitted)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    Ok(())
}

const SHM: &str = "/dev/shm";
const PAGE: u64 = 4096;

/// Takes all memory of /dev/shm but some pages; gives it back on drop.
struct Filler;

impl Filler {
    const PATH: &str = "/dev/shm/filler";

    fn leave(pages: u64) -> Result<Filler> {
        let filler = Filler;
        let file = File::create(Self::PATH)?;
        let free = statvfs(SHM)?.blocks_free();
        if free > pages {
            fallocate(&file, FallocateFlags::empty(), 0, ((free - pages) * PAGE) as i64)?;
        }
        Ok(filler)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(Self::PATH);
    }
}

/// Something that needs memory of /dev/shm.
type Deed = fn(&Bus, &Member) -> swarmbus_core::Result<()>;

const DEEDS: &[(&str, Deed)] = &[
    ("attach", |bus, _| bus.attach("newcomer").map(drop)),
    ("join", |bus, _| bus.join().map(drop)),
    ("declare", |bus, _| bus.declare("new", &QueueOptions::default())),
    ("send", |_, member| member.send("q", b"hello", &SendOptions::default()).map(drop)),
    ("send on a fresh lane", |_, member| member.send("warm", b"hello", &patience(Lane::Low, Duration::ZERO)).map(drop)),
    ("send 100 kB", |_, member| member.send("q", &[7; 100_000], &SendOptions::default()).map(drop)),
    ("loan 1 kB", |_, member| member.loan(1000).map(|mut loan| loan.fill(7))),
    ("loan 1 MB", |_, member| member.loan(1_000_000).map(|mut loan| loan.fill(7))),
    ("loan 5 MB", |_, member| member.loan(5_000_000).map(|mut loan| loan.fill(7))),
];

/// In a mount namespace with a /dev/shm of 16 MiB: everything that commits memory is tried with 0, 1, 2 … pages left until it succeeds.
/// Without room it must say `OutOfMemory`; when there is room again it must work. (A SIGBUS would end this process.)
///
/// # Errors
/// [`NotPermitted`]; any other outcome.
pub fn run_out() -> Result<()> {
    enter(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("tmpfs"), SHM, Some("tmpfs"), MsFlags::empty(), Some("size=16m"))?;
    let mut report = vec![run_out_creating()?];
    for (name, deed) in DEEDS {
        report.push(format!("{name} {}", run_out_doing(name, *deed)?));
    }
    report.push(format!("nack {}", run_out_giving_back()?));
    report.push(format!("dead letters {}", run_out_burying()?));
    report.push(format!("redelivery of the dead {}", run_out_reaping()?));
    eprintln!("no space, then space again; refusals of each: {}; {}", report.join(", "), fill_up()?);
    Ok(())
}

fn scene() -> Result<Scene> {
    let options = CreateOptions { agents: 8, heap: 48 << 20, limit: 1000, ..CreateOptions::default() };
    Scene::new(&options)
}

fn run_out_creating() -> Result<String> {
    let mut refusals = 0;
    for pages in 0.. {
        let filler = Filler::leave(pages)?;
        match scene() {
            Ok(_) => break,
            Err(error) if is_out_of_memory(&error) => refusals += 1,
            Err(error) => return Err(error),
        }
        drop(filler);
    }
    drop(scene()?);
    Ok(format!("create {refusals}"))
}

fn is_out_of_memory(error: &crate::Failure) -> bool {
    matches!(error.downcast_ref(), Some(Error::OutOfMemory { .. }))
}

fn run_out_doing(name: &str, deed: Deed) -> Result<u32> {
    let (mut refusals, mut pages) = (0, 0);
    loop {
        let scene = scene()?;
        let member = scene.join()?;
        for queue in ["q", "warm"] {
            scene.declare(queue, &QueueOptions::default())?;
        }
        member.send("warm", b"warm", &SendOptions::default())?;
        let filler = Filler::leave(pages)?;
        let done = match deed(&scene, &member) {
            Ok(()) => true,
            Err(Error::OutOfMemory { .. }) => false,
            Err(error) => return Err(format!("{name} with {pages} pages left: {error}").into()),
        };
        drop(filler);
        if !done {
            refusals += 1;
            deed(&scene, &member).map_err(|error| format!("{name} after there is space again: {error}"))?;
        }
        for queue in ["q", "warm"] {
            while let Some(message) = member.try_receive(queue)? {
                message.release()?;
            }
            probe(&scene, queue)?;
        }
        drop(member);
        expect_bare(&scene)?;
        if done {
            return if refusals > 0 { Ok(refusals) } else { Err(format!("{name} was never refused").into()) };
        }
        // Page by page at first, then in larger steps: a run of spans is 2048 pages.
        pages += 1 + pages / 8;
    }
}

/// A message for whose return there is no memory is set aside, and queued again when there is.
fn run_out_giving_back() -> Result<u32> {
    let scene = scene()?;
    scene.declare("q", &QueueOptions::default())?;
    let member = scene.join()?;
    member.send("q", b"hello", &SendOptions::default())?;
    let message = member.receive("q", Some(Duration::ZERO))?;
    let filler = Filler::leave(0)?;
    message.nack()?;
    if member.try_receive("q")?.is_some() {
        return Err("a message came back without memory for that".into());
    }
    drop(filler);
    let again = member.receive("q", Some(Duration::ZERO))?;
    if again.deliveries() != 2 {
        return Err(format!("deliveries {} after a nack without memory", again.deliveries()).into());
    }
    again.release()?;
    drop(member);
    expect_bare(&scene)?;
    Ok(1)
}

/// Messages that are worn out, or are given back where there is no memory for a redelivery ring: each is a dead letter in the end, and those behind
/// them are taken meanwhile.
fn run_out_burying() -> Result<u32> {
    let scene = scene()?;
    let options =
        QueueOptions { max_deliveries: Some(1), dead_letters: Some("dead".into()), ..QueueOptions::default() };
    for queue in ["q", "warm"] {
        scene.declare(queue, &options)?;
        scene.join()?.send(queue, b"worn", &SendOptions::default())?;
        scene.join()?.send(queue, b"fresh", &SendOptions::default())?;
    }
    let member = scene.join()?;
    // Only of this queue is the redelivery ring there.
    member.try_receive("warm")?.ok_or("nothing to take")?.nack()?;
    let cold = member.try_receive("q")?.ok_or("nothing to take")?;
    let filler = Filler::leave(0)?;
    cold.nack()?;
    for queue in ["q", "warm"] {
        let fresh = member.try_receive(queue)?.ok_or("what stands behind a worn-out message is not reached")?;
        if &*fresh != b"fresh" {
            return Err(format!("a worn-out message of '{queue}' was handed out").into());
        }
        fresh.release()?;
        if member.try_receive(queue)?.is_some() {
            return Err(format!("'{queue}' had two messages").into());
        }
    }
    drop(filler);
    if member.try_receive("q")?.is_some() {
        return Err("the message that waited for memory was handed out once too often".into());
    }
    for _ in 0..2 {
        let letter = member.try_receive("dead")?.ok_or("a dead letter is lost")?;
        if &*letter != b"worn" {
            return Err("another dead letter than the one that was worn out".into());
        }
        letter.release()?;
    }
    drop(member);
    expect_bare(&scene)?;
    Ok(1)
}

/// A dead holder's message waits for room in redelivery; it is not lost.
fn run_out_reaping() -> Result<u32> {
    let scene = scene()?;
    scene.declare("q", &QueueOptions::default())?;
    let (member, mut clerk) = (scene.join()?, Clerk::new(1, true));
    clerk.send(&member, "q", 40, &SendOptions::default())?;
    let mut holder = Process::start(Path::new("/proc/self/exe"), &["hold", "--bus", scene.name()])?;
    holder.wait_for(|event| matches!(event, Event::Got(..)))?;
    holder.kill()?;
    let filler = Filler::leave(0)?;
    let mut deferred = 0;
    for _ in 0..3 {
        let reaped = member.reap()?;
        deferred += reaped.deferred;
        if reaped.redelivered != 0 {
            return Err(format!("a reap without memory: {reaped:?}").into());
        }
    }
    if deferred == 0 || member.try_receive("q")?.is_some() {
        return Err(format!("without memory {deferred} messages were deferred, and yet one could be taken").into());
    }
    drop(filler);
    reap_all(&scene, &member)?;
    let again = member.receive("q", Some(Duration::ZERO))?;
    if (number_of(&again)?, again.deliveries()) != (1, 2) {
        return Err("another message than the held one came back".into());
    }
    again.release()?;
    drop(member);
    expect_bare(&scene)?;
    Ok(1)
}

/// Sends until no memory is left, then takes everything.
fn fill_up() -> Result<String> {
    let scene = scene()?;
    let lengths = [60, 1000, 10_000, 300_000];
    for length in lengths {
        scene.declare(&format!("q{length}"), &QueueOptions::default())?;
    }
    let (member, mut sent) = (scene.join()?, 0u32);
    let mut refused = 0;
    for length in lengths.into_iter().rev().cycle().take(4000) {
        match member.send(&format!("q{length}"), &vec![7; length], &patience(Lane::Normal, Duration::ZERO)) {
            Ok(_) => sent += 1,
            Err(Error::OutOfMemory { .. }) => refused += 1,
            Err(Error::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut received = 0;
    for length in lengths {
        while let Some(message) = member.try_receive(&format!("q{length}"))? {
            if message.len() != length || message.iter().any(|byte| *byte != 7) {
                return Err("a message was torn".into());
            }
            message.release()?;
            received += 1;
        }
    }
    if refused == 0 || sent != received {
        return Err(format!("{sent} sent, {received} received, {refused} refused").into());
    }
    Ok(format!("filled to the brim: {sent} messages in, {refused} refused, {received} out"))
}

/// Opens a bus from a pid namespace of its own, where the pids of its members mean nothing: refused.
///
/// # Errors
/// [`NotPermitted`]; any other outcome.
pub fn open_elsewhere(bus: &str) -> Result<()> {
    const INSIDE: &str = "SWARMBUS_STRESS_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return match Bus::open(bus) {
            Err(Error::ForeignNamespace { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err("a bus of another pid namespace was opened".into()),
        };
    }
    enter(CloneFlags::CLONE_NEWPID)?;
    let status = std::process::Command::new("/proc/self/exe")
        .args(["open-elsewhere", "--bus", bus])
        .env(INSIDE, "1")
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("inside: {status}").into()) }
}
