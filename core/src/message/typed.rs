//! Typed messages: values as rkyv archives, read in place after a check.
//!
//! The payload of a typed message is the archive, its root last, and after that eight bytes: the [id](Schema::ID) of its schema. The header says
//! [`ContentType::Rkyv`]. Payloads lie at multiples of 64 bytes, so an archive is aligned as it was written.
//!
//! Nothing here trusts the bytes: content type, length and schema are compared, then rkyv checks every pointer, length and tag that the type has.
//! What that leaves open is in `docs/trust.md`.

use super::checking::Checking;
use super::header::ContentType;
use super::writing::Writing;
use crate::error::{Error, Result};
use crate::name;
use crate::sync::Word;
use rkyv::api::low::{LowDeserializer, LowSerializer, deserialize};
use rkyv::bytecheck::CheckBytes;
use rkyv::primitive::{ArchivedU32, ArchivedUsize};
use rkyv::rancor::{Source, Strategy, Trace};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Portable, Serialize};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a schema's id at the end of a payload.
pub(super) const ID_BYTES: usize = size_of::<u64>();
/// Where chunks put payloads, and where archives are copied to, bytes.
const ALIGNMENT: usize = 64;

/// What writes an archive into shared memory.
pub type Archiver<'m, 'a> = LowSerializer<Writing<'m>, ArenaHandle<'a>, Refusal>;
/// What checks an archive.
pub type Checker<'a> = Strategy<Checking<'a>, Refusal>;
/// What makes a value of an archive again.
pub type Unarchiver = LowDeserializer<Refusal>;

/// A type that can be sent: it derives `rkyv::Archive` and `rkyv::Serialize` (and `rkyv::Deserialize` for `read`), and has a name that tells it from all
/// others on the bus. Two processes mean the same type if and only if they use the same name, so the name carries a version: who changes the type changes
/// the name. Use [`schema!`](crate::schema).
///
/// `Rc` and `Arc` cannot be in it, for a check of shared parts needs a table on the heap; that is a compile error:
/// ```compile_fail
/// use swarmbus_core::{rkyv, schema};
/// #[derive(rkyv::Archive, rkyv::Serialize)]
/// struct Shared { text: std::rc::Rc<u32> }
/// schema!(Shared = "doc.shared/1");
/// ```
/// Of two things rkyv's check does not see whether they were forged:
/// - `HashMap`, `HashSet`: a value with one in it that is not empty can be [read](crate::Message::read), but not [viewed](crate::Message::view). Use `BTreeMap`.
///   Those whose entries need no alignment, such as `HashSet<u8>`, are not recognised and can be viewed: a forged one makes a lookup read any memory. Do not use them.
/// - lists of elements that archive to nothing (`Vec<()>`): they are as long as their sender says, up to four thousand million, however few bytes came. Do not
///   use them.
pub trait Schema:
    Archive<Archived: Portable + for<'a> CheckBytes<Checker<'a>>> + for<'m, 'a> Serialize<Archiver<'m, 'a>>
{
    /// Its name on the bus, with its version: `"acme.task/1"`.
    const NAME: &'static str;
    /// What stands at the end of its messages: see [`schema_id`].
    const ID: u64 = schema_id(Self::NAME);
}

/// The id of a schema: FNV-1a, 64 bits, of its name. In a program that sets one of rkyv's features for another format (`big_endian`, `unaligned`,
/// `pointer_width_16`, `pointer_width_64`) the format is a part of the name, so that archives of different formats are of different types.
pub const fn schema_id(name: &str) -> u64 {
    let id = name::hash_on(name::HASH_OF_NOTHING, name.as_bytes());
    match FORMAT {
        [b'l', b'a', b'4'] => id,
        other => name::hash_on(id, &other),
    }
}

/// Byte order, alignment and width of rkyv's pointers.
const FORMAT: [u8; 3] = {
    // SAFETY: an archived integer has the size of the integer and no padding.
    let one: [u8; 4] = unsafe { std::mem::transmute(ArchivedU32::from_native(1)) };
    let order = if one[0] == 1 { b'l' } else { b'b' };
    let alignment = if align_of::<ArchivedU32>() == 4 { b'a' } else { b'u' };
    [order, alignment, b'0' + size_of::<ArchivedUsize>() as u8]
};

/// Gives types their [`Schema`]: `schema!(Task = "acme.task/1");`, any number of them, separated by commas.
#[macro_export]
macro_rules! schema {
    ($($type:ty = $name:literal),+ $(,)?) => {$(
        const _: () = assert!(!$name.is_empty(), "a schema has a name");
        impl $crate::Schema for $type {
            const NAME: &'static str = $name;
        }
    )+};
}

/// The schema's id of a payload: the last eight bytes of an archive. `None` if it is none.
pub fn schema_of(content: ContentType, payload: &[u8]) -> Option<u64> {
    let id = payload.last_chunk().filter(|_| content == ContentType::Rkyv)?;
    Some(u64::from_ne_bytes(*id))
}

/// The value in a payload, in place.
pub(crate) fn view<T: Schema>(content: ContentType, payload: &[u8]) -> Result<&T::Archived> {
    const { assert!(FORMAT[1] == b'a', "without rkyv's feature `unaligned`: hash tables are told by their alignment") };
    check::<T>(content, payload, false)
}

fn check<T: Schema>(content: ContentType, payload: &[u8], tables: bool) -> Result<&T::Archived> {
    let found = schema_of(content, payload);
    if found != Some(T::ID) {
        return Err(mismatch::<T>(content, payload.len(), found));
    }
    let archive = &payload[..payload.len() - ID_BYTES];
    Checking::access(archive, tables).map_err(|error| malformed::<T>(archive.len(), &error))
}

/// The value in a payload that its sender may be writing to.
///
/// # Safety
/// `data` points to `length` bytes of a chunk's payload that stay mapped meanwhile. They may change.
pub(crate) unsafe fn read<T: Schema>(content: ContentType, data: *const u8, length: usize) -> Result<T>
where
    T::Archived: Deserialize<T, Unarchiver>,
{
    // SAFETY: as the caller says.
    let copy = unsafe { copy_out(data, length) };
    let archive = check::<T>(content, &copy, true)?;
    deserialize(archive).map_err(|error| malformed::<T>(length, &error))
}

/// Copies each word once, whatever happens to it meanwhile: what is checked afterwards is what is used.
///
/// # Safety
/// As [`read`].
unsafe fn copy_out(data: *const u8, length: usize) -> AlignedVec<ALIGNMENT> {
    let mut copy = AlignedVec::with_capacity(length.next_multiple_of(ID_BYTES));
    // SAFETY: payloads begin at and have room for a multiple of 64 bytes, so the last word lies in the payload as a whole. It is read as
    // atomic words, which a foreign process may write.
    let words = unsafe { std::slice::from_raw_parts(data.cast::<Word>(), length.div_ceil(ID_BYTES)) };
    for word in words {
        // Relaxed: the message was received by S1. What is written later is of nobody's order.
        copy.extend_from_slice(&word.load(Relaxed).to_ne_bytes());
    }
    copy.resize(length, 0);
    copy
}

/// The value in a payload that is JSON.
#[cfg(feature = "serde")]
pub(crate) fn from_json<'m, T: serde::Deserialize<'m>>(content: ContentType, payload: &'m [u8]) -> Result<T> {
    if content == ContentType::Rkyv {
        let what = format!("it is an archive of {} bytes; asked for was JSON", payload.len());
        return Err(Error::WrongType { what });
    }
    serde_json::from_slice(payload).map_err(|error| {
        let what = format!("its {} bytes of content type {content} are not the JSON asked for: {error}", payload.len());
        Error::WrongType { what }
    })
}

/// Why rkyv refused: what was wrong and where, of which it tells much more for deep values. As small as a pointer: every step of a check returns it.
#[derive(Debug)]
pub struct Refusal(Box<Reason>);

#[derive(Debug)]
struct Reason {
    text: String,
    is_placed: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Refusal {}

impl Trace for Refusal {
    #[cold]
    fn trace<R: fmt::Debug + fmt::Display + Send + Sync + 'static>(mut self, place: R) -> Refusal {
        if !self.0.is_placed {
            self.0.text = format!("{}: {place}", self.0.text);
            self.0.is_placed = true;
        }
        self
    }
}

impl Source for Refusal {
    #[cold]
    fn new<T: std::error::Error + Send + Sync + 'static>(source: T) -> Refusal {
        Refusal(Box::new(Reason { text: source.to_string(), is_placed: false }))
    }
}

#[cold]
fn mismatch<T: Schema>(content: ContentType, length: usize, found: Option<u64>) -> Error {
    let asked = format!("asked for was '{}' (schema {:016x})", T::NAME, T::ID);
    let what = match (content, found) {
        (ContentType::Rkyv, Some(id)) => format!("it is an archive of schema {id:016x}, {length} bytes; {asked}"),
        (ContentType::Rkyv, None) => format!("it is an archive without a schema, {length} bytes; {asked}"),
        _ => format!("it has {length} bytes of content type {content}; {asked}"),
    };
    Error::WrongType { what }
}

#[cold]
fn malformed<T: Schema>(length: usize, error: &Refusal) -> Error {
    Error::WrongType {
        what: format!(
            "its {length} bytes are no valid '{}' ({error}); its sender knows another type by this name, or they were written over",
            T::NAME
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_hash_of_the_name_as_others_compute_it() {
        assert_eq!(FORMAT, *b"la4");
        assert_eq!(schema_id(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(schema_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(schema_id("acme.task/1"), name::hash("acme.task/1"));
    }

    #[test]
    fn an_id_is_where_the_content_says_archive() {
        let payload = 7_u64.to_ne_bytes();
        assert_eq!(schema_of(ContentType::Rkyv, &payload), Some(7));
        assert_eq!(schema_of(ContentType::Rkyv, &payload[1..]), None);
        assert_eq!(schema_of(ContentType::Bytes, &payload), None);
    }
}
