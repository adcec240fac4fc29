//! Unix sockets: streams and sequenced packets, one connection for each follower.

use super::net::{Frames, Readers, patiently};
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work};
use anyhow::{Context, Result, bail};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, connect, listen, socket};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// Unix sockets of one type.
pub struct Unix {
    name: &'static str,
    packets: bool,
}

impl Unix {
    /// A stream of bytes.
    pub const STREAM: Unix = Unix { name: "unix-stream", packets: false };
    /// Whole messages.
    pub const SEQPACKET: Unix = Unix { name: "unix-seqpacket", packets: true };

    fn socket(&self) -> Result<OwnedFd> {
        let kind = if self.packets { SockType::SeqPacket } else { SockType::Stream };
        socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).context("making a socket")
    }

    fn end(&self, trial: &Trial, listener: Option<OwnedFd>, sent_bytes: usize, received_bytes: usize) -> UnixEnd {
        UnixEnd {
            packets: self.packets,
            listener,
            shares: trial.kind == Kind::WorkQueue,
            followers: trial.followers,
            connections: Vec::new(),
            readers: None,
            received_bytes,
            buffer: vec![0; sent_bytes.max(received_bytes)],
            last: 0,
            answer: Vec::new(),
        }
    }
}

fn path(trial: &Trial) -> PathBuf {
    trial.folder.join("socket")
}

struct Connection {
    file: File,
    frames: Frames,
}

/// An end: connections.
pub struct UnixEnd {
    packets: bool,
    listener: Option<OwnedFd>,
    /// All followers read from one socket.
    shares: bool,
    followers: u32,
    connections: Vec<Connection>,
    readers: Option<Readers>,
    received_bytes: usize,
    buffer: Vec<u8>,
    /// The connection that was read last, and what is written to it in answer.
    last: usize,
    answer: Vec<u8>,
}

/// Hands a socket to a follower.
fn give_socket(to: &File, socket: &OwnedFd) -> Result<()> {
    let (word, fds) = ([IoSlice::new(b"!")], [socket.as_raw_fd()]);
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<UnixAddr>(to.as_raw_fd(), &word, &rights, MsgFlags::empty(), None).context("handing over a socket")?;
    Ok(())
}

/// Takes the socket that the lead hands over.
fn taken_socket(from: &File) -> Result<OwnedFd> {
    let (mut word, mut space) = ([0], nix::cmsg_space!(std::os::fd::RawFd));
    let mut words = [IoSliceMut::new(&mut word)];
    let taken = recvmsg::<UnixAddr>(from.as_raw_fd(), &mut words, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
    let taken = taken.context("taking over a socket")?;
    for message in taken.cmsgs().context("taking over a socket")? {
        if let ControlMessageOwned::ScmRights(fds) = message
            && let [fd] = fds[..]
        {
            // SAFETY: the kernel has just made it for us, and nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    bail!("the lead has handed over no socket")
}

impl UnixEnd {
    fn add(&mut self, socket: OwnedFd, sent_bytes: usize) -> Result<()> {
        if self.packets && sent_bytes > 64 << 10 {
            // A packet must fit into the send buffer as a whole.
            setsockopt(&socket, sockopt::SndBufForce, &(4 * sent_bytes))
                .context("enlarging a send buffer beyond the system's limit (it takes root)")?;
        }
        self.connections.push(Connection { file: socket.into(), frames: Frames::new(self.received_bytes) });
        Ok(())
    }
}

impl End for UnixEnd {
    fn settle(&mut self) -> Result<()> {
        let Some(listener) = self.listener.take() else {
            if self.shares {
                let connection = self.connections.pop().context("this end has no connection")?;
                self.add(taken_socket(&connection.file)?, 0)?;
            }
            return Ok(());
        };
        for _ in 0..self.followers {
            let accepted = accept(listener.as_raw_fd()).context("accepting a connection")?;
            // SAFETY: just accepted, and nobody else's.
            let socket = unsafe { OwnedFd::from_raw_fd(accepted) };
            self.add(socket, self.buffer.len())?;
        }
        if self.shares {
            let flags = SockFlag::SOCK_CLOEXEC;
            let (ours, theirs) =
                socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).context("making sockets")?;
            for connection in self.connections.drain(..) {
                give_socket(&connection.file, &theirs)?;
            }
            self.add(ours, self.buffer.len())?;
        }
        if self.connections.len() > 1 {
            self.readers = Some(Readers::new(self.connections.iter().map(|connection| &connection.file))?);
        }
        Ok(())
    }

    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let Some(message) = self.buffer.get_mut(..length) else { bail!("a message longer than the work's") };
        write(message);
        for connection in &mut self.connections {
            connection.file.write_all(message).context("writing to a socket")?;
        }
        Ok(())
    }

    fn send_batch(&mut self, count: usize, length: usize, write: impl FnMut(&mut [u8])) -> Result<()> {
        self.buffer.resize(count * length, 0);
        self.buffer.chunks_exact_mut(length).for_each(write);
        for connection in &mut self.connections {
            connection.file.write_all(&self.buffer).context("writing to a socket")?;
        }
        Ok(())
    }

    fn call(&mut self, length: usize, write: impl FnMut(&mut [u8]), mut read: impl FnMut(&[u8])) -> Result<()> {
        self.send(length, write)?;
        self.receive(&mut read).map(drop)
    }

    fn answer(&mut self, length: usize, mut reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        let mut answer = std::mem::take(&mut self.answer);
        answer.resize(length, 0);
        let count = self.receive(|question| reply(question, &mut answer))?;
        // An asker has one question at a time, so what was read from its connection was one.
        let from = self.connections.get_mut(self.last).context("this end has no connection")?;
        from.file.write_all(&answer).context("answering")?;
        self.answer = answer;
        Ok(count)
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        loop {
            let index = self.readers.as_mut().map_or(Ok(0), Readers::next)?;
            self.last = index;
            let Some(connection) = self.connections.get_mut(index) else { bail!("this end has no connection") };
            if self.packets {
                let length = connection.file.read(&mut self.buffer).context("reading from a socket")?;
                if length == 0 {
                    bail!("the other side has closed the socket");
                }
                read(&self.buffer[..length]);
                return Ok(1);
            }
            let count = connection.frames.receive(&mut connection.file, &mut read)?;
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

impl Peer for Unix {
    type End = UnixEnd;

    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        "of this kernel".into()
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking, Manner::OneCore]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let many = if work.followers > 1 { "; the lead waits by epoll" } else { "" };
        if work.kind == Kind::WorkQueue {
            return "one socket that all read; a write and a read for each message".into();
        }
        if work.kind == Kind::Batch {
            return "default buffers; a write for each batch, reads of up to 64 KiB".into();
        }
        let many =
            if work.kind == Kind::Calls { "; a connection for each asker; the answerer waits by epoll" } else { many };
        if self.packets {
            format!("a write and a read for each message; send buffer of four messages above 64 KiB{many}")
        } else {
            format!("default buffers; a write for each message, reads of up to 64 KiB or one message{many}")
        }
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        let why = match (work.kind, self.packets) {
            (Kind::WorkQueue, false) => "nothing keeps messages whole when several read from one stream",
            (Kind::Batch, true) => {
                "a packet for each message (sendmmsg would save the way into the kernel, not the packets)"
            }
            _ => return None,
        };
        Some(why.into())
    }

    fn lead(&self, trial: &Trial) -> Result<UnixEnd> {
        let listener = self.socket()?;
        bind(listener.as_raw_fd(), &UnixAddr::new(&path(trial))?).context("binding a socket")?;
        listen(&listener, Backlog::new(4096)?).context("listening")?;
        Ok(self.end(trial, Some(listener), trial.down_bytes(), trial.up_bytes()))
    }

    fn follower(&self, trial: &Trial, _index: u32) -> Result<UnixEnd> {
        let address = UnixAddr::new(&path(trial))?;
        let socket = self.socket()?;
        patiently("connecting to the lead's socket", || connect(socket.as_raw_fd(), &address))?;
        let mut end = self.end(trial, None, trial.up_bytes(), trial.down_bytes());
        end.add(socket, trial.up_bytes())?;
        Ok(end)
    }
}
