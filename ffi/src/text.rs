//! Text across the border: NUL-terminated names in, names into a caller's buffer out.
use crate::error::{Failure, Result};
use std::ffi::{CStr, c_char};
use std::slice;
use swarmbus_core::{Address, Error};

/// Room for the longest name and its NUL: a buffer of this size always suffices.
pub const SWARMBUS_NAME_SIZE: usize = 64;

/// Borrows a caller's string. `what` names the parameter in the error.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays unchanged for `'a`.
pub unsafe fn read<'a>(text: *const c_char, what: &'static str) -> Result<&'a str> {
    if text.is_null() {
        return Err(Failure::NullPointer(what));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| {
        let name = text.to_string_lossy().into_owned();
        Failure::Core(Error::InvalidName { name, reason: "it is not UTF-8" })
    })
}

/// The plain name in a `[bus/]name` address, which must be of the bus at hand. A plain name, the common
/// case, costs one scan.
pub fn local<'a>(address: &'a str, bus: &str) -> Result<&'a str> {
    if !address.contains('/') {
        return Ok(address);
    }
    match Address::parse(address)?.bus {
        Some(other) if other != bus => Err(Failure::Core(Error::InvalidArgument {
            what: format!("address {address:?} is of bus {other:?} and this handle is on {bus:?}; open that bus"),
        })),
        _ => Ok(address.rsplit('/').next().unwrap_or(address)),
    }
}

/// The most names that one call takes.
const NAMES_MAX: usize = 1 << 16;

/// Borrows a caller's strings. `what` names the parameter in the error.
///
/// # Safety
/// `texts` is NULL or has `count` pointers, each as [`read`] wants it.
pub unsafe fn read_all<'a>(texts: *const *const c_char, count: usize, what: &'static str) -> Result<Vec<&'a str>> {
    // SAFETY: the caller's promise.
    let texts = unsafe { list(texts, count, NAMES_MAX, what) }?;
    // SAFETY: as above.
    texts.iter().map(|text| unsafe { read(*text, what) }).collect()
}

/// Borrows a caller's array of at most `most` values.
///
/// # Safety
/// `values` is NULL or has `count` values that stay unchanged for `'a`.
pub unsafe fn list<'a, T>(values: *const T, count: usize, most: usize, what: &'static str) -> Result<&'a [T]> {
    check_list(values, count, most, what)?;
    // SAFETY: not NULL, and the caller promises the rest.
    Ok(if count == 0 { &[] } else { unsafe { slice::from_raw_parts(values, count) } })
}

/// Refuses an array that cannot be one of at most `most` values.
pub fn check_list<T>(values: *const T, count: usize, most: usize, what: &'static str) -> Result<()> {
    if count > most {
        return Err(Failure::argument(format!("{count} {what} are too many: {most} at a time")));
    }
    if count > 0 && values.is_null() { Err(Failure::NullPointer(what)) } else { Ok(()) }
}

/// A name as structs have it: NUL-terminated, cut if it is too long, which no name is.
pub fn fixed<const SIZE: usize>(text: &str) -> [c_char; SIZE] {
    let mut fixed = [0; SIZE];
    for (to, byte) in fixed[..SIZE - 1].iter_mut().zip(text.bytes()) {
        *to = byte as c_char;
    }
    fixed
}

/// Writes `text` and a NUL into the caller's buffer.
///
/// # Safety
/// `buffer` is NULL or has room for `capacity` bytes.
pub unsafe fn write(text: &str, buffer: *mut c_char, capacity: usize) -> Result<()> {
    if buffer.is_null() {
        return Err(Failure::NullPointer("buffer"));
    }
    if text.len() >= capacity {
        let what =
            format!("a buffer of {capacity} bytes for {} and a NUL; SWARMBUS_NAME_SIZE always suffices", text.len());
        return Err(Failure::Core(Error::InvalidArgument { what }));
    }
    // SAFETY: the buffer has room for `capacity` bytes, which is more than the text has; a caller's buffer can't overlap
    // a string of ours.
    unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    // SAFETY: `text.len() < capacity`.
    let end = unsafe { buffer.add(text.len()) };
    // SAFETY: `end` is inside the buffer.
    unsafe { end.write(0) };
    Ok(())
}

/// The same of several.
pub fn all_local<'a>(addresses: &[&'a str], bus: &str) -> Result<Vec<&'a str>> {
    addresses.iter().map(|address| local(address, bus)).collect()
}

/// Writes an output.
///
/// # Safety
/// `out` is NULL or is aligned and may be written.
pub unsafe fn put<T: Copy>(out: *mut T, value: T, what: &'static str) -> Result<()> {
    if out.is_null() {
        return Err(Failure::NullPointer(what));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes an output that the caller may not want.
///
/// # Safety
/// `out` is NULL, or is aligned and may be written.
pub unsafe fn tell<T: Copy>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller promises the rest.
        unsafe { out.write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_local_when_its_bus_is_the_one_at_hand() {
        assert_eq!(local("bob", "demo").unwrap(), "bob");
        assert_eq!(local("demo/bob", "demo").unwrap(), "bob");
        assert!(local("other/bob", "demo").unwrap_err().to_string().contains("other"));
        assert!(local("a/b/c", "a").is_err());
    }

    #[test]
    fn a_short_buffer_is_refused_and_left_alone() {
        let mut buffer = [1 as c_char; 4];
        // SAFETY: the buffer has 4 bytes.
        assert!(unsafe { write("name", buffer.as_mut_ptr(), 4) }.is_err());
        assert_eq!(buffer, [1; 4]);
        // SAFETY: as above.
        unsafe { write("abc", buffer.as_mut_ptr(), 4) }.unwrap();
        assert_eq!(buffer, [b'a' as c_char, b'b' as c_char, b'c' as c_char, 0]);
    }
}
