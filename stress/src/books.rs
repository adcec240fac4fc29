//! The oracle: balances the books of all processes of a run with what is left on the bus.

use crate::fault::{Fault, Harm};
use crate::ledger::{Event, Mark};
use std::collections::BTreeMap;

/// What is known of one number.
#[derive(Default, Debug)]
struct Entry {
    tried: bool,
    sent: bool,
    refused: bool,
    deliveries: Vec<u32>,
    releasing: u32,
    released: u32,
    left: u32,
    expendable: bool,
    restless: bool,
    forwarding: u32,
    forwarded: u32,
    kept: u32,
}

/// From when to when somebody had the lock, ns: at least.
#[derive(Debug)]
struct Tenure {
    from_ns: u64,
    until_ns: u64,
    alone: bool,
}

/// The balance of all ledgers of a run.
#[derive(Default, Debug)]
pub struct Books {
    entries: BTreeMap<u64, Entry>,
    batches: Vec<(u64, u64)>,
    locks: BTreeMap<u64, Tenure>,
    locks_twice: Vec<u64>,
    takings_in_doubt: u32,
    purges: u32,
    purges_done: u32,
    purged: u64,
    dropped: u64,
}

/// What the books say when they balance.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Numbers whose `send` returned.
    pub sent: u64,
    /// Numbers whose sender died before `send` returned, and that are there.
    pub committed_in_doubt: u64,
    /// The same, and they are not there.
    pub vanished_in_doubt: u64,
    /// Numbers that were taken more than once.
    pub redelivered: u64,
}

impl Books {
    /// Adds one process' ledger.
    pub fn add(&mut self, events: &[Event]) {
        let mut takings = 0u32;
        for event in events {
            match event {
                Event::Ready | Event::Deposed | Event::Survived(..) | Event::Consumed(_) => {}
                Event::Doing(_) | Event::Found(_) => {}
                Event::Saying(..) | Event::Said(..) => {}
                Event::Marked(number, Mark::Expendable) => self.entry(*number).expendable = true,
                Event::Marked(number, Mark::Restless) => self.entry(*number).restless = true,
                Event::Forwarding(number) => self.entry(*number).forwarding += 1,
                Event::Forwarded(number) => self.entry(*number).forwarded += 1,
                Event::Kept(number) => self.entry(*number).kept += 1,
                Event::Purging => self.purges += 1,
                Event::Purged(count) => {
                    self.purges_done += 1;
                    self.purged += count;
                }
                Event::Locked(token, now_ns, alone) => {
                    let tenure = Tenure { from_ns: *now_ns, until_ns: *now_ns, alone: *alone };
                    if self.locks.insert(*token, tenure).is_some() {
                        self.locks_twice.push(*token);
                    }
                }
                Event::Unlocking(token, now_ns) => {
                    if let Some(tenure) = self.locks.get_mut(token) {
                        tenure.until_ns = *now_ns;
                    }
                }
                Event::Trying(number) => self.entry(*number).tried = true,
                Event::Batch(first, count) => self.batches.push((*first, *count)),
                Event::Sent(number) => self.entry(*number).sent = true,
                Event::Refused(number) => self.entry(*number).refused = true,
                Event::Taking => takings += 1,
                Event::Nothing => takings = takings.saturating_sub(1),
                Event::Got(number, deliveries) => {
                    takings = takings.saturating_sub(1);
                    self.entry(*number).deliveries.push(*deliveries);
                }
                Event::Releasing(number) => self.entry(*number).releasing += 1,
                Event::Released(number) => self.entry(*number).released += 1,
            }
        }
        self.takings_in_doubt += takings;
    }

    /// Adds what was found on the bus when all was over.
    pub fn add_left(&mut self, number: u64, deliveries: u32) {
        let entry = self.entry(number);
        entry.left += 1;
        entry.deliveries.push(deliveries);
    }

    /// Adds what the bus itself says that it has dropped.
    pub fn add_dropped(&mut self, dropped: u64) {
        self.dropped += dropped;
    }

    fn entry(&mut self, number: u64) -> &mut Entry {
        self.entries.entry(number).or_default()
    }

    /// Balances.
    ///
    /// # Errors
    /// The first number whose history is impossible, and why.
    pub fn balance(&self) -> Result<Balance, Fault> {
        let (lost, doubled) = (|what| Fault::new(Harm::Lost, what), |what| Fault::new(Harm::Duplicated, what));
        self.check_locks().map_err(doubled)?;
        let mut balance = Balance::default();
        let (mut gaps, mut gone, mut perhaps_gone) = (0, 0, 0);
        for (number, entry) in &self.entries {
            let wrong = |why: &str| Err(doubled(format!("message {number} {why}: {entry:?}")));
            if !entry.tried && entry.deliveries.is_empty() && entry.releasing == 0 {
                // Only said what might happen to it, and died.
                continue;
            }
            if !entry.tried {
                return wrong("was never sent, yet seen");
            }
            if entry.refused && !entry.deliveries.is_empty() {
                return wrong("was refused, yet received");
            }
            if entry.left > 1 || entry.released > 1 || entry.left + entry.released > 1 {
                return wrong("is there twice");
            }
            let in_doubt = entry.releasing > entry.released;
            if entry.left + entry.released == 0 && !in_doubt {
                if entry.sent && !entry.expendable {
                    return Err(lost(format!(
                        "message {number} was acknowledged to its sender and is lost: {entry:?}"
                    )));
                }
                gone += (entry.sent && entry.expendable) as u64;
                perhaps_gone += (!entry.sent && entry.expendable) as u64;
            }
            let Some(gap) = entry.gaps() else { return wrong("has impossible deliveries") };
            gaps += gap;
            balance.sent += entry.sent as u64;
            balance.redelivered += (entry.deliveries.len() > 1) as u64;
            if !entry.sent && !entry.refused {
                let there = !entry.deliveries.is_empty();
                balance.committed_in_doubt += there as u64;
                balance.vanished_in_doubt += !there as u64;
            }
        }
        for (first, count) in &self.batches {
            let there = |number| self.entries.get(&number).is_some_and(|entry| !entry.deliveries.is_empty());
            let arrived = (*first..first + count).filter(|number| there(*number)).count() as u64;
            if arrived != 0 && arrived != *count {
                return Err(lost(format!("of the batch of {count} messages from {first} on, {arrived} arrived")));
            }
        }
        if gaps > self.takings_in_doubt {
            return Err(doubled(format!(
                "{gaps} deliveries were counted to nobody; only {} takers died",
                self.takings_in_doubt
            )));
        }
        let (counted, in_doubt) = (self.dropped + self.purged, self.purges - self.purges_done);
        if gone > counted && in_doubt == 0 {
            return Err(lost(format!(
                "{gone} expendable messages are gone, {counted} were counted as dropped or purged"
            )));
        }
        if self.purged > gone + perhaps_gone {
            return Err(doubled(format!("{} messages are said to be purged, {gone} are gone", self.purged)));
        }
        Ok(balance)
    }
}

impl Books {
    /// All locks of a run conflict, but those that are shared: in the order of their tokens, each begins when those before it have ended.
    fn check_locks(&self) -> Result<(), String> {
        if let Some(token) = self.locks_twice.first() {
            return Err(format!("two have the token {token}"));
        }
        let (mut last_alone, mut last) = (0, 0);
        for (token, Tenure { from_ns, until_ns, alone }) in &self.locks {
            if *from_ns < if *alone { last } else { last_alone } {
                return Err(format!(
                    "the lock with the token {token} was granted while another had it: {:?}",
                    self.locks
                ));
            }
            last = last.max(*until_ns);
            last_alone = if *alone { last_alone.max(*until_ns) } else { last_alone };
        }
        Ok(())
    }
}

impl Entry {
    /// Deliveries must be 1, 2, 3 …, from 1 again after each forward; one that nobody saw is a taker who died between the count and its
    /// ledger. Returns how many nobody saw; `None`: one was seen too often.
    fn gaps(&self) -> Option<u32> {
        if self.restless {
            return (!self.deliveries.contains(&0)).then_some(0);
        }
        let most_lives = 1 + self.forwarding - self.kept;
        let mut seen = BTreeMap::<u32, u32>::new();
        self.deliveries.iter().for_each(|delivery| *seen.entry(*delivery).or_default() += 1);
        if seen.contains_key(&0) || seen.values().any(|times| *times > most_lives) {
            return None;
        }
        let (mut gaps, mut lives) = (0, 0);
        for delivery in (1..=seen.keys().last().copied().unwrap_or(0)).rev() {
            let times = seen.get(&delivery).copied().unwrap_or(0);
            // As many lives as had a later delivery had this one, too.
            lives = lives.max(times);
            gaps += lives - times;
        }
        Some(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Got, Refused, Released, Releasing, Sent, Taking, Trying};

    const FORWARDED: [Event; 6] = [Trying(1), Sent(1), Taking, Got(1, 1), Event::Forwarding(1), Event::Forwarded(1)];

    #[test]
    fn who_has_a_lock_has_it_alone() {
        let tenure =
            |token, from_ns, until_ns, alone| [Event::Locked(token, from_ns, alone), Event::Unlocking(token, until_ns)];
        let check = |tenures: &[[Event; 2]]| balance(&tenures.concat(), &[]);
        assert!(check(&[tenure(1, 5, 7, true), tenure(2, 7, 9, false), tenure(3, 8, 9, false)]).is_ok());
        assert!(check(&[tenure(1, 5, 7, true), tenure(2, 6, 9, true)]).unwrap_err().contains("granted while"));
        assert!(check(&[tenure(1, 5, 7, false), tenure(2, 6, 9, true)]).unwrap_err().contains("granted while"));
        assert!(check(&[tenure(1, 5, 7, true), tenure(2, 6, 9, false)]).unwrap_err().contains("granted while"));
        assert!(check(&[tenure(2, 5, 7, true), tenure(1, 8, 9, true)]).is_err(), "tokens rise");
        assert!(check(&[tenure(1, 5, 7, true), tenure(1, 8, 9, true)]).unwrap_err().contains("two have"));
    }

    #[test]
    fn a_forwarded_message_is_delivered_anew() {
        assert!(balance(&FORWARDED, &[(1, 1)]).is_ok());
        assert!(balance(&FORWARDED, &[]).unwrap_err().contains("lost"));
        let again = [Taking, Got(1, 1)];
        assert!(balance(&[&FORWARDED[..], &again].concat(), &[(1, 1)]).unwrap_err().contains("deliveries"));
        // In doubt, it may be at home in either queue.
        let in_doubt = &FORWARDED[..5];
        assert!(balance(in_doubt, &[(1, 1)]).is_ok() && balance(in_doubt, &[(1, 2)]).is_ok());
        let kept = [in_doubt, &[Event::Kept(1)]].concat();
        assert!(balance(&kept, &[(1, 1)]).unwrap_err().contains("deliveries"));
    }

    #[test]
    fn an_expendable_message_is_gone_only_if_that_was_counted() {
        let sent = [Event::Marked(1, Mark::Expendable), Trying(1), Sent(1)];
        assert!(balance(&sent, &[]).unwrap_err().contains("are gone"));
        assert!(balance(&[&sent[..], &[Event::Purging]].concat(), &[]).is_ok());
        let purged = [&sent[..], &[Event::Purging, Event::Purged(1)]].concat();
        assert!(balance(&purged, &[]).is_ok());
        assert!(balance(&purged, &[(1, 1)]).unwrap_err().contains("said to be purged"));
        let mut books = Books::default();
        books.add(&sent);
        books.add_dropped(1);
        assert!(books.balance().is_ok());
    }

    #[test]
    fn a_restless_message_is_there_once_however_often_it_was_delivered() {
        let delivered = [Event::Marked(1, Mark::Restless), Trying(1), Sent(1), Taking, Got(1, 1), Taking, Got(1, 1)];
        assert!(balance(&delivered, &[(1, 1)]).is_ok());
        assert!(balance(&delivered, &[]).unwrap_err().contains("lost"));
        assert!(balance(&delivered, &[(1, 1), (1, 1)]).unwrap_err().contains("twice"));
    }

    fn balance(events: &[Event], left: &[(u64, u32)]) -> Result<Balance, String> {
        let mut books = Books::default();
        books.add(events);
        left.iter().for_each(|(number, deliveries)| books.add_left(*number, *deliveries));
        books.balance().map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_lost_message_is_noticed() {
        assert!(balance(&[Trying(1), Sent(1)], &[]).unwrap_err().contains("lost"));
        assert!(balance(&[Trying(1), Sent(1)], &[(1, 1)]).is_ok());
    }

    #[test]
    fn an_unfinished_send_may_be_there_or_not_but_once() {
        assert_eq!(balance(&[Trying(1)], &[]).unwrap().vanished_in_doubt, 1);
        assert_eq!(balance(&[Trying(1)], &[(1, 1)]).unwrap().committed_in_doubt, 1);
        assert!(balance(&[Trying(1)], &[(1, 1), (1, 2)]).unwrap_err().contains("twice"));
        assert!(balance(&[Trying(1), Refused(1)], &[(1, 1)]).unwrap_err().contains("refused"));
        assert!(balance(&[], &[(1, 1)]).unwrap_err().contains("never sent"));
    }

    #[test]
    fn a_holder_that_dies_has_a_successor_with_two_deliveries() {
        let held = [Trying(1), Sent(1), Taking, Got(1, 1)];
        assert_eq!(balance(&held, &[(1, 2)]).unwrap().redelivered, 1);
        assert!(balance(&held, &[(1, 1)]).unwrap_err().contains("deliveries"));
        assert!(balance(&held, &[(1, 3)]).unwrap_err().contains("counted to nobody"));
        assert!(balance(&held, &[]).unwrap_err().contains("lost"));
    }

    #[test]
    fn a_release_in_doubt_may_have_happened() {
        let releasing = [Trying(1), Sent(1), Taking, Got(1, 1), Releasing(1)];
        assert!(balance(&releasing, &[]).is_ok());
        assert!(balance(&releasing, &[(1, 2)]).is_ok());
        let released = [&releasing[..], &[Released(1)]].concat();
        assert!(balance(&released, &[(1, 2)]).unwrap_err().contains("twice"));
    }
}
