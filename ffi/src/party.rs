//! The agents of a thread, and what they have for which C has handles.
//!
//! An agent's tables belong to its thread; when the thread ends, the agents it left open are closed. What an agent has
//! (a subscription, a descriptor, a set of sources) borrows from it and is closed before it.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result};
use crate::handle::{AGENT, Kind, TAG_SHIFT, bits_of, closed};
use crate::subscription::Reader;
use crate::table::Table;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use swarmbus_core::{Agent, Error, Member, RawDescriptor, Sources};

const THREAD_SHIFT: u32 = 32;
const THREAD_MAX: usize = (1 << 24) - 1;
const SLOT_BITS: u32 = 16;

/// What an agent handle stands for: an agent, or a member without a mailbox.
pub enum Party {
    /// Made by attach and its kin.
    Agent(Agent),
    /// Made by join, in this process.
    Member(Member, u32),
}

impl Party {
    /// A member that the calling process has just made.
    pub fn of_member(member: Member) -> Party {
        Party::Member(member, std::process::id())
    }

    /// The member in either case.
    pub fn member(&self) -> &Member {
        match self {
            Party::Agent(agent) => agent,
            Party::Member(member, _) => member,
        }
    }

    /// The agent; a member without a mailbox is refused with what it could do in place of `what`.
    pub fn agent(&self, what: &str) -> Result<&Agent> {
        match self {
            Party::Agent(agent) => Ok(agent),
            // To a child it matters more that the handle is not its own.
            Party::Member(_, maker) if *maker != std::process::id() => Err(Error::Forked.into()),
            Party::Member(..) => Err(Failure::argument(format!(
                "this member has no mailbox of its own, as {what} needs: use swarmbus_attach() in place of swarmbus_join()"
            ))),
        }
    }
}

/// What a handle of an agent's stands for.
pub enum What {
    /// A subscription to a topic.
    Reader(Reader),
    /// A descriptor for event loops.
    Descriptor(RawDescriptor),
    /// Queues to receive from. It borrows from the agent.
    Sources(Sources<'static>),
}

/// What an agent has.
pub struct Part {
    /// Dropped before the agent from which it borrows.
    pub what: What,
    /// The agent's handle.
    pub agent: *mut swarmbus_agent,
    /// The agent, which lives as long as this.
    pub party: Rc<Party>,
}

/// The tables of one thread; closed when it ends.
struct Agents {
    /// Which thread, from 1; 0 until it has its first agent.
    thread: u64,
    agents: Table<Rc<Party>>,
    parts: Table<Rc<Part>>,
}

impl Drop for Agents {
    fn drop(&mut self) {
        // A panic that left a thread's destructor would abort the process.
        let parts = self.parts.remove_all(|_| true);
        parts.into_iter().for_each(|part| drop(catch_unwind(AssertUnwindSafe(|| drop(part)))));
        let agents = self.agents.remove_all(|_| true);
        agents.into_iter().for_each(|party| drop(catch_unwind(AssertUnwindSafe(|| drop(party)))));
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static AGENTS: RefCell<Agents> =
        const { RefCell::new(Agents { thread: 0, agents: Table::new(16, 16), parts: Table::new(16, 16) }) };
}

/// Runs `act` with the tables of the calling thread.
fn with_tables<R>(act: impl FnOnce(&mut Agents) -> Result<R>) -> Result<R> {
    AGENTS.try_with(|agents| act(&mut agents.borrow_mut())).unwrap_or(Err(Failure::ThreadEnding))
}

/// Gives a value to C, on the calling thread.
fn add<H, T>(kind: Kind, value: T, table: impl FnOnce(&mut Agents) -> &mut Table<T>) -> Result<*mut H> {
    with_tables(|agents| {
        if agents.thread == 0 {
            let thread = THREADS.fetch_add(1, Ordering::Relaxed) + 1;
            if thread > THREAD_MAX {
                return Err(Failure::BadHandle("this process has used up its 16 million agent threads".into()));
            }
            agents.thread = thread as u64;
        }
        let thread = agents.thread;
        match table(agents).insert(value) {
            Ok((slot, generation)) => {
                let bits = kind.tag << TAG_SHIFT | thread << THREAD_SHIFT | generation << SLOT_BITS | slot as u64;
                Ok(ptr::without_provenance_mut(bits as usize))
            }
            Err(_) => {
                let name = kind.name;
                Err(Failure::BadHandle(format!("too many {name} handles in this thread: close those not needed")))
            }
        }
    })
}

fn look_up<H, R>(handle: *const H, kind: Kind, look: impl FnOnce(&mut Agents, usize, u64) -> Option<R>) -> Result<R> {
    let bits = bits_of(handle, kind)?;
    with_tables(|agents| {
        if agents.thread != bits >> THREAD_SHIFT & THREAD_MAX as u64 {
            return Err(Failure::WrongThread);
        }
        look(agents, (bits & 0xFFFF) as usize, bits >> SLOT_BITS & 0xFFFF).ok_or_else(|| closed(bits, kind))
    })
}

/// Gives an agent to C, on the calling thread.
pub fn add_agent(party: Party) -> Result<*mut swarmbus_agent> {
    add(AGENT, Rc::new(party), |agents| &mut agents.agents)
}

/// The agent behind a handle. The `Rc` keeps it alive through the call, should a callback of the caller close it.
#[inline]
pub fn agent(handle: *const swarmbus_agent) -> Result<Rc<Party>> {
    look_up(handle, AGENT, |agents, slot, generation| agents.agents.get(slot, generation).cloned())
}

/// Takes an agent handle back, with all that the agent has.
pub fn close_agent(handle: *const swarmbus_agent) -> Result<()> {
    let (parts, party) = look_up(handle, AGENT, |agents, slot, generation| {
        let party = agents.agents.remove(slot, generation)?;
        Some((agents.parts.remove_all(|part| ptr::eq(part.agent, handle)), party))
    })?;
    drop(parts);
    drop(party);
    Ok(())
}

/// Gives C a handle of what an agent has.
pub fn add_part<H>(kind: Kind, agent: *mut swarmbus_agent, party: Rc<Party>, what: What) -> Result<*mut H> {
    add(kind, Rc::new(Part { what, agent, party }), |agents| &mut agents.parts)
}

/// What is behind the handle of something that an agent has.
#[inline]
pub fn part<H>(handle: *const H, kind: Kind) -> Result<Rc<Part>> {
    look_up(handle, kind, |agents, slot, generation| agents.parts.get(slot, generation).cloned())
}

/// Takes the handle of something that an agent has back.
pub fn remove_part<H>(handle: *const H, kind: Kind) -> Result<Rc<Part>> {
    look_up(handle, kind, |agents, slot, generation| agents.parts.remove(slot, generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_handle_of_another_thread_is_refused() {
        let bits = (AGENT.tag << TAG_SHIFT | (THREAD_MAX as u64) << THREAD_SHIFT | 1 << SLOT_BITS) as usize;
        assert!(matches!(agent(ptr::without_provenance(bits)), Err(Failure::WrongThread)));
    }
}
