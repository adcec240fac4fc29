//! A mapped segment: birth, opening, and words by index.
//!
//! - **I11** The mapping stays as long as the `Segment`, and everything borrowed from it borrows the `Segment`.
//! - **I12** Only committed memory is touched: what is committed at birth, cells whose roster row says so, rings whose bit is
//!   set, spans that are `ACTIVE`.
//!
//! **Birth**: an unnamed file, sized, its fixed part committed, the header written with its state last, then linked. An opener
//! sees a whole segment or none; a killed creator leaves nothing.

use crate::error::{Error, Result};
use crate::layout::*;
use crate::memory::Memory;
use crate::name;
use crate::platform::{clock, file, file::File, file::Mapping, process};
use crate::queue::Queue;
use crate::sync::{S6, S7, S8, S10, Word, window};
use crate::word::{Name, RecordState, RecordWord, SpanState, SpanWord};
use nix::errno::Errno;
use std::mem::size_of;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// How a bus is laid out and who may use it.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Most agents (handles) and most queues, 1 to 65534.
    pub agents: u32,
    /// Bytes of message memory; rounded up to whole spans. Nothing is committed before it is used.
    pub heap: u64,
    /// Default limit of a lane, messages, 1 to 2²⁰.
    pub limit: u32,
    /// Permissions of the file.
    pub mode: u32,
    /// Group of the file; the creator's if `None`.
    pub group: Option<u32>,
}

impl Default for CreateOptions {
    fn default() -> Self {
        CreateOptions { agents: 4096, heap: 1 << 30, limit: 1000, mode: 0o600, group: None }
    }
}

/// A mapped segment.
pub struct Segment {
    name: String,
    file: File,
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
    /// Creates, names and opens a segment.
    pub fn create(bus: &str, options: &CreateOptions) -> Result<Segment> {
        name::check_name(bus)?;
        let geometry = geometry_of(options)?;
        let failed = |what: &str, error| Error::system(format!("cannot {what} the segment of bus '{bus}'"), error);
        let file = File::create_unnamed(geometry.bytes(), options.mode, options.group)
            .map_err(|error| failed("create", error))?;
        file.commit(0, geometry.cells_at())
            .map_err(|error| no_memory(geometry.cells_at(), error, || failed("commit", error)))?;
        window(31);
        let header = header_bytes(bus, &geometry, options)?;
        file.write_at(&header, 0)
            .map_err(|error| failed("write", Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
        window(32);
        let path = file::path_of(bus);
        match file.link(&path) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                finish_destroying(bus);
                file.link(&path).map_err(|error| match error {
                    Errno::EEXIST => Error::BusExists { bus: bus.into() },
                    error => failed("name", error),
                })?;
            }
            Err(error) => return Err(failed("name", error)),
        }
        window(33);
        Segment::open(bus)
    }

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
            if bytes as u64 != geometry.bytes() {
                continue;
            }
            let stamp_is_inode = header.stamp_is_inode;
            let segment = Segment { name: bus.into(), file, base, bytes, _mapping: mapping, geometry, stamp_is_inode };
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
        let mapping = Mapping::read_only(&file, geometry.bytes())
            .map_err(|error| Error::system(format!("cannot map {}", path.display()), error))?;
        let ((base, bytes), stamp_is_inode) = (mapping.raw(), header.stamp_is_inode);
        Ok(Segment { name: header.name, file, base, bytes, _mapping: mapping, geometry, stamp_is_inode })
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
        self.slice(self.geometry.roster_at(), self.geometry.agents as usize)
    }

    /// The directory of queue names.
    pub fn directory(&self) -> &[Word] {
        self.slice(self.geometry.directory_at(), self.geometry.directory_words() as usize)
    }

    /// The span table.
    pub fn spans(&self) -> &[SpanControl] {
        self.slice(self.geometry.spans_at(), self.geometry.spans as usize)
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
        self.geometry.cells_at() + index as u64 * self.geometry.cell_bytes()
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
            window(17);
            row.committed.store(1, S7.release());
        }
        Ok(())
    }

    /// Commits a range; `OutOfMemory` when /dev/shm is full.
    pub fn commit(&self, offset: u64, bytes: u64) -> Result<()> {
        self.file.commit(offset, bytes).map_err(|error| {
            no_memory(bytes, error, || Error::system(format!("cannot commit memory of bus '{}'", self.name), error))
        })
    }

    /// `Closed` once the bus is being destroyed.
    pub fn check_open(&self) -> Result<()> {
        if self.header().state.load(S10.acquire()) == STATE_READY {
            return Ok(());
        }
        Err(Error::Closed { what: format!("bus '{}'", self.name) })
    }

    /// The class of an active span, in range.
    pub fn span_class(&self, span: u32) -> Option<usize> {
        let word = SpanWord(self.spans().get(span as usize)?.word.load(S7.acquire()));
        let class = word.class();
        (word.state() == SpanState::Active
            && class < CLASSES
            && span as u64 + class_spans(class) <= self.geometry.spans)
            .then_some(class)
    }

    /// The class of a chunk, if there is such a chunk.
    pub fn chunk_class(&self, chunk: u32) -> Option<usize> {
        let class = self.span_class(chunk / SPAN_CHUNKS as u32)?;
        ((chunk as u64 % SPAN_CHUNKS) < CLASS_CHUNKS[class]).then_some(class)
    }

    /// The words of all chunks of an active span.
    pub fn chunk_words(&self, span: u32) -> Option<&[Word]> {
        let class = self.span_class(span)?;
        Some(self.slice(self.chunk_words_at(span), CLASS_CHUNKS[class] as usize))
    }

    /// Offset of a span's chunk words.
    pub fn chunk_words_at(&self, span: u32) -> u64 {
        self.geometry.chunks_at() + span as u64 * SPAN_CHUNKS * 8
    }

    /// Offset of a span's chunks.
    pub fn span_at(&self, span: u32) -> u64 {
        self.geometry.heap_at() + span as u64 * SPAN_BYTES
    }

    /// A chunk's header.
    pub fn chunk_header(&self, chunk: u32) -> Option<&ChunkHeader> {
        let class = self.chunk_class(chunk)?;
        Some(self.at(self.chunk_at(chunk, class)))
    }

    fn chunk_at(&self, chunk: u32, class: usize) -> u64 {
        self.span_at(chunk / SPAN_CHUNKS as u32) + (chunk as u64 % SPAN_CHUNKS) * class_stride(class)
    }

    /// A chunk's payload and its capacity, bytes.
    pub fn payload(&self, chunk: u32) -> Option<(*mut u8, usize)> {
        let class = self.chunk_class(chunk)?;
        let (offset, capacity) = ((self.chunk_at(chunk, class) + CHUNK_HEADER) as usize, class_payload(class) as usize);
        assert!(offset + capacity <= self.bytes, "payload inside the mapping (I5)");
        // SAFETY: in bounds by the assertion.
        Some((unsafe { self.base.add(offset) }, capacity))
    }

    /// The name of a living queue.
    pub fn queue_name(&self, queue: Name) -> Option<String> {
        let control = self.queue_control(queue.index())?;
        name::from_words(&std::array::from_fn(|word| control.name[word].load(Relaxed)))
    }

    /// Removes the name, if it still is this segment's.
    pub fn unlink(&self) -> Result<()> {
        unlink(&self.name, self.file.about().map(|about| about.inode).ok())
    }
}

impl Memory for Segment {
    fn chunk(&self, chunk: u32) -> Option<&Word> {
        self.chunk_class(chunk)?;
        Some(self.at(self.geometry.chunks_at() + chunk as u64 * 8))
    }

    fn home(&self, chunk: u32) -> Option<&Word> {
        Some(&self.chunk_header(chunk)?.home)
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
            slots: self.slice(self.cell_at(queue.index()) + SLOTS_IN_CELL, RINGS << shift),
            shift,
            lanes: &control.lanes,
            // Relaxed: set before the queue is named (S6), changed only by people.
            limit: control.limit.load(Relaxed),
            flags: &control.flags,
            items: &control.items,
        })
    }

    fn notes(&self, index: u16) -> Option<&Notes> {
        Some(&self.member(index)?.notes)
    }

    fn commit_ring(&self, queue: Name, ring: usize) -> Result<()> {
        let bytes = self.geometry.ring_bytes();
        let offset = self.cell_at(queue.index()) + SLOTS_IN_CELL + ring as u64 * bytes;
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

/// Chunks in a span of each class, as a table: it is asked with every message.
pub const CLASS_CHUNKS: [u64; CLASSES] = {
    let mut table = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        table[class] = class_chunks(class);
        class += 1;
    }
    table
};

fn geometry_of(options: &CreateOptions) -> Result<Geometry> {
    let invalid = |what: String| Err(Error::InvalidArgument { what });
    if !(1..=65534).contains(&options.agents) {
        return invalid(format!("agents = {}; it must be 1 to 65534", options.agents));
    }
    if !(1..=1 << 20).contains(&options.limit) {
        return invalid(format!("limit = {}; it must be 1 to {} messages", options.limit, 1 << 20));
    }
    let most = SPANS_MAX * SPAN_BYTES;
    if options.heap == 0 || options.heap > most {
        return invalid(format!("heap = {} bytes; it must be 1 to {most}", options.heap));
    }
    if options.mode & !0o777 != 0 || options.mode & 0o600 != 0o600 {
        return invalid(format!("mode = {:o}; it must let the owner read and write (0600)", options.mode));
    }
    let ring_shift = options.limit.next_power_of_two().trailing_zeros().max(4);
    // One cell more, for a reaper when all others are taken.
    Ok(Geometry { agents: options.agents as u64 + 1, ring_shift, spans: options.heap.div_ceil(SPAN_BYTES) })
}

fn header_bytes(bus: &str, geometry: &Geometry, options: &CreateOptions) -> Result<Vec<u8>> {
    let boot = file::boot_id()?;
    let namespace =
        file::namespace_inode("pid").map_err(|error| Error::system("cannot read the pid namespace", error))?;
    let mut words = vec![
        MAGIC,
        LAYOUT_VERSION,
        STATE_READY,
        file::random(),
        boot[0],
        boot[1],
        namespace,
        nix::unistd::geteuid().as_raw() as u64,
        clock::unix_s(),
        geometry.bytes(),
        geometry.agents,
        geometry.ring_shift as u64,
        options.limit as u64,
        geometry.spans,
        geometry.roster_at(),
        geometry.directory_at(),
        geometry.directory_words(),
        geometry.spans_at(),
        geometry.cells_at(),
        geometry.cell_bytes(),
        geometry.chunks_at(),
        geometry.heap_at(),
        process::stamps_are_inodes() as u64,
        bus.len() as u64,
    ];
    words.extend(name::to_words(bus));
    Ok(words.into_iter().flat_map(u64::to_ne_bytes).collect())
}

/// What [`Segment::open`] needs of a header, read from the file before anything is mapped.
struct HeaderFacts {
    birth: u64,
    boot: [u64; 2],
    pid_namespace: u64,
    stamp_is_inode: bool,
    name: String,
}

fn check_header(bus: &str, file: &File) -> Result<(Geometry, HeaderFacts)> {
    let not_ready = || Error::NotReady { bus: bus.into() };
    let mut bytes = [0u8; 256];
    file.read_at(&mut bytes, 0).map_err(|_| not_ready())?;
    let word = |index: usize| u64::from_ne_bytes(bytes[index * 8..][..8].try_into().unwrap_or_default());
    let (state, layout) = (word(2), word(1));
    if word(0) != MAGIC || state == 0 {
        return Err(not_ready());
    }
    if layout != LAYOUT_VERSION {
        return Err(Error::WrongVersion { bus: bus.into(), found: layout as u32, expected: LAYOUT_VERSION as u32 });
    }
    if state == STATE_DESTROYING {
        return Err(Error::UnknownBus { bus: bus.into() });
    }
    let corrupt = |invariant| Error::corrupt(format!("the header of bus '{bus}'"), invariant);
    let (agents, ring_shift, spans) = (word(10), word(11), word(13));
    if state != STATE_READY
        || !(2..=65535).contains(&agents)
        || !(1..=20).contains(&ring_shift)
        || !(1..=SPANS_MAX).contains(&spans)
    {
        return Err(corrupt("a geometry in range"));
    }
    let geometry = Geometry { agents, ring_shift: ring_shift as u32, spans };
    let offsets = [
        geometry.bytes(),
        geometry.roster_at(),
        geometry.directory_at(),
        geometry.directory_words(),
        geometry.spans_at(),
        geometry.cells_at(),
        geometry.cell_bytes(),
        geometry.chunks_at(),
        geometry.heap_at(),
    ];
    let stored = [word(9), word(14), word(15), word(16), word(17), word(18), word(19), word(20), word(21)];
    let file_bytes = file.about().map_err(|error| Error::system("fstat", error))?.bytes;
    if offsets != stored || file_bytes != geometry.bytes() {
        return Err(corrupt("offsets that follow from the geometry"));
    }
    let name =
        name::from_words(&std::array::from_fn(|index| word(24 + index))).ok_or_else(|| corrupt("a valid name"))?;
    let facts = HeaderFacts {
        birth: word(3),
        boot: [word(4), word(5)],
        pid_namespace: word(6),
        stamp_is_inode: word(22) == 1,
        name,
    };
    Ok((geometry, facts))
}

/// Refuses a segment whose members' life cannot be judged from here, or whose owner is somebody else.
fn check_host(bus: &str, header: &HeaderFacts, file: &File) -> Result<()> {
    if header.boot != file::boot_id()? {
        return Err(Error::WrongBoot { bus: bus.into() });
    }
    if Ok(header.pid_namespace) != file::namespace_inode("pid") {
        return Err(Error::ForeignNamespace { bus: bus.into() });
    }
    let owner = file.about().map_err(|error| Error::system("fstat", error))?.owner;
    let (me, trusted) = (nix::unistd::geteuid().as_raw(), std::env::var("SWARMBUS_TRUST_OWNER").ok());
    if owner != me && trusted.as_deref() != Some(&owner.to_string()) {
        let reason = format!(
            "it belongs to user {owner}, you are user {me}, and whoever owns a segment can write to your memory; \
             set SWARMBUS_TRUST_OWNER={owner} if you trust that user"
        );
        return Err(Error::Permission { bus: bus.into(), reason });
    }
    Ok(())
}

fn open_file(bus: &str, writable: bool) -> Result<File> {
    File::open(&file::path_of(bus), writable).map_err(|error| open_error(bus, error))
}

fn open_error(bus: &str, error: Errno) -> Error {
    match error {
        Errno::ENOENT => Error::UnknownBus { bus: bus.into() },
        Errno::EACCES | Errno::EPERM => Error::Permission {
            bus: bus.into(),
            reason: "its file may not be opened by you (see ls -l /dev/shm)".into(),
        },
        Errno::ELOOP => Error::Permission { bus: bus.into(), reason: "its file is a symbolic link".into() },
        error => Error::system(format!("cannot open bus '{bus}'"), error),
    }
}

fn no_memory(wanted: u64, error: Errno, otherwise: impl FnOnce() -> Error) -> Error {
    match error {
        Errno::ENOSPC | Errno::ENOMEM => Error::OutOfMemory { wanted },
        _ => otherwise(),
    }
}

/// Removes the file of a bus whose destroyer died before it did so. Does nothing to a living one.
fn finish_destroying(bus: &str) {
    let Ok(file) = open_file(bus, false) else { return };
    let mut state = [0u8; 24];
    if file.read_at(&mut state, 0).is_ok() && state[16..] == STATE_DESTROYING.to_ne_bytes() {
        // If it cannot be removed, naming the new segment fails and says so.
        let _ = file.unlink(&file::path_of(bus));
    }
}

/// Removes the file of a bus whatever is in it, e.g. one that was made before the last boot. `expected`: only if it has this inode.
pub fn unlink(bus: &str, expected: Option<u64>) -> Result<()> {
    let file = open_file(bus, false)?;
    if expected.is_some() && file.about().ok().map(|about| about.inode) != expected {
        return Ok(());
    }
    file.unlink(&file::path_of(bus)).map_err(|error| Error::system(format!("cannot remove bus '{bus}'"), error))
}
