//! The watchers of this process: one thread for each bus of which somebody holds a descriptor. It sleeps on the words of all queues of
//! all armed descriptors (the protocol is in [`crate::watch`]) and makes descriptors readable. Why a thread: `docs/adr/0011-descriptors.md`.

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::layout::GROUPS;
use crate::member::waiting::{DIRECT_MAX, look_is_due, nap};
use crate::memory::Memory;
use crate::owner;
use crate::platform::clock;
use crate::platform::event::{Event, start_thread};
use crate::platform::fork;
use crate::queue::Queue;
use crate::registry;
use crate::segment::Segment;
use crate::sync::{S10, WakeWord, Woken, aside, window};
use crate::wait;
use crate::watch::{Armed, Bell, Bells, Wants};
use crate::word::{Name, RecordWord};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// By generation of forks: in a forked child there are no threads, and the lock may be held by one that is not there.
static WATCHERS: [Mutex<Vec<Arc<Watcher>>>; 8] = [const { Mutex::new(Vec::new()) }; 8];

fn watchers() -> MutexGuard<'static, Vec<Arc<Watcher>>> {
    let mut watchers =
        WATCHERS[fork::generation() as usize % WATCHERS.len()].lock().unwrap_or_else(PoisonError::into_inner);
    watchers.retain(|watcher| watcher.fork == fork::generation());
    watchers
}

struct Watcher {
    birth: u64,
    fork: u32,
    /// Rung when a descriptor is armed, made or gone.
    control: WakeWord,
    watches: Mutex<Vec<Arc<Watch>>>,
}

/// What a descriptor watches.
struct Watch {
    bus: Bus,
    me: Name,
    /// The mailbox that it owns, and the word that said so.
    owned: Option<(Name, RecordWord)>,
    queues: Vec<Name>,
    armed: Armed,
    event: Event,
}

/// A watch that goes on until this is dropped, or [`Watched::end`].
pub struct Watched {
    watch: Arc<Watch>,
    watcher: Arc<Watcher>,
}

/// Begins to watch queues for a member. Armed: it looks at once.
pub fn watch(bus: &Bus, me: Name, owned: Option<(Name, RecordWord)>, queues: Vec<Name>) -> Result<Watched> {
    let event = Event::new().map_err(|error| Error::system("cannot make a descriptor", error))?;
    let watch = Arc::new(Watch { bus: bus.clone(), me, owned, queues, armed: Armed::default(), event });
    #[cfg(crash)]
    crate::sync::crash::lend();
    let birth = bus.segment().birth();
    let mut watchers = watchers();
    if let Some(watcher) = watchers.iter().find(|watcher| watcher.birth == birth) {
        watcher.watches().push(watch.clone());
        aside(|| wait::ring(&watcher.control, 1));
        return Ok(Watched { watch, watcher: watcher.clone() });
    }
    let watches = Mutex::new(vec![watch.clone()]);
    let watcher = Arc::new(Watcher { birth, fork: fork::generation(), control: WakeWord::new(0), watches });
    let thread = watcher.clone();
    start_thread("swarmbus-watch", move || thread.run()).map_err(|error| Error::System {
        what: "cannot start the thread that watches for descriptors".into(),
        errno: error.raw_os_error().unwrap_or(libc::EAGAIN),
    })?;
    watchers.push(watcher.clone());
    Ok(Watched { watch, watcher })
}

impl Watched {
    /// Whose it is.
    pub fn is_of(&self, bus: &Bus, me: Name) -> bool {
        self.watch.me == me && self.watcher.birth == bus.segment().birth()
    }

    /// What it watches.
    pub fn queues(&self) -> &[Name] {
        &self.watch.queues
    }

    /// Nothing was found: from here on it is not readable, until there is something.
    pub fn rearm(&self) {
        aside(|| self.watch.armed.rearm(&self.watcher.control, || self.watch.event.clear()));
    }

    /// Its owner is told once more.
    pub fn remind(&self) {
        self.watch.event.set();
    }

    /// Ends it. Nobody tells its owner of anything any more.
    pub fn end(&self) {
        if self.watcher.fork != fork::generation() {
            return;
        }
        let mut watchers = watchers();
        let mut watches = self.watcher.watches();
        watches.retain(|watch| !Arc::ptr_eq(watch, &self.watch));
        if watches.is_empty() {
            // Nobody adds to it from here on, so its thread ends.
            watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
        }
        drop(watches);
        aside(|| wait::ring(&self.watcher.control, 1));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.event.as_fd()
    }
}

/// A word to sleep on: of a queue, or of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Items(Name),
    Group(usize),
}

struct Spot {
    bus: Bus,
    at: At,
}

impl Bell for Spot {
    fn word(&self) -> &WakeWord {
        let groups = &self.bus.segment().header().groups;
        match self.at {
            // A queue that was declared stays; the other word is one that is rung with it.
            At::Items(queue) => self.bus.segment().queue(queue).map_or(&groups[group_of(queue)], |queue| queue.items),
            At::Group(group) => &groups[group],
        }
    }

    fn pass_on(&self) {
        // Of a group, everybody was woken.
        if let At::Items(queue) = self.at
            && let Some(queue) = self.bus.segment().queue(queue)
            && (queue.has_message(self.bus.segment()) || due_ms(&queue).is_some())
        {
            wait::ring(queue.items, 1);
        }
    }
}

/// When the first message that is parked in a queue is due; never too late.
fn due_ms(queue: &Queue<'_>) -> Option<u64> {
    queue.lot()?.due_ms()
}

fn group_of(queue: Name) -> usize {
    queue.index() as usize % GROUPS
}

impl Watcher {
    fn watches(&self) -> MutexGuard<'_, Vec<Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        #[cfg(crash)]
        crate::sync::crash::borrow();
        let mut bells = Bells::<At, Spot>::default();
        let (mut turn, mut napped) = (0usize, false);
        // When parked messages of the queues are due, as far as that is known.
        let mut dues = BTreeMap::new();
        loop {
            let control = wait::announce(&self.control);
            let watches = self.watches().clone();
            let armed: Vec<(&Watch, Wants)> = watches
                .iter()
                .map(|watch| (&**watch, watch.armed.wants()))
                .filter(|(_, wants)| *wants != Wants::Nothing)
                .collect();
            let direct = armed.iter().map(|(watch, _)| watch.queues.len()).sum::<usize>() <= DIRECT_MAX;
            let at = |queue: &Name| if direct { At::Items(*queue) } else { At::Group(group_of(*queue)) };
            let mut wanted = BTreeMap::new();
            for (watch, wants) in &armed {
                for queue in &watch.queues {
                    *wanted.entry(at(queue)).or_default() |= *wants == Wants::ToLook;
                }
            }
            let Some(bus) = watches.first().map(|watch| watch.bus.clone()) else { return bells.leave() };
            let announced = bells.cover(&wanted, |at| Spot { bus: bus.clone(), at });
            window(76);
            let mut fired = false;
            for (watch, _) in &armed {
                if watch.is_ready(|queue| napped || announced.contains(&at(queue)), napped, &mut dues) {
                    watch.fire();
                    fired = true;
                }
            }
            if napped && !fired && !armed.is_empty() && look_is_due(bus.segment()) {
                // A member has to look for the dead: any, each in its turn.
                armed[turn % armed.len()].0.fire();
                turn = turn.wrapping_add(1);
                fired = true;
            }
            napped = false;
            if fired {
                continue;
            }
            let limit = match dues.values().min() {
                _ if armed.is_empty() => Duration::MAX,
                Some(due) => nap(bus.segment()).min(Duration::from_millis(due.saturating_sub(clock::monotonic_ms()))),
                None => nap(bus.segment()),
            };
            // What has ended meanwhile need not wait for us: the words are kept by the bells, which have the bus.
            drop(armed);
            drop((watches, bus));
            let words: Vec<_> = std::iter::once((&self.control, control)).chain(bells.tickets()).collect();
            napped = wait::sleep_any(&words, limit) == Woken::TimedOut;
            if napped {
                // They are all looked at now; those of descriptors that are not armed are of no interest.
                dues.clear();
            }
        }
    }
}

impl Watch {
    fn fire(&self) {
        self.armed.fire(|| self.event.set());
    }

    /// Whether an attempt to take would find something, or fail. `look` says which queues to look at; `thoroughly`: also for what nobody
    /// rings for. When the first parked message of each is due comes into `dues`.
    fn is_ready(&self, look: impl Fn(&Name) -> bool, thoroughly: bool, dues: &mut BTreeMap<Name, u64>) -> bool {
        let segment = self.bus.segment();
        if segment.check_open().is_err() {
            return true;
        }
        let has_ended = |queue: &Queue<'_>| !queue.is_open() && due_ms(queue).is_none();
        let mut ended = false;
        for name in self.queues.iter().filter(|name| look(name)) {
            let Some(queue) = segment.queue(*name) else { return true };
            let in_limbo = thoroughly && queue.deferred.load(S10.acquire()) & 1 != 0;
            let due_ms = due_ms(&queue);
            let is_due = due_ms.is_some_and(|due_ms| due_ms <= clock::monotonic_ms());
            match due_ms {
                Some(due_ms) => dues.insert(*name, due_ms),
                None => dues.remove(name),
            };
            if queue.has_message(segment) || is_due || in_limbo || self.is_anothers(segment, *name) {
                return true;
            }
            ended |= has_ended(&queue);
        }
        ended && self.queues.iter().all(|name| segment.queue(*name).is_none_or(|queue| has_ended(&queue)))
    }

    fn is_anothers(&self, segment: &Segment, mailbox: Name) -> bool {
        if let Some((_, word)) = self.owned.filter(|(owned, _)| *owned == mailbox) {
            return segment.queue_control(mailbox.index()).is_none_or(|control| !owner::is_still(&control.owner, word));
        }
        registry::owner_of(segment, mailbox).is_some_and(|owner| owner != self.me && !registry::is_gone(segment, owner))
    }
}
