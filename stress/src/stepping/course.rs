//! The course of an operation: which instructions it did, and after which of them something was to be seen outside.

use crate::Result;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// An instruction, wherever the file that holds it is mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    object: Arc<str>,
    offset: u64,
}

/// A place in a course that can be found again in another run, though that has a few instructions more or fewer before it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Before this instruction,
    pub spot: Spot,
    /// having come there so many times before,
    pub after: u64,
    /// and so many instructions further: an instruction that repeats itself is one spot.
    pub further: u64,
}

/// The course of an operation, by the number of instructions done.
#[derive(Clone, Default, Debug)]
pub struct Course {
    /// What each instruction was; the last one is that which follows the operation.
    pub trail: Vec<Spot>,
    /// After which the bytes of the bus were others than before.
    pub changes: Vec<u64>,
    /// Before and after which a system call was.
    pub calls: Vec<u64>,
}

impl Course {
    /// Instructions in all.
    pub fn instructions(&self) -> u64 {
        self.trail.len().saturating_sub(1) as u64
    }

    /// After so many instructions.
    pub fn place(&self, instructions: u64) -> Option<Place> {
        let at = instructions as usize;
        let spot = self.trail.get(at)?.clone();
        let begins = |at: usize| at == 0 || self.trail[at - 1] != self.trail[at];
        let first = (0..=at).rev().find(|at| begins(*at))?;
        let after = (0..first).filter(|at| self.trail[*at] == spot && begins(*at)).count() as u64;
        Some(Place { spot, after, further: (at - first) as u64 })
    }
}

/// Where the code of a process is.
pub struct Map {
    objects: BTreeMap<Arc<str>, Range<u64>>,
}

impl Map {
    /// Of a process, now. What has no name is left out: nobody runs code there.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn of(pid: Pid) -> Result<Map> {
        let mut objects = BTreeMap::<Arc<str>, Range<u64>>::new();
        for line in std::fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(name)) = (words.next(), words.nth(4)) else { continue };
            let Some((start, end)) = range.split_once('-') else { continue };
            let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
            objects.entry(name.into()).or_insert(start..end).end = end;
        }
        Ok(Map { objects })
    }

    /// The spot of an address.
    ///
    /// # Errors
    /// When no object is there.
    pub fn spot(&self, address: u64) -> Result<Spot> {
        let found = self.objects.iter().find(|(_, range)| range.contains(&address));
        let (object, range) = found.ok_or_else(|| format!("code at {address:#x}, where nothing is mapped"))?;
        Ok(Spot { object: object.clone(), offset: address - range.start })
    }

    /// The address of a spot. `None`: its object is not mapped here.
    pub fn address(&self, spot: &Spot) -> Option<u64> {
        self.objects.get(&spot.object).map(|range| range.start + spot.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_how_often_its_instruction_came_before() {
        let spot = |offset| Spot { object: "code".into(), offset };
        // A loop of two instructions, and one that repeats itself.
        let trail = [1, 2, 1, 2, 3, 3, 3, 4, 3].map(spot).to_vec();
        let course = Course { trail, ..Course::default() };
        let place = |at| course.place(at).map(|place| (place.spot.offset, place.after, place.further));
        assert_eq!(place(0), Some((1, 0, 0)));
        assert_eq!(place(3), Some((2, 1, 0)));
        assert_eq!(place(6), Some((3, 0, 2)));
        assert_eq!(place(8), Some((3, 1, 0)));
        assert_eq!(place(9), None);
    }
}
