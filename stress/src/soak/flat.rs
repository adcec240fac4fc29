//! Whether a row of samples is flat.
//!
//! **The rule.** The first third is for coming to rest and does not count. The median of the last third may be above the median of the middle third by a
//! share of it and a little more, both said beside the figure; below it may be as it likes. Medians, because a single sample says nothing on a
//! machine where others work, too.

use serde::Serialize;
use std::fmt;

/// How far a figure may rise.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Allowed {
    /// By this share of what it was.
    pub share: f64,
    /// And by this.
    pub more: f64,
}

/// What was found of one figure.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Which.
    pub figure: &'static str,
    /// The median of the middle third.
    pub middle: f64,
    /// The median of the last third.
    pub last: f64,
    /// How far it may rise.
    pub allowed: Allowed,
    /// Whether it did not rise further.
    pub is_flat: bool,
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Verdict {
    /// Judges. Fewer than three samples are not flat: nothing was seen.
    pub fn on(figure: &'static str, samples: &[f64], allowed: Allowed) -> Verdict {
        let third = samples.len() / 3;
        let (middle, last) = (median(&samples[third..2 * third]), median(&samples[2 * third..]));
        Verdict { figure, middle, last, allowed, is_flat: last <= middle * (1.0 + allowed.share) + allowed.more }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allowed { share, more } = self.allowed;
        let verdict = if self.is_flat { "flat" } else { "RISES" };
        let allowed = format!("+{:.0} % +{more}", share * 100.0);
        write!(f, "{:<28} {:>14.1} {:>14.1} {:>16}  {verdict}", self.figure, self.middle, self.last, allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_TENTH: Allowed = Allowed { share: 0.1, more: 2.0 };

    fn is_flat(samples: impl IntoIterator<Item = f64>) -> bool {
        Verdict::on("figure", &samples.into_iter().collect::<Vec<_>>(), A_TENTH).is_flat
    }

    #[test]
    fn what_rises_on_and_on_is_not_flat() {
        assert!(!is_flat((0..60).map(|at| 100.0 + f64::from(at))));
        assert!(!is_flat((0..60).map(|at| 100.0 + f64::from(at) + 20.0 * f64::from(at % 5))), "noisily");
    }

    #[test]
    fn what_comes_to_rest_or_jumps_now_and_then_is_flat() {
        assert!(is_flat((0..60).map(|at| 100.0 * f64::from(at).min(15.0))), "it has come to rest after a quarter");
        assert!(is_flat((0..60).map(|at| if at % 4 == 0 { 1000.0 } else { 100.0 })));
        assert!(is_flat((0..60).map(|at| 500.0 - f64::from(at))), "it falls");
    }

    #[test]
    fn nothing_seen_is_not_flat() {
        assert!(!is_flat([1.0, 1.0]));
    }
}
