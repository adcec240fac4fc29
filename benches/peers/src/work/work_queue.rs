//! A work queue: the lead sends as fast as it can, every message goes to one of the followers, whoever is first.
//!
//! Messages are numbered. That each was received exactly once is shown by how many there were and by the sum of what [`mixed`] makes of
//! their numbers. At the end the lead goes on sending ends until every follower has had one: one may well take several.

use super::{board, mark};
use crate::clock::{self, Scale};
use crate::peer::End;
use crate::trial::{Outcome, Trial};
use anyhow::{Result, bail};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

/// The sender looks at the clock once in so many messages.
const LOOKS_EVERY: u64 = 64;
/// How long followers may take for what was sent when the time is over.
const PATIENCE: Duration = Duration::from_secs(10);

/// A number's bits spread, so that no two messages lost and doubled leave the sum as it was.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Sends and measures.
pub fn lead(end: &mut impl End, trial: &Trial) -> Result<Outcome> {
    let board = board::open(trial)?;
    let taken = || board.iter().map(|one| one.taken.load(Relaxed)).collect::<Vec<u64>>();
    let (warm_up_ns, all_ns) = (clock::ns(trial.warm_up), clock::ns(trial.warm_up + trial.measured));
    let began = Scale::begin();
    let mut measuring = None;
    let (mut count, mut sum) = (0u64, 0u64);
    loop {
        count += 1;
        sum = sum.wrapping_add(mixed(count));
        end.send(trial.bytes, |message| mark::write(message, count as u8, count))?;
        if !count.is_multiple_of(LOOKS_EVERY) {
            continue;
        }
        let elapsed_ns = began.elapsed_ns();
        if elapsed_ns >= all_ns {
            break;
        }
        if measuring.is_none() && elapsed_ns >= warm_up_ns {
            measuring = Some((Scale::begin(), taken()));
        }
    }
    let Some((scale, before)) = measuring else {
        bail!("sending took longer than the warm-up; measure for longer (--seconds)")
    };
    let (elapsed_ns, after) = (scale.elapsed_ns(), taken());
    let until = Instant::now() + PATIENCE;
    while board.iter().any(|one| one.has_ended.load(Acquire) == 0) {
        if Instant::now() > until {
            bail!("{} of {count} messages have arrived, and no more come", taken().iter().sum::<u64>());
        }
        end.send(trial.bytes, |message| mark::write(message, 0, mark::END))?;
        end.flush()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let arrived: u64 = taken().iter().sum();
    let summed = board.iter().fold(0u64, |all, one| all.wrapping_add(one.sum.load(Relaxed)));
    if arrived != count || summed != sum {
        bail!("not every message arrived exactly once: {count} were sent, {arrived} arrived");
    }
    let parts: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    let all = parts.iter().sum::<u64>();
    let even = (all as f64 / parts.len() as f64).max(1.0);
    let share = |part: Option<&u64>| part.map_or(0.0, |&part| part as f64 / even);
    Ok(Outcome {
        count: all,
        rate: Some(all as f64 * 1e9 / elapsed_ns.max(1) as f64),
        shares: Some((share(parts.iter().min()), share(parts.iter().max()))),
        ..Outcome::default()
    })
}

/// Takes what it can get.
pub fn follower(end: &mut impl End, trial: &Trial, index: u32) -> Result<Outcome> {
    let board = board::open(trial)?;
    let Some(mine) = board.get(index as usize) else { bail!("there is no counter for follower {index}") };
    let (mut count, mut sum, mut torn, mut has_ended) = (0u64, 0u64, 0u64, false);
    while !has_ended {
        let received = end.receive(|message| {
            let (word, whole) = mark::read(message);
            torn += u64::from(!whole);
            if word == mark::END {
                has_ended = true;
            } else {
                count += 1;
                sum = sum.wrapping_add(mixed(word));
                // One process writes each: plain stores to memory that it alone changes.
                mine.taken.store(count, Relaxed);
            }
        })?;
        if received == 0 {
            trial.idle();
        }
    }
    mine.sum.store(sum, Relaxed);
    mine.has_ended.store(1, Release);
    if torn > 0 {
        bail!("{torn} of {count} messages did not end as they began");
    }
    Ok(Outcome { count, ..Outcome::default() })
}
