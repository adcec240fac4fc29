//! Books kept outside the bus, and the oracle that balances them.

use std::collections::BTreeMap;
use std::fmt;

/// What a process says of what it does: before (`…ing`) and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is set up.
    Ready,
    /// It is about to send this number.
    Trying(u64),
    /// `send` returned: the number is on the bus.
    Sent(u64),
    /// `send` failed: the number is not on the bus.
    Refused(u64),
    /// It is about to take a message.
    Taking,
    /// It has taken a message: its number and `deliveries`.
    Got(u64, u32),
    /// There was nothing to take.
    Nothing,
    /// It is about to release a message.
    Releasing(u64),
    /// The release returned.
    Released(u64),
    /// It did what it was told and was not killed: shared writes and windows passed.
    Survived(u64, Vec<u32>),
    /// What it has consumed in all, where a line for each message would be too much.
    Consumed(Tally),
}

/// Many messages, told apart by sums: none is missing and none there twice if all of these are right.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// How many.
    pub messages: u64,
    /// Of their numbers, modulo 2⁶⁴.
    pub sum: u64,
    /// Of the squares of their numbers, modulo 2⁶⁴.
    pub squares: u64,
    /// Of their deliveries beyond the first.
    pub redeliveries: u64,
}

impl Tally {
    /// One more message.
    pub fn count(&mut self, number: u64, deliveries: u32) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(number);
        self.squares = self.squares.wrapping_add(number.wrapping_mul(number));
        self.redeliveries += deliveries as u64 - 1;
    }

    /// Both together.
    pub fn plus(&self, other: &Tally) -> Tally {
        Tally {
            messages: self.messages + other.messages,
            sum: self.sum.wrapping_add(other.sum),
            squares: self.squares.wrapping_add(other.squares),
            redeliveries: self.redeliveries + other.redeliveries,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Ready => write!(f, "ready"),
            Event::Trying(number) => write!(f, "trying {number}"),
            Event::Sent(number) => write!(f, "sent {number}"),
            Event::Refused(number) => write!(f, "refused {number}"),
            Event::Taking => write!(f, "taking"),
            Event::Got(number, deliveries) => write!(f, "got {number} {deliveries}"),
            Event::Nothing => write!(f, "nothing"),
            Event::Releasing(number) => write!(f, "releasing {number}"),
            Event::Released(number) => write!(f, "released {number}"),
            Event::Survived(writes, windows) => {
                write!(f, "survived {writes}")?;
                windows.iter().try_for_each(|window| write!(f, " {window}"))
            }
            Event::Consumed(Tally { messages, sum, squares, redeliveries }) => {
                write!(f, "consumed {messages} {sum} {squares} {redeliveries}")
            }
        }
    }
}

impl Event {
    /// Writes it down: one line, one system call, so that a kill leaves whole lines.
    pub fn say(&self) {
        println!("{self}");
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Option<Event> {
        let mut words = line.split(' ');
        let verb = words.next()?;
        let numbers: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some(match (verb, &numbers[..]) {
            ("ready", []) => Event::Ready,
            ("trying", [number]) => Event::Trying(*number),
            ("sent", [number]) => Event::Sent(*number),
            ("refused", [number]) => Event::Refused(*number),
            ("taking", []) => Event::Taking,
            ("got", [number, deliveries]) => Event::Got(*number, *deliveries as u32),
            ("nothing", []) => Event::Nothing,
            ("releasing", [number]) => Event::Releasing(*number),
            ("released", [number]) => Event::Released(*number),
            ("survived", [writes, windows @ ..]) => {
                Event::Survived(*writes, windows.iter().map(|window| *window as u32).collect())
            }
            ("consumed", &[messages, sum, squares, redeliveries]) => {
                Event::Consumed(Tally { messages, sum, squares, redeliveries })
            }
            _ => return None,
        })
    }
}

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
}

/// The balance of all ledgers of a run.
#[derive(Default, Debug)]
pub struct Books {
    entries: BTreeMap<u64, Entry>,
    takings_in_doubt: u32,
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
                Event::Ready | Event::Survived(..) | Event::Consumed(_) => {}
                Event::Trying(number) => self.entry(*number).tried = true,
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

    fn entry(&mut self, number: u64) -> &mut Entry {
        self.entries.entry(number).or_default()
    }

    /// Balances.
    ///
    /// # Errors
    /// The first number whose history is impossible, and why.
    pub fn balance(&self) -> Result<Balance, String> {
        let mut balance = Balance::default();
        let mut gaps = 0;
        for (number, entry) in &self.entries {
            let wrong = |why: &str| -> Result<Balance, String> { Err(format!("message {number} {why}: {entry:?}")) };
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
            if entry.sent && entry.left + entry.released == 0 && !in_doubt {
                return wrong("was acknowledged to its sender and is lost");
            }
            let Some(gap) = gaps_in(&entry.deliveries) else { return wrong("has impossible deliveries") };
            gaps += gap;
            balance.sent += entry.sent as u64;
            balance.redelivered += (entry.deliveries.len() > 1) as u64;
            if !entry.sent && !entry.refused {
                let there = !entry.deliveries.is_empty();
                balance.committed_in_doubt += there as u64;
                balance.vanished_in_doubt += !there as u64;
            }
        }
        if gaps > self.takings_in_doubt {
            return Err(format!(
                "{gaps} deliveries were counted to nobody; only {} takers died",
                self.takings_in_doubt
            ));
        }
        Ok(balance)
    }
}

/// Deliveries must be 1, 2, 3 …; a number that nobody saw is a taker who died between the count and its ledger. `None`: one was seen twice.
fn gaps_in(deliveries: &[u32]) -> Option<u32> {
    let mut sorted = deliveries.to_vec();
    sorted.sort_unstable();
    let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]) && sorted.first() != Some(&0);
    distinct.then(|| sorted.last().map_or(0, |last| last - sorted.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Got, Nothing, Refused, Released, Releasing, Sent, Taking, Trying};

    fn balance(events: &[Event], left: &[(u64, u32)]) -> Result<Balance, String> {
        let mut books = Books::default();
        books.add(events);
        left.iter().for_each(|(number, deliveries)| books.add_left(*number, *deliveries));
        books.balance()
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

    #[test]
    fn every_event_is_read_as_it_is_written() {
        let events = [
            Event::Ready,
            Trying(1),
            Sent(2),
            Refused(3),
            Taking,
            Got(4, 5),
            Nothing,
            Releasing(6),
            Released(7),
            Event::Survived(8, vec![9, 10]),
            Event::Consumed(Tally { messages: 1, sum: 2, squares: 4, redeliveries: 0 }),
        ];
        for event in events {
            assert_eq!(Event::parse(&event.to_string()), Some(event));
        }
    }
}
