//! Named locks, as members take them. How they exclude each other: [`crate::lock`].

use super::Member;
use super::sending::from_now_ns;
use crate::error::{Error, Result};
use crate::glob::{Pattern, begin_alike, is_pattern};
use crate::layout::{LOCK_NAME_MAX, LOCK_NAME_WORDS, LOCKS, LockEntry};
use crate::lock::{Ahead, Label, LockMode, LockState, LockWord, Overwritten, Place};
use crate::name;
use crate::platform::clock;
use crate::registry;
use crate::segment::Segment;
use crate::sync::{S8, S14, Woken, window};
use crate::word::Name;
use std::cell::OnceCell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often somebody in the doorway is looked at before the caller sleeps: it is a few instructions from leaving it, unless it was preempted there.
const DOORWAY_SPINS: u32 = 64;
/// The kernel is asked at most this often, ns, whether the same one that is ahead is dead.
const ASK_EVERY_NS: u64 = 1_000_000;

impl Member {
    /// Takes the lock of this name; waits for those who asked before and whose locks conflict, until `timeout` (`None`: for ever). Locks conflict
    /// if there is a name that both stand for, unless both are [`LockMode::Shared`].
    ///
    /// A name is 1 to 255 bytes of any text, segments divided by `/`. It may be a pattern: `?` is one character and `*` any number of them within a segment, `**` any number of
    /// any characters, `**/` whole segments or none, `[…]` one character, whichever, or itself. So `src/operators/*.rs` conflicts with `src/operators/add.rs` and with
    /// `src/**`. Names are compared as they are written: `./a` is not `a`. There is nothing to declare.
    ///
    /// Conflicting locks are granted in the order in which they were asked for, so nobody starves. Whoever dies has let go of its locks once it is reaped: at once by a
    /// supervisor, within seconds by those who wait. A process that is stopped (SIGSTOP, a debugger) is not dead: it keeps its locks and its place, and those behind wait
    /// until they have waited long enough. Whoever was thought dead by something outside the bus is told by the [fencing token](LockGuard::token).
    ///
    /// A member may have many locks. Who has one and asks for another waits behind those who asked before, also behind who waits for the first one; and two may
    /// each want what the other has. Both end by a deadline only: give one, or take what you need by one pattern, or in an order that all keep to.
    ///
    /// # Errors
    /// `Locked` when the time is up: who stands in the way (a holder, or else who waits in front; with a timeout of zero also if it has only just begun to ask).
    /// `InvalidArgument`: no such name, or in conflict with a lock that this very handle has. `System` (`ENOLCK`): 8192 locks are held or waited for.
    /// `OutOfMemory`, `Closed`, `Forked`, `Corrupt`.
    pub fn lock(&self, name: &str, mode: LockMode, timeout: Option<Duration>) -> Result<LockGuard<'_>> {
        self.lock_until(name, mode, timeout, &mut || false)
    }

    /// [`Member::lock`] without waiting. `None`: it is taken, or somebody waits for it.
    ///
    /// # Errors
    /// As [`Member::lock`], but for `Locked`.
    pub fn try_lock(&self, name: &str, mode: LockMode) -> Result<Option<LockGuard<'_>>> {
        match self.lock(name, mode, Some(Duration::ZERO)) {
            Ok(guard) => Ok(Some(guard)),
            Err(Error::Locked { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`Member::lock`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::lock`], and [`Error::Interrupted`] when the hook says so.
    pub fn lock_until(
        &self,
        name: &str,
        mode: LockMode,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<LockGuard<'_>> {
        self.check()?;
        let wanted = Wanted::new(name)?;
        let deadline = timeout.map(from_now_ns);
        let mut asking = Asking { member: self, place: Some(self.claim_place(mode)?) };
        let Some(place) = &mut asking.place else { return Err(overwritten()) };
        place.enter(&wanted.label, clock::monotonic_coarse_ns()).map_err(|Overwritten| overwritten())?;
        let mut ahead = place.look(|entry| wanted.conflicts(self.segment(), entry));
        if ahead.iter().any(|claim| claim.word.member() == self.name) {
            let what = format!("'{name}' conflicts with a lock that this handle has: release that first");
            return Err(Error::InvalidArgument { what });
        }
        let (mut spins, mut asked) = (0, None);
        while let Some(nearest) = place.nearest(&ahead) {
            let in_doorway = LockWord(nearest.entry.word.load(S14.acquire())).state() == LockState::Choosing;
            if in_doorway && spins < DOORWAY_SPINS {
                spins += 1;
                if spins.is_multiple_of(8) { std::thread::yield_now() } else { std::hint::spin_loop() }
            } else if !self.bury_if_gone(&nearest, &mut asked) {
                let left = deadline.map(|deadline| deadline.saturating_sub(clock::monotonic_ns()));
                if left == Some(0) || timeout == Some(Duration::ZERO) {
                    ahead.retain(|claim| place.is_behind(claim));
                    let Some(error) = self.locked(name, &ahead) else { continue };
                    return Err(error);
                }
                self.sleep_behind(place, &nearest, left, interrupted)?;
            }
            ahead.retain(|claim| place.is_behind(claim));
        }
        let token = place.hold().map_err(|Overwritten| overwritten())?;
        let raw = RawLock { index: place.index(), word: place.word(), token };
        asking.place = None;
        Ok(LockGuard { member: self, raw })
    }

    fn claim_place(&self, mode: LockMode) -> Result<Place<'_>> {
        let (segment, noted) = (self.segment(), &self.entry().locks);
        // Relaxed: our own note.
        if noted.load(Relaxed) == 0 {
            noted.store(1, S8.release());
        }
        window(110);
        loop {
            if let Some(place) = segment.locks().claim(self.name, mode, self.last_lock.get()) {
                self.last_lock.set(place.index());
                return Ok(place);
            }
            if !segment.commit_locks()? {
                let what = format!("bus '{}': {LOCKS} locks are held or waited for", self.bus.name());
                return Err(Error::System { what, errno: libc::ENOLCK });
            }
        }
    }

    fn sleep_behind(
        &self,
        place: &Place<'_>,
        nearest: &Ahead<'_>,
        left_ns: Option<u64>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        let (segment, nap) = (self.segment(), self.nap());
        // Relaxed: a counter for people, ours alone.
        let sleeps = &self.entry().counters.sleeps;
        sleeps.store(sleeps.load(Relaxed) + 1, Relaxed);
        let time = left_ns.map_or(nap, |left| nap.min(Duration::from_nanos(left)));
        let woken = place.sleep_behind(nearest, time, || segment.check_open().is_ok());
        segment.check_open()?;
        let slept = woken.is_some_and(|woken| woken != Woken::Look);
        if slept && interrupted() {
            return Err(Error::Interrupted);
        }
        if woken == Some(Woken::TimedOut) {
            self.look_for_dead();
        }
        Ok(())
    }

    /// Reaps if who is ahead is gone; `true`: it is no longer ahead. `asked`: about which claim the kernel was asked last, and when.
    fn bury_if_gone(&self, ahead: &Ahead<'_>, asked: &mut Option<(*const LockEntry, LockWord, u64)>) -> bool {
        let (segment, member) = (self.segment(), ahead.word.member());
        let (entry, now) = (std::ptr::from_ref(ahead.entry), clock::monotonic_ns());
        let is_recent = |when: u64| now.saturating_sub(when) < ASK_EVERY_NS;
        if asked.is_some_and(|(whose, word, when)| (whose, word) == (entry, ahead.word) && is_recent(when)) {
            return false;
        }
        *asked = Some((entry, ahead.word, now));
        if !registry::is_gone(segment, member) {
            return false;
        }
        self.reap_if(None);
        if ahead.mend(|member| registry::is_past(segment, member)) {
            // Relaxed: a counter for people.
            segment.header().corrupt.fetch_add(1, Relaxed);
        }
        !LockWord(ahead.entry.word.load(S14.acquire())).is_same_life(ahead.word)
    }

    /// What stands in the way: a holder if there is one, else who waits in front. `None`: nothing any more.
    fn locked(&self, name: &str, ahead: &[Ahead<'_>]) -> Option<Error> {
        let segment = self.segment();
        let is_held = |claim: &&Ahead<'_>| LockWord(claim.entry.word.load(S14.acquire())).state() == LockState::Held;
        let first = ahead.iter().find(is_held).or(ahead.first())?;
        let (member, held) = (first.word.member(), name_of(first.entry).unwrap_or_default());
        let holder = agent_of(segment, member).unwrap_or_else(|| format!("member {}", member.index()));
        let pid = registry::pid_of(segment, member).unwrap_or(0);
        Some(Error::Locked { name: name.into(), held, holder, pid })
    }
}

/// The agent that a member is, if it owns a mailbox.
pub(crate) fn agent_of(segment: &Segment, member: Name) -> Option<String> {
    // Relaxed: it may be a note of who has the index by now, so the mailbox is asked for its owner.
    let mailbox = segment.member(member.index())?.mailbox.load(Relaxed).checked_sub(1).map(Name::from_bits)?;
    (registry::owner_of(segment, mailbox) == Some(member)).then(|| segment.queue_name(mailbox))?
}

/// The name in an entry. Of another's it is worth what the entry's word, compared afterwards, says; `None`: it makes no sense.
pub(crate) fn name_of(entry: &LockEntry) -> Option<String> {
    let length = usize::try_from(entry.length.load(S14.acquire())).ok().filter(|length| *length <= LOCK_NAME_MAX)?;
    let words = entry.name.iter().take(length.div_ceil(8));
    let mut bytes: Vec<u8> = words.flat_map(|word| word.load(S14.acquire()).to_ne_bytes()).collect();
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

fn overwritten() -> Error {
    Error::corrupt("the lock table", "I34")
}

/// A name that is asked for.
struct Wanted<'a> {
    name: &'a str,
    label: Label,
    pattern: OnceCell<Pattern>,
}

impl<'a> Wanted<'a> {
    fn new(name: &'a str) -> Result<Wanted<'a>> {
        let reason = match name {
            "" => "it is empty",
            _ if name.len() > LOCK_NAME_MAX => "it is too long",
            _ if name.contains(char::is_control) => "it has a control character",
            _ => {
                let mut words = [0; LOCK_NAME_WORDS];
                for (word, bytes) in words.iter_mut().zip(name.as_bytes().chunks(8)) {
                    let mut padded = [0; 8];
                    padded[..bytes.len()].copy_from_slice(bytes);
                    *word = u64::from_ne_bytes(padded);
                }
                let hash = name::hash(name) & !1 | is_pattern(name) as u64;
                let label = Label { hash, length: name.len() as u64, words };
                return Ok(Wanted { name, label, pattern: OnceCell::new() });
            }
        };
        let name: String = name.chars().take(80).collect();
        let what = format!("{name:?} is no name of a lock: {reason}; those are 1 to {LOCK_NAME_MAX} bytes of text");
        Err(Error::InvalidArgument { what })
    }

    /// Whether an entry's name has a name in common with this one. One that makes no sense has none.
    fn conflicts(&self, segment: &Segment, entry: &LockEntry) -> bool {
        let hash = entry.hash.load(S14.acquire());
        if (hash | self.label.hash) & 1 == 0 {
            let words = entry.name.iter().zip(self.label.words).take(self.label.length.div_ceil(8) as usize);
            return hash == self.label.hash
                && entry.length.load(S14.acquire()) == self.label.length
                && words.into_iter().all(|(shared, word)| shared.load(S14.acquire()) == word);
        }
        let before = LockWord(entry.word.load(S14.acquire()));
        let Some(other) = name_of(entry) else {
            // Whoever gets the entry next writes its own name there meanwhile: what is torn by that was not scribbled.
            let now = LockWord(entry.word.load(S14.acquire()));
            if before.is_there() && now.is_same_life(before) {
                // Relaxed: a counter for people.
                segment.header().corrupt.fetch_add(1, Relaxed);
            }
            return false;
        };
        begin_alike(self.name, &other)
            && self.pattern.get_or_init(|| Pattern::new(self.name)).meets(&Pattern::new(&other))
    }
}

/// An entry of who has not got the lock yet: gives way when dropped.
struct Asking<'a> {
    member: &'a Member,
    place: Option<Place<'a>>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(|_| self.member.check_fork().is_ok()) {
            // An entry that was written over is not ours to free; its reaper finds it if it still has our name.
            let _ = place.give_up();
        }
    }
}

/// A lock without its member: what a binding keeps. See [`LockGuard::into_raw`].
#[derive(Clone, Copy, Debug)]
pub struct RawLock {
    index: u32,
    word: LockWord,
    token: u64,
}

impl RawLock {
    /// The lock as plain numbers, for handles that cannot hold a Rust struct. The last one is the fencing token.
    pub fn numbers(&self) -> [u64; 3] {
        [self.index as u64, self.word.0, self.token]
    }

    /// The reverse of [`RawLock::numbers`]. Any numbers will do: [`LockGuard::from_raw`] checks them.
    pub fn from_numbers([index, word, token]: [u64; 3]) -> RawLock {
        RawLock { index: u32::try_from(index).unwrap_or(u32::MAX), word: LockWord(word), token }
    }
}

/// A lock that this member has. Dropped, it is released.
pub struct LockGuard<'a> {
    member: &'a Member,
    raw: RawLock,
}

impl<'a> LockGuard<'a> {
    /// The fencing token: it rises with every grant of any lock of the bus. Give it to whatever the lock protects, which can then refuse who comes with
    /// a lower one than it has seen: a holder that was stopped and is so late that its lock was taken from outside.
    pub fn token(&self) -> u64 {
        self.raw.token
    }

    /// Its name, as it was asked for.
    pub fn name(&self) -> String {
        self.place().and_then(|place| name_of(place.entry())).unwrap_or_default()
    }

    /// Who else may have it.
    pub fn mode(&self) -> LockMode {
        self.raw.word.mode()
    }

    /// Lets go of it. Dropping does the same.
    ///
    /// # Errors
    /// `Forked` in a child of the process that took it; `Released` if somebody has written over it.
    pub fn release(self) -> Result<()> {
        let result = self.let_go();
        std::mem::forget(self);
        result
    }

    fn let_go(&self) -> Result<()> {
        self.member.check_fork()?;
        let place = self.place().ok_or(Error::Released)?;
        place.give_up().map_err(|Overwritten| Error::Released)
    }

    fn place(&self) -> Option<Place<'a>> {
        self.member.segment().locks().find(self.raw.index, self.raw.word)
    }

    /// Lets go of the member: for bindings that keep the lock in an object of their own. The member still has it.
    pub fn into_raw(self) -> RawLock {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    /// The reverse of [`LockGuard::into_raw`]. Of two guards of one lock the first that goes releases it.
    ///
    /// # Errors
    /// [`Error::Released`] if this member has it no longer, [`Error::Forked`].
    pub fn from_raw(member: &'a Member, raw: RawLock) -> Result<LockGuard<'a>> {
        member.check_fork()?;
        let guard = LockGuard { member, raw };
        let mine = raw.word.member() == member.name
            && raw.word.state() == LockState::Held
            && guard.place().is_some_and(|place| place.entry().token.load(S14.acquire()) == raw.token);
        if mine {
            return Ok(guard);
        }
        std::mem::forget(guard);
        Err(Error::Released)
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // After a fork it is the parent's.
        let _ = self.let_go();
    }
}
