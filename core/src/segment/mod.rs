//! A mapped segment: opening it, and words by index.
//!
//! - **I11** The mapping stays as long as the `Segment`, and everything borrowed from it borrows the `Segment`.
//! - **I12** Only committed memory is touched: what is committed at birth, cells whose roster row says so, rings whose bit is
//!   set, spans that are `ACTIVE` or `RETIRING`, as many chunk words as their row says.

mod birth;
mod shared;

pub use birth::{CreateOptions, unlink};

use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::layout::*;
use crate::memory::Memory;
use crate::name;
use crate::platform::file::{File, Mapping};
use crate::queue::Queue;
use crate::span::Run;
use crate::sync::{S6, S7, S8, S10, Word, window};
use crate::topic::Topic;
use crate::word::{Name, RecordState, RecordWord, SpanState, SpanWord};
use birth::{check_header, check_host, no_memory, open_error, open_file};
use std::mem::size_of;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// A mapped segment.
pub struct Segment {
    name: String,
    file: File,
    probe: File,
    inode: u64,
    base: *mut u8,
    bytes: usize,
    _mapping: Mapping,
    geometry: Geometry,
    stamp_is_inode: bool,
}

// SAFETY: the mapping is shared memory by nature: all access goes through atomics or through chunks that a member owns (I7),
// and the mapping object itself is only unmapped on drop.
unsafe impl Send for Segment {}
// SAFETY: as for Send.
unsafe impl Sync for Segment {}

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
                _mapping: mapping,
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
        let file = File::open(path, false).map_err(|error| open_error(bus, error))?;
        let (geometry, header) = check_header(bus, &file)?;
        let mapping = Mapping::read_only(&file, geometry.bytes)
            .map_err(|error| Error::system(format!("cannot map {}", path.display()), error))?;
        let probe = file.reopen().map_err(|error| open_error(bus, error))?;
        let inode = file.about().map_err(|error| open_error(bus, error))?.inode;
        let ((base, bytes), stamp_is_inode) = (mapping.raw(), header.stamp_is_inode);
        Ok(Segment { name: header.name, file, probe, inode, base, bytes, _mapping: mapping, geometry, stamp_is_inode })
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
    fn at<T>(&self, offset: u64) -> &T {
        assert!(offset as usize + size_of::<T>() <= self.bytes, "offset inside the mapping (I5)");
        // SAFETY: in bounds by the assertion.
        let place = unsafe { self.base.add(offset as usize) }.cast::<T>();
        debug_assert!(place.is_aligned());
        // SAFETY: aligned (sections and cells are page-aligned, structs are asserted in layout.rs), in bounds, mapped as long as
        // `self` (I11), and made of atomics only, so any bytes are a valid value.
        unsafe { &*place }
    }

    fn slice<T>(&self, offset: u64, count: usize) -> &[T] {
        assert!(offset as usize + count * size_of::<T>() <= self.bytes, "range inside the mapping (I5)");
        // SAFETY: in bounds by the assertion.
        let place = unsafe { self.base.add(offset as usize) }.cast::<T>();
        // SAFETY: as in `at`.
        unsafe { std::slice::from_raw_parts(place, count) }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        self.at(0)
    }

    /// The roster, one row a cell.
    pub fn roster(&self) -> &[RosterEntry] {
        self.slice(self.geometry.roster_at, self.geometry.agents as usize)
    }

    /// The directory of queue names.
    pub fn directory(&self) -> &[Word] {
        self.slice(self.geometry.directory_at, self.geometry.directory_words as usize)
    }

    /// The span table.
    pub fn spans(&self) -> &[SpanControl] {
        self.slice(self.geometry.spans_at, self.geometry.spans as usize)
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

    /// `Closed` once the bus is being destroyed.
    pub fn check_open(&self) -> Result<()> {
        if self.header().state.load(S10.acquire()) == STATE_READY {
            return Ok(());
        }
        Err(Error::Closed { what: format!("bus '{}'", self.name) })
    }

    /// The class of a span in use, in range.
    pub fn span_class(&self, span: u32) -> Option<usize> {
        self.class_in(span, SpanWord(self.spans().get(span as usize)?.word.load(S7.acquire())))
    }

    fn class_in(&self, span: u32, word: SpanWord) -> Option<usize> {
        let class = word.class();
        (word.is_in_use() && class < CLASSES && span as u64 + class_spans(class) <= self.geometry.spans)
            .then_some(class)
    }

    /// An active span, with its word and class, and all that one chunk of it may reach over.
    pub fn active_run(&self, span: u32) -> Option<(SpanWord, usize, Run<'_>)> {
        let row = self.spans().get(span as usize)?;
        let word = SpanWord(row.word.load(S7.acquire()));
        let class = self.class_in(span, word).filter(|_| word.state() == SpanState::Active)?;
        let rows = &self.spans()[span as usize..][..class_spans(class) as usize];
        let chunks = self.committed_words(span).get(..class_chunks(class) as usize)?;
        Some((word, class, Run { rows, chunks }))
    }

    /// The chunk words of a span that are committed (I18), whatever the span is at the moment.
    pub fn committed_words(&self, span: u32) -> &[Word] {
        let Some(row) = self.spans().get(span as usize) else { return &[] };
        let words = row.words.load(S7.acquire()).min(SPAN_CHUNKS);
        self.slice(self.chunk_words_at(span), words as usize)
    }

    /// The class of a chunk, if there is such a chunk.
    pub fn chunk_class(&self, chunk: u32) -> Option<usize> {
        let class = self.span_class(chunk / SPAN_CHUNKS as u32)?;
        ((chunk as u64 % SPAN_CHUNKS) < class_chunks(class)).then_some(class)
    }

    /// The words of all chunks of a span in use.
    pub fn chunk_words(&self, span: u32) -> Option<&[Word]> {
        let class = self.span_class(span)?;
        self.committed_words(span).get(..class_chunks(class) as usize)
    }

    /// Offset of a span's chunk words.
    pub fn chunk_words_at(&self, span: u32) -> u64 {
        self.geometry.chunks_at + span as u64 * SPAN_CHUNKS * 8
    }

    /// Offset of a span's chunks.
    pub fn span_at(&self, span: u32) -> u64 {
        self.geometry.heap_at + span as u64 * SPAN_BYTES
    }

    /// Reads from a chunk, header first, without touching its memory: for who does not own it (I20). What was uncommitted reads as zero.
    pub fn read_chunk(&self, chunk: u32, offset: u64, bytes: &mut [u8]) -> Option<()> {
        let class = self.chunk_class(chunk).filter(|class| offset + bytes.len() as u64 <= class_stride(*class))?;
        self.file.read_at(bytes, self.chunk_at(chunk, class) + offset).ok()
    }

    /// A chunk's header, for its owner.
    pub fn chunk_header(&self, chunk: u32) -> Option<&ChunkHeader> {
        let class = self.chunk_class(chunk)?;
        Some(self.at(self.chunk_at(chunk, class)))
    }

    fn chunk_at(&self, chunk: u32, class: usize) -> u64 {
        self.span_at(chunk / SPAN_CHUNKS as u32) + (chunk as u64 % SPAN_CHUNKS) * class_stride(class)
    }

    /// A chunk's payload and its capacity, bytes, for its owner.
    pub fn payload(&self, chunk: u32) -> Option<(*mut u8, usize)> {
        let class = self.chunk_class(chunk)?;
        let (offset, capacity) = ((self.chunk_at(chunk, class) + CHUNK_HEADER) as usize, class_payload(class) as usize);
        assert!(offset + capacity <= self.bytes, "payload inside the mapping (I5)");
        // SAFETY: in bounds by the assertion.
        Some((unsafe { self.base.add(offset) }, capacity))
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
    fn chunk(&self, chunk: u32) -> Option<&Word> {
        let row = self.spans().get((chunk as u64 / SPAN_CHUNKS) as usize)?;
        let committed = row.words.load(S7.acquire()).min(SPAN_CHUNKS);
        (chunk as u64 % SPAN_CHUNKS < committed).then(|| self.at(self.geometry.chunks_at + chunk as u64 * 8))
    }

    fn chunk_in_slot(&self, chunk: u32) -> Option<&Word> {
        let found = self.chunk(chunk);
        if found.is_none() {
            // Relaxed: a counter for people.
            self.header().corrupt.fetch_add(1, Relaxed);
        }
        found
    }

    fn home(&self, chunk: u32) -> Option<&Word> {
        Some(&self.chunk_header(chunk)?.home)
    }

    fn home_of_another(&self, chunk: u32) -> Option<u64> {
        let mut home = [0; 8];
        self.read_chunk(chunk, std::mem::offset_of!(ChunkHeader, home) as u64, &mut home)?;
        Some(u64::from_ne_bytes(home))
    }

    fn rest(&self, chunk: u32) -> Option<&Word> {
        Some(&self.chunk_header(chunk)?.next)
    }

    fn rest_of_another(&self, chunk: u32) -> Option<u64> {
        let mut rest = [0; 8];
        self.read_chunk(chunk, std::mem::offset_of!(ChunkHeader, next) as u64, &mut rest)?;
        Some(u64::from_ne_bytes(rest))
    }

    fn queue(&self, queue: Name) -> Option<Queue<'_>> {
        let row = self.roster().get(queue.index() as usize)?;
        let word = RecordWord(row.queue.load(S6.acquire()));
        if word.state() != RecordState::Live || word.counter() & 1023 != queue.incarnation() as u64 {
            return None;
        }
        let control = self.queue_control(queue.index())?;
        let shift = self.geometry.ring_shift;
        Some(Queue {
            name: queue,
            rings: &control.rings,
            slots: self.slice(self.cell_at(queue.index()) + SLOTS_IN_CELL, (RINGS + 1) << shift),
            due: &control.later.due,
            shift,
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
        let group = 1 << (chunk as u64 % SPAN_CHUNKS / 64);
        // Relaxed: a hint. The load spares the line of a summary that says so already.
        if control.summary.load(Relaxed) & group == 0 {
            control.summary.fetch_or(group, Relaxed);
        }
    }

    fn touch(&self, me: Name, chunk: u32) {
        let span = chunk / SPAN_CHUNKS as u32;
        let Some(word) = self.member(me.index()).and_then(|entry| entry.spans.get(span as usize / 64)) else { return };
        let bit = 1u64 << (span % 64);
        // Relaxed load: only this member writes its map.
        let seen = word.load(Relaxed);
        if seen & bit == 0 {
            word.store(seen | bit, S8.release());
        }
    }
}
