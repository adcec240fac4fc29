//! Victims that take locks.

use super::{LONG, Victim};
use crate::Result;
use crate::ledger::Event;
use crate::scene::Clerk;
use crate::victim::asking::is_asleep;
use nix::unistd::gettid;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{Bus, Error, LockGuard, LockMode, Member};

use LockMode::{Exclusive, Shared};

/// What victims and their peers lock. Any two of these names conflict.
pub const NAMES: [&str; 3] = ["held/**", "held/by/one", "held/by/*"];

/// Takes a lock and writes that down. `None`: not in time.
///
/// # Errors
/// Any but `Locked`.
pub fn lock<'a>(
    clerk: &mut Clerk,
    member: &'a Member,
    name: &str,
    mode: LockMode,
    timeout: Duration,
) -> Result<Option<LockGuard<'a>>> {
    match member.lock(name, mode, Some(timeout)) {
        Ok(guard) => {
            clerk.say(Event::Locked(guard.token(), now_ns()?, mode == Exclusive));
            Ok(Some(guard))
        }
        Err(Error::Locked { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes down that it is about to release a lock, and does.
///
/// # Errors
/// Those of the release.
pub fn unlock(clerk: &mut Clerk, guard: LockGuard<'_>) -> Result<()> {
    clerk.say(Event::Unlocking(guard.token(), now_ns()?));
    Ok(guard.release()?)
}

fn now_ns() -> Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// With nobody left, everything can be locked.
///
/// # Errors
/// When it cannot.
pub fn probe_locks(bus: &Bus) -> Result<()> {
    let member = bus.join()?;
    let all = member.try_lock("**", Exclusive)?;
    if all.is_some() { Ok(()) } else { Err("locks are left".into()) }
}

impl Victim {
    /// Whatever a first lock commits is committed.
    fn warm(&self) -> Result<()> {
        drop(self.bus.join()?.lock("warm", Shared, None)?);
        Ok(())
    }

    pub(super) fn lock_first(&mut self) -> Result<()> {
        let member = self.bus.join()?;
        let guard = self.armed(|clerk| lock(clerk, &member, NAMES[0], Exclusive, LONG))?;
        guard.map_or(Ok(()), |guard| unlock(&mut self.clerk, guard))
    }

    pub(super) fn lock(&mut self, mode: LockMode) -> Result<()> {
        self.warm()?;
        let member = self.bus.join()?;
        let guard = self.armed(|clerk| lock(clerk, &member, NAMES[0], mode, LONG))?;
        guard.map_or(Ok(()), |guard| unlock(&mut self.clerk, guard))
    }

    /// Waits for a lock that somebody has and releases.
    pub(super) fn lock_contended(&mut self) -> Result<()> {
        let (member, other) = (self.bus.join()?, self.bus.join()?);
        let Some(held) = lock(&mut self.clerk, &other, NAMES[1], Exclusive, LONG)? else { return Ok(()) };
        let (raw, observer, over) = (held.into_raw(), self.bus.observer()?, AtomicBool::new(false));
        let (index, waiting) = (member.index(), gettid().as_raw());
        std::thread::scope(|threads| -> Result<()> {
            let holder = threads.spawn(|| -> Result<()> {
                let other = other;
                let waits = || observer.locks().iter().any(|lock| lock.member == index && lock.state == "waiting");
                while !(over.load(Relaxed) || waits() && is_asleep(waiting)) {
                    std::thread::yield_now();
                }
                let guard = LockGuard::from_raw(&other, raw)?;
                Event::Unlocking(guard.token(), now_ns()?).say();
                Ok(guard.release()?)
            });
            let guard = self.armed(|clerk| lock(clerk, &member, NAMES[0], Exclusive, LONG));
            over.store(true, Relaxed);
            holder.join().map_err(|_| "the holder panicked")??;
            guard?.map_or(Ok(()), |guard| unlock(&mut self.clerk, guard))
        })
    }

    /// Waits in vain.
    pub(super) fn lock_timeout(&mut self) -> Result<()> {
        let (member, other) = (self.bus.join()?, self.bus.join()?);
        let Some(held) = lock(&mut self.clerk, &other, NAMES[1], Shared, LONG)? else { return Ok(()) };
        let guard = self.armed(|clerk| lock(clerk, &member, NAMES[2], Exclusive, Duration::from_millis(2)))?;
        if guard.is_some() {
            return Err("two have the same lock".into());
        }
        unlock(&mut self.clerk, held)
    }

    /// Releases a lock that somebody has waited for.
    pub(super) fn unlock(&mut self) -> Result<()> {
        let (member, other) = (self.bus.join()?, self.bus.join()?);
        let Some(held) = lock(&mut self.clerk, &member, NAMES[1], Exclusive, LONG)? else { return Ok(()) };
        // Its announcement stays, so that there is somebody to ring for.
        if lock(&mut self.clerk, &other, NAMES[1], Shared, Duration::from_millis(1))?.is_some() {
            return Err("two have the same lock".into());
        }
        self.armed(|clerk| unlock(clerk, held))
    }
}
