//! Options: structs that start with their size, so that programs and libraries of different age understand each
//! other.
//!
//! A zero in a field always means its default. So the fields that an older program does not know are zero, `{0}` plus
//! `struct_size` is a full set of defaults, and a newer program's struct is understood as long as what this library
//! does not know is zero.
use crate::error::{Failure, Result};
use crate::text;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{MaybeUninit, size_of};
use std::ptr;
use std::time::Duration;
use swarmbus_core::{ContentType, CreateOptions, Lane, QueueOptions, SendOptions, TraceContext};

/// Lane: the default one.
pub const SWARMBUS_LANE_NORMAL: i32 = 0;
/// Lane: received before high, normal and low.
pub const SWARMBUS_LANE_URGENT: i32 = 1;
/// Lane: received before normal and low.
pub const SWARMBUS_LANE_HIGH: i32 = 2;
/// Lane: received when the lanes above are empty.
pub const SWARMBUS_LANE_LOW: i32 = 3;
/// Lane: of answers to calls. Not to be sent in.
pub const SWARMBUS_LANE_REPLY: i32 = 4;

/// Content type: raw bytes, the default.
pub const SWARMBUS_CONTENT_BYTES: i32 = 0;
/// Content type: JSON text in UTF-8.
pub const SWARMBUS_CONTENT_JSON: i32 = 1;
/// Content type: an rkyv archive, and after it the id of its schema, eight bytes.
pub const SWARMBUS_CONTENT_RKYV: i32 = 2;

/// Room for a `traceparent` and its NUL.
pub const SWARMBUS_TRACEPARENT_SIZE: usize = 56;
const _: () = assert!(SWARMBUS_TRACEPARENT_SIZE == TraceContext::TEXT_BYTES + 1);

/// Timeout: wait for ever. Other negative values are errors.
pub const SWARMBUS_FOREVER: i64 = -1;

/// The longest options struct that is looked at; a larger `struct_size` is surely not one.
const SIZE_MAX: usize = 4096;

/// Ends a wait early: called in the waiting thread when a signal cut a sleep short, and now and then besides. Not 0
/// makes the call return SWARMBUS_INTERRUPTED. It must return (no longjmp, no C++ exception) and must not close the
/// agent, nor what is waited on.
pub type swarmbus_interrupted = Option<unsafe extern "C" fn(context: *mut c_void) -> c_int>;

/// Options of swarmbus_bus_create() and swarmbus_bus_open_or_create().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_bus_create_opts {
    /// sizeof(swarmbus_bus_create_opts).
    pub struct_size: u32,
    /// How many agents and other members the bus can have at a time. 0: 4096.
    pub agents: u32,
    /// The most memory that messages can take, bytes. It is committed as it is used. 0: 1 GiB.
    pub heap_bytes: u64,
    /// Messages per lane of a queue, unless its declaration says otherwise. 0: 1000.
    pub limit: u32,
    /// Permission bits of the segment in /dev/shm. 0: 0600, the user alone.
    pub mode: u32,
    /// Not 0: give the segment to `group`.
    pub has_group: u32,
    /// The group's id; it counts only when `has_group` is not 0.
    pub group: u32,
}

/// Options of swarmbus_bus_open().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_bus_open_opts {
    /// sizeof(swarmbus_bus_open_opts).
    pub struct_size: u32,
    /// 0. There are no flags yet; any other value is an error.
    pub flags: u32,
}

/// Options of swarmbus_declare().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_declare_opts {
    /// sizeof(swarmbus_declare_opts).
    pub struct_size: u32,
    /// Messages per lane. 0: the limit of the bus.
    pub limit: u32,
    /// How often a message is delivered at most; afterwards it is a dead letter. 0: without end.
    pub max_deliveries: u32,
    /// Not 0: a message for a full lane pushes out the oldest instead of being refused.
    pub makes_room: u32,
    /// The queue, declared if need be, to which dead letters go: messages delivered too often, expired, or pushed out.
    /// NULL: they are dropped and counted.
    pub dead_letters: *const c_char,
}

/// Options of swarmbus_attach(), swarmbus_take_over(), swarmbus_join() and swarmbus_connect().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_attach_opts {
    /// sizeof(swarmbus_attach_opts).
    pub struct_size: u32,
    /// 0. There are no flags yet; any other value is an error.
    pub flags: u32,
}

/// Options of what sends to a mailbox or queue: swarmbus_send(), swarmbus_publish(), their batches, swarmbus_call() and
/// swarmbus_call_stream().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_send_opts {
    /// sizeof(swarmbus_send_opts).
    pub struct_size: u32,
    /// One of the SWARMBUS_LANE_ numbers. 0: normal.
    pub lane: i32,
    /// A number that ties an answer to its request; the receiver sees it. 0: none.
    pub correlation: u64,
    /// One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
    pub content: i32,
    /// 0.
    pub reserved: u32,
    /// Asked while the call waits for room. NULL: nobody is asked.
    pub interrupted: swarmbus_interrupted,
    /// Handed to `interrupted`.
    pub context: *mut c_void,
    /// How long the message matters, nanoseconds: who would receive it later moves it to the dead letters instead. 0: for
    /// ever.
    pub time_to_live_ns: u64,
    /// What names the message, for who may send it again not knowing whether it was sent before; it counts only when
    /// `has_key` is not 0. swarmbus_key_of() makes one of a text.
    pub key: u64,
    /// Not 0: of all messages with this `key` the queue accepts the first, as long as the key is among the last 960 that it
    /// accepted. Of the others the id is SWARMBUS_DUPLICATE. A batch has one key, a call has none.
    pub has_key: u32,
    /// 0.
    pub reserved_too: u32,
    /// The trace that the message belongs to, as a W3C `traceparent` of SWARMBUS_TRACEPARENT_SIZE - 1 characters, which
    /// swarmbus_message_traceparent() tells the receiver. NULL: none.
    pub traceparent: *const c_char,
}

/// Options of every other call that may wait: swarmbus_receive() and its kin, swarmbus_forward(), swarmbus_lock_take(),
/// swarmbus_stand_by(), swarmbus_answers_next(), swarmbus_subscription_receive().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_receive_opts {
    /// sizeof(swarmbus_receive_opts).
    pub struct_size: u32,
    /// 0. There are no flags yet; any other value is an error.
    pub flags: u32,
    /// Asked while the call waits. NULL: nobody is asked.
    pub interrupted: swarmbus_interrupted,
    /// Handed to `interrupted`.
    pub context: *mut c_void,
}

/// An options struct, or another struct whose first field is its size.
///
/// # Safety
/// The type is `repr(C)`, starts with `struct_size: u32`, and all of its bit patterns, zero included, are values.
pub unsafe trait Sized32: Copy {}
// SAFETY: integers, all of them.
unsafe impl Sized32 for swarmbus_bus_create_opts {}
// SAFETY: integers, all of them.
unsafe impl Sized32 for swarmbus_bus_open_opts {}
// SAFETY: integers and a pointer, which is not followed before its caller vouches for it.
unsafe impl Sized32 for swarmbus_declare_opts {}
// SAFETY: integers, all of them.
unsafe impl Sized32 for swarmbus_attach_opts {}
// SAFETY: integers, pointers and an optional function pointer, none of which is used before its caller vouches for it.
unsafe impl Sized32 for swarmbus_send_opts {}
// SAFETY: as above.
unsafe impl Sized32 for swarmbus_receive_opts {}

/// The caller's options, with defaults (zeroes) for what it did not give.
///
/// # Safety
/// `options` is NULL, or is aligned for `T`, starts with a `u32` and as many bytes as that says can be read.
pub unsafe fn read<T: Sized32>(options: *const T) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    if !options.is_null() {
        // SAFETY: the caller promises an aligned u32 at the start.
        let size = checked_size::<T>(unsafe { options.cast::<u32>().read() })?;
        let known = size.min(size_of::<T>());
        let target = value.as_mut_ptr().cast::<u8>();
        // SAFETY: the caller's struct has `size` bytes, `value` has room for `known`, and they are apart.
        unsafe { target.copy_from_nonoverlapping(options.cast(), known) };
        for at in known..size {
            // SAFETY: below `size`.
            let byte = unsafe { options.cast::<u8>().add(at) };
            // SAFETY: as above.
            if unsafe { byte.read() } != 0 {
                let what = format!(
                    "the options have a field at byte {at} that this library (ABI {}) does not know: \
                     leave it zero, or use a newer library",
                    crate::version::SWARMBUS_ABI_VERSION
                );
                return Err(Failure::argument(what));
            }
        }
    }
    // SAFETY: zeroed and then in part copied over; every bit pattern is a value.
    Ok(unsafe { value.assume_init() })
}

/// Fills a caller's struct that starts with its size, as far as that goes; fields that this library does not know are zero.
///
/// # Safety
/// `out` is NULL, or is aligned for `T`, starts with a `u32` and as many bytes as that says can be written.
pub unsafe fn fill<T: Sized32>(out: *mut T, value: T, what: &'static str) -> Result<()> {
    if out.is_null() {
        return Err(Failure::NullPointer(what));
    }
    // SAFETY: the caller promises an aligned u32 at the start.
    let size = unsafe { out.cast::<u32>().read() };
    let room = checked_size::<T>(size)?;
    // SAFETY: the caller's struct has `room` bytes.
    unsafe { out.cast::<u8>().write_bytes(0, room) };
    let known = room.min(size_of::<T>());
    // SAFETY: both have `known` bytes, and are apart.
    unsafe { out.cast::<u8>().copy_from_nonoverlapping(ptr::from_ref(&value).cast(), known) };
    // SAFETY: as at the read.
    unsafe { out.cast::<u32>().write(size) };
    Ok(())
}

fn checked_size<T>(size: u32) -> Result<usize> {
    // What no struct can be long ends within a field, and half a pointer points anywhere.
    let may_be = (size as usize).is_multiple_of(align_of::<T>());
    if may_be && (size_of::<u32>()..=SIZE_MAX).contains(&(size as usize)) {
        return Ok(size as usize);
    }
    let what = format!("struct_size is {size}: set it to the size of the struct ({} bytes here)", size_of::<T>());
    Err(Failure::argument(what))
}

/// Refuses what a later version may give a meaning.
pub fn no_flags(flags: u32) -> Result<()> {
    if flags == 0 { Ok(()) } else { Err(Failure::argument(format!("flags are {flags:#x}: this library knows none"))) }
}

/// A timeout in nanoseconds as the core takes it.
pub fn timeout(timeout_ns: i64) -> Result<Option<Duration>> {
    match timeout_ns {
        SWARMBUS_FOREVER => Ok(None),
        0.. => Ok(Some(Duration::from_nanos(timeout_ns.unsigned_abs()))),
        _ => Err(Failure::argument(format!(
            "timeout_ns is {timeout_ns}: 0 looks once, SWARMBUS_FOREVER (-1) waits for ever, else nanoseconds"
        ))),
    }
}

/// The C number of a lane.
pub fn lane_number(lane: Lane) -> i32 {
    match lane {
        Lane::Normal => SWARMBUS_LANE_NORMAL,
        Lane::Urgent => SWARMBUS_LANE_URGENT,
        Lane::High => SWARMBUS_LANE_HIGH,
        Lane::Low => SWARMBUS_LANE_LOW,
        Lane::Reply => SWARMBUS_LANE_REPLY,
    }
}

/// The C number of a content type.
pub fn content_number(content: ContentType) -> i32 {
    match content {
        ContentType::Bytes => SWARMBUS_CONTENT_BYTES,
        ContentType::Json => SWARMBUS_CONTENT_JSON,
        ContentType::Rkyv => SWARMBUS_CONTENT_RKYV,
    }
}

fn lane(number: i32) -> Result<Lane> {
    Ok(match number {
        SWARMBUS_LANE_NORMAL => Lane::Normal,
        SWARMBUS_LANE_URGENT => Lane::Urgent,
        SWARMBUS_LANE_HIGH => Lane::High,
        SWARMBUS_LANE_LOW => Lane::Low,
        SWARMBUS_LANE_REPLY => Lane::Reply,
        _ => return Err(Failure::argument(format!("lane is {number}: use one of SWARMBUS_LANE_"))),
    })
}

/// The content type of a number.
pub fn content(number: i32) -> Result<ContentType> {
    Ok(match number {
        SWARMBUS_CONTENT_BYTES => ContentType::Bytes,
        SWARMBUS_CONTENT_JSON => ContentType::Json,
        SWARMBUS_CONTENT_RKYV => ContentType::Rkyv,
        _ => return Err(Failure::argument(format!("content is {number}: use one of SWARMBUS_CONTENT_"))),
    })
}

/// The trace that a caller names.
///
/// # Safety
/// `traceparent` is NULL or a NUL-terminated string.
pub unsafe fn trace(traceparent: *const c_char) -> Result<Option<TraceContext>> {
    if traceparent.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller promises the rest. What is not UTF-8 is no trace either.
    let text = unsafe { CStr::from_ptr(traceparent) }.to_string_lossy();
    Ok(Some(text.parse()?))
}

fn or_default<T: PartialEq + Default>(given: T, default: T) -> T {
    if given == T::default() { default } else { given }
}

impl swarmbus_bus_create_opts {
    /// As the core takes them.
    pub fn to_core(self) -> CreateOptions {
        let default = CreateOptions::default();
        CreateOptions {
            agents: or_default(self.agents, default.agents),
            heap: or_default(self.heap_bytes, default.heap),
            limit: or_default(self.limit, default.limit),
            mode: or_default(self.mode, default.mode),
            group: if self.has_group != 0 { Some(self.group) } else { default.group },
        }
    }
}

impl swarmbus_declare_opts {
    /// As the core takes them, for a queue of the bus of this name.
    ///
    /// # Safety
    /// `dead_letters` is NULL or a NUL-terminated string.
    pub unsafe fn to_core(self, bus: &str) -> Result<QueueOptions> {
        let dead_letters = match self.dead_letters.is_null() {
            true => None,
            // SAFETY: the caller's promise.
            false => Some(text::local(unsafe { text::read(self.dead_letters, "dead_letters") }?, bus)?.to_owned()),
        };
        Ok(QueueOptions {
            limit: (self.limit != 0).then_some(self.limit),
            max_deliveries: (self.max_deliveries != 0).then_some(self.max_deliveries),
            dead_letters,
            makes_room: self.makes_room != 0,
        })
    }
}

impl swarmbus_send_opts {
    /// As the core takes them.
    ///
    /// # Safety
    /// `traceparent` is NULL or a NUL-terminated string.
    pub unsafe fn to_core(self, timeout_ns: i64) -> Result<SendOptions> {
        if self.reserved != 0 || self.reserved_too != 0 {
            return Err(Failure::argument("reserved is not 0: leave it zero"));
        }
        Ok(SendOptions {
            lane: lane(self.lane)?,
            timeout: timeout(timeout_ns)?,
            correlation: self.correlation,
            content: content(self.content)?,
            time_to_live: (self.time_to_live_ns != 0).then(|| Duration::from_nanos(self.time_to_live_ns)),
            key: (self.has_key != 0).then_some(self.key),
            // SAFETY: the caller's promise.
            trace: unsafe { trace(self.traceparent) }?,
        })
    }
}

/// The core's hook for a caller's one.
///
/// # Safety
/// `hook` is None or a function that may be called with `context` while the result lives.
pub unsafe fn hook(hook: swarmbus_interrupted, context: *mut c_void) -> impl FnMut() -> bool {
    move || match hook {
        // SAFETY: the caller of `hook` promises so.
        Some(interrupted) => unsafe { interrupted(context) != 0 },
        None => false,
    }
}

/// The hook of a call that may wait.
///
/// # Safety
/// `options` is as [`read`] wants it, and the hook in it may be called while the result lives.
pub unsafe fn waiting(options: *const swarmbus_receive_opts) -> Result<impl FnMut() -> bool> {
    // SAFETY: the caller's promise.
    let options = unsafe { read(options) }?;
    no_flags(options.flags)?;
    // SAFETY: as above.
    Ok(unsafe { hook(options.interrupted, options.context) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    fn refused<T: Sized32>(result: Result<T>) -> String {
        result.err().expect("refused").to_string()
    }

    #[test]
    fn null_options_are_the_defaults() {
        // SAFETY: NULL.
        let core = unsafe { read::<swarmbus_bus_create_opts>(ptr::null()) }.unwrap().to_core();
        assert_eq!((core.agents, core.heap, core.limit, core.mode, core.group), (4096, 1 << 30, 1000, 0o600, None));
        // SAFETY: NULL.
        let options = unsafe { read::<swarmbus_send_opts>(ptr::null()) }.unwrap();
        // SAFETY: the traceparent is NULL.
        let core = unsafe { options.to_core(-1) }.unwrap();
        assert_eq!((core.lane, core.timeout, core.correlation), (Lane::Normal, None, 0));
    }

    #[test]
    fn fields_beyond_the_size_take_their_defaults() {
        let options = swarmbus_bus_create_opts {
            struct_size: offset_of!(swarmbus_bus_create_opts, limit) as u32,
            agents: 7,
            heap_bytes: 1 << 20,
            limit: 3,
            mode: 0o777,
            has_group: 1,
            group: 1,
        };
        // SAFETY: a whole struct is there.
        let core = unsafe { read(&options) }.unwrap().to_core();
        assert_eq!((core.agents, core.heap, core.limit, core.mode, core.group), (7, 1 << 20, 1000, 0o600, None));
    }

    #[test]
    fn a_larger_struct_is_accepted_while_the_rest_is_zero() {
        #[repr(C)]
        struct Newer {
            known: swarmbus_attach_opts,
            added: u64,
        }
        let known = swarmbus_attach_opts { struct_size: size_of::<Newer>() as u32, flags: 5 };
        let mut newer = Newer { known, added: 0 };
        // SAFETY: as many bytes as struct_size says are there.
        assert_eq!(unsafe { read(ptr::from_ref(&newer).cast::<swarmbus_attach_opts>()) }.unwrap().flags, 5);
        newer.added = 1;
        // SAFETY: as above.
        let text = refused(unsafe { read(ptr::from_ref(&newer).cast::<swarmbus_attach_opts>()) });
        assert!(text.contains("at byte 8"), "{text}");
    }

    #[test]
    fn a_forgotten_size_is_refused() {
        for struct_size in [0, 3, 5000] {
            let options = swarmbus_attach_opts { struct_size, flags: 0 };
            // SAFETY: the size is refused before anything else is read.
            let text = refused(unsafe { read(&options) });
            assert!(text.contains("struct_size"), "{text}");
        }
    }

    #[test]
    fn a_size_that_ends_within_a_field_is_refused() {
        let mut options = swarmbus_declare_opts {
            dead_letters: ptr::null(),
            struct_size: 0,
            limit: 1,
            max_deliveries: 1,
            makes_room: 0,
        };
        for struct_size in 0..=size_of::<swarmbus_declare_opts>() as u32 {
            options.struct_size = struct_size;
            let is_whole = struct_size > 0 && struct_size.is_multiple_of(align_of::<swarmbus_declare_opts>() as u32);
            // SAFETY: a whole struct is there.
            assert_eq!(unsafe { read(&options) }.is_ok(), is_whole, "{struct_size}");
        }
    }

    #[test]
    fn numbers_of_lanes_and_contents_go_both_ways() {
        for &lane_value in Lane::ALL {
            assert_eq!(lane(lane_number(lane_value)).unwrap(), lane_value);
        }
        assert!(lane(5).is_err() && lane(-1).is_err() && content(3).is_err());
        assert_eq!(content(content_number(ContentType::Json)).unwrap(), ContentType::Json);
    }

    #[test]
    fn timeouts_are_for_ever_at_once_or_nanoseconds() {
        assert_eq!(timeout(-1).unwrap(), None);
        assert_eq!(timeout(0).unwrap(), Some(Duration::ZERO));
        assert_eq!(timeout(i64::MAX).unwrap(), Some(Duration::from_nanos(i64::MAX as u64)));
        assert!(timeout(-2).unwrap_err().to_string().contains("SWARMBUS_FOREVER"));
    }
}
