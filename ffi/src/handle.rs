//! Handles: numbers that look like pointers to C and are looked up in tables.
//!
//! A handle is never dereferenced. Its bits say what it is, so each kind of wrong use has an answer of its own:
//!
//! | kind | 63..56 | 55..0 |
//! | --- | --- | --- |
//! | bus | `0xB5` | generation 32, slot 24; the table is one for the process, behind a mutex |
//! | agent | `0xA9` | thread 24, generation 16, slot 16; the table is the thread's own, without locks |
//!
//! Neither tag makes a canonical address, so a program that follows such a "pointer" faults at once. A slot's generation
//! rises with every use of it, and a slot whose generations are used up is retired: no handle value ever comes back.
//!
//! An agent's table belongs to its thread; when the thread ends, the agents it left open are closed.
use crate::agent::swarmbus_agent;
use crate::bus::swarmbus_bus;
use crate::error::{Failure, Result};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use swarmbus_core::{Agent, Bus, Member};

const BUS_TAG: u64 = 0xB5;
const AGENT_TAG: u64 = 0xA9;
const TAG_SHIFT: u32 = 56;
const THREAD_SHIFT: u32 = 32;
const THREAD_MAX: usize = (1 << 24) - 1;

/// What an agent handle stands for: an agent, or a member without a mailbox.
pub enum Party {
    /// Made by attach or connect.
    Agent(Agent),
    /// Made by join.
    Member(Member),
}

impl Party {
    /// The member in either case.
    pub fn member(&self) -> &Member {
        match self {
            Party::Agent(agent) => agent,
            Party::Member(member) => member,
        }
    }
}

/// Values by slot and generation. A slot's generation counts its uses, from 1; at `last` the slot is retired.
struct Table<T> {
    slots: Vec<(u64, Option<T>)>,
    free: Vec<usize>,
    last: u64,
    most: usize,
}

impl<T> Table<T> {
    const fn new(generation_bits: u32, slot_bits: u32) -> Self {
        Table { slots: Vec::new(), free: Vec::new(), last: (1 << generation_bits) - 1, most: 1 << slot_bits }
    }

    /// Slot and generation of the new value, or the value back if every slot is taken or retired.
    fn insert(&mut self, value: T) -> std::result::Result<(usize, u64), T> {
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

    fn get(&self, slot: usize, generation: u64) -> Option<&T> {
        let (current, value) = self.slots.get(slot)?;
        if *current == generation { value.as_ref() } else { None }
    }

    fn remove(&mut self, slot: usize, generation: u64) -> Option<T> {
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
}

/// The agents of one thread, closed when it ends.
struct Agents {
    /// Which thread, from 1; 0 until it has its first agent.
    thread: u64,
    table: Table<Rc<Party>>,
}

impl Drop for Agents {
    fn drop(&mut self) {
        for (_, party) in self.table.slots.drain(..) {
            // A panic that left a thread's destructor would abort the process.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(party)));
        }
    }
}

static BUSES: Mutex<Table<Bus>> = Mutex::new(Table::new(32, 24));
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static AGENTS: RefCell<Agents> = const { RefCell::new(Agents { thread: 0, table: Table::new(16, 16) }) };
}

fn wrong_kind(bits: u64, wanted: &'static str) -> Failure {
    let what = match bits >> TAG_SHIFT {
        _ if bits == 0 => return Failure::NullPointer(wanted),
        BUS_TAG => "it is a bus handle",
        AGENT_TAG => "it is an agent handle",
        _ => "it is no handle of this library",
    };
    Failure::BadHandle(format!("{wanted} handle {bits:#x}: {what}; pass the pointer that the library wrote"))
}

fn closed(bits: u64, wanted: &'static str) -> Failure {
    Failure::BadHandle(format!("{wanted} handle {bits:#x} is closed already: don't use a handle after closing it"))
}

/// Gives a bus to C.
pub fn add_bus(bus: Bus) -> Result<*mut swarmbus_bus> {
    let mut buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
    match buses.insert(bus) {
        Ok((slot, generation)) => {
            let bits = BUS_TAG << TAG_SHIFT | generation << 24 | slot as u64;
            Ok(ptr::without_provenance_mut(bits as usize))
        }
        Err(_) => Err(Failure::BadHandle("too many bus handles in this process: close those not needed".into())),
    }
}

fn bus_key(handle: *const swarmbus_bus) -> Result<(usize, u64, u64)> {
    let bits = handle.addr() as u64;
    if bits >> TAG_SHIFT != BUS_TAG {
        return Err(wrong_kind(bits, "bus"));
    }
    Ok(((bits & 0xFF_FFFF) as usize, bits >> 24 & 0xFFFF_FFFF, bits))
}

/// The bus behind a handle.
pub fn bus(handle: *const swarmbus_bus) -> Result<Bus> {
    let (slot, generation, bits) = bus_key(handle)?;
    let buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
    buses.get(slot, generation).cloned().ok_or_else(|| closed(bits, "bus"))
}

/// Takes a bus handle back; the bus itself lives on while agents of this process use it.
pub fn remove_bus(handle: *const swarmbus_bus) -> Result<Bus> {
    let (slot, generation, bits) = bus_key(handle)?;
    let mut buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
    buses.remove(slot, generation).ok_or_else(|| closed(bits, "bus"))
}

/// Gives an agent to C, on the calling thread.
pub fn add_agent(party: Party) -> Result<*mut swarmbus_agent> {
    AGENTS
        .try_with(|agents| {
            let mut agents = agents.borrow_mut();
            if agents.thread == 0 {
                let thread = THREADS.fetch_add(1, Ordering::Relaxed) + 1;
                if thread > THREAD_MAX {
                    return Err(Failure::BadHandle("this process has used up its 16 million agent threads".into()));
                }
                agents.thread = thread as u64;
            }
            let thread = agents.thread;
            match agents.table.insert(Rc::new(party)) {
                Ok((slot, generation)) => {
                    let bits = AGENT_TAG << TAG_SHIFT | thread << THREAD_SHIFT | generation << 16 | slot as u64;
                    Ok(ptr::without_provenance_mut(bits as usize))
                }
                Err(_) => Err(Failure::BadHandle("too many agents in this thread: close those not needed".into())),
            }
        })
        .unwrap_or(Err(Failure::ThreadEnding))
}

fn with_agents<R>(
    handle: *const swarmbus_agent,
    look: impl FnOnce(&mut Table<Rc<Party>>, usize, u64) -> Option<R>,
) -> Result<R> {
    let bits = handle.addr() as u64;
    if bits >> TAG_SHIFT != AGENT_TAG {
        return Err(wrong_kind(bits, "agent"));
    }
    AGENTS
        .try_with(|agents| {
            let mut agents = agents.borrow_mut();
            if agents.thread != bits >> THREAD_SHIFT & THREAD_MAX as u64 {
                return Err(Failure::WrongThread);
            }
            let found = look(&mut agents.table, (bits & 0xFFFF) as usize, bits >> 16 & 0xFFFF);
            found.ok_or_else(|| closed(bits, "agent"))
        })
        .unwrap_or(Err(Failure::ThreadEnding))
}

/// The agent behind a handle. The `Rc` keeps it alive through the call, should a callback of the caller close it.
pub fn agent(handle: *const swarmbus_agent) -> Result<Rc<Party>> {
    with_agents(handle, |table, slot, generation| table.get(slot, generation).cloned())
}

/// Takes an agent handle back.
pub fn remove_agent(handle: *const swarmbus_agent) -> Result<Rc<Party>> {
    with_agents(handle, |table, slot, generation| table.remove(slot, generation))
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

    #[test]
    fn null_and_foreign_values_are_told_apart() {
        assert!(matches!(bus(ptr::null()), Err(Failure::NullPointer("bus"))));
        assert!(matches!(bus(ptr::without_provenance(0x7fff_1234_5678)), Err(Failure::BadHandle(_))));
        let agent_bits = (AGENT_TAG << TAG_SHIFT | 1) as usize;
        match bus(ptr::without_provenance(agent_bits)) {
            Err(Failure::BadHandle(text)) => assert!(text.contains("it is an agent handle"), "{text}"),
            _ => panic!("an agent handle is no bus handle"),
        }
    }

    #[test]
    fn an_agent_handle_of_another_thread_is_refused() {
        let bits = (AGENT_TAG << TAG_SHIFT | (THREAD_MAX as u64) << THREAD_SHIFT | 1 << 16) as usize;
        assert!(matches!(agent(ptr::without_provenance(bits)), Err(Failure::WrongThread)));
    }
}
