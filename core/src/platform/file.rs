//! Files in /dev/shm, and mapping them.
//!
//! The `shared_memory` crate opens and maps what is created here. It would also create, but with `ftruncate` alone (SIGBUS on a
//! full tmpfs), under a name from the start (an opener could meet half a segment), and its owner unlinks by name on drop (it
//! could delete a successor's segment); it has no read-only mapping either. `docs/adr/0001-packages.md` has the whole list.

use crate::error::{Error, Result};
use crate::layout::PAGE;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FallocateFlags, Flock, FlockArg, OFlag, fallocate, open};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::sys::stat::{Mode, fchmod, fstat, stat};
use nix::unistd::{Gid, LinkatFlags, fchown, ftruncate, linkat, unlink};
use shared_memory::{Shmem, ShmemConf};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Where segments live.
pub const DIRECTORY: &str = "/dev/shm";
/// What their files' names begin with.
pub const PREFIX: &str = "swarmbus.";
/// Commits go in steps of this many bytes, so that a signal interrupts little.
const COMMIT_STEP: u64 = 256 * 1024;

/// The file of a bus.
pub fn path_of(bus: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{PREFIX}{bus}"))
}

/// An open segment file.
#[derive(Debug)]
pub struct File(std::fs::File);

/// What the kernel says of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// Inode.
    pub inode: u64,
    /// Size, bytes.
    pub bytes: u64,
    /// Memory in use, bytes.
    pub committed: u64,
    /// Owner's user id.
    pub owner: u32,
    /// Whether it still has a name.
    pub linked: bool,
}

impl File {
    /// A new file without a name, `bytes` long, nothing of it committed. If its creator dies, it is gone.
    pub fn create_unnamed(bytes: u64, mode: u32, group: Option<u32>) -> nix::Result<File> {
        let fd = open(DIRECTORY, OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::S_IRUSR | Mode::S_IWUSR)?;
        if let Some(group) = group {
            fchown(&fd, None, Some(Gid::from_raw(group)))?;
        }
        fchmod(&fd, Mode::from_bits_truncate(mode))?;
        ftruncate(&fd, bytes as i64)?;
        Ok(File(fd.into()))
    }

    /// Opens an existing file; never a link that somebody put there.
    pub fn open(path: &Path, writable: bool) -> nix::Result<File> {
        let access = if writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
        Ok(File(open(path, access | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty())?.into()))
    }

    /// Gives the file its name, all at once. `EEXIST` if the name is taken.
    pub fn link(&self, path: &Path) -> nix::Result<()> {
        let own = format!("/proc/thread-self/fd/{}", self.0.as_raw_fd());
        linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, LinkatFlags::AT_SYMLINK_FOLLOW)
    }

    /// Size, owner and so on.
    pub fn about(&self) -> nix::Result<About> {
        let stat = fstat(&self.0)?;
        Ok(About {
            inode: stat.st_ino,
            bytes: stat.st_size as u64,
            committed: stat.st_blocks as u64 * 512,
            owner: stat.st_uid,
            linked: stat.st_nlink > 0,
        })
    }

    /// Reserves memory for a range, so that touching it can never raise SIGBUS. Idempotent. `ENOSPC` or `ENOMEM` when there is none.
    pub fn commit(&self, offset: u64, bytes: u64) -> nix::Result<()> {
        let (mut at, end) = (offset, offset + bytes);
        while at < end {
            let step = COMMIT_STEP.min(end - at);
            match fallocate(&self.0, FallocateFlags::empty(), at as i64, step as i64) {
                Ok(()) => at += step,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the memory of a range back to the system; it reads as zero afterwards.
    pub fn uncommit(&self, offset: u64, bytes: u64) {
        let first = offset.div_ceil(PAGE) * PAGE;
        let end = (offset + bytes) / PAGE * PAGE;
        if first < end {
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            // A hole that could not be punched costs memory, nothing else.
            let _ = fallocate(&self.0, hole, first as i64, (end - first) as i64);
        }
    }

    /// The same file, opened anew: locks of the one are seen by the other, also in a forked child, which shares both.
    pub fn reopen(&self) -> nix::Result<File> {
        let own = format!("/proc/thread-self/fd/{}", self.0.as_raw_fd());
        Ok(File(open(own.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?.into()))
    }

    /// Writes bytes without a mapping.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// Reads bytes without a mapping.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    /// Removes the name if it still is this file's. Whoever removes holds the file's lock, so nobody removes a successor.
    pub fn unlink(self, path: &Path) -> nix::Result<()> {
        let inode = self.about()?.inode;
        let fd = OwnedFd::from(self.0);
        let _lock = Flock::lock(fd, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        match stat(path) {
            Ok(now) if now.st_ino == inode => unlink(path),
            Ok(_) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A mapped segment.
pub enum Mapping {
    /// Shared and writable.
    Shared(Shmem),
    /// Of an observer, or of who repairs a copy.
    Own {
        /// Where.
        at: NonNull<libc::c_void>,
        /// How long, bytes.
        bytes: usize,
    },
}

impl Mapping {
    /// Maps a whole segment, by its name.
    pub fn shared(bus: &str) -> Result<Mapping> {
        match ShmemConf::new().os_id(format!("{PREFIX}{bus}")).open() {
            Ok(shmem) => Ok(Mapping::Shared(shmem)),
            Err(error) => Err(map_error(bus, &error)),
        }
    }

    /// Maps a whole segment by its file, most often for reading only.
    pub fn of(file: &File, bytes: u64, is_writable: bool) -> nix::Result<Mapping> {
        let bytes = NonZeroUsize::new(bytes as usize).ok_or(Errno::EINVAL)?;
        let access = if is_writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
        // SAFETY: a new mapping at a place that the kernel chooses; nothing of ours is replaced.
        let at = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, &file.0, 0) }?;
        Ok(Mapping::Own { at, bytes: bytes.get() })
    }

    /// Start and length.
    pub fn raw(&self) -> (*mut u8, usize) {
        match self {
            Mapping::Shared(shmem) => (shmem.as_ptr(), shmem.len()),
            Mapping::Own { at, bytes } => (at.as_ptr().cast(), *bytes),
        }
    }

    /// Tells the kernel that nothing between two offsets is needed soon. What is touched again is mapped again, a fault for each few pages;
    /// nothing of the file changes. Since Linux 6.14 page tables go as well, 4 KiB for each 2 MiB in which something was touched; before, they stay.
    pub fn let_go(&self, from: u64, to: u64) {
        let (base, bytes) = self.raw();
        let (from, to) = (from as usize, (to as usize).min(bytes));
        let Some(at) = NonNull::new(base.wrapping_add(from)).filter(|_| from < to) else { return };
        // SAFETY: a range of our own mapping, which is of a file: its bytes are the same when they are next looked at. Refused (locked memory), it stays mapped.
        let _ = unsafe { madvise(at.cast(), to - from, MmapAdvise::MADV_DONTNEED) };
    }
}

fn map_error(bus: &str, error: &shared_memory::ShmemError) -> Error {
    use shared_memory::ShmemError::{MapOpenFailed, UnknownOsError};
    match error {
        MapOpenFailed(errno) if *errno == Errno::ENOENT as u32 => Error::UnknownBus { bus: bus.into() },
        MapOpenFailed(errno) | UnknownOsError(errno) => {
            Error::System { what: format!("cannot map bus '{bus}'"), errno: *errno as i32 }
        }
        _ => Error::System { what: format!("cannot map bus '{bus}' ({error})"), errno: Errno::EINVAL as i32 },
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Mapping::Own { at, bytes } = self {
            // SAFETY: our own mapping, and its borrower (the segment) is going too.
            let _ = unsafe { munmap(*at, *bytes) };
        }
    }
}

/// Names of the segment files that exist.
pub fn list() -> Result<Vec<String>> {
    let entries = std::fs::read_dir(DIRECTORY).map_err(|error| Error::System {
        what: format!("cannot list {DIRECTORY}"),
        errno: error.raw_os_error().unwrap_or(0),
    })?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix(PREFIX).map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

/// Inode of a namespace of this process, e.g. `pid`.
pub fn namespace_inode(kind: &str) -> nix::Result<u64> {
    Ok(stat(format!("/proc/thread-self/ns/{kind}").as_str())?.st_ino)
}

/// The kernel's boot id.
pub fn boot_id() -> Result<[u64; 2]> {
    let failed = || Error::System { what: "cannot read the boot id".into(), errno: Errno::EIO as i32 };
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|_| failed())?;
    let number = u128::from_str_radix(&text.trim().replace('-', ""), 16).map_err(|_| failed())?;
    Ok([number as u64, (number >> 64) as u64])
}

/// A random number from the kernel.
pub fn random() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: the kernel fills at most the buffer's own length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == 8 { u64::from_ne_bytes(bytes) } else { super::clock::monotonic_ns() ^ (std::process::id() as u64) << 40 }
}
