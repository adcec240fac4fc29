//! What the processes of a run write down, outside the bus.

use std::fmt;

/// What a process says of what it does: before (`…ing`) and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is set up.
    Ready,
    /// It is about to send this number.
    Trying(u64),
    /// It is about to send so many numbers, from this one on, as one batch: all of them or none.
    Batch(u64, u64),
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
    /// It is about to send a number to which this may happen.
    Marked(u64, Mark),
    /// It is about to pass a message on: its deliveries are counted anew then.
    Forwarding(u64),
    /// It has passed it on.
    Forwarded(u64),
    /// It could not pass it on.
    Kept(u64),
    /// It is about to purge a queue of expendable messages.
    Purging,
    /// It has purged so many of them.
    Purged(u64),
    /// It has a lock: the token, when (ns of `CLOCK_MONOTONIC`), and whether it has it alone.
    Locked(u64, u64, bool),
    /// It is about to release that lock.
    Unlocking(u64, u64),
    /// It was told that its mailbox is another's.
    Deposed,
    /// It did what it was told and was not killed: shared writes and windows passed.
    Survived(u64, Vec<u32>),
    /// The speaker of this number is about to set a status.
    Saying(u64, u64),
    /// It has set it.
    Said(u64, u64),
    /// It begins this step of a storm.
    Doing(u64),
    /// What it has found: figures whose order its reader knows.
    Found(Vec<u64>),
    /// What it has consumed in all, where a line for each message would be too much.
    Consumed(Tally),
}

/// What may happen to a message on the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// It may be dropped or purged; that is counted.
    Expendable,
    /// It may be sent again by others than its receivers, its deliveries counted anew.
    Restless,
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
            Event::Batch(first, count) => write!(f, "batch {first} {count}"),
            Event::Sent(number) => write!(f, "sent {number}"),
            Event::Refused(number) => write!(f, "refused {number}"),
            Event::Taking => write!(f, "taking"),
            Event::Got(number, deliveries) => write!(f, "got {number} {deliveries}"),
            Event::Nothing => write!(f, "nothing"),
            Event::Releasing(number) => write!(f, "releasing {number}"),
            Event::Released(number) => write!(f, "released {number}"),
            Event::Marked(number, Mark::Expendable) => write!(f, "expendable {number}"),
            Event::Marked(number, Mark::Restless) => write!(f, "restless {number}"),
            Event::Forwarding(number) => write!(f, "forwarding {number}"),
            Event::Forwarded(number) => write!(f, "forwarded {number}"),
            Event::Kept(number) => write!(f, "kept {number}"),
            Event::Purging => write!(f, "purging"),
            Event::Purged(count) => write!(f, "purged {count}"),
            Event::Locked(token, now_ns, alone) => write!(f, "locked {token} {now_ns} {}", *alone as u64),
            Event::Unlocking(token, now_ns) => write!(f, "unlocking {token} {now_ns}"),
            Event::Deposed => write!(f, "deposed"),
            Event::Survived(writes, windows) => {
                write!(f, "survived {writes}")?;
                windows.iter().try_for_each(|window| write!(f, " {window}"))
            }
            Event::Saying(who, number) => write!(f, "saying {who} {number}"),
            Event::Said(who, number) => write!(f, "said {who} {number}"),
            Event::Doing(step) => write!(f, "doing {step}"),
            Event::Found(figures) => {
                write!(f, "found")?;
                figures.iter().try_for_each(|figure| write!(f, " {figure}"))
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
            ("batch", [first, count]) => Event::Batch(*first, *count),
            ("sent", [number]) => Event::Sent(*number),
            ("refused", [number]) => Event::Refused(*number),
            ("taking", []) => Event::Taking,
            ("got", [number, deliveries]) => Event::Got(*number, *deliveries as u32),
            ("nothing", []) => Event::Nothing,
            ("releasing", [number]) => Event::Releasing(*number),
            ("released", [number]) => Event::Released(*number),
            ("expendable", [number]) => Event::Marked(*number, Mark::Expendable),
            ("restless", [number]) => Event::Marked(*number, Mark::Restless),
            ("forwarding", [number]) => Event::Forwarding(*number),
            ("forwarded", [number]) => Event::Forwarded(*number),
            ("kept", [number]) => Event::Kept(*number),
            ("purging", []) => Event::Purging,
            ("purged", [count]) => Event::Purged(*count),
            ("locked", [token, now_ns, alone]) => Event::Locked(*token, *now_ns, *alone == 1),
            ("unlocking", [token, now_ns]) => Event::Unlocking(*token, *now_ns),
            ("deposed", []) => Event::Deposed,
            ("survived", [writes, windows @ ..]) => {
                Event::Survived(*writes, windows.iter().map(|window| *window as u32).collect())
            }
            ("saying", [who, number]) => Event::Saying(*who, *number),
            ("said", [who, number]) => Event::Said(*who, *number),
            ("doing", [step]) => Event::Doing(*step),
            ("found", figures) => Event::Found(figures.to_vec()),
            ("consumed", &[messages, sum, squares, redeliveries]) => {
                Event::Consumed(Tally { messages, sum, squares, redeliveries })
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Got, Nothing, Refused, Released, Releasing, Sent, Taking, Trying};
    use super::*;

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
            Event::Marked(11, Mark::Expendable),
            Event::Marked(12, Mark::Restless),
            Event::Forwarding(13),
            Event::Forwarded(14),
            Event::Kept(15),
            Event::Purging,
            Event::Deposed,
            Event::Purged(16),
            Event::Locked(17, 18, true),
            Event::Unlocking(19, 20),
            Event::Saying(17, 18),
            Event::Said(19, 20),
            Event::Doing(21),
            Event::Found(vec![22, 23]),
            Event::Consumed(Tally { messages: 1, sum: 2, squares: 4, redeliveries: 0 }),
        ];
        for event in events {
            assert_eq!(Event::parse(&event.to_string()), Some(event));
        }
    }
}
