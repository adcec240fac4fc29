//! A mapped segment: opening it, and words by index.
//!
//! - **I11** The mapping stays as long as the `Segment`, and everything borrowed from it borrows the `Segment`.
//! - **I12** Only committed memory is touched: what is committed at birth, cells whose roster row says so, rings whose bit is
//!   set, spans that are `ACTIVE` or `RETIRING`, as many chunk words as their row says.

mod birth;
mod chunks;
mod shared;

pub use birth::{CreateOptions, unlink};
pub use chunks::Chunk;

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::layout::*;
use crate::memory::Memory;
use crate::message::Lane;
use crate::name;
use crate::platform::cache;
use crate::platform::file::{File, Mapping};
use crate::queue::Queue;
use crate::ring::Ring;
use crate::sync::{S6, S7, S8, S10, Word, window};
use crate::topic::Topic;
use crate::word::{Name, RecordWord};
use birth::{check_header, check_host, no_memory, open_error, open_file};
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

/// A mapped segment.
pub struct Segment {
    name: String,
    file: File,
    probe: File,
    inode: u64,
    base: *mut u8,
    bytes: usize,
    mapping: Mapping,
    geometry: Geometry,
    sections: Sections,
    stamp_is_inode: bool,
}

/// The sections that are asked for with every message, found once.
struct Sections {
    header: NonNull<Header>,
    roster: NonNull<[RosterEntry]>,
    spans: NonNull<[SpanControl]>,
    chunk_words: NonNull<[Word]>,
}

// SAFETY: the mapping is shared memory by nature: all access goes through atomics or through chunks that a member owns (I7),
// and the mapping object itself is only unmapped on drop.
unsafe impl Send for Segment {}
// SAFETY: as for Send.
unsafe impl Sync for Segment {}

/// A range of a mapping that begins at `base`, checked against its end; aligned, since sections and cells are page-aligned and structs are asserted in
/// layout.rs.
#[inline(always)]
fn section<T>(base: *mut u8, bytes: usize, offset: u64, count: usize) -> NonNull<[T]> {
    assert!(offset as usize + count * size_of::<T>() <= bytes, "a range inside the mapping (I5)");
    // SAFETY: in bounds by the assertion.
    let place = unsafe { base.add(offset as usize) }.cast::<T>();
    debug_assert!(place.is_aligned());
    // SAFETY: a mapping does not begin at zero.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(place) }, count)
}

impl Sections {
    fn of(base: *mut u8, bytes: usize, geometry: &Geometry) -> Sections {
        Sections {
            header: section::<Header>(base, bytes, 0, 1).cast(),
            roster: section(base, bytes, geometry.roster_at, geometry.agents as usize),
            spans: section(base, bytes, geometry.spans_at, geometry.spans as usize),
            chunk_words: section(base, bytes, geometry.chunks_at, (geometry.spans * SPAN_CHUNKS) as usize),
        }
    }
}

impl Segment {
    /// Opens a living segment.
    pub fn open(bus: &str) -> Result<Segment> {
        name::check_name(bus)?;
        // A bus may be destroyed and made anew between the look and the mapping: look again.
        for _ in 0..16 {
            let file = open_file(bus, true)?;
            let (geometry, header) = check_header(bus, &file)?;
            check_host(bus, &header, &file)?;
            let mapping = Mapping::shared(bus)?;
            let (base, bytes) = mapping.raw();
            if bytes as u64 != geometry.bytes {
                continue;
            }
            let stamp_is_inode = header.stamp_is_inode;
            let probe = file.reopen().map_err(|error| open_error(bus, error))?;
            let inode = file.about().map_err(|error| open_error(bus, error))?.inode;
            let segment = Segment {
                name: bus.into(),
                file,
                probe,
                inode,
                base,
                bytes,
                mapping,
                sections: Sections::of(base, bytes, &geometry),
                geometry,
                stamp_is_inode,
            };
            if segment.header().birth.load(Relaxed) == header.birth {
                return Ok(segment);
            }
        }
        Err(Error::NotReady { bus: bus.into() })
    }

    /// Maps a segment for reading; also a copy of one.
    pub fn observe(path: &Path, bus: &str) -> Result<Segment> {
        Self::map_file(path, bus, false)
    }

    /// Maps a segment's file for reading, or a copy that nobody uses for repairs.
    pub(crate) fn map_file(path: &Path, bus: &str, is_writable: bool) -> Result<Segment> {
        let file = File::open(path, is_writable).map_err(|error| open_error(bus, error))?;
        let (geometry, header) = check_header(bus, &file)?;
        let mapping = Mapping::of(&file, geometry.bytes, is_writable)
            .map_err(|error| Error::system(format!("cannot map {}", path.display()), error))?;
        let probe = file.reopen().map_err(|error| open_error(bus, error))?;
        let inode = file.about().map_err(|error| open_error(bus, error))?.inode;
        let ((base, bytes), stamp_is_inode) = (mapping.raw(), header.stamp_is_inode);
        let sections = Sections::of(base, bytes, &geometry);
        let name = header.name;
        Ok(Segment { name, file, probe, inode, base, bytes, mapping, geometry, sections, stamp_is_inode })
    }

    /// The bus' name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sizes that it was created with.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Lets go of the cells that this process has looked at, its own among them, and of the page tables for them: see [`Mapping::let_go`].
    pub fn let_go_of_cells(&self) {
        self.mapping.let_go(self.geometry.cells_at, self.geometry.locks_at);
    }

    /// The number that tells it from others of its name.
    pub fn birth(&self) -> u64 {
        // Relaxed: never changes.
        self.header().birth.load(Relaxed)
    }

    /// The inode of its file.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The same file, opened anew, for looking at the locks of members.
    pub fn probe(&self) -> &File {
        &self.probe
    }

    /// What kind of stamp its claims hold.
    pub fn stamp_is_inode(&self) -> bool {
        self.stamp_is_inode
    }

    /// A `T` at an offset, checked against the mapping's end.
    #[inline(always)]
    fn at<T>(&self, offset: u64) -> &T {
        // SAFETY: mapped as long as `self` (I11), and made of atomics only, so any bytes are a valid value.
        unsafe { section::<T>(self.base, self.bytes, offset, 1).cast().as_ref() }
    }

    #[inline(always)]
    fn slice<T>(&self, offset: u64, count: usize) -> &[T] {
        // SAFETY: as in `at`.
        unsafe { section(self.base, self.bytes, offset, count).as_ref() }
    }

    /// The header.
    #[inline(always)]
    pub fn header(&self) -> &Header {
        // SAFETY: as in `at`, here and below.
        unsafe { self.sections.header.as_ref() }
    }

    /// The roster, one row a cell.
    #[inline(always)]
    pub fn roster(&self) -> &[RosterEntry] {
        // SAFETY: see `header`.
        unsafe { self.sections.roster.as_ref() }
    }

    /// The span table.
    #[inline(always)]
    pub fn spans(&self) -> &[SpanControl] {
        // SAFETY: see `header`.
        unsafe { self.sections.spans.as_ref() }
    }

    /// The words of all chunks, those that are not committed among them.
    #[inline(always)]
    fn all_chunk_words(&self) -> &[Word] {
        // SAFETY: see `header`.
        unsafe { self.sections.chunk_words.as_ref() }
    }

    /// The directory of queue names.
    pub fn directory(&self) -> &[Word] {
        self.slice(self.geometry.directory_at, self.geometry.directory_words as usize)
    }

    /// The member entry of a cell, if the cell is committed.
    pub fn member(&self, index: u16) -> Option<&MemberEntry> {
        self.cell(index).map(|cell| self.at(cell + MEMBER_IN_CELL))
    }

    /// The queue of a cell, if the cell is committed.
    pub fn queue_control(&self, index: u16) -> Option<&QueueControl> {
        self.cell(index).map(|cell| self.at(cell + QUEUE_IN_CELL))
    }

    fn cell_at(&self, index: u16) -> u64 {
        self.geometry.cells_at + index as u64 * self.geometry.cell_bytes
    }

    fn cell(&self, index: u16) -> Option<u64> {
        let row = self.roster().get(index as usize)?;
        (row.committed.load(S7.acquire()) == 1).then(|| self.cell_at(index))
    }

    /// Says that what a look at everybody reads of a cell, its member's notes and figures and its queue's state, will be read soon: a hint, and there need be no such cell.
    pub fn expect_cell(&self, index: u16) {
        let cell = self.base.wrapping_add(self.cell_at(index) as usize);
        let of_member = [0, offset_of!(MemberEntry, counters), offset_of!(MemberEntry, mailbox)];
        let lane = offset_of!(QueueControl, rings) + Lane::Normal.ring() * size_of::<RingControl>();
        let of_queue = [0, offset_of!(QueueControl, owner), lane, lane + offset_of!(RingControl, front)];
        let lines = of_member.into_iter().chain(of_queue.map(|line| QUEUE_IN_CELL as usize + line));
        lines.for_each(|line| cache::expect_read(cell.wrapping_add(line)));
    }

    /// Commits a cell's first page. Idempotent.
    pub fn commit_cell(&self, index: u16) -> Result<()> {
        let row = &self.roster()[index as usize];
        if row.committed.load(S7.acquire()) != 1 {
            self.commit(self.cell_at(index), PAGE)?;
            window(25);
            row.committed.store(1, S7.release());
        }
        Ok(())
    }

    /// Commits a range; `OutOfMemory` when /dev/shm is full.
    pub fn commit(&self, offset: u64, bytes: u64) -> Result<()> {
        self.check_descriptor()?;
        self.file.commit(offset, bytes).map_err(|error| {
            no_memory(bytes, error, || Error::system(format!("cannot commit memory of bus '{}'", self.name), error))
        })
    }

    /// Programs that close every descriptor exist, and the next file opened gets our number: not a file to write to.
    fn check_descriptor(&self) -> Result<()> {
        if self.file.about().is_ok_and(|about| about.inode == self.inode) {
            return Ok(());
        }
        let what =
            format!("this program has closed the descriptor of bus '{}', which was not its own to close", self.name);
        Err(Error::System { what, errno: libc::EBADF })
    }

    /// Whether the bus is not being destroyed.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.header().state.load(S10.acquire()) == STATE_READY
    }

    /// `Closed` once the bus is being destroyed.
    pub fn check_open(&self) -> Result<()> {
        if self.is_open() {
            return Ok(());
        }
        Err(Error::Closed { what: format!("bus '{}'", self.name) })
    }

    /// The slots of a queue's rings and then the places of its parking lot; of those that are committed, more must not be touched.
    pub fn slots_of(&self, queue: u16) -> &[Word] {
        self.slice(self.cell_at(queue) + SLOTS_IN_CELL, (RINGS + 1) << self.geometry.ring_shift)
    }

    /// The living queues.
    pub fn queues(&self) -> impl Iterator<Item = Queue<'_>> {
        self.roster().iter().enumerate().filter_map(|(index, row)| {
            let word = RecordWord(row.queue.load(S6.acquire()));
            self.queue(Name::new(index as u16, (word.counter() & 1023) as u16))
        })
    }

    /// The name of a living queue or topic.
    pub fn queue_name(&self, queue: Name) -> Option<String> {
        let words = self.name_words(queue)?;
        name::from_words(&std::array::from_fn(|word| words[word].load(Relaxed)))
    }

    /// The words of the name of a queue or topic.
    pub fn name_words(&self, name: Name) -> Option<&[Word; 8]> {
        match name.topic() {
            Some(_) => self.topic_control(name).map(|control| &control.name),
            None => self.queue_control(name.index()).map(|control| &control.name),
        }
    }

    /// The record word of a queue or topic with this index.
    pub fn record(&self, index: u16) -> Option<&Word> {
        match Name::new(index, 0).topic() {
            Some(number) => Some(&self.topics()[number].record),
            None => self.roster().get(index as usize).map(|row| &row.queue),
        }
    }

    /// Removes the name, if it still is this segment's.
    pub fn unlink(&self) -> Result<()> {
        unlink(&self.name, self.file.about().map(|about| about.inode).ok())
    }
}

impl Memory for Segment {
    type Chunk<'a> = Chunk<'a>;

    #[inline]
    fn chunk(&self, chunk: u32) -> Option<&Word> {
        let row = self.spans().get((chunk as u64 / SPAN_CHUNKS) as usize)?;
        let committed = row.words.load(S7.acquire()).min(SPAN_CHUNKS);
        self.all_chunk_words().get(chunk as usize).filter(|_| chunk as u64 % SPAN_CHUNKS < committed)
    }

    #[inline]
    fn chunk_in_slot(&self, chunk: u32) -> Option<&Word> {
        let found = self.chunk(chunk);
        if found.is_none() {
            // Relaxed: a counter for people.
            self.header().corrupt.fetch_add(1, Relaxed);
        }
        found
    }

    #[inline]
    fn owned(&self, chunk: u32) -> Option<Chunk<'_>> {
        self.chunk_of_mine(chunk)
    }

    fn home_of_another(&self, chunk: u32) -> Option<u64> {
        let mut home = [0; 8];
        self.read_chunk(chunk, offset_of!(ChunkHeader, home) as u64, &mut home)?;
        Some(u64::from_ne_bytes(home))
    }

    fn rest_of_another(&self, chunk: u32) -> Option<u64> {
        let mut rest = [0; 8];
        self.read_chunk(chunk, offset_of!(ChunkHeader, next) as u64, &mut rest)?;
        Some(u64::from_ne_bytes(rest))
    }

    fn queue(&self, queue: Name) -> Option<Queue<'_>> {
        let row = self.roster().get(queue.index() as usize)?;
        let word = RecordWord(row.queue.load(S6.acquire()));
        if !word.is_of_living(queue) {
            return None;
        }
        let control = self.queue_control(queue.index())?;
        let shift = self.geometry.ring_shift;
        let slots = self.slice(self.cell_at(queue.index()) + SLOTS_IN_CELL, (RINGS + 1) << shift);
        Some(Queue {
            name: queue,
            rings: std::array::from_fn(|ring| {
                Ring::new(&control.rings[ring], &slots[ring << shift..][..1 << shift], shift)
            }),
            places: &slots[RINGS << shift..],
            due: &control.later.due,
            // Relaxed: an option that was set before the queue was named (S6).
            max_deliveries: control.max_deliveries.load(Relaxed),
            lanes: &control.lanes,
            // Relaxed: set before the queue is named (S6), changed only by people.
            limit: control.limit.load(Relaxed).max(1),
            flags: &control.flags,
            deferred: &control.deferred,
            owner: &control.owner,
            tap: &control.tap,
            items: &control.items,
            group: &self.header().groups[queue.index() as usize % GROUPS],
        })
    }

    fn topic(&self, topic: Name) -> Option<Topic<'_>> {
        self.living_topic(topic)
    }

    fn keys(&self, queue: Name) -> Option<Keys<'_>> {
        let lanes = self.queue(queue)?.lanes.load(S7.acquire());
        let later = &self.queue_control(queue.index()).filter(|_| lanes & 1 << KEYED != 0)?.later;
        let words = self.slice(self.cell_at(queue.index()) + self.geometry.keys_in_cell, KEY_STRIPES + KEYS);
        let (stripes, window) = words.split_at(KEY_STRIPES);
        Some(Keys { stripes, window, count: &later.keys, given_up: &later.stripes })
    }

    fn commit_area(&self, queue: Name, area: usize) -> Result<()> {
        let cell = self.cell_at(queue.index());
        if area == KEYED {
            return self.commit(cell + self.geometry.keys_in_cell, KEYS_BYTES);
        }
        let bytes = self.geometry.ring_bytes;
        let offset = cell + SLOTS_IN_CELL + area as u64 * bytes;
        // Rings smaller than a page share one; committing it twice does no harm.
        let first = offset / PAGE * PAGE;
        self.commit(first, pages(offset + bytes - first))
    }

    fn hint_free(&self, chunk: u32) {
        let Some(control) = self.spans().get((chunk as u64 / SPAN_CHUNKS) as usize) else { return };
        let group = 1 << (chunk as u64 % SPAN_CHUNKS / GROUP_CHUNKS as u64);
        // Relaxed: a hint. The load spares the line of a summary that says so already.
        if control.summary.load(Relaxed) & group == 0 {
            control.summary.fetch_or(group, Relaxed);
        }
    }

    #[inline]
    fn touch(&self, me: Name, chunk: u32) {
        let span = chunk / SPAN_CHUNKS as u32;
        // It is a member, so its cell is committed.
        let entry: &MemberEntry = self.at(self.cell_at(me.index()) + MEMBER_IN_CELL);
        let Some(word) = entry.spans.get(span as usize / 64) else { return };
        let bit = 1u64 << (span % 64);
        // Relaxed load: only this member writes its map.
        let seen = word.load(Relaxed);
        if seen & bit == 0 {
            word.store(seen | bit, S8.release());
        }
    }
}
