//! Looking after members whose deaths nobody tells us of: those that are not our children, every second, and at times everybody.

use super::Run;
use crate::drain::Mode;
use crate::ending::Ending;
use std::collections::HashSet;
use std::time::Duration;
use swarmbus_core::{Error, Member, Reaped};

/// How often members that are not our children are looked after: tools, scripts' children, guests.
pub(super) const REAP_EVERY: Duration = Duration::from_secs(1);

/// How often our children are counted over for those that nobody looks after. The list costs the kernel a lock for each of them.
const STRAYS_EVERY: Duration = Duration::from_secs(2);

/// The kernel is asked about everybody so seldom that it takes this part of a processor: agents that still run and have no use of the bus any more, since
/// they have become another program or a thread of theirs has ended. Their peers look as well.
const PASSES_TAKE: u32 = 500;

/// But no more seldom than this.
const PASS_AT_LEAST: Duration = Duration::from_secs(10);

/// How soon a reap that had to leave something is tried again.
pub(super) const REAP_AGAIN: Duration = Duration::from_millis(50);

impl Run<'_> {
    pub(super) fn reap(&mut self, reap: impl FnOnce(&Member) -> swarmbus_core::Result<Reaped>) -> Reaped {
        match reap(&self.member) {
            Ok(reaped) => {
                self.redelivered += u64::from(reaped.redelivered);
                if let Some(tally) = &mut self.tally {
                    tally.handed_back += u64::from(reaped.redelivered);
                }
                if reaped.deferred > 0 {
                    self.next_reap = self.next_reap.min(self.now() + REAP_AGAIN);
                    self.next_pass = self.next_reap;
                }
                reaped
            }
            Err(Error::Closed { .. }) => {
                self.end(Ending::BusGone, Mode::Gently);
                Reaped::default()
            }
            Err(error) => {
                self.warn(format!("reaping: {error}"));
                Reaped::default()
            }
        }
    }

    /// Looks after whoever may have ended without our being told.
    pub(super) fn reap_all(&mut self) {
        let begun = self.now();
        if begun >= self.next_strays {
            self.next_strays = begun + STRAYS_EVERY;
            self.look_after_strays();
        }
        self.keep_exporting();
        for complaint in self.rotator.complaints() {
            self.warn(complaint);
        }
        self.end_left_behind();
        self.next_reap = begun + REAP_EVERY;
        if begun >= self.next_pass {
            self.next_pass = Duration::MAX;
            self.reap(Member::reap);
            let took = self.now().saturating_sub(begun);
            self.next_pass = self.next_pass.min(begun + (took * PASSES_TAKE).min(PASS_AT_LEAST));
            return;
        }
        let ours: HashSet<u32> = self.fleet.running().map(|(_, pid)| pid).collect();
        for pid in self.observer.processes().into_iter().filter(|pid| !ours.contains(pid)) {
            self.reap(|member| member.reap_process(pid));
        }
    }
}
