//! What rivals on streams and servers share: frames of one length, many readers at once, trying until somebody listens.

use anyhow::{Context, Result, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// From this length on a message is read by itself, so that nothing has to be moved in the buffer.
const LONG: usize = 32 << 10;
/// Shorter ones are read this many bytes at a time.
pub const READ_BYTES: usize = 64 << 10;

/// Messages of one length out of a stream of bytes.
pub struct Frames {
    buffer: Vec<u8>,
    filled: usize,
    length: usize,
}

impl Frames {
    /// Of messages of `length` bytes.
    pub fn new(length: usize) -> Frames {
        Frames { buffer: vec![0; if length >= LONG { length } else { READ_BYTES.max(length) }], filled: 0, length }
    }

    /// Of messages of `length` bytes, so many of them at most in one read.
    pub fn few(length: usize, most: usize) -> Frames {
        Frames { buffer: vec![0; length * most], filled: 0, length }
    }

    /// Reads once, and shows the messages that are complete.
    pub fn receive(&mut self, from: &mut impl Read, mut read: impl FnMut(&[u8])) -> Result<usize> {
        match from.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the other side has closed the stream"),
            Ok(some) => self.filled += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error).context("reading"),
        }
        let whole = self.filled / self.length;
        for message in self.buffer[..whole * self.length].chunks_exact(self.length) {
            read(message);
        }
        self.buffer.copy_within(whole * self.length..self.filled, 0);
        self.filled -= whole * self.length;
        Ok(whole)
    }
}

/// Waits for any of many descriptors.
pub struct Readers {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    ready: std::ops::Range<usize>,
}

impl Readers {
    /// Descriptors are known by their place in `of`.
    pub fn new<F: AsFd>(of: impl Iterator<Item = F>) -> Result<Readers> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("making an epoll")?;
        for (index, one) in of.enumerate() {
            epoll.add(one, EpollEvent::new(EpollFlags::EPOLLIN, index as u64)).context("adding to an epoll")?;
        }
        Ok(Readers { epoll, events: vec![EpollEvent::empty(); 64], ready: 0..0 })
    }

    /// The next that can be read; waits for one.
    pub fn next(&mut self) -> Result<usize> {
        loop {
            if let Some(index) = self.ready.next() {
                return Ok(self.events[index].data() as usize);
            }
            match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
                Ok(count) => self.ready = 0..count,
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("waiting by epoll"),
            }
        }
    }
}

/// Tries until it succeeds, or for as long as one can wait for another process to start.
pub fn patiently<T, E>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > until => return Err(error).with_context(|| what.to_owned()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Where a trial's server listens.
pub fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Whether somebody listens there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&address(port), Duration::from_millis(100)).is_ok()
}

/// Becomes another program; returns only if that fails.
pub fn become_program(command: &mut std::process::Command) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    let program = command.get_program().to_string_lossy().into_owned();
    anyhow::Error::new(error).context(format!("cannot start {program}; is it installed? setup.sh does that"))
}

/// What a program says its version is: the first line of its output.
pub fn version_of(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "not installed".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("unknown").trim().to_owned(),
    )
}
