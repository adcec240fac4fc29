//! What checks an archive: rkyv's validator, with a limit of its depth, and without the tables that it cannot check.

use super::typed::Refusal;
use rkyv::api::{access_pos_with_context, root_position};
use rkyv::bytecheck::CheckBytes;
use rkyv::primitive::ArchivedUsize;
use rkyv::rancor::{Source, Strategy, fail};
use rkyv::traits::Portable;
use rkyv::validation::ArchiveContext;
use rkyv::validation::archive::ArchiveValidator;
use std::alloc::Layout;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

/// How deep boxes, lists and maps may be nested in each other in an archive, so that a forged one cannot exhaust the stack of who checks it.
pub const NESTING_MAX: usize = 128;

/// The check of an archive.
#[derive(Debug)]
pub struct Checking<'a> {
    validator: ArchiveValidator<'a>,
    /// Whether it may have hash tables in it.
    tables: bool,
    /// What was looked at last, unless the check has gone into it: where, and how long it is.
    looked: Option<(*const u8, usize)>,
}

impl<'a> Checking<'a> {
    /// The value at the end of an archive, if it is one.
    ///
    /// A hash table that was forged passes rkyv's check, and makes a lookup read what was not checked: the bytes that repeat the start of its control bytes
    /// are not compared. Going through all entries, as making a value of it does, is sound. So a table is refused where somebody could look something up.
    pub fn access<T>(archive: &'a [u8], tables: bool) -> Result<&'a T, Refusal>
    where
        T: Portable + for<'c> CheckBytes<Strategy<Checking<'c>, Refusal>>,
    {
        let validator = ArchiveValidator::with_max_depth(archive, NonZeroUsize::new(NESTING_MAX + 1));
        access_pos_with_context(
            archive,
            root_position::<T>(archive.len()),
            &mut Checking { validator, tables, looked: None },
        )
    }
}

/// Whether a part of an archive is a hash table. Every other part is a value or a row of values, and so as long as a multiple of its alignment; a table
/// ends with an odd number of control bytes. (Where nothing needs alignment this does not tell; there is nothing in such a table but single bytes.)
fn is_table(layout: &Layout) -> bool {
    layout.size() & (layout.align() - 1) != 0
}

/// Whether a node of a B-tree, whose kind, keys and values are `length` bytes, can be gone through: rkyv's iterator takes the first entry of every leaf and goes down
/// by the first child of every other node, and rkyv's check demands neither.
///
/// # Safety
/// The whole node, leaf or not, can be read at `node`.
unsafe fn has_first(node: *const u8, length: usize) -> bool {
    // Both kinds begin with their kind, 0 for a leaf. What comes after keys and values is a leaf's length or the offset of the first child, of which 1 is none. Both are of one
    // width and alignment.
    let after = length.next_multiple_of(align_of::<ArchivedUsize>());
    // SAFETY: the caller's promise.
    let kind = unsafe { node.read() };
    // SAFETY: the caller's promise.
    let first = unsafe { node.add(after) }.cast::<ArchivedUsize>();
    // SAFETY: the caller's promise; any bytes are such a number.
    let first = unsafe { first.read_unaligned() }.to_native();
    first != if kind == 0 { 0 } else { 1 }
}

// SAFETY: what is accepted was accepted by rkyv's validator.
unsafe impl<E: Source> ArchiveContext<E> for Checking<'_> {
    #[allow(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the trait's; read once the validator has found it in the archive"
    )]
    fn check_subtree_ptr(&mut self, ptr: *const u8, layout: &Layout) -> Result<(), E> {
        if !self.tables && is_table(layout) {
            fail!(TableInPlace);
        }
        self.validator.check_subtree_ptr(ptr, layout)?;
        // Nothing but a node of a B-tree is looked at twice: first at what every node has, then at all of it.
        if let Some((seen, length)) = self.looked.replace((ptr, layout.size()))
            && seen == ptr
            && length < layout.size()
            // SAFETY: the validator has just found all of it in the archive.
            && !unsafe { has_first(ptr, length) }
        {
            fail!(HollowNode);
        }
        Ok(())
    }

    unsafe fn push_subtree_range(&mut self, root: *const u8, end: *const u8) -> Result<Range<usize>, E> {
        self.looked = None;
        // SAFETY: the caller's promise.
        unsafe { self.validator.push_subtree_range(root, end) }
    }

    unsafe fn pop_subtree_range(&mut self, range: Range<usize>) -> Result<(), E> {
        // SAFETY: the caller's promise.
        unsafe { self.validator.pop_subtree_range(range) }
    }
}

#[derive(Debug)]
struct TableInPlace;

impl fmt::Display for TableInPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is a hash table in it, in which nothing can be looked up safely: read a copy, or use BTreeMap",
        )
    }
}

impl std::error::Error for TableInPlace {}

#[derive(Debug)]
struct HollowNode;

impl fmt::Display for HollowNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node of a B-tree has no first entry or no first child")
    }
}

impl std::error::Error for HollowNode {}
