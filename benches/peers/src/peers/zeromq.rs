//! ZeroMQ over its `ipc` transport.

use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context as _, Result};
use std::path::Path;
use zmq::{Context, Message, Socket, SocketType};

/// ZeroMQ.
pub struct ZeroMq;

/// Messages on either side of a connection: its default, and fewer of long ones.
fn high_water_mark(bytes: usize) -> i32 {
    if bytes <= 4096 { 1000 } else { depth(bytes).max(16) as i32 }
}

fn address(folder: &Path, name: &str) -> String {
    format!("ipc://{}/{name}", folder.display())
}

/// An end: sockets.
pub struct ZeroMqEnd {
    out: Option<Socket>,
    from: Option<Socket>,
    /// Subscriptions that a publisher waits for.
    awaited: u32,
    message: Message,
    _context: Context,
}

impl ZeroMqEnd {
    fn new(trial: &Trial, is_lead: bool) -> Result<ZeroMqEnd> {
        let context = Context::new();
        let socket = |kind: SocketType, name: &str, bytes: usize| -> Result<Socket> {
            let socket = context.socket(kind).context("making a socket")?;
            socket.set_sndhwm(high_water_mark(bytes))?;
            socket.set_rcvhwm(high_water_mark(bytes))?;
            if kind == SocketType::XPUB {
                // It is to tell us of every subscription, not only of the first to a subject.
                socket.set_xpub_verbose(true)?;
            }
            let address = address(&trial.folder, name);
            if is_lead {
                socket.bind(&address).with_context(|| format!("binding {address}"))?;
            } else {
                socket.connect(&address).with_context(|| format!("connecting to {address}"))?;
            }
            Ok(socket)
        };
        if trial.kind == Kind::Calls {
            let kind = if is_lead { SocketType::REP } else { SocketType::REQ };
            let calls = socket(kind, "calls", trial.bytes)?;
            return Ok(ZeroMqEnd {
                out: None,
                from: Some(calls),
                awaited: 0,
                message: Message::new(),
                _context: context,
            });
        }
        let spreads = trial.kind == Kind::FanOut;
        let down_kind = match (is_lead, spreads) {
            (true, true) => SocketType::XPUB,
            (false, true) => SocketType::SUB,
            (true, false) => SocketType::PUSH,
            (false, false) => SocketType::PULL,
        };
        let up = socket(if is_lead { SocketType::PULL } else { SocketType::PUSH }, "up", trial.up_bytes())?;
        let down = trial.has_down().then(|| socket(down_kind, "down", trial.down_bytes())).transpose()?;
        if let (Some(down), SocketType::SUB) = (&down, down_kind) {
            down.set_subscribe(b"").context("subscribing")?;
        }
        let awaited = if is_lead && spreads { trial.followers } else { 0 };
        let (out, from) = if is_lead { (down, Some(up)) } else { (Some(up), down) };
        Ok(ZeroMqEnd { out, from, awaited, message: Message::new(), _context: context })
    }
}

impl End for ZeroMqEnd {
    fn settle(&mut self) -> Result<()> {
        // A publisher drops what it sends before a subscriber is known to it.
        while let (1.., Some(out)) = (self.awaited, &self.out) {
            out.recv(&mut self.message, 0).context("waiting for a subscription")?;
            self.awaited -= 1;
        }
        Ok(())
    }

    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let mut message = Message::with_size(length);
        write(&mut message);
        self.out.as_ref().context("this end only receives")?.send(message, 0).context("sending")
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        self.from.as_ref().context("this end only sends")?.recv(&mut self.message, 0).context("receiving")?;
        read(&self.message);
        Ok(1)
    }

    fn call(&mut self, length: usize, mut write: impl FnMut(&mut [u8]), mut read: impl FnMut(&[u8])) -> Result<()> {
        let calls = self.from.as_ref().context("this end has no socket for calls")?;
        let mut question = Message::with_size(length);
        write(&mut question);
        calls.send(question, 0).context("asking")?;
        calls.recv(&mut self.message, 0).context("waiting for an answer")?;
        read(&self.message);
        Ok(())
    }

    fn answer(&mut self, length: usize, mut reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        let calls = self.from.as_ref().context("this end has no socket for calls")?;
        calls.recv(&mut self.message, 0).context("waiting for a question")?;
        let mut answer = Message::with_size(length);
        reply(&self.message, &mut answer);
        calls.send(answer, 0).context("answering")?;
        Ok(1)
    }
}

impl Peer for ZeroMq {
    type End = ZeroMqEnd;

    fn name(&self) -> &'static str {
        "zeromq"
    }

    fn version(&self) -> String {
        let (major, minor, patch) = zmq::version();
        format!("libzmq {major}.{minor}.{patch}, crate zmq {}", env!("PEERS_VERSION_ZMQ"))
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let pattern = match work.kind {
            Kind::FanOut => "XPUB/SUB and PUSH/PULL",
            Kind::Calls => "REQ/REP",
            _ => "PUSH/PULL",
        };
        format!(
            "{pattern}, ipc, high-water marks {}; written in the message; batches as libzmq makes them",
            high_water_mark(work.bytes)
        )
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        (work.kind == Kind::Batch)
            .then(|| "no call for many messages; libzmq makes batches by itself: one-way-64 shows them".into())
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn lead(&self, trial: &Trial) -> Result<ZeroMqEnd> {
        ZeroMqEnd::new(trial, true)
    }

    fn follower(&self, trial: &Trial, _index: u32) -> Result<ZeroMqEnd> {
        ZeroMqEnd::new(trial, false)
    }
}
