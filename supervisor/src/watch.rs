//! The one place where the supervisor sleeps: signals, deaths, control connections and the next deadline, in one epoll.

use rustix::event::epoll;
use rustix::fs::Timespec;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What woke the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came for the supervisor.
    Signal(i32),
    /// The process in this slot ended.
    Ended(usize),
    /// Somebody connects to the control socket.
    Knock,
    /// The zygote of this pool says something, or can be told more.
    Zygote(usize),
    /// A control connection can be read or written.
    Client(u32),
}

const KIND_SIGNAL: u64 = 0;
const KIND_ENDED: u64 = 1;
const KIND_KNOCK: u64 = 2;
const KIND_CLIENT: u64 = 3;
const KIND_ZYGOTE: u64 = 4;

/// The signals that ask the supervisor for something.
const ASKING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Everything the supervisor waits for.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
    signals: Vec<(i32, UnixStream, signal_hook::SigId)>,
    others: Vec<signal_hook::SigId>,
}

impl Watch {
    /// Starts to watch for signals. They are handled, not blocked, so children start with a clean slate.
    pub fn new() -> io::Result<Watch> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut signals = Vec::new();
        for signal in ASKING {
            // Under nohup the terminal may go without any ado.
            if signal == SIGHUP && is_ignored(SIGHUP) {
                continue;
            }
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            let id = signal_hook::low_level::pipe::register(signal, writer)?;
            let data = epoll::EventData::new_u64(KIND_SIGNAL << 32 | signal as u64);
            epoll::add(&epoll, &reader, data, epoll::EventFlags::IN)?;
            signals.push((signal, reader, id));
        }
        // A parent may have left SIGCHLD ignored; then the kernel would throw away what our children's exits say.
        let unused = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let others = vec![signal_hook::flag::register(SIGCHLD, unused)?];
        Ok(Watch { epoll, signals, others })
    }

    /// Watches a child.
    pub fn child(&self, slot: usize, pidfd: &OwnedFd) -> io::Result<()> {
        self.add(pidfd, KIND_ENDED << 32 | slot as u64, epoll::EventFlags::IN)
    }

    /// Watches the control socket.
    pub fn listener(&self, listener: &impl AsFd) -> io::Result<()> {
        self.add(listener, KIND_KNOCK << 32, epoll::EventFlags::IN)
    }

    /// Watches a control connection; `write` also for room to write.
    pub fn client(&self, id: u32, stream: &impl AsFd) -> io::Result<()> {
        self.add(stream, KIND_CLIENT << 32 | u64::from(id), epoll::EventFlags::IN)
    }

    /// Says what a control connection waits for.
    pub fn client_waits(&self, id: u32, stream: &impl AsFd, read: bool, write: bool) -> io::Result<()> {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, read);
        flags.set(epoll::EventFlags::OUT, write);
        let data = epoll::EventData::new_u64(KIND_CLIENT << 32 | u64::from(id));
        Ok(epoll::modify(&self.epoll, stream, data, flags)?)
    }

    /// Watches the zygote of a pool.
    pub fn zygote(&self, pool: usize, stream: &impl AsFd) -> io::Result<()> {
        self.add(stream, KIND_ZYGOTE << 32 | pool as u64, epoll::EventFlags::IN)
    }

    /// Says whether a zygote is to be told more.
    pub fn zygote_waits(&self, pool: usize, stream: &impl AsFd, write: bool) -> io::Result<()> {
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, write);
        Ok(epoll::modify(&self.epoll, stream, epoll::EventData::new_u64(KIND_ZYGOTE << 32 | pool as u64), flags)?)
    }

    fn add(&self, source: &impl AsFd, data: u64, flags: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, epoll::EventData::new_u64(data), flags)?)
    }

    /// No longer watches a source.
    pub fn forget(&self, source: &impl AsFd) {
        let _ = epoll::delete(&self.epoll, source);
    }

    /// Sleeps until something happens, at most for `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let timeout =
            timeout.map(|timeout| Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 }));
        let mut raw = Vec::with_capacity(256);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut raw), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = Vec::with_capacity(raw.len());
        for event in raw {
            let data = event.data.u64();
            let number = data as u32;
            match data >> 32 {
                KIND_SIGNAL => events.extend(self.signal(number as i32)),
                KIND_ENDED => events.push(Event::Ended(number as usize)),
                KIND_KNOCK => events.push(Event::Knock),
                KIND_ZYGOTE => events.push(Event::Zygote(number as usize)),
                _ => events.push(Event::Client(number)),
            }
        }
        Ok(events)
    }

    /// One event for each time the signal came, as far as the kernel told them apart.
    fn signal(&mut self, signal: i32) -> Vec<Event> {
        let mut came = 0;
        let mut bytes = [0; 16];
        if let Some((_, reader, _)) = self.signals.iter_mut().find(|(known, _, _)| *known == signal) {
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                came += read;
            }
        }
        vec![Event::Signal(signal); came]
    }
}

/// Whether whoever started us has this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

impl Drop for Watch {
    fn drop(&mut self) {
        let ids = self.signals.iter().map(|(_, _, id)| *id).chain(self.others.iter().copied());
        for id in ids {
            signal_hook::low_level::unregister(id);
        }
    }
}
