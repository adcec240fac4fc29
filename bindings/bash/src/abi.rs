//! Bash's own structs and functions, as its headers for loadable builtins have them from version 5.1 to 5.3.
//!
//! Nothing here is defined by us but the shapes: the symbols are those of the bash that loads the library, which refuses to if one is
//! missing. `tests/abi.sh` compares the shapes with the headers of Debian's package `bash-builtins`.

use std::ffi::{c_char, c_int, c_void};

/// `struct builtin`: what bash looks up as `swarmbus_struct`, and writes to.
#[repr(C)]
pub struct Builtin {
    pub name: *const c_char,
    pub function: Option<unsafe extern "C" fn(*mut WordList) -> c_int>,
    pub flags: c_int,
    pub long_doc: *const *const c_char,
    pub short_doc: *const c_char,
    pub handle: *mut c_char,
}

/// `WORD_DESC`.
#[repr(C)]
pub struct WordDesc {
    pub word: *const c_char,
    pub flags: c_int,
}

/// `WORD_LIST`.
#[repr(C)]
pub struct WordList {
    pub next: *mut WordList,
    pub word: *const WordDesc,
}

/// `SHELL_VAR`.
#[repr(C)]
pub struct ShellVar {
    pub name: *mut c_char,
    pub value: *mut c_char,
    pub exportstr: *mut c_char,
    pub dynamic_value: *mut c_void,
    pub assign_func: *mut c_void,
    pub attributes: c_int,
    pub context: c_int,
}

pub const BUILTIN_ENABLED: c_int = 0x01;
pub const ATT_READONLY: c_int = 0x0000_0002;
pub const ATT_ARRAY: c_int = 0x0000_0004;
pub const ATT_INTEGER: c_int = 0x0000_0010;
pub const ATT_ASSOC: c_int = 0x0000_0040;
pub const ATT_INVISIBLE: c_int = 0x0000_1000;
pub const ATT_NOASSIGN: c_int = 0x0000_4000;
/// What `find_or_make_array_variable` makes: an array that may be assigned to, or an associative one.
pub const MAKE_ARRAY: c_int = 1;
pub const MAKE_ASSOC: c_int = 3;
/// `SEVAL_NOHIST`: what is evaluated is no line of the history.
pub const SEVAL_NOHIST: c_int = 0x004;

unsafe extern "C" {
    pub static dist_version: *const c_char;
    pub static interrupt_state: c_int;
    pub static terminating_signal: c_int;
    pub static trapped_signal_received: c_int;

    pub fn signal_is_pending(signal: c_int) -> c_int;
    pub fn builtin_error(format: *const c_char, ...);
    pub fn get_string_value(name: *const c_char) -> *const c_char;
    pub fn xmalloc(bytes: usize) -> *mut c_void;
    pub fn find_variable(name: *const c_char) -> *mut ShellVar;
    pub fn bind_variable(name: *const c_char, value: *const c_char, flags: c_int) -> *mut ShellVar;
    pub fn stupidly_hack_special_variables(name: *const c_char);
    pub fn find_or_make_array_variable(name: *const c_char, flags: c_int) -> *mut ShellVar;
    pub fn array_flush(array: *mut c_char);
    pub fn bind_array_element(var: *mut ShellVar, index: i64, value: *const c_char, flags: c_int) -> *mut ShellVar;
    pub fn assoc_flush(table: *mut c_char);
    pub fn bind_assoc_variable(
        var: *mut ShellVar,
        name: *const c_char,
        key: *mut c_char,
        value: *const c_char,
        flags: c_int,
    ) -> *mut ShellVar;
    pub fn parse_and_execute(line: *mut c_char, from: *const c_char, flags: c_int) -> c_int;

    /// The libc's.
    pub fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}
