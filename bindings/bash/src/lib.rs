//! Swarmbus as a builtin command of bash: `enable -f …/swarmbus_bash.so swarmbus`.
//!
//! A call comes in by [`call`], which lets no panic out, and goes in two steps: first a verb does its work in ordinary Rust and notes
//! what is to be assigned; then bash assigns, with nothing of ours on the stack that a jump out of there could skip.
//!
//! - `abi`, `shell`: what bash is to us;
//! - `words`, `payload`, `staged`, `failure`: from words to options, from bytes to variables, from errors to exit codes;
//! - `handle`, `state`: what this shell has on its buses;
//! - `verbs`, `help`: what it can do.

mod abi;
mod failure;
mod handle;
mod help;
mod payload;
mod shell;
mod staged;
mod state;
mod verbs;
mod words;

use std::any::Any;
use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use failure::Failure;
use shell::Words;
use staged::Staged;
use swarmbus_core::exit;

/// What bash looks for. It writes to it: writable memory, and nobody of ours touches it.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name that bash looks for")]
pub static mut swarmbus_struct: abi::Builtin = abi::Builtin {
    name: c"swarmbus".as_ptr(),
    function: Some(call),
    flags: abi::BUILTIN_ENABLED,
    long_doc: help::LONG.lines(),
    short_doc: help::SHORT.as_ptr(),
    handle: std::ptr::null_mut(),
};

/// Asked by bash when it has loaded us: 0 is a refusal, of which bash tells.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_builtin_load(_name: *const c_char) -> c_int {
    static AT_EXIT: Once = Once::new();
    let loaded = catch_unwind(|| {
        if let Some(why) = shell::unsupported() {
            shell::complain(&why);
            return false;
        }
        handle::watch_forks();
        // SAFETY: the function stays mapped until the process ends (see build.rs).
        AT_EXIT.call_once(|| assert_eq!(unsafe { abi::on_exit(state::at_exit, std::ptr::null_mut()) }, 0));
        // Panics are told by us, in one line.
        std::panic::set_hook(Box::new(|_| {}));
        true
    });
    c_int::from(loaded.unwrap_or(false))
}

/// Called by bash before it forgets us (`enable -d swarmbus`).
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_builtin_unload(_name: *const c_char) {
    let _ = catch_unwind(|| state::lock().leave(handle::Fate::Release));
}

/// A call of the builtin.
///
/// # Safety
/// Called by bash, with its words.
unsafe extern "C" fn call(list: *mut abi::WordList) -> c_int {
    let staged = match catch_unwind(AssertUnwindSafe(|| work(list))) {
        Ok(Ok(None)) => return 0,
        Ok(Ok(Some(staged))) => ManuallyDrop::new(staged),
        Ok(Err(code)) => return code,
        Err(panic) => return tell_panic(panic),
    };
    // SAFETY: nothing up to bash has anything to drop: a jump leaks what is staged.
    let code = unsafe { staged.apply() };
    let finished =
        catch_unwind(AssertUnwindSafe(|| state::lock().done(ManuallyDrop::into_inner(staged), code.is_some())));
    match (finished, code) {
        (Ok(()), Some(code)) => code,
        (Ok(()), None) => exit::USAGE.into(),
        (Err(panic), _) => tell_panic(panic),
    }
}

/// Does the work; what is left to do is bash's.
fn work(list: *mut abi::WordList) -> Result<Option<Staged>, c_int> {
    // SAFETY: bash's words, which stay until the call is over.
    let words = unsafe { Words::of(list) };
    let mut state = state::lock();
    match verbs::run(&mut state, words) {
        Ok(()) => Ok(state.take_staged()),
        Err(Failure { code, message }) => {
            state.forget();
            if !message.is_empty() {
                shell::complain(&message);
            }
            Err(code)
        }
    }
}

#[cold]
fn tell_panic(panic: Box<dyn Any + Send>) -> c_int {
    let told = catch_unwind(AssertUnwindSafe(|| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        let failure = Failure::fault(format!("a fault of swarmbus itself: {text}; please report it"));
        shell::complain(&failure.message);
        failure.code
    }));
    // A panic may have another inside.
    std::mem::forget(panic);
    told.unwrap_or(exit::SOFTWARE.into())
}
