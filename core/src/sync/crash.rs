//! Crash points. A verification build (`--cfg crash`) passes here before every shared write and in every crash window; a
//! victim process arms one of them and is then killed there by the kernel, as by `kill -9`.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where this thread is to be killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Nowhere.
    Never,
    /// Before shared write number n from now, counted from 0.
    Write(u64),
    /// The nth time that window `number` is passed, counted from 0.
    Window {
        /// The W# of `docs/crash-windows.md`.
        number: u32,
        /// How often it is passed unharmed.
        nth: u64,
    },
}

/// What was passed since [`arm`].
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Source places of the shared writes, in order.
    pub writes: Vec<String>,
    /// Windows, in order.
    pub windows: Vec<u32>,
}

thread_local! {
    static ARMED: Cell<At> = const { Cell::new(At::Never) };
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
    static BORROWS: Cell<bool> = const { Cell::new(false) };
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// The crash point of a thread for which another one works, and the windows that this other one passed: each once, since how often is chance.
static LENT: Mutex<(At, Vec<u32>)> = Mutex::new((At::Never, Vec::new()));

fn lent() -> MutexGuard<'static, (At, Vec<u32>)> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lends the crash point of this thread to the one that works for it, if it is a window.
pub fn lend() {
    lent().0 = ARMED.get();
}

/// Says that this thread works for the one that lends, and dies in its stead.
pub fn borrow() {
    BORROWS.set(true);
}

/// Arms a crash point of this thread and starts a new trace.
pub fn arm(at: At) {
    ARMED.set(at);
    TRACE.with(|trace| *trace.borrow_mut() = Some(Trace::default()));
}

/// Disarms; returns what was passed since [`arm`].
pub fn disarm() -> Trace {
    ARMED.set(At::Never);
    let (_, passed) = std::mem::replace(&mut *lent(), (At::Never, Vec::new()));
    let mut trace = TRACE.with(|trace| trace.borrow_mut().take().unwrap_or_default());
    let own = trace.windows.clone();
    trace.windows.extend(passed.into_iter().filter(|window| !own.contains(window)));
    trace
}

/// Does something with words of this process alone: nobody else sees those writes, and how many they are is chance.
pub(super) fn aside<R>(body: impl FnOnce() -> R) -> R {
    let before = ASIDE.replace(true);
    let result = body();
    ASIDE.set(before);
    result
}

pub(super) fn before_write(place: &'static Location<'static>) {
    if ASIDE.get() {
        return;
    }
    if let At::Write(left) = ARMED.get() {
        if left == 0 {
            die();
        }
        ARMED.set(At::Write(left - 1));
    }
    TRACE.with(|trace| {
        if let Some(trace) = trace.borrow_mut().as_mut() {
            trace.writes.push(format!("{}:{}", place.file(), place.line()));
        }
    });
}

pub(super) fn at_window(number: u32) {
    if ASIDE.get() {
        return;
    }
    if BORROWS.get() {
        let (armed, passed) = &mut *lent();
        if matches!(armed, At::Window { number: armed, .. } if *armed == number) {
            die();
        }
        if !passed.contains(&number) {
            passed.push(number);
        }
        return;
    }
    if let At::Window { number: armed, nth } = ARMED.get() {
        if armed == number {
            if nth == 0 {
                die();
            }
            ARMED.set(At::Window { number, nth: nth - 1 });
        }
    }
    TRACE.with(|trace| {
        if let Some(trace) = trace.borrow_mut().as_mut() {
            trace.windows.push(number);
        }
    });
}

fn die() -> ! {
    // SAFETY: kill takes no pointers; this process asks for its own end.
    unsafe { libc::kill(std::process::id() as libc::pid_t, libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}
