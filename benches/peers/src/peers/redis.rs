//! Redis streams: its server on loopback, one stream up and one down.
//!
//! A stream keeps all that it is given, so a reader trims what it has read, and a writer waits while too much is there.

use super::net::{become_program, listens, patiently, version_of};
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use redis::{Cmd, Connection, Pipeline, Value};
use std::process::Command;
use std::time::Duration;

/// Redis streams.
pub struct Redis;

/// Messages that one pipeline of commands carries.
fn batch(kind: Kind, bytes: usize, batch: u32) -> usize {
    match kind {
        Kind::Batch => batch as usize,
        Kind::OneWay | Kind::WorkQueue => (depth(bytes) / 16).max(1),
        _ => 1,
    }
}

/// Messages that a worker takes from a list at once.
const TAKEN_AT_ONCE: usize = 64;

/// Messages that a writer lets pile up in the stream.
fn window(bytes: usize) -> u64 {
    (4 * depth(bytes)) as u64
}

/// An end: a connection to write by, another to wait by.
pub struct RedisEnd {
    writer: Connection,
    reader: Connection,
    to: &'static str,
    from: &'static str,
    last: String,
    pipeline: Pipeline,
    /// The command that puts messages into a list.
    pushed: Option<Cmd>,
    pending: usize,
    batch: usize,
    window: u64,
    kind: Kind,
    trims: bool,
    buffer: Vec<u8>,
}

impl RedisEnd {
    fn new(trial: &Trial, to: &'static str, from: &'static str, trims: bool) -> Result<RedisEnd> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", trial.port))?;
        let connect = || patiently("connecting to redis-server", || client.get_connection());
        Ok(RedisEnd {
            writer: connect()?,
            reader: connect()?,
            to,
            from,
            last: "0-0".into(),
            pipeline: Pipeline::new(),
            pushed: None,
            pending: 0,
            batch: batch(trial.kind, trial.bytes, trial.batch),
            window: window(trial.bytes),
            kind: trial.kind,
            trims,
            buffer: Vec::new(),
        })
    }
}

fn array(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(values) => Ok(values),
        other => bail!("redis answered {other:?} instead of a list"),
    }
}

/// The entries of the one stream that was read: `[[name, [[id, [field, value]], …]]]`.
fn entries(answer: &Value) -> Result<&[Value]> {
    match array(answer)? {
        [stream] => match array(stream)? {
            [_, entries] => array(entries),
            other => bail!("redis answered {other:?} instead of a stream"),
        },
        other => bail!("redis answered {} streams instead of one", other.len()),
    }
}

/// The id and the one field of an entry.
fn parts(entry: &Value) -> Result<(&[u8], &[u8])> {
    if let [Value::BulkString(id), fields] = array(entry)?
        && let [_, Value::BulkString(message)] = array(fields)?
    {
        return Ok((id, message));
    }
    bail!("redis answered {entry:?} instead of an entry")
}

impl End for RedisEnd {
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        self.buffer.resize(length, 0);
        write(&mut self.buffer);
        self.pending += 1;
        if self.kind == Kind::WorkQueue {
            self.pushed.get_or_insert_with(|| redis::cmd("RPUSH").arg(self.to).take()).arg(&self.buffer[..]);
            return if self.pending >= self.batch { self.flush() } else { Ok(()) };
        }
        let command = self.pipeline.cmd("XADD").arg(self.to);
        if self.to == "down" {
            // All of its readers have read the last one by now.
            command.arg("MAXLEN").arg(1);
        }
        command.arg("*").arg("m").arg(&self.buffer[..]).ignore();
        if self.pending >= self.batch { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        self.pending = 0;
        if let Some(pushed) = self.pushed.take() {
            let mut length: u64 = pushed.query(&mut self.writer).context("adding to a list")?;
            while length > self.window {
                std::thread::sleep(Duration::from_micros(50));
                length =
                    redis::cmd("LLEN").arg(self.to).query(&mut self.writer).context("asking for a list's length")?;
            }
            return Ok(());
        }
        if !self.kind.is_one_way() {
            self.pipeline.exec(&mut self.writer).context("adding to a stream")?;
            self.pipeline.clear();
            return Ok(());
        }
        self.pipeline.cmd("XLEN").arg(self.to);
        let (mut length,): (u64,) = self.pipeline.query(&mut self.writer).context("adding to a stream")?;
        self.pipeline.clear();
        while length > self.window {
            std::thread::sleep(Duration::from_micros(50));
            length = redis::cmd("XLEN").arg(self.to).query(&mut self.writer).context("asking for a stream's length")?;
        }
        Ok(())
    }

    fn send_batch(&mut self, count: usize, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        // The pipeline is as long as a batch.
        (0..count).try_for_each(|_| self.send(length, &mut write))
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        if self.kind == Kind::WorkQueue {
            let mut asked = redis::cmd("BLMPOP");
            asked.arg(0).arg(1).arg(self.from).arg("LEFT").arg("COUNT").arg(TAKEN_AT_ONCE);
            let (_, messages): (String, Vec<Vec<u8>>) = asked.query(&mut self.reader).context("taking from a list")?;
            messages.iter().for_each(|message| read(message));
            return Ok(messages.len());
        }
        let mut asked = redis::cmd("XREAD");
        asked.arg("COUNT").arg(1000).arg("BLOCK").arg(0).arg("STREAMS").arg(self.from).arg(&self.last);
        let answer: Value = asked.query(&mut self.reader).context("reading a stream")?;
        let mut count = 0;
        let mut last: Option<&[u8]> = None;
        for entry in entries(&answer)? {
            let (id, message) = parts(entry)?;
            read(message);
            last = Some(id);
            count += 1;
        }
        if let Some(id) = last {
            self.last = String::from_utf8_lossy(id).into_owned();
        }
        if self.trims && count > 0 {
            let trimmed = redis::cmd("XTRIM").arg(self.from).arg("MINID").arg(&self.last).exec(&mut self.reader);
            trimmed.context("trimming a stream")?;
        }
        Ok(count)
    }
}

impl Peer for Redis {
    type End = RedisEnd;

    fn name(&self) -> &'static str {
        "redis-stream"
    }

    fn version(&self) -> String {
        // What follows says how it was built.
        let server = version_of("redis-server", &["--version"]);
        let server = server.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        format!("{server}, crate redis {}", env!("PEERS_VERSION_REDIS"))
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let reads = "XREAD BLOCK of up to 1000";
        let (batch, window) = (batch(work.kind, work.bytes, work.batch), window(work.bytes));
        if work.kind == Kind::WorkQueue {
            format!(
                "a list: RPUSH of {batch}, {window} messages in it at most; BLMPOP of up to {TAKEN_AT_ONCE}; what a worker has taken is lost \
                 with it; loopback TCP; nothing saved"
            )
        } else if work.kind.is_one_way() {
            format!(
                "XADD in pipelines of {batch}, {window} messages in the stream at most; {reads}, XTRIM after each; loopback TCP; nothing saved"
            )
        } else {
            format!("XADD one by one; {reads}; loopback TCP; nothing saved")
        }
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        (work.kind == Kind::Calls).then(|| super::NO_CALLS.into())
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn has_server(&self) -> bool {
        true
    }

    fn serve(&self, trial: &Trial) -> Result<()> {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxclients", "10000"]);
        server.arg("--port").arg(trial.port.to_string()).arg("--dir").arg(&trial.folder);
        Err(become_program(&mut server))
    }

    fn serves(&self, trial: &Trial) -> bool {
        listens(trial.port)
    }

    fn lead(&self, trial: &Trial) -> Result<RedisEnd> {
        RedisEnd::new(trial, "down", "up", true)
    }

    fn follower(&self, trial: &Trial, _index: u32) -> Result<RedisEnd> {
        RedisEnd::new(trial, "up", "down", false)
    }
}
