//! Snapshots: rows of what an observer sees, taken at once and looked at one by one.
use crate::error::{Result, border};
use crate::handle::{SNAPSHOT, Shared};
use crate::info::*;
use crate::observe::{self, swarmbus_observer};
use crate::options::{Sized32, read};
use crate::rows::{self, Texts};
use crate::text;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use swarmbus_core::{AgentFilter, Bus, Observer, Peeked};

/// Rows of one kind, as they were when the snapshot was taken. The handle may be used by any thread, by several at a time.
pub enum swarmbus_snapshot {}

/// Which agents swarmbus_snapshot_agents() is to list: those of whom all of this is true.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_agent_filter {
    /// sizeof(swarmbus_agent_filter).
    pub struct_size: u32,
    /// 1: only those whose process lives. -1: only those whose process does not. 0: both.
    pub alive: i32,
    /// What the name looks like: `*` is any characters, `?` one. NULL: any.
    pub pattern: *const c_char,
    /// A tag that it has. NULL: any or none.
    pub tag: *const c_char,
    /// A role that it has, with or without its `@`. NULL: any or none.
    pub role: *const c_char,
}

// SAFETY: integers and pointers, which are not followed before their caller vouches for them.
unsafe impl Sized32 for swarmbus_agent_filter {}

/// The rows of a snapshot.
pub enum Rows {
    /// Names.
    Names(Vec<swarmbus_name_info>),
    /// Classes.
    Classes(Vec<swarmbus_class_info>),
    /// Members.
    Members(Vec<swarmbus_member_info>),
    /// Queues.
    Queues(Vec<swarmbus_queue_info>),
    /// Topics.
    Topics(Vec<swarmbus_topic_info>),
    /// Subscribers.
    Subscribers(Vec<swarmbus_subscriber_info>),
    /// Locks.
    Locks(Vec<swarmbus_lock_info>),
    /// Agents.
    Agents(Vec<swarmbus_agent_info>),
    /// Statuses.
    Statuses(Vec<swarmbus_status_info>),
    /// Messages.
    Messages(Vec<swarmbus_message_info>),
    /// Latencies.
    Latencies(Vec<swarmbus_latency_info>),
}

/// What a handle stands for.
pub struct Snapshot {
    /// Its rows.
    pub rows: Rows,
    /// By row; of rows without texts there are none.
    pub texts: Vec<Texts>,
    /// To what messages refer.
    _peeked: Vec<Peeked>,
}

// SAFETY: the pointers in its rows are to what it owns itself, and nobody changes it.
unsafe impl Send for Snapshot {}
// SAFETY: as above.
unsafe impl Sync for Snapshot {}

static SNAPSHOTS: Shared<Arc<Snapshot>> = Shared::new(SNAPSHOT);

impl Rows {
    /// How many, and what they are.
    pub fn about(&self) -> (usize, &'static str) {
        match self {
            Rows::Names(rows) => (rows.len(), "names"),
            Rows::Classes(rows) => (rows.len(), "size classes"),
            Rows::Members(rows) => (rows.len(), "members"),
            Rows::Queues(rows) => (rows.len(), "queues"),
            Rows::Topics(rows) => (rows.len(), "topics"),
            Rows::Subscribers(rows) => (rows.len(), "subscribers"),
            Rows::Locks(rows) => (rows.len(), "locks"),
            Rows::Agents(rows) => (rows.len(), "agents"),
            Rows::Statuses(rows) => (rows.len(), "statuses"),
            Rows::Messages(rows) => (rows.len(), "messages"),
            Rows::Latencies(rows) => (rows.len(), "latencies"),
        }
    }
}

impl From<Rows> for Snapshot {
    fn from(rows: Rows) -> Self {
        Snapshot { rows, texts: Vec::new(), _peeked: Vec::new() }
    }
}

/// The snapshot behind a handle.
pub fn snapshot(handle: *const swarmbus_snapshot) -> Result<Arc<Snapshot>> {
    SNAPSHOTS.get(handle)
}

/// Hands a snapshot out.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn give<S: Into<Snapshot>>(out: *mut *mut swarmbus_snapshot, make: impl FnOnce() -> Result<S>) -> Result<()> {
    // SAFETY: the caller's promise. A failure leaves NULL there.
    unsafe { text::put(out, ptr::null_mut(), "snapshot") }?;
    let handle = SNAPSHOTS.add(Arc::new(make()?.into()))?;
    // SAFETY: as above.
    unsafe { text::put(out, handle, "snapshot") }
}

/// Hands out what an observer sees.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn take<S: Into<Snapshot>>(
    observer: *const swarmbus_observer,
    out: *mut *mut swarmbus_snapshot,
    see: impl FnOnce(&Observer) -> Result<S>,
) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { give(out, || see(&*observe::observer(observer)?)) }
}

/// A caller's text that may be left out.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string.
unsafe fn optional<'a>(text: *const c_char, what: &'static str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    if text.is_null() { Ok(None) } else { unsafe { text::read(text, what) }.map(Some) }
}

/// Takes the names of the buses of this host: rows for swarmbus_snapshot_name().
///
/// # Errors
/// SWARMBUS_SYSTEM (/dev/shm can't be listed), SWARMBUS_NULL_POINTER. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_buses(snapshot: *mut *mut swarmbus_snapshot) -> i32 {
    border(|| {
        let make = || Ok(Rows::Names(Bus::list()?.iter().map(|bus| rows::bus_name(bus)).collect()));
        // SAFETY: this function's contract.
        unsafe { give(snapshot, make) }
    })
}

/// Takes the names on a bus that look like `pattern` (`*`: any characters, `?`: one; NULL: all), sorted: rows for
/// swarmbus_snapshot_name().
///
/// # Errors
/// SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_names(
    observer: *const swarmbus_observer,
    pattern: *const c_char,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let pattern = unsafe { optional(pattern, "pattern") }?.unwrap_or("*");
        let see = |observer: &Observer| Ok(Rows::Names(observer.names(pattern).iter().map(rows::name_info).collect()));
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes the size classes of the heap that are in use: rows for swarmbus_snapshot_class().
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_classes(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe {
        take(observer, snapshot, |observer| {
            Ok(Rows::Classes(observer.bus().heap.classes.iter().map(rows::class).collect()))
        })
    })
}

/// Takes the members of a bus by index, with what they counted: rows for swarmbus_snapshot_member().
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_members(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe {
        take(observer, snapshot, |observer| Ok(Rows::Members(observer.members().iter().map(rows::member).collect())))
    })
}

/// Takes the mailboxes and queues of a bus by name: rows for swarmbus_snapshot_queue().
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_queues(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe {
        take(observer, snapshot, |observer| Ok(Rows::Queues(observer.queues().iter().map(rows::queue).collect())))
    })
}

/// Takes the topics of a bus by name: rows for swarmbus_snapshot_topic().
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_topics(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe {
        take(observer, snapshot, |observer| Ok(Rows::Topics(observer.topics().iter().map(rows::topic).collect())))
    })
}

/// Takes the subscribers of all topics of a bus, by topic: rows for swarmbus_snapshot_subscriber().
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_subscribers(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        let see = |observer: &Observer| {
            let topics = observer.topics();
            let of =
                topics.iter().flat_map(|topic| topic.subscribers.iter().map(move |one| rows::subscriber(topic, one)));
            Ok(Rows::Subscribers(of.collect()))
        };
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes the locks that are held or waited for, in the order in which they were asked for: rows for swarmbus_snapshot_lock().
/// `pattern` leaves those that have a name in common with it, as swarmbus_lock_take() reads patterns; NULL: all.
///
/// # Errors
/// SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_locks(
    observer: *const swarmbus_observer,
    pattern: *const c_char,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let pattern = unsafe { optional(pattern, "pattern") }?.unwrap_or("**");
        let see = |observer: &Observer| Ok(Rows::Locks(observer.locks_on(pattern).iter().map(rows::lock).collect()));
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes the agents of a bus by name, living and dead, those that `filter` wants: rows for swarmbus_snapshot_agent().
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (`struct_size`), SWARMBUS_INVALID_NAME (not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
/// `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `filter` is NULL or as long as its `struct_size` says, and its texts are NUL-terminated strings; `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_agents(
    observer: *const swarmbus_observer,
    filter: *const swarmbus_agent_filter,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let given = unsafe { read(filter) }?;
        // SAFETY: this function's contract.
        let pattern = unsafe { optional(given.pattern, "pattern") }?;
        // SAFETY: this function's contract.
        let tag = unsafe { optional(given.tag, "tag") }?;
        // SAFETY: this function's contract.
        let role = unsafe { optional(given.role, "role") }?;
        let alive = (given.alive != 0).then_some(given.alive > 0);
        let see = |observer: &Observer| {
            let agents = observer.agents(&AgentFilter { pattern, tag, role, alive });
            let texts = agents.iter().map(rows::agent_texts).collect();
            let rows = Rows::Agents(agents.iter().map(rows::agent).collect());
            Ok(Snapshot { texts, ..rows.into() })
        };
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes what the agents of a bus say of themselves, by name, of those whose names look like `pattern` (`*`: any characters,
/// `?`: one; a name stands for itself; NULL: all), without those that never said anything: rows for swarmbus_snapshot_status().
///
/// # Errors
/// SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_statuses(
    observer: *const swarmbus_observer,
    pattern: *const c_char,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let pattern = unsafe { optional(pattern, "pattern") }?.unwrap_or("*");
        let see = |observer: &Observer| {
            let statuses = observer.statuses(pattern);
            let texts = statuses.iter().map(rows::status_texts).collect();
            let rows = Rows::Statuses(statuses.iter().map(rows::status).collect());
            Ok(Snapshot { texts, ..rows.into() })
        };
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes copies of up to `most` messages that wait in a mailbox or queue, in the order in which they would be received, and
/// consumes none: rows for swarmbus_snapshot_message().
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_WRONG_KIND, SWARMBUS_INVALID_NAME, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot`
/// is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `queue` is a NUL-terminated string; `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_messages(
    observer: *const swarmbus_observer,
    queue: *const c_char,
    most: usize,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let queue = unsafe { text::read(queue, "queue") }?;
        let see = |observer: &Observer| {
            let peeked = observer.peek(queue, most)?;
            let rows = Rows::Messages(peeked.iter().map(rows::message).collect());
            Ok(Snapshot { _peeked: peeked, ..rows.into() })
        };
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Takes what members measured: rows for swarmbus_snapshot_latency(), the first of all members together, then one for each
/// that measured anything.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
///
/// # Ownership
/// The caller closes `*snapshot` with swarmbus_snapshot_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `snapshot` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_latencies(
    observer: *const swarmbus_observer,
    snapshot: *mut *mut swarmbus_snapshot,
) -> i32 {
    border(|| {
        let see = |observer: &Observer| {
            let seen = observer.latencies();
            let all = std::iter::once(rows::all_latencies(&seen.all));
            Ok(Rows::Latencies(all.chain(seen.members.iter().map(rows::latencies)).collect()))
        };
        // SAFETY: this function's contract.
        unsafe { take(observer, snapshot, see) }
    })
}

/// Closes a snapshot; what its rows point to is void. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before).
///
/// # Threads
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_snapshot_close(snapshot: *mut swarmbus_snapshot) -> i32 {
    border(|| if snapshot.is_null() { Ok(()) } else { SNAPSHOTS.remove(snapshot).map(drop) })
}
