//! Round trip: the lead sends, its follower answers with as much; both write all of it.

use super::{Latencies, mark};
use crate::clock::{self, Scale, ticks};
use crate::peer::End;
use crate::trial::{Outcome, Trial};
use anyhow::{Result, bail};

fn receive(end: &mut impl End, trial: &Trial) -> Result<u64> {
    let mut got = (0, false);
    while end.receive(|message| got = mark::read(message))? == 0 {
        trial.idle();
    }
    if !got.1 {
        bail!("a message did not end as it began");
    }
    Ok(got.0)
}

/// Asks and measures.
pub fn lead(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let (warm_up_ns, all_ns) = (clock::ns(trial.warm_up), clock::ns(trial.warm_up + trial.measured));
    let scale = Scale::begin();
    let mut latencies = Latencies::new();
    let mut count = 0u8;
    loop {
        let began = ticks();
        end.send(trial.bytes, |message| mark::write(message, count, 0))?;
        end.flush()?;
        receive(end, trial)?;
        let took = ticks() - began;
        count = count.wrapping_add(1);
        let elapsed_ns = scale.elapsed_ns();
        if elapsed_ns >= warm_up_ns {
            latencies.record(took);
            if elapsed_ns >= all_ns {
                break;
            }
        }
    }
    end.send(trial.bytes, |message| mark::write(message, 0, mark::END))?;
    end.flush()?;
    Ok(Outcome { count: latencies.count(), latency: latencies.summary(scale.ns_per_tick()), ..Outcome::default() })
}

/// Answers.
pub fn follower(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let mut count = 0u64;
    while receive(end, trial)? != mark::END {
        end.send(trial.bytes, |message| mark::write(message, count as u8, 0))?;
        end.flush()?;
        count += 1;
    }
    Ok(Outcome { count, ..Outcome::default() })
}
