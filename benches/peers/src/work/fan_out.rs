//! Fan-out: the lead sends to all followers, each reads and answers; a round is over when the last answer is there.

use super::{Latencies, mark};
use crate::clock::{self, Scale, ticks};
use crate::peer::End;
use crate::trial::{ANSWER_BYTES, Outcome, Trial};
use anyhow::{Result, bail};

/// Rounds before the first that counts, and the least that count.
const WARM_UP_ROUNDS: u64 = 2;
const ROUNDS_MIN: u64 = 5;

fn round(end: &mut impl End, trial: &Trial, byte: u8, word: u64) -> Result<()> {
    end.send(trial.bytes, |message| mark::write(message, byte, word))?;
    end.flush()?;
    let mut answers = 0;
    while answers < trial.followers as usize {
        match end.receive(|_| ())? {
            0 => trial.idle(),
            some => answers += some,
        }
    }
    Ok(())
}

/// Sends to all, gathers the answers and measures.
pub fn lead(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    for byte in 0..WARM_UP_ROUNDS {
        round(end, trial, byte as u8, 0)?;
    }
    let scale = Scale::begin();
    let mut latencies = Latencies::new();
    while latencies.count() < ROUNDS_MIN || scale.elapsed_ns() < clock::ns(trial.measured) {
        let began = ticks();
        round(end, trial, latencies.count() as u8, 0)?;
        latencies.record(ticks() - began);
    }
    round(end, trial, 0, mark::END)?;
    Ok(Outcome { count: latencies.count(), latency: latencies.summary(scale.ns_per_tick()), ..Outcome::default() })
}

/// Reads and answers.
pub fn follower(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let mut count = 0u64;
    loop {
        let mut got = (0, false);
        while end.receive(|message| got = mark::read(message))? == 0 {
            trial.idle();
        }
        if !got.1 {
            bail!("a message did not end as it began");
        }
        end.send(ANSWER_BYTES, |answer| mark::write(answer, count as u8, 0))?;
        end.flush()?;
        count += 1;
        if got.0 == mark::END {
            return Ok(Outcome { count, ..Outcome::default() });
        }
    }
}
