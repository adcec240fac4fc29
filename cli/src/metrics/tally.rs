//! Sums that only rise, of counters that go when their owners go.
//!
//! A member takes its counters with it, and whoever gets its place begins at 0. A tally adds what was counted since the last look to the sum of a
//! group, so what the departed did stays in the sums as far as it was seen: what a member does between the last look and its end is lost.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Sums of `N` counters by group. `P` is a place where counters are, `O` tells one owner of a place from the next.
pub struct Tally<P, O, G, const N: usize> {
    places: HashMap<P, Place<O, N>>,
    sums: BTreeMap<G, [u64; N]>,
}

struct Place<O, const N: usize> {
    owner: O,
    values: [u64; N],
    /// Who has come since, of whom it is not known whether the counters are his already.
    next: Option<O>,
    seen: bool,
}

impl<P: Hash + Eq, O: PartialEq + Copy, G: Ord, const N: usize> Tally<P, O, G, N> {
    /// Without anything seen.
    pub fn new() -> Self {
        Self { places: HashMap::new(), sums: BTreeMap::new() }
    }

    /// The counters of a place as they are now.
    pub fn see(&mut self, place: P, owner: O, group: G, values: [u64; N]) {
        let known = self.places.entry(place).or_insert(Place { owner, values: [0; N], next: None, seen: true });
        known.seen = true;
        if known.owner != owner {
            // A member's counters are reset shortly after it has come. If they may be those of the one before, the next look tells.
            let as_before = values.iter().zip(&known.values).all(|(now, before)| now >= before);
            if as_before && known.values != [0; N] && known.next != Some(owner) {
                known.next = Some(owner);
                return;
            }
            *known = Place { owner, values: [0; N], next: None, seen: true };
        }
        let sums = self.sums.entry(group).or_insert([0; N]);
        for ((sum, before), now) in sums.iter_mut().zip(&mut known.values).zip(values) {
            // Of a bus that was made anew, all begins at 0.
            *sum += if now >= *before { now - *before } else { now };
            *before = now;
        }
    }

    /// Forgets the places that were not seen since the last time, of which there would be ever more.
    pub fn forget_unseen(&mut self) {
        self.places.retain(|_, place| std::mem::take(&mut place.seen));
    }

    /// The sums by group.
    pub fn sums(&self) -> impl Iterator<Item = (&G, &[u64; N])> {
        self.sums.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(tally: &Tally<u16, u32, &'static str, 1>) -> Vec<(&'static str, u64)> {
        tally.sums().map(|(group, [sum])| (*group, *sum)).collect()
    }

    #[test]
    fn sums_keep_what_the_departed_did() {
        let mut tally = Tally::new();
        tally.see(0, 100, "a", [5]);
        tally.see(1, 101, "b", [7]);
        tally.see(0, 100, "a", [8]);
        assert_eq!(sums(&tally), [("a", 8), ("b", 7)]);
        // Another member in the place, its counters begun anew.
        tally.see(0, 102, "a", [2]);
        assert_eq!(sums(&tally), [("a", 10), ("b", 7)]);
        // One that changes its group leaves what it did behind.
        tally.see(1, 101, "a", [9]);
        assert_eq!(sums(&tally), [("a", 12), ("b", 7)]);
        // All begins anew.
        tally.see(1, 101, "b", [1]);
        assert_eq!(sums(&tally), [("a", 12), ("b", 8)]);
    }

    #[test]
    fn counters_that_are_not_reset_yet_are_not_the_next_owners() {
        let mut tally = Tally::new();
        tally.see(0, 100, "a", [50]);
        tally.see(0, 101, "a", [52]);
        assert_eq!(sums(&tally), [("a", 50)]);
        tally.see(0, 101, "a", [3]);
        assert_eq!(sums(&tally), [("a", 53)]);
        // One that has really done so much is counted a look later.
        tally.see(0, 102, "a", [60]);
        tally.see(0, 102, "a", [61]);
        assert_eq!(sums(&tally), [("a", 114)]);
    }

    #[test]
    fn places_that_are_gone_are_forgotten_and_their_sums_are_not() {
        let mut tally = Tally::new();
        tally.see(0, 1, "a", [5]);
        tally.forget_unseen();
        tally.forget_unseen();
        tally.see(0, 1, "a", [2]);
        assert_eq!((sums(&tally), tally.places.len()), (vec![("a", 7)], 1));
    }
}
