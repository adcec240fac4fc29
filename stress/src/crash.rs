//! Where a victim is to be killed, as it is written on its command line. Crash points exist in builds with `--cfg crash` only.

use crate::Result;
use nix::sys::ptrace;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::alarm;
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// By this signal a stepped thread tells its tracer that its operation begins, and that it ends. Without a tracer it does nothing.
pub const BORDER: Signal = Signal::SIGWINCH;
/// The same, of what it does [`aside`].
pub const ASIDE: Signal = Signal::SIGURG;
/// Guards against an operation that does not end.
const PATIENCE_S: u32 = 120;

thread_local! {
    static STEPPED: Cell<bool> = const { Cell::new(false) };
}

fn ask_for_steps() -> Result<()> {
    // Whoever started this process may have had them blocked.
    [BORDER, ASIDE].into_iter().collect::<SigSet>().thread_unblock()?;
    ptrace::traceme()?;
    alarm::set(PATIENCE_S);
    STEPPED.set(true);
    mark(BORDER);
    Ok(())
}

fn mark(signal: Signal) {
    raise(signal).expect("a process may signal itself");
}

/// Does something that is no part of the operation: nobody steps through it.
pub fn aside<R>(body: impl FnOnce() -> R) -> R {
    let stepped = STEPPED.get();
    if stepped {
        mark(ASIDE);
    }
    let result = body();
    if stepped {
        mark(ASIDE);
    }
    result
}

/// Where a victim dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Point {
    /// Nowhere.
    #[default]
    Never,
    /// Before the shared write with this number, counted from 0.
    Write(u64),
    /// The nth time that it passes window `number`, counted from 0.
    Window {
        /// The W# of `docs/crash-windows.md`.
        number: u32,
        /// How often it passes unharmed.
        nth: u64,
    },
    /// Wherever its parent wants, who steps through it ([`crate::stepping`]). No matter how it was built.
    Stepped,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Never => write!(f, "never"),
            Point::Write(number) => write!(f, "write:{number}"),
            Point::Window { number, nth } => write!(f, "window:{number}:{nth}"),
            Point::Stepped => write!(f, "stepped"),
        }
    }
}

impl FromStr for Point {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("'{text}': {error}"));
        match parts[..] {
            ["never"] => Ok(Point::Never),
            ["stepped"] => Ok(Point::Stepped),
            ["write", at] => Ok(Point::Write(number(at)?)),
            ["window", at, nth] => Ok(Point::Window { number: number(at)? as u32, nth: number(nth)? }),
            _ => Err(format!("'{text}' is no crash point; one of never, write:N, window:N:NTH")),
        }
    }
}

/// Arms a point of this thread and starts a trace.
///
/// # Errors
/// When the parent cannot be asked to step through this thread.
pub fn arm(point: Point) -> Result<()> {
    if point == Point::Stepped {
        return ask_for_steps();
    }
    #[cfg(crash)]
    swarmbus_core::sync::crash::arm(match point {
        Point::Never => swarmbus_core::sync::crash::At::Never,
        Point::Write(number) => swarmbus_core::sync::crash::At::Write(number),
        Point::Window { number, nth } => swarmbus_core::sync::crash::At::Window { number, nth },
        Point::Stepped => unreachable!("answered above"),
    });
    #[cfg(not(crash))]
    assert_eq!(point, Point::Never, "this build has no crash points: build with RUSTFLAGS='--cfg crash'");
    Ok(())
}

/// Disarms; the number of shared writes since [`arm`], and the windows passed.
pub fn disarm() -> (u64, Vec<u32>) {
    if STEPPED.replace(false) {
        mark(BORDER);
        return Default::default();
    }
    #[cfg(crash)]
    {
        let trace = swarmbus_core::sync::crash::disarm();
        (trace.writes.len() as u64, trace.windows)
    }
    #[cfg(not(crash))]
    (0, Vec::new())
}
