//! Which library this is.
use std::ffi::c_char;

/// The version of this binary interface, which is also the number of the shared library (libswarmbus.so.0) and of its
/// symbols (SWARMBUS_0). It rises when a signature, a struct or the meaning of a code changes so that programs built before
/// must be rebuilt; added functions and fields added at the end of a struct that starts with its size don't raise it.
pub const SWARMBUS_ABI_VERSION: u32 = 0;

/// The ABI version of the library that is loaded. Compare it with SWARMBUS_ABI_VERSION, which is the one of the
/// header the program was compiled with, when the library is loaded at run time.
///
/// # Threads
/// Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_abi_version() -> u32 {
    SWARMBUS_ABI_VERSION
}

/// The version of the library that is loaded, such as "0.1.0". Static memory: never free it.
///
/// # Threads
/// Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
