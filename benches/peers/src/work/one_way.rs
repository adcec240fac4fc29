//! One way: every follower sends as fast as it can, one by one or in batches; the lead receives.
//!
//! A message now and then carries the time of its writing, so that latency is measured at the very rate that is reached. The lead
//! measures from the end of the warm-up to the first follower's end: all of them send all that time.

use super::{Latencies, mark};
use crate::clock::{self, Scale};
use crate::peer::End;
use crate::trial::{Kind, Outcome, Trial};
use anyhow::{Result, bail};

/// Small messages would be slowed by a look at the clock each: one in so many has one.
fn stamped_every(bytes: usize) -> u64 {
    if bytes < 4096 { 64 } else { 1 }
}

struct Tally {
    warm_up_ns: u64,
    warming: Option<Scale>,
    measuring: Option<(Scale, u64)>,
    measured: Option<(u64, u64)>,
    latencies: Latencies,
    count: u64,
    torn: u64,
    ends: u32,
}

impl Tally {
    #[inline]
    fn take(&mut self, message: &[u8]) {
        let (word, whole) = mark::read(message);
        self.count += 1;
        self.torn += u64::from(!whole);
        if word != 0 {
            self.marked(word);
        }
    }

    #[cold]
    fn marked(&mut self, word: u64) {
        if word == mark::END {
            self.ends += 1;
            if let (None, Some((scale, before))) = (self.measured, &self.measuring) {
                self.measured = Some((scale.elapsed_ns(), self.count - 1 - before));
            }
        } else if self.measuring.is_some() {
            if self.measured.is_none() {
                // Another core's ticks may lag a little behind ours.
                self.latencies.record(clock::ticks().saturating_sub(word));
            }
        } else if self.warming.get_or_insert_with(Scale::begin).elapsed_ns() >= self.warm_up_ns {
            self.measuring = Some((Scale::begin(), self.count));
        }
    }
}

/// Receives and measures.
pub fn lead(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let mut tally = Tally {
        warm_up_ns: clock::ns(trial.warm_up),
        warming: None,
        measuring: None,
        measured: None,
        latencies: Latencies::new(),
        count: 0,
        torn: 0,
        ends: 0,
    };
    while tally.ends < trial.followers {
        if end.receive(|message| tally.take(message))? == 0 {
            trial.idle();
        }
    }
    if tally.torn > 0 {
        bail!("{} of {} messages did not end as they began", tally.torn, tally.count);
    }
    let (Some((elapsed_ns, count)), Some((scale, _))) = (tally.measured, &tally.measuring) else {
        bail!("no message came after the warm-up; measure for longer (--seconds)");
    };
    Ok(Outcome {
        count,
        rate: Some(count as f64 * 1e9 / elapsed_ns.max(1) as f64),
        latency: tally.latencies.summary(scale.ns_per_tick()),
        ..Outcome::default()
    })
}

/// Sends.
pub fn follower(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let every = stamped_every(trial.bytes);
    let until = clock::now_ns() + clock::ns(trial.warm_up + trial.measured);
    let mut count = 0u64;
    loop {
        let stamped = trial.kind == Kind::Batch || count.is_multiple_of(every);
        if stamped && clock::now_ns() >= until {
            break;
        }
        if trial.kind == Kind::Batch {
            // A word of its own at the batch's beginning, as often as one by one: each batch is at least half that long.
            let mut within = 0u64;
            end.send_batch(trial.batch as usize, trial.bytes, |message| {
                mark::write(message, (count + within) as u8, if within == 0 { clock::ticks() } else { 0 });
                within += 1;
            })?;
            count += u64::from(trial.batch);
            continue;
        }
        // The time is taken when the message is written: what the sender waits for room is not the message's latency.
        end.send(trial.bytes, |message| mark::write(message, count as u8, if stamped { clock::ticks() } else { 0 }))?;
        count += 1;
    }
    end.send(trial.bytes, |message| mark::write(message, 0, mark::END))?;
    end.flush()?;
    Ok(Outcome { count, ..Outcome::default() })
}
