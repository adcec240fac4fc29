//! Where values lie for which C has numbers.

/// Values by slot and generation. A slot's generation counts its uses, from 1; at `last` the slot is retired.
pub struct Table<T> {
    slots: Vec<(u64, Option<T>)>,
    free: Vec<usize>,
    last: u64,
    most: usize,
}

impl<T> Table<T> {
    /// Room for as many values as slots have numbers, each used as often as there are generations.
    pub const fn new(generation_bits: u32, slot_bits: u32) -> Self {
        Table { slots: Vec::new(), free: Vec::new(), last: (1 << generation_bits) - 1, most: 1 << slot_bits }
    }

    /// Slot and generation of the new value, or the value back if every slot is taken or retired.
    pub fn insert(&mut self, value: T) -> std::result::Result<(usize, u64), T> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < self.most => {
                self.slots.push((0, None));
                self.slots.len() - 1
            }
            None => return Err(value),
        };
        let entry = &mut self.slots[slot];
        entry.0 += 1;
        entry.1 = Some(value);
        Ok((slot, entry.0))
    }

    /// The value of a key that still is there.
    pub fn get(&self, slot: usize, generation: u64) -> Option<&T> {
        let (current, value) = self.slots.get(slot)?;
        if *current == generation { value.as_ref() } else { None }
    }

    /// Takes the value of a key.
    pub fn remove(&mut self, slot: usize, generation: u64) -> Option<T> {
        let (current, value) = self.slots.get_mut(slot)?;
        if *current != generation {
            return None;
        }
        let value = value.take()?;
        if generation < self.last {
            self.free.push(slot);
        }
        Some(value)
    }

    /// Takes all values of which `is_one` says so.
    pub fn remove_all(&mut self, is_one: impl Fn(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for slot in 0..self.slots.len() {
            let (generation, value) = &self.slots[slot];
            if value.as_ref().is_some_and(&is_one) {
                removed.extend(self.remove(slot, *generation));
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_value_is_not_found_by_its_old_key() {
        let mut table: Table<&str> = Table::new(16, 16);
        let (slot, generation) = table.insert("first").unwrap();
        assert_eq!(table.remove(slot, generation), Some("first"));
        assert_eq!(table.remove(slot, generation), None);
        let (slot_again, next) = table.insert("second").unwrap();
        assert_eq!((slot_again, next), (slot, generation + 1));
        assert_eq!(table.get(slot, generation), None);
        assert_eq!(table.get(slot, next), Some(&"second"));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut table: Table<u32> = Table::new(2, 1);
        for generation in 1..=3 {
            assert_eq!(table.insert(7), Ok((0, generation)));
            assert_eq!(table.remove(0, generation), Some(7));
        }
        assert_eq!(table.insert(8), Ok((1, 1)));
        assert_eq!(table.insert(9), Err(9), "slot 0 is retired and slot 1 taken");
    }
}
