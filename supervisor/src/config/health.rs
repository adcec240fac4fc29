//! `[health]`, and `health` of a pool: what counts as trouble, as the file says it, checked and in plain words.

use super::check::Checker;
use super::plain::span;
use super::schema::Span;
use crate::{health, shed};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// A part of something, in percent: `"80%"`.
#[derive(Clone, Copy)]
pub struct Percent(pub u32);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Percent, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Percent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part in percent, such as \"80%\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
                let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
                number
                    .map(Percent)
                    .ok_or_else(|| E::custom(format!("\"{text}\" is no part in percent, expected \"80%\"")))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "a part in percent, such as \"80%\"", "type": "string", "pattern": "^ *[0-9]+ *% *$" })
    }
}

/// What counts as trouble.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// How often the supervisor looks; 500ms if it is not given.
    pub every: Option<Span>,
    /// An agent for which something waits, and which takes nothing for so long, is stalled; 30s if it is not given.
    pub stall: Option<Span>,
    /// The same for one that says it is in progress on a task; 15m if it is not given.
    pub patience: Option<Span>,
    /// One that says it is in progress and has beaten no longer ago is never stalled; 60s if it is not given.
    pub beat: Option<Span>,
    /// A lane this full overflows; 80% if it is not given.
    #[schemars(with = "Option<Percent>")]
    pub overflow: Option<Spanned<Percent>>,
    /// A message of a work queue may wait so long; 60s if it is not given.
    pub age: Option<Span>,
    /// Memory (heap, tmpfs, host) this full is worth a warning; 85% if it is not given.
    #[schemars(with = "Option<Percent>")]
    pub memory: Option<Spanned<Percent>>,
    /// Pools of low priority stop under pressure; none does if it is not given.
    pub shed: Option<Shed>,
}

/// When pools of low priority stop, and come back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shed {
    /// When memory or a queue is this full, the pool of the lowest priority stops; 90% if it is not given.
    #[schemars(with = "Option<Percent>")]
    pub from: Option<Spanned<Percent>>,
    /// When all are less full, it comes back; 70% if it is not given.
    #[schemars(with = "Option<Percent>")]
    pub until: Option<Spanned<Percent>>,
    /// So long after one pool the next may follow; 10s if it is not given.
    pub pause: Option<Span>,
}

/// The same for the agents of a pool.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolHealth {
    /// As in [health].
    pub stall: Option<Span>,
    /// As in [health].
    pub patience: Option<Span>,
    /// As in [health].
    pub beat: Option<Span>,
    /// Whether an agent that is stalled is ended and started anew.
    #[serde(default)]
    pub restart: bool,
}

/// `health` of a pool, checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolPlan {
    /// When one of its agents is stalled, if that differs from what `[health]` says.
    pub stall: Option<health::Stall>,
    /// Whether it is started anew then.
    pub restart: bool,
}

impl Checker {
    pub(super) fn health(&mut self, raw: Health) -> (health::Plan, Option<shed::Plan>) {
        let usual = health::Plan::default();
        let overflow = self.percent(raw.overflow, usual.overflow, 100);
        let memory = self.percent(raw.memory, usual.memory, 99);
        let every = raw.every.map_or(usual.every, |span| span.0);
        let plan = health::Plan {
            // Oftener than that a supervisor does nothing else.
            every: every.max(Duration::from_millis(50)),
            stall: stall(usual.stall, raw.stall, raw.patience, raw.beat),
            pools: BTreeMap::new(),
            overflow,
            age: raw.age.map_or(usual.age, |span| span.0),
            memory,
        };
        (plan, raw.shed.map(|shed| self.shed(shed)))
    }

    fn shed(&mut self, raw: Shed) -> shed::Plan {
        let at = raw.until.as_ref().or(raw.from.as_ref()).map_or(0..0, Spanned::span);
        let (from, until) = (self.percent(raw.from, 90, 100), self.percent(raw.until, 70, 100));
        if until >= from {
            self.say(
                at,
                format!("pools would come back at {until}% and stop at {from}%"),
                "`until` is less than `from`",
            );
        }
        shed::Plan { from, until, pause: raw.pause.map_or(Duration::from_secs(10), |span| span.0) }
    }

    pub(super) fn pool_health(&mut self, raw: Option<PoolHealth>, usual: &health::Stall) -> PoolPlan {
        let Some(raw) = raw else { return PoolPlan::default() };
        let differs = raw.stall.is_some() || raw.patience.is_some() || raw.beat.is_some();
        let own = stall(*usual, raw.stall, raw.patience, raw.beat);
        PoolPlan { stall: differs.then_some(own), restart: raw.restart }
    }

    fn percent(&mut self, raw: Option<Spanned<Percent>>, usual: u32, most: u32) -> u32 {
        let Some(raw) = raw else { return usual };
        let percent = raw.as_ref().0;
        if percent == 0 || percent > most {
            self.say(raw.span(), format!("{percent}% is not possible here"), format!("from 1% to {most}%"));
        }
        percent
    }
}

fn stall(usual: health::Stall, after: Option<Span>, patience: Option<Span>, beat: Option<Span>) -> health::Stall {
    health::Stall {
        after: after.map_or(usual.after, |span| span.0),
        patience: patience.map_or(usual.patience, |span| span.0),
        beat: beat.map_or(usual.beat, |span| span.0),
    }
}

/// `[health]` in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Plain {
    every: String,
    stall: String,
    patience: String,
    beat: String,
    overflow: String,
    age: String,
    memory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shed: Option<PlainShed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct PlainShed {
    from: String,
    until: String,
    pause: String,
}

/// `health` of a pool in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct PlainPool {
    #[serde(skip_serializing_if = "Option::is_none")]
    stall: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beat: Option<String>,
    restart: bool,
}

impl Plain {
    pub(super) fn of(plan: &health::Plan, shed: Option<&shed::Plan>) -> Plain {
        let percent = |percent: u32| format!("{percent}%");
        Plain {
            every: span(plan.every),
            stall: span(plan.stall.after),
            patience: span(plan.stall.patience),
            beat: span(plan.stall.beat),
            overflow: percent(plan.overflow),
            age: span(plan.age),
            memory: percent(plan.memory),
            shed: shed.map(|shed| PlainShed {
                from: percent(shed.from),
                until: percent(shed.until),
                pause: span(shed.pause),
            }),
        }
    }
}

impl PlainPool {
    pub(super) fn of(plan: &PoolPlan) -> Option<PlainPool> {
        let part = |part: fn(health::Stall) -> Duration| plan.stall.map(|stall| span(part(stall)));
        (*plan != PoolPlan::default()).then(|| PlainPool {
            stall: part(|stall| stall.after),
            patience: part(|stall| stall.patience),
            beat: part(|stall| stall.beat),
            restart: plan.restart,
        })
    }
}
