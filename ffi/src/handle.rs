//! Handles: numbers that look like pointers to C and are looked up in tables.
//!
//! A handle is never dereferenced. Its bits say what it is, so each kind of wrong use has an answer of its own:
//!
//! | kind | 63..56 | 55..0 |
//! | --- | --- | --- |
//! | bus, observer, snapshot | a tag | generation 32, slot 24; a table for the process, behind a mutex |
//! | agent, and what an agent has | a tag | thread 24, generation 16, slot 16; the tables are the thread's own, without locks |
//!
//! No tag makes a canonical address, so a program that follows such a "pointer" faults at once. A slot's generation
//! rises with every use of it, and a slot whose generations are used up is retired: no handle value ever comes back.
//! The thread's tables are in [`crate::party`].
use crate::bus::swarmbus_bus;
use crate::error::{Failure, Result};
use crate::table::Table;
use std::ptr;
use std::sync::{Mutex, PoisonError};
use swarmbus_core::Bus;

/// What a handle is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The topmost byte.
    pub tag: u64,
    /// As texts name it; also the name of the parameter.
    pub name: &'static str,
}

const fn kind(tag: u64, name: &'static str) -> Kind {
    Kind { tag, name }
}

/// A bus.
pub const BUS: Kind = kind(0xB5, "bus");
/// An agent or a member without a mailbox.
pub const AGENT: Kind = kind(0xA9, "agent");
/// A subscription.
pub const SUBSCRIPTION: Kind = kind(0x5B, "subscription");
/// A descriptor.
pub const DESCRIPTOR: Kind = kind(0xDE, "descriptor");
/// Several queues to receive from.
pub const SOURCES: Kind = kind(0x50, "sources");
/// An observer.
pub const OBSERVER: Kind = kind(0x0B, "observer");
/// A snapshot.
pub const SNAPSHOT: Kind = kind(0x57, "snapshot");
const ALL: &[Kind] = &[BUS, AGENT, SUBSCRIPTION, DESCRIPTOR, SOURCES, OBSERVER, SNAPSHOT];

/// Where the tag begins.
pub const TAG_SHIFT: u32 = 56;
const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;

/// The bits of a handle of this kind; NULL and other kinds are refused.
pub fn bits_of<H>(handle: *const H, wanted: Kind) -> Result<u64> {
    let bits = handle.addr() as u64;
    if bits >> TAG_SHIFT == wanted.tag {
        return Ok(bits);
    }
    if bits == 0 {
        return Err(Failure::NullPointer(wanted.name));
    }
    let what = match ALL.iter().find(|kind| kind.tag == bits >> TAG_SHIFT) {
        Some(kind) => {
            let article = if kind.name.starts_with(['a', 'o']) { "an" } else { "a" };
            format!("it is {article} {} handle", kind.name)
        }
        None => "it is no handle of this library".into(),
    };
    Err(Failure::BadHandle(format!(
        "{} handle {bits:#x}: {what}; pass the pointer that the library wrote",
        wanted.name
    )))
}

/// The failure of a handle that is not in its table any more.
pub fn closed(bits: u64, wanted: Kind) -> Failure {
    let name = wanted.name;
    Failure::BadHandle(format!("{name} handle {bits:#x} is closed already: don't use a handle after closing it"))
}

/// Handles that any thread may use.
pub struct Shared<T> {
    kind: Kind,
    table: Mutex<Table<T>>,
}

impl<T: Clone> Shared<T> {
    /// An empty table.
    pub const fn new(kind: Kind) -> Self {
        Shared { kind, table: Mutex::new(Table::new(GENERATION_BITS, SLOT_BITS)) }
    }

    /// Gives a value to C.
    pub fn add<H>(&self, value: T) -> Result<*mut H> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match table.insert(value) {
            Ok((slot, generation)) => {
                let bits = self.kind.tag << TAG_SHIFT | generation << SLOT_BITS | slot as u64;
                Ok(ptr::without_provenance_mut(bits as usize))
            }
            Err(_) => {
                let name = self.kind.name;
                Err(Failure::BadHandle(format!("too many {name} handles in this process: close those not needed")))
            }
        }
    }

    fn at<H, R>(&self, handle: *const H, look: impl FnOnce(&mut Table<T>, usize, u64) -> Option<R>) -> Result<R> {
        let bits = bits_of(handle, self.kind)?;
        let slot = bits & ((1 << SLOT_BITS) - 1);
        let generation = bits >> SLOT_BITS & ((1 << GENERATION_BITS) - 1);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut table, slot as usize, generation).ok_or_else(|| closed(bits, self.kind))
    }

    /// The value behind a handle.
    pub fn get<H>(&self, handle: *const H) -> Result<T> {
        self.at(handle, |table, slot, generation| table.get(slot, generation).cloned())
    }

    /// Takes a handle back.
    pub fn remove<H>(&self, handle: *const H) -> Result<T> {
        self.at(handle, Table::remove)
    }
}

static BUSES: Shared<Bus> = Shared::new(BUS);

/// Gives a bus to C.
pub fn add_bus(bus: Bus) -> Result<*mut swarmbus_bus> {
    BUSES.add(bus)
}

/// The bus behind a handle.
pub fn bus(handle: *const swarmbus_bus) -> Result<Bus> {
    BUSES.get(handle)
}

/// Takes a bus handle back; the bus itself lives on while agents of this process use it.
pub fn remove_bus(handle: *const swarmbus_bus) -> Result<Bus> {
    BUSES.remove(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_foreign_values_are_told_apart() {
        assert!(matches!(bus(ptr::null()), Err(Failure::NullPointer("bus"))));
        assert!(matches!(bus(ptr::without_provenance(0x7fff_1234_5678)), Err(Failure::BadHandle(_))));
        let agent_bits = (AGENT.tag << TAG_SHIFT | 1) as usize;
        match bus(ptr::without_provenance(agent_bits)) {
            Err(Failure::BadHandle(text)) => assert!(text.contains("it is an agent handle"), "{text}"),
            _ => panic!("an agent handle is no bus handle"),
        }
    }

    #[test]
    fn no_tag_makes_an_address() {
        for (at, kind) in ALL.iter().enumerate() {
            assert!(!matches!(kind.tag, 0 | 0xFF), "{}", kind.name);
            assert!(ALL[..at].iter().all(|other| other.tag != kind.tag), "{}", kind.name);
        }
    }
}
