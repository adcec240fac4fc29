//! Where a victim is to be killed, as it is written on its command line. Crash points exist in builds with `--cfg crash` only.

use std::fmt;
use std::str::FromStr;

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
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Never => write!(f, "never"),
            Point::Write(number) => write!(f, "write:{number}"),
            Point::Window { number, nth } => write!(f, "window:{number}:{nth}"),
        }
    }
}

impl FromStr for Point {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("'{text}': {error}"));
        match parts[..] {
            ["never"] => Ok(Point::Never),
            ["write", at] => Ok(Point::Write(number(at)?)),
            ["window", at, nth] => Ok(Point::Window { number: number(at)? as u32, nth: number(nth)? }),
            _ => Err(format!("'{text}' is no crash point; one of never, write:N, window:N:NTH")),
        }
    }
}

/// Arms a point of this thread and starts a trace.
pub fn arm(point: Point) {
    #[cfg(crash)]
    swarmbus_core::sync::crash::arm(match point {
        Point::Never => swarmbus_core::sync::crash::At::Never,
        Point::Write(number) => swarmbus_core::sync::crash::At::Write(number),
        Point::Window { number, nth } => swarmbus_core::sync::crash::At::Window { number, nth },
    });
    #[cfg(not(crash))]
    assert_eq!(point, Point::Never, "this build has no crash points: build with RUSTFLAGS='--cfg crash'");
}

/// Disarms; the number of shared writes since [`arm`], and the windows passed.
pub fn disarm() -> (u64, Vec<u32>) {
    #[cfg(crash)]
    {
        let trace = swarmbus_core::sync::crash::disarm();
        (trace.writes.len() as u64, trace.windows)
    }
    #[cfg(not(crash))]
    (0, Vec::new())
}
