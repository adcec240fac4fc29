//! What a host allows, and what dead runs have left: each with what it means and the exact fix.

mod host;
mod kernel;
pub mod leftovers;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is to be done.
    Ok,
    /// It will do for a small swarm, or costs speed.
    Warn,
    /// Something will not work.
    Bad,
}

impl State {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What that means; empty if there is nothing to say.
    pub means: String,
    /// What to do, if one wants it otherwise.
    pub fix: String,
    /// Whether `doctor --fix` does it.
    pub fixable: bool,
}

impl Finding {
    fn ok(check: &str, found: impl Into<String>) -> Finding {
        Finding {
            check: check.into(),
            state: State::Ok,
            found: found.into(),
            means: String::new(),
            fix: String::new(),
            fixable: false,
        }
    }

    fn but(self, state: State, means: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { state, means: means.into(), fix: fix.into(), ..self }
    }
}

/// Looks at everything.
pub fn examine() -> Vec<Finding> {
    let mut findings = host::findings();
    findings.extend(kernel::findings());
    findings.extend(leftovers::find().iter().map(leftovers::Leftover::finding));
    findings
}
