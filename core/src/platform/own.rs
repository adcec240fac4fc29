//! The members of this process: what tells a living handle of ours from the ghost of the program that ran here before an `execve`, and
//! a handle that somebody else has buried (its thread had ended) from the one that has its index now.

use super::fork;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A member of this process.
struct Seat {
    /// Which: never the same twice.
    serial: u64,
    /// Its claim; `None`: it is about to be made.
    claim: Option<u64>,
}

/// By the birth number of their segment and their index.
struct Members {
    seats: BTreeMap<(u64, u16), Seat>,
    serial: u64,
}

/// A forked child uses another list than its parent: the members in the old one are not its own, and some other thread may have held its
/// lock at the moment of the fork.
static MEMBERS: [Mutex<Members>; 8] = [const { Mutex::new(Members { seats: BTreeMap::new(), serial: 0 }) }; 8];

fn members() -> MutexGuard<'static, Members> {
    MEMBERS[fork::generation() as usize % MEMBERS.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a member that is about to claim its index; returns its serial number. `None`: another thread of this process is at that index.
/// `is_current`: whether a claim still stands; one that does not is no obstacle.
pub fn enter(birth: u64, index: u16, is_current: impl Fn(u64) -> bool) -> Option<u64> {
    let mut members = members();
    if let Some(seat) = members.seats.get(&(birth, index))
        && seat.claim.is_none_or(is_current)
    {
        return None;
    }
    members.serial += 1;
    let serial = members.serial;
    members.seats.insert((birth, index), Seat { serial, claim: None });
    Some(serial)
}

/// Notes the claim of a member that has got its index.
pub fn confirm(birth: u64, index: u16, serial: u64, claim: u64) {
    if let Some(seat) = members().seats.get_mut(&(birth, index)).filter(|seat| seat.serial == serial) {
        seat.claim = Some(claim);
    }
}

/// Forgets a member that has given up its index, or did not get it, and then does `also`; nothing if another has its place by now.
pub fn leave(birth: u64, index: u16, serial: u64, also: impl FnOnce()) {
    let mut members = members();
    if members.seats.get(&(birth, index)).is_some_and(|seat| seat.serial == serial) {
        members.seats.remove(&(birth, index));
        also();
    }
}

/// Forgets the members of a segment whose claims stand no longer, doing `also` for each.
pub fn forget_buried(birth: u64, is_current: impl Fn(u16, u64) -> bool, also: impl Fn(u16)) {
    members().seats.retain(|(segment, index), seat| {
        let stays = *segment != birth || seat.claim.is_none_or(|claim| is_current(*index, claim));
        if !stays {
            also(*index);
        }
        stays
    });
}

/// Whether this process has the member with this claim, or is about to.
pub fn has(birth: u64, index: u16, claim: u64) -> bool {
    members().seats.get(&(birth, index)).is_some_and(|seat| seat.claim.is_none_or(|known| known == claim))
}

/// Whether a member of this process still has its place.
pub fn is_seated(birth: u64, index: u16, serial: u64) -> bool {
    members().seats.get(&(birth, index)).is_some_and(|seat| seat.serial == serial)
}
