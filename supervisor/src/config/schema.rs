//! The topology file as serde reads it: every key, nothing checked beyond its type.

use super::health::{Health, PoolHealth};
use super::hooks::Hook;
use super::process::Process;
use super::template::Template;
use crate::ready::{self, Plain};
use crate::restart::{Policy, Strategy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// Variables by name, each with its place in the file.
pub type Env = BTreeMap<Spanned<String>, Spanned<Text>>;

/// What `swarmbus up` starts: a bus, perhaps a coordinator, and pools of agents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "swarm.toml")]
pub struct File {
    /// The bus.
    pub bus: Bus,
    /// The process whose end is the end of the job.
    pub coordinator: Option<Coordinator>,
    /// Pools of agents, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Pool>")]
    pub pool: BTreeMap<Spanned<String>, Pool>,
    /// Pools that are restarted together, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Group>")]
    pub group: BTreeMap<Spanned<String>, Group>,
    /// Variables for all processes. A table in here is a profile: `[env.prod.pool.worker]` lays over `[pool.worker]` under `--env prod`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, VariableOrProfile>")]
    pub env: Env,
    /// How long agents have at the end.
    #[serde(default)]
    pub drain: Drain,
    /// Figures for Prometheus, served while the bus is there.
    pub metrics: Option<Metrics>,
    /// When the output of agents is rotated.
    #[serde(default)]
    pub log: super::log::Log,
    /// What counts as trouble.
    #[serde(default)]
    pub health: Health,
    /// What follows events, by their kinds.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Hook>")]
    pub hooks: BTreeMap<Spanned<String>, Hook>,
    /// The folder for the output of agents; without it their output goes with the run.
    #[schemars(with = "Option<Text>")]
    pub logs: Option<Spanned<Text>>,
}

/// A variable, or a profile.
struct VariableOrProfile;

impl JsonSchema for VariableOrProfile {
    fn schema_name() -> Cow<'static, str> {
        "VariableOrProfile".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "object"] })
    }
}

/// The bus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Its name; agents find it in `SWARMBUS`.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// Room for messages; memory is committed as it is used. 1GiB if it is not given.
    #[schemars(with = "Option<Size>")]
    pub heap: Option<Spanned<Size>>,
    /// Entries for members and queues.
    #[schemars(with = "Option<Count>")]
    pub agents: Option<Spanned<Count>>,
    /// Messages per lane of a queue; 1000 if it is not given.
    #[schemars(with = "Option<Count>")]
    pub limit: Option<Spanned<Count>>,
    /// Work queues that are there before anybody starts.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub queues: Vec<Spanned<String>>,
    /// Take the bus if it exists, and leave it at the end.
    #[serde(default)]
    pub keep: bool,
}

/// The process whose end is the end of the job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// A list of words; no shell takes part.
    #[schemars(with = "Words")]
    pub command: Spanned<Words>,
    /// Its agent name; `coordinator` if it is not given.
    #[schemars(with = "Option<String>")]
    pub name: Option<Spanned<String>>,
    /// Variables for it alone.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Text>")]
    pub env: Env,
    /// What follows an exit; `on-abnormal` if it is not given.
    pub restart: Option<Restart>,
    /// Pools (or the coordinator) that must be ready before it starts.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub depends_on: Vec<Spanned<String>>,
    /// When it counts as ready for those that depend on it; `bus` if it is not given.
    #[schemars(with = "Option<Ready>")]
    pub ready: Option<Spanned<Ready>>,
}

/// A pool of agents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// A list of words; no shell takes part.
    #[schemars(with = "Words")]
    pub command: Spanned<Words>,
    /// How many agents.
    #[schemars(with = "Count")]
    pub size: Spanned<Count>,
    /// How it grows and shrinks by itself, from `size` on.
    pub scale: Option<Scale>,
    /// Python modules that are imported once, in a process that then forks the agents.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub preload: Vec<Spanned<String>>,
    /// Pools of higher priority start first, those of lower priority stop first under pressure; 0 if it is not given.
    #[serde(default)]
    pub priority: i32,
    /// What counts as trouble with its agents.
    pub health: Option<PoolHealth>,
    /// What the kernel is told of its agents.
    #[serde(default)]
    pub process: Process,
    /// Variables for this pool.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Text>")]
    pub env: Env,
    /// What follows an exit; `on-failure` if it is not given.
    pub restart: Option<Restart>,
    /// Pools (or the coordinator) that must be ready before it starts.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub depends_on: Vec<Spanned<String>>,
    /// When it counts as ready for those that depend on it; `bus` if it is not given.
    #[schemars(with = "Option<Ready>")]
    pub ready: Option<Spanned<Ready>>,
}

/// How a pool grows and shrinks with a queue.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Never fewer.
    #[schemars(with = "Count")]
    pub min: Spanned<Count>,
    /// Never more.
    #[schemars(with = "Count")]
    pub max: Spanned<Count>,
    /// The work queue that is looked at, one of `queues` in `[bus]`.
    #[schemars(with = "String")]
    pub queue: Spanned<String>,
    /// So many messages may wait for each agent; 10 if it is not given.
    #[schemars(with = "Option<Count>")]
    pub depth: Option<Spanned<Count>>,
    /// So long a message may wait; 1s if it is not given.
    pub age: Option<Span>,
    /// After so long with more agents than it needs it shrinks; 30s if it is not given.
    pub idle: Option<Span>,
    /// So many idle agents are kept ready; none if it is not given.
    #[schemars(with = "Option<Count>")]
    pub spare: Option<Spanned<Count>>,
}

/// Pools that are restarted together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The pools, in order.
    #[schemars(with = "Vec<String>")]
    pub pools: Vec<Spanned<String>>,
    /// Who else starts anew when an agent of them does.
    pub strategy: Strategy,
}

/// Figures for Prometheus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of `/metrics`, such as `127.0.0.1:9464`.
    #[schemars(with = "String")]
    pub listen: Spanned<String>,
    /// Series of each agent as well.
    #[serde(default)]
    pub agents: bool,
}

/// How long agents have at the end.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// To finish by themselves; 10s if it is not given.
    pub grace: Option<Span>,
    /// From SIGTERM to SIGKILL; 5s if it is not given.
    pub kill_after: Option<Span>,
}

/// `restart = "on-failure"` or a table with the details.
#[derive(Default)]
pub struct Restart {
    pub policy: Option<Policy>,
    pub first: Option<Span>,
    pub most: Option<Span>,
    pub failures: Option<Spanned<Count>>,
    pub within: Option<Span>,
    pub healthy: Option<Span>,
}

/// The details of a restart policy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RestartTable {
    /// After which exits.
    policy: Option<Policy>,
    /// The delay after the first failure; it doubles with each further one.
    first: Option<Span>,
    /// The longest delay.
    most: Option<Span>,
    /// Give up at this many failures …
    #[schemars(with = "Option<Count>")]
    failures: Option<Spanned<Count>>,
    /// … within this time.
    within: Option<Span>,
    /// After a life this long the delay starts from `first` again.
    healthy: Option<Span>,
}

impl JsonSchema for Restart {
    fn schema_name() -> Cow<'static, str> {
        "Restart".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (policy, table) = (generator.subschema_for::<Policy>(), generator.subschema_for::<RestartTable>());
        json_schema!({ "anyOf": [policy, table] })
    }
}

/// `ready = "bus"` or a table with a text to wait for or a command to try.
pub enum Ready {
    /// A word.
    Plain(Plain),
    /// A text in the output.
    Log(String),
    /// A command.
    Exec(Words),
}

/// A text to wait for, or a command to try.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ReadyTable {
    /// A text that it writes.
    Log(String),
    /// A command that exits with 0.
    Exec(Words),
}

impl<'de> Deserialize<'de> for Ready {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ready, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Ready;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"bus\", \"start\" or \"notify\", or a table such as { log = \"listening\" } or { exec = [\"test\", \"-e\", \"up\"] }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ready, E> {
                Plain::deserialize(de::value::StrDeserializer::new(text)).map(Ready::Plain)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Ready, A::Error> {
                Ok(match ReadyTable::deserialize(MapAccessDeserializer::new(map))? {
                    ReadyTable::Log(text) => Ready::Log(text),
                    ReadyTable::Exec(words) => Ready::Exec(words),
                })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Ready {
    fn schema_name() -> Cow<'static, str> {
        "Ready".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, table) = (generator.subschema_for::<Plain>(), generator.subschema_for::<ReadyTable>());
        json_schema!({ "anyOf": [word, table] })
    }
}

impl Ready {
    /// As the supervisor has it.
    pub fn plan(&self) -> Result<ready::Ready, super::template::Fault> {
        Ok(match self {
            Ready::Plain(Plain::Bus) => ready::Ready::Bus,
            Ready::Plain(Plain::Start) => ready::Ready::Start,
            Ready::Plain(Plain::Notify) => ready::Ready::Notify,
            Ready::Log(text) => ready::Ready::Log(text.clone()),
            Ready::Exec(words) => {
                let words: Result<_, _> = words.0.iter().map(|word| word.as_ref().template()).collect();
                ready::Ready::Exec(words?)
            }
        })
    }
}

/// Gives a type that reads itself its part of the JSON Schema.
macro_rules! described {
    ($type:ident: $($json:tt)+) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let _ = &generator;
                json_schema!($($json)+)
            }
        }
    };
}

described!(Count: { "description": "a whole number", "type": "integer", "minimum": 0 });
described!(Span: { "description": "a duration with its unit, such as \"10s\"", "type": "string", "pattern": "^ *[0-9]+ *[a-zA-Zµ]" });
described!(Size: { "description": "bytes, or a size with its unit, such as \"256MiB\"", "type": ["integer", "string"], "minimum": 0 });
described!(Text: { "description": "a text; ${NAME} and ${NAME:-default} are filled in", "type": "string" });
described!(Words: { "description": "a command, word by word", "type": "array", "items": { "type": "string" }, "minItems": 1 });

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Restart, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Restart;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy such as \"on-failure\", or a table such as { failures = 5, within = \"60s\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Restart, E> {
                let policy = Policy::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Restart { policy: Some(policy), ..Restart::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Restart, A::Error> {
                let table = RestartTable::deserialize(MapAccessDeserializer::new(map))?;
                let RestartTable { policy, first, most, failures, within, healthy } = table;
                Ok(Restart { policy, first, most, failures, within, healthy })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A whole number that is counted: agents, messages, failures.
#[derive(Clone, Copy)]
pub struct Count(pub u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number such as 100")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
                u32::try_from(number)
                    .map(Count)
                    .map_err(|_| E::custom(format!("{number} is out of range, expected a whole number such as 100")))
            }
        }
        deserializer.deserialize_i64(Reader)
    }
}

/// A duration with its unit: `"10s"`, `"250ms"`, `"1m 30s"`.
#[derive(Clone, Copy)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\" or \"250ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                humantime::parse_duration(text.trim()).map(Span).map_err(|_| {
                    E::custom(format!("\"{text}\" is no duration, expected one such as \"10s\" or \"250ms\""))
                })
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// A size in bytes, `1073741824`, or with its unit, `"1GiB"`.
#[derive(Clone, Copy)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"256MiB\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Size, E> {
                u64::try_from(number).map(Size).map_err(|_| E::custom("a size cannot be negative"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse::<bytesize::ByteSize>()
                    .map(|size| Size(size.as_u64()))
                    .map_err(|_| E::custom(format!("\"{text}\" is no size, expected one such as \"256MiB\"")))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A text that may refer to variables.
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl Text {
    /// The text as a template.
    pub fn template(&self) -> Result<Template, super::template::Fault> {
        Template::parse(&self.0)
    }
}

/// A command: a list of words.
pub struct Words(pub Vec<Spanned<Text>>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Words;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of words such as [\"python3\", \"worker.py\"]")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
                let words: Vec<&str> = text.split_whitespace().collect();
                Err(E::custom(format!("a command is a list of words, write {words:?}")))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
