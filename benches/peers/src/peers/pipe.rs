//! Pipes: one up that all followers share, one down for each.

use super::net::Frames;
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work};
use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::Mode;
use std::any::Any;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// Pipes.
pub struct Pipe;

const PIPE_BYTES: i32 = 1 << 20;
/// Messages that a worker takes at once.
const TAKEN_AT_ONCE: usize = 64;

fn up(trial: &Trial) -> PathBuf {
    trial.folder.join("up")
}

fn down(trial: &Trial, index: u32) -> PathBuf {
    trial.folder.join(format!("down-{index}"))
}

/// Pipes down: in a work queue all followers share one.
fn downs(trial: &Trial) -> u32 {
    match trial.kind {
        Kind::WorkQueue => 1,
        _ if trial.has_down() => trial.followers,
        _ => 0,
    }
}

fn open(path: PathBuf) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(&path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

/// An end: pipes.
pub struct PipeEnd {
    out: Vec<File>,
    from: File,
    frames: Frames,
    buffer: Vec<u8>,
}

impl PipeEnd {
    fn new(out: Vec<File>, from: File, sent_bytes: usize, received_bytes: usize) -> PipeEnd {
        PipeEnd { out, from, frames: Frames::new(received_bytes), buffer: vec![0; sent_bytes] }
    }
}

impl End for PipeEnd {
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let Some(message) = self.buffer.get_mut(..length) else { bail!("a message longer than the work's") };
        write(message);
        for pipe in &mut self.out {
            pipe.write_all(message).context("writing to a pipe")?;
        }
        Ok(())
    }

    fn send_batch(&mut self, count: usize, length: usize, write: impl FnMut(&mut [u8])) -> Result<()> {
        self.buffer.resize(count * length, 0);
        self.buffer.chunks_exact_mut(length).for_each(write);
        for pipe in &mut self.out {
            pipe.write_all(&self.buffer).context("writing to a pipe")?;
        }
        Ok(())
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        loop {
            let count = self.frames.receive(&mut self.from, &mut read)?;
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

impl Peer for Pipe {
    type End = PipeEnd;

    fn name(&self) -> &'static str {
        "pipe"
    }

    fn version(&self) -> String {
        "of this kernel".into()
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking, Manner::OneCore]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let size = if work.kind == Kind::FanOut { "64 KiB" } else { "1 MiB" };
        match work.kind {
            Kind::Batch => format!("pipes of {size}; a write for each batch, reads of up to 64 KiB"),
            Kind::WorkQueue => {
                format!(
                    "one pipe of {size} that all read; a write for each message, reads of up to {TAKEN_AT_ONCE} messages"
                )
            }
            _ => format!("pipes of {size}; a write for each message, reads of up to 64 KiB or one message"),
        }
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        (work.kind == Kind::Calls).then(|| super::NO_CALLS.into())
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        // Held open here, so that a process' opening does not wait for another's.
        let mut held = Vec::new();
        let downs = downs(trial);
        for path in std::iter::once(up(trial)).chain((0..downs).map(|index| down(trial, index))) {
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
                .with_context(|| format!("cannot make the pipe {}", path.display()))?;
            let pipe = open(path)?;
            if trial.kind != Kind::FanOut {
                fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).context("enlarging a pipe")?;
            }
            held.push(pipe);
        }
        Ok(Box::new(held))
    }

    fn lead(&self, trial: &Trial) -> Result<PipeEnd> {
        let out = (0..downs(trial)).map(|index| open(down(trial, index))).collect::<Result<_>>()?;
        Ok(PipeEnd::new(out, open(up(trial))?, trial.down_bytes(), trial.up_bytes()))
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<PipeEnd> {
        let from = open(if trial.has_down() { down(trial, index % downs(trial)) } else { up(trial) })?;
        let mut end = PipeEnd::new(vec![open(up(trial))?], from, trial.up_bytes(), trial.down_bytes());
        if trial.kind == Kind::WorkQueue {
            // Messages are written whole, so a read of whole ones never gets a part; one of all that is there would leave the others idle.
            end.frames = Frames::few(trial.bytes, TAKEN_AT_ONCE);
        }
        Ok(end)
    }
}
