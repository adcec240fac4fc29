//! The birth of a segment, and what an opener demands of one.
//!
//! An unnamed file, sized, its fixed part committed, the header written with its state last, then linked. An opener sees a whole
//! segment or none; a killed creator leaves nothing.

use super::Segment;
use crate::error::{Error, Result};
use crate::layout::*;
use crate::name;
use crate::platform::{clock, file, file::File, process};
use crate::sync::window;
use nix::errno::Errno;
use std::mem::offset_of;

/// How a bus is laid out and who may use it.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Most agents (handles) and most queues, 1 to 65278.
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

impl Segment {
    /// Creates, names and opens a segment.
    pub fn create(bus: &str, options: &CreateOptions) -> Result<Segment> {
        name::check_name(bus)?;
        let geometry = geometry_of(options)?;
        let failed = |what: &str, error| Error::system(format!("cannot {what} the segment of bus '{bus}'"), error);
        let file = File::create_unnamed(geometry.bytes, options.mode, options.group)
            .map_err(|error| failed("create", error))?;
        file.commit(0, geometry.chunks_at)
            .map_err(|error| no_memory(geometry.chunks_at, error, || failed("commit", error)))?;
        window(45);
        let header = header_bytes(bus, &geometry, options)?;
        file.write_at(&header, 0)
            .map_err(|error| failed("write", Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
        window(46);
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
        window(47);
        Segment::open(bus)
    }
}

fn geometry_of(options: &CreateOptions) -> Result<Geometry> {
    let invalid = |what: String| Err(Error::InvalidArgument { what });
    if !(1..=AGENTS_MAX).contains(&options.agents) {
        return invalid(format!("agents = {}; it must be 1 to {AGENTS_MAX}", options.agents));
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
    Ok(Geometry::new(options.agents as u64 + 1, ring_shift, options.heap.div_ceil(SPAN_BYTES)))
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
        geometry.bytes,
        geometry.agents,
        geometry.ring_shift as u64,
        options.limit as u64,
        geometry.spans,
        geometry.roster_at,
        geometry.directory_at,
        geometry.directory_words,
        geometry.spans_at,
        geometry.cells_at,
        geometry.cell_bytes,
        geometry.chunks_at,
        geometry.heap_at,
        process::stamps_are_inodes() as u64,
        bus.len() as u64,
    ];
    words.extend(name::to_words(bus));
    words.resize(offset_of!(Header, library) / 8, 0);
    let mut library = [0; 16];
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let length = version.len().min(library.len());
    library[..length].copy_from_slice(&version[..length]);
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
    bytes.extend(library);
    let sections = [geometry.topics_at, geometry.topic_cells_at, geometry.topic_cell_bytes, geometry.locks_at];
    bytes.extend(sections.into_iter().flat_map(u64::to_ne_bytes));
    Ok(bytes)
}

/// What [`Segment::open`] needs of a header, read from the file before anything is mapped.
pub(super) struct HeaderFacts {
    pub(super) birth: u64,
    boot: [u64; 2],
    pid_namespace: u64,
    pub(super) stamp_is_inode: bool,
    pub(super) name: String,
}

pub(super) fn check_header(bus: &str, file: &File) -> Result<(Geometry, HeaderFacts)> {
    let not_ready = || Error::NotReady { bus: bus.into() };
    let mut bytes = [0u8; 1280];
    file.read_at(&mut bytes, 0).map_err(|_| not_ready())?;
    let word = |index: usize| u64::from_ne_bytes(bytes[index * 8..][..8].try_into().unwrap_or_default());
    let (state, layout) = (word(2), word(1));
    if word(0) != MAGIC || state == 0 {
        return Err(not_ready());
    }
    if layout != LAYOUT_VERSION {
        // Of another layout's header only magic, layout, state, birth and library are known to be where they are.
        let made_by = library_in(&bytes[offset_of!(Header, library)..][..16]);
        let (found, expected) = (layout.min(u32::MAX as u64) as u32, LAYOUT_VERSION as u32);
        return Err(Error::WrongVersion { bus: bus.into(), found, expected, made_by });
    }
    if state == STATE_DESTROYING {
        return Err(Error::UnknownBus { bus: bus.into() });
    }
    let corrupt = |invariant| Error::corrupt(format!("the header of bus '{bus}'"), invariant);
    let (agents, ring_shift, spans) = (word(10), word(11), word(13));
    if state != STATE_READY
        || !(2..=AGENTS_MAX as u64 + 1).contains(&agents)
        || !(1..=20).contains(&ring_shift)
        || !(1..=SPANS_MAX).contains(&spans)
    {
        return Err(corrupt("a geometry in range"));
    }
    let geometry = Geometry::new(agents, ring_shift as u32, spans);
    let offsets = [
        geometry.bytes,
        geometry.roster_at,
        geometry.directory_at,
        geometry.directory_words,
        geometry.spans_at,
        geometry.cells_at,
        geometry.cell_bytes,
        geometry.chunks_at,
        geometry.heap_at,
        geometry.topics_at,
        geometry.topic_cells_at,
        geometry.topic_cell_bytes,
        geometry.locks_at,
    ];
    let stored = [9, 14, 15, 16, 17, 18, 19, 20, 21, 146, 147, 148, 149].map(word);
    let file_bytes = file.about().map_err(|error| Error::system("fstat", error))?.bytes;
    if offsets != stored || file_bytes != geometry.bytes {
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

/// The version in a header, as far as it may be one; before layout 4 there are zeros.
fn library_in(bytes: &[u8]) -> String {
    let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-+".contains(*byte);
    bytes.iter().take_while(plain).map(|byte| *byte as char).collect()
}

/// Refuses a segment whose members' life cannot be judged from here, or whose owner is somebody else.
pub(super) fn check_host(bus: &str, header: &HeaderFacts, file: &File) -> Result<()> {
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

pub(super) fn open_file(bus: &str, writable: bool) -> Result<File> {
    File::open(&file::path_of(bus), writable).map_err(|error| open_error(bus, error))
}

pub(super) fn open_error(bus: &str, error: Errno) -> Error {
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

pub(super) fn no_memory(wanted: u64, error: Errno, otherwise: impl FnOnce() -> Error) -> Error {
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
