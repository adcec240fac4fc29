//! Rows of snapshots, one by one.
use crate::error::{Failure, Result, border};
use crate::info::*;
use crate::options::{Sized32, fill};
use crate::snapshot::{self, Rows, swarmbus_snapshot};
use crate::text;
use std::ffi::c_char;
use std::ptr;

/// A struct of which a snapshot may have rows.
trait Row: Sized32 {
    /// The rows, if they are of this kind.
    fn among(rows: &Rows) -> Option<&[Self]>;
}

macro_rules! rows {
    ($($kind:ident: $info:ident),* $(,)?) => {
        $(impl Row for $info {
            fn among(rows: &Rows) -> Option<&[Self]> {
                if let Rows::$kind(rows) = rows { Some(rows) } else { None }
            }
        })*
    };
}

rows!(
    Names: swarmbus_name_info,
    Classes: swarmbus_class_info,
    Members: swarmbus_member_info,
    Queues: swarmbus_queue_info,
    Topics: swarmbus_topic_info,
    Subscribers: swarmbus_subscriber_info,
    Locks: swarmbus_lock_info,
    Agents: swarmbus_agent_info,
    Statuses: swarmbus_status_info,
    Messages: swarmbus_message_info,
    Latencies: swarmbus_latency_info,
);

/// Gets how many rows a snapshot has.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `length` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_length(snapshot: *const swarmbus_snapshot, length: *mut usize) -> i32 {
    border(|| {
        let (rows, _) = snapshot::snapshot(snapshot)?.rows.about();
        // SAFETY: this function's contract.
        unsafe { text::put(length, rows, "length") }
    })
}

/// Writes a row of a snapshot that must be of rows of this kind.
///
/// # Safety
/// `out` is as `options::fill` wants it.
unsafe fn row<T: Row>(snapshot: *const swarmbus_snapshot, index: usize, out: *mut T) -> Result<()> {
    let snapshot = snapshot::snapshot(snapshot)?;
    let (length, of) = snapshot.rows.about();
    let Some(rows) = T::among(&snapshot.rows) else {
        return Err(Failure::argument(format!("this snapshot is of {of}: its rows are read by another function")));
    };
    let Some(row) = rows.get(index) else { return Err(beyond(index, length, of)) };
    // SAFETY: the caller's promise.
    unsafe { fill(out, *row, "info") }
}

fn beyond(index: usize, length: usize, of: &str) -> Failure {
    Failure::argument(format!("index is {index} and this snapshot has {length} {of}, counted from 0"))
}

/// Gets a row of a snapshot of names or of buses, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_name(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_name_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of size classes, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_class(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_class_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of members, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_member(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_member_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of queues, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_queue(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_queue_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of topics, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_topic(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_topic_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of subscribers, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_subscriber(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_subscriber_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of locks, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_lock(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_lock_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of agents, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_agent(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_agent_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of statuses, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_status(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_status_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of messages, counted from 0. Set `struct_size` before. Its payload is valid until the snapshot
/// is closed.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_message(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_message_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a row of a snapshot of latencies, counted from 0. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_latency(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    info: *mut swarmbus_latency_info,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { row(snapshot, index, info) })
}

/// Gets a text of a row of a snapshot of statuses or agents: of one of the SWARMBUS_TEXT_ kinds the `nth`, counted from 0.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (no such row, no such text), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*text` is NULL then.
///
/// # Ownership
/// The text is the snapshot's, valid until that is closed.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `text` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_snapshot_text(
    snapshot: *const swarmbus_snapshot,
    index: usize,
    kind: i32,
    nth: usize,
    text: *mut *const c_char,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { text::put(text, ptr::null(), "text") }?;
        let snapshot = snapshot::snapshot(snapshot)?;
        let (length, of) = snapshot.rows.about();
        if index >= length {
            return Err(beyond(index, length, of));
        }
        let texts = snapshot.texts.get(index).map_or(&[][..], |texts| texts);
        let Some((_, found)) = texts.iter().filter(|(of, _)| *of == kind).nth(nth) else {
            let what = format!("row {index} of this snapshot of {of} has no text {nth} of kind {kind}: see its counts");
            return Err(Failure::argument(what));
        };
        // SAFETY: this function's contract. The snapshot in the table keeps what it points to.
        unsafe { text::put(text, found.as_ptr(), "text") }
    })
}
