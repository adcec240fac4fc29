//! `[log]`: when the files that agents write to are rotated.

use super::check::Checker;
use super::schema::{Count, Size};
use crate::rotate::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// When the output of agents is rotated.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A file of this length is rotated; 4MiB if it is not given, and 0 for never.
    #[schemars(with = "Option<Size>")]
    pub size: Option<Spanned<Size>>,
    /// How many earlier files are kept of each agent; 1 if it is not given.
    #[schemars(with = "Option<Count>")]
    pub count: Option<Spanned<Count>>,
}

/// With every default written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlainLog {
    size: String,
    count: u32,
}

impl PlainLog {
    /// Of a plan; `size` writes sizes.
    pub fn of(plan: Plan, size: impl Fn(u64) -> String) -> PlainLog {
        PlainLog { size: size(plan.size), count: plan.count }
    }
}

/// Smaller files would be rotated all the time.
const SIZE_MIN: u64 = 64 << 10;

/// More files of each agent are of no use to anybody.
const COUNT_MAX: u32 = 100;

impl Checker {
    pub(super) fn log(&mut self, raw: Log) -> Plan {
        let usual = Plan::default();
        let size = raw.size.map_or(usual.size, |size| {
            let bytes = size.as_ref().0;
            if bytes > 0 && bytes < SIZE_MIN {
                self.say(
                    size.span(),
                    format!("{bytes} bytes are too little for a log"),
                    "64KiB is the least, 0 is never",
                );
            }
            bytes
        });
        let count = raw.count.map_or(usual.count, |count| {
            let files = count.as_ref().0;
            if files > COUNT_MAX {
                self.say(count.span(), format!("{files} earlier files of each agent"), format!("at most {COUNT_MAX}"));
            }
            files
        });
        Plan { size, count }
    }
}
