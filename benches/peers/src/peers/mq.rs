//! POSIX message queues: one up that all followers share, one down for each.

use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::Mode;
use std::any::Any;
use std::fs;

/// POSIX message queues.
pub struct Mq;

fn up(trial: &Trial) -> String {
    format!("/{}-up", trial.tag)
}

fn down(trial: &Trial, index: u32) -> String {
    format!("/{}-down-{index}", trial.tag)
}

/// Queues down: in a work queue all followers share one.
fn downs(trial: &Trial) -> u32 {
    match trial.kind {
        Kind::WorkQueue => 1,
        _ if trial.has_down() => trial.followers,
        _ => 0,
    }
}

/// The system's limits bind this process.
fn is_bound() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> CAP_SYS_RESOURCE & 1 == 0
}

fn limit(name: &str) -> Option<usize> {
    fs::read_to_string(format!("/proc/sys/fs/mqueue/{name}")).ok()?.trim().parse().ok()
}

fn queue_depth(kind: Kind, bytes: usize) -> usize {
    let wanted = if kind == Kind::FanOut { 2 } else { depth(bytes) };
    if is_bound() { wanted.min(limit("msg_max").unwrap_or(wanted)) } else { wanted }
}

fn open(name: &str) -> Result<MqdT> {
    mq_open(name, MQ_OFlag::O_RDWR, Mode::empty(), None).with_context(|| format!("cannot open the queue {name}"))
}

/// Removes the queues when the trial is over.
struct Made(Vec<String>);

impl Drop for Made {
    fn drop(&mut self) {
        for name in &self.0 {
            // One that is not there needs no removal.
            let _ = mq_unlink(name.as_str());
        }
    }
}

/// An end: queues.
pub struct MqEnd {
    out: Vec<MqdT>,
    from: MqdT,
    buffer: Vec<u8>,
}

impl End for MqEnd {
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let Some(message) = self.buffer.get_mut(..length) else { bail!("a message longer than the work's") };
        write(message);
        for queue in &self.out {
            mq_send(queue, message, 0).context("sending to a queue")?;
        }
        Ok(())
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        let length = mq_receive(&self.from, &mut self.buffer, &mut 0).context("receiving from a queue")?;
        read(&self.buffer[..length]);
        Ok(1)
    }
}

impl Peer for Mq {
    type End = MqEnd;

    fn name(&self) -> &'static str {
        "posix-mq"
    }

    fn version(&self) -> String {
        "of this kernel".into()
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking, Manner::OneCore]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        format!("queues of {} messages; a call for each message", queue_depth(work.kind, work.bytes))
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        match work.kind {
            Kind::Calls => return Some(super::NO_CALLS.into()),
            Kind::Batch => return Some("a call for each message: no batches".into()),
            _ if !is_bound() => return None,
            _ => {}
        }
        let exceeds = |value: usize, name: &str| -> Option<String> {
            let limit = limit(name)?;
            let why = format!("fs.mqueue.{name} is {limit} here, and lifting it takes CAP_SYS_RESOURCE");
            (value > limit).then_some(why)
        };
        let queues = match work.kind {
            Kind::OneWay => 1,
            Kind::WorkQueue => 2,
            _ => work.followers as usize + 1,
        };
        exceeds(work.bytes, "msgsize_max").or_else(|| exceeds(queues, "queues_max"))
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        if !is_bound() {
            setrlimit(Resource::RLIMIT_MSGQUEUE, RLIM_INFINITY, RLIM_INFINITY)
                .context("lifting the limit on message queues")?;
        }
        let mut made = Made(Vec::new());
        let mut make = |name: String, bytes: usize| {
            let attributes = MqAttr::new(0, queue_depth(trial.kind, bytes) as i64, bytes as i64, 0);
            let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
            let queue = mq_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes));
            queue.with_context(|| format!("cannot make the queue {name} (long ones take root)"))?;
            made.0.push(name);
            anyhow::Ok(())
        };
        make(up(trial), trial.up_bytes())?;
        for index in 0..downs(trial) {
            make(down(trial, index), trial.down_bytes())?;
        }
        Ok(Box::new(made))
    }

    fn lead(&self, trial: &Trial) -> Result<MqEnd> {
        let out = (0..downs(trial)).map(|index| open(&down(trial, index))).collect::<Result<_>>()?;
        let bytes = trial.down_bytes().max(trial.up_bytes());
        Ok(MqEnd { out, from: open(&up(trial))?, buffer: vec![0; bytes] })
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<MqEnd> {
        let from = open(&if trial.has_down() { down(trial, index % downs(trial)) } else { up(trial) })?;
        let bytes = trial.down_bytes().max(trial.up_bytes());
        Ok(MqEnd { out: vec![open(&up(trial))?], from, buffer: vec![0; bytes] })
    }
}
