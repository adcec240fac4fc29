//! The members of this process: what tells a living handle of ours from the ghost of the program that ran here before an `execve`.

use super::fork;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Members = BTreeSet<(u64, u16)>;

/// By the birth number of their segment and their index. A forked child uses another set than its parent: the members in the old one are
/// not its own, and some other thread may have held its lock at the moment of the fork.
static MEMBERS: [Mutex<Members>; 8] = [const { Mutex::new(Members::new()) }; 8];

fn members() -> MutexGuard<'static, Members> {
    MEMBERS[fork::generation() as usize % MEMBERS.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a member that is about to claim its index. `false`: another thread of this process is at that index.
pub fn enter(birth: u64, index: u16) -> bool {
    members().insert((birth, index))
}

/// Forgets a member that has given up its index, or did not get it.
pub fn leave(birth: u64, index: u16) {
    members().remove(&(birth, index));
}

/// Whether this process has the member.
pub fn has(birth: u64, index: u16) -> bool {
    members().contains(&(birth, index))
}
