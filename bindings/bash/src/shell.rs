//! The bash that has loaded us: its version, words, variables and signals, for code that is not to be unsafe.
//!
//! Only what can neither run commands nor jump is here; what can (assigning to a variable may evaluate an expression) is in `staged`.

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use crate::abi;
use crate::failure::Failure;

/// Versions whose structs and functions are those of `abi`.
const SUPPORTED: std::ops::RangeInclusive<(u32, u32)> = (5, 1)..=(5, 3);

/// Why this bash cannot have the builtin, if it cannot.
pub fn unsupported() -> Option<String> {
    // SAFETY: a constant of bash's, which nobody changes.
    let version = unsafe { abi::dist_version };
    // SAFETY: a C string for as long as the process lives.
    let version = unsafe { CStr::from_ptr(version) }.to_string_lossy();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (!SUPPORTED.contains(&found)).then(|| {
        format!("this is bash {version}, the builtin is for bash 5.1 to 5.3: use the command swarmbus instead")
    })
}

/// Says one line on standard error, led by script, line and builtin as bash does it.
pub fn complain(message: &str) {
    let line = message.split(['\n', '\0']).map(str::trim).collect::<Vec<_>>().join(" ");
    let Ok(line) = CString::new(line) else { return };
    // SAFETY: the format takes one string.
    unsafe { abi::builtin_error(c"%s".as_ptr(), line.as_ptr()) };
}

/// The words after the builtin's name.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    at: *const abi::WordList,
    words: PhantomData<&'a [u8]>,
}

impl Words<'_> {
    /// # Safety
    /// The list is one that bash gave to the builtin, and stays as it is for as long as this and what comes out of it is used.
    pub unsafe fn of(list: *const abi::WordList) -> Self {
        Words { at: list, words: PhantomData }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // SAFETY: null, or an element of the list that `of` was given.
        let element = unsafe { self.at.as_ref() }?;
        self.at = element.next;
        // SAFETY: likewise.
        let desc = unsafe { element.word.as_ref() }?;
        // SAFETY: bash's words are C strings.
        Some(unsafe { CStr::from_ptr(desc.word) }.to_bytes())
    }
}

/// The value of a variable of the shell, exported or not; an empty one counts as none.
pub fn variable(name: &CStr) -> Option<String> {
    // SAFETY: a C string goes in.
    let value = unsafe { abi::get_string_value(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a C string comes out, which is good until the variable changes.
    let value = unsafe { CStr::from_ptr(value) };
    Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// What a script wants of a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Text,
    /// A list.
    Array,
    /// Texts by name.
    Assoc,
}

/// A variable that may be assigned to, as far as can be seen before that is done.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub name: &'a str,
    /// Whether what is assigned is evaluated as an expression.
    pub is_integer: bool,
}

/// Looks at a variable that is to be assigned to later.
pub fn target(name: &[u8], shape: Shape) -> Result<Target<'_>, Failure> {
    let is_name = matches!(name.first(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'_'))
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let text = String::from_utf8_lossy(name);
    if !is_name {
        return Err(Failure::usage(format!("'{text}' is not the name of a variable")));
    }
    let name = std::str::from_utf8(name).map_err(|_| Failure::usage("a name of a variable is plain text"))?;
    let attributes = attributes(name);
    if attributes & (abi::ATT_READONLY | abi::ATT_NOASSIGN) != 0 {
        return Err(Failure::usage(format!("the variable {name} is readonly: name another one")));
    }
    let (is_array, is_assoc) = (attributes & abi::ATT_ARRAY != 0, attributes & abi::ATT_ASSOC != 0);
    let advice = match shape {
        Shape::Text if is_array || is_assoc => Some("is an array: name another one for a text, or unset it first"),
        Shape::Array if is_assoc => Some("is an associative array: name another one for a list, or unset it first"),
        Shape::Assoc if is_array => Some("is a list: name another one, or declare -A it after an unset"),
        _ => None,
    };
    if let Some(advice) = advice {
        return Err(Failure::usage(format!("the variable {name} {advice}")));
    }
    let is_integer = attributes & abi::ATT_INTEGER != 0;
    if is_integer && shape != Shape::Text {
        let what = format!("the variable {name} evaluates what is assigned to it (declare -i): declare +i it");
        return Err(Failure::usage(what));
    }
    Ok(Target { name, is_integer })
}

fn attributes(name: &str) -> c_int {
    let Ok(name) = CString::new(name) else { return 0 };
    // SAFETY: a C string goes in.
    let found = unsafe { abi::find_variable(name.as_ptr()) };
    // SAFETY: null, or a variable of bash's, which nobody changes meanwhile.
    unsafe { found.as_ref() }.map_or(0, |variable| variable.attributes)
}

/// The signal that came and is to end a wait: an interrupt of an interactive shell, one that ends the shell, or one that has a trap. Bash
/// acts on it when the builtin has returned. A child's end ends no wait, as it ends none of bash's `read`.
pub fn signal() -> Option<i32> {
    let terminating = look(&raw const abi::terminating_signal);
    if terminating != 0 {
        return Some(terminating);
    }
    if look(&raw const abi::interrupt_state) != 0 {
        return Some(libc::SIGINT);
    }
    if look(&raw const abi::trapped_signal_received) == 0 {
        return None;
    }
    // SAFETY: a number of a signal goes in.
    (1..=64).filter(|signal| *signal != libc::SIGCHLD).find(|signal| unsafe { abi::signal_is_pending(*signal) } != 0)
}

fn look(word: *const c_int) -> c_int {
    // SAFETY: a word of bash's own, which its signal handlers write.
    unsafe { ptr::read_volatile(word) }
}

/// Memory that bash may free.
pub fn for_bash(text: *const c_char) -> *mut c_char {
    // SAFETY: what is staged are C strings.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes_with_nul();
    // SAFETY: asks for memory; bash ends if there is none.
    let copy = unsafe { abi::xmalloc(bytes.len()) }.cast::<u8>();
    // SAFETY: both hold that many bytes, and are apart.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len()) };
    copy.cast()
}
