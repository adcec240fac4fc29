//! Calls: every follower asks and waits for its answer, again and again; the lead answers all of them.

use super::{Latencies, mark};
use crate::clock::{self, Scale, ticks};
use crate::peer::End;
use crate::trial::{Outcome, Trial};
use anyhow::{Result, bail};

/// Answers, until every asker has said that it was its last question.
pub fn lead(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let (mut count, mut ends, mut torn) = (0u64, 0, 0u64);
    while ends < trial.followers {
        let answered = end.answer(trial.bytes, |question, answer| {
            let (word, whole) = mark::read(question);
            torn += u64::from(!whole);
            ends += u32::from(word == mark::END);
            count += 1;
            mark::write(answer, count as u8, word);
        })?;
        if answered == 0 {
            trial.idle();
        }
    }
    if torn > 0 {
        bail!("{torn} of {count} questions did not end as they began");
    }
    Ok(Outcome { count, ..Outcome::default() })
}

/// A question with a word, which the answer must bear as well.
fn ask(end: &mut impl End, trial: &Trial, word: u64) -> Result<()> {
    let mut got = (0, false);
    end.call(trial.bytes, |question| mark::write(question, word as u8, word), |answer| got = mark::read(answer))?;
    match got {
        (answered, true) if answered == word => Ok(()),
        (_, false) => bail!("an answer did not end as it began"),
        (other, true) => bail!("the answer to question {word} says that it is one to {other}"),
    }
}

/// Asks and measures.
pub fn follower(end: &mut impl End, trial: &Trial, index: u32) -> Result<Outcome> {
    let (warm_up_ns, all_ns) = (clock::ns(trial.warm_up), clock::ns(trial.warm_up + trial.measured));
    let scale = Scale::begin();
    let mut measuring = None;
    let mut latencies = Latencies::new();
    // Askers' questions differ, so that nobody can take another's answer for its own.
    let mut word = u64::from(index) << 32;
    let elapsed_ns = loop {
        word += 1;
        let began = ticks();
        ask(end, trial, word)?;
        let took = ticks() - began;
        let elapsed_ns = scale.elapsed_ns();
        if elapsed_ns >= warm_up_ns {
            measuring.get_or_insert(elapsed_ns);
            latencies.record(took);
            if elapsed_ns >= all_ns {
                break elapsed_ns;
            }
        }
    };
    ask(end, trial, mark::END)?;
    let measured_ns = elapsed_ns - measuring.unwrap_or(0);
    Ok(Outcome {
        count: latencies.count(),
        rate: Some(latencies.count() as f64 * 1e9 / measured_ns.max(1) as f64),
        samples: latencies.samples(scale.ns_per_tick()),
        ..Outcome::default()
    })
}
