//! The topology file as serde reads it: every key, nothing checked beyond its type.

use super::template::Template;
use crate::restart::Policy;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// Variables by name, each with its place in the file.
pub type Env = BTreeMap<Spanned<String>, Spanned<Text>>;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub bus: Bus,
    pub coordinator: Option<Coordinator>,
    #[serde(default)]
    pub pool: BTreeMap<Spanned<String>, Pool>,
    #[serde(default)]
    pub env: Env,
    #[serde(default)]
    pub drain: Drain,
    pub logs: Option<Spanned<Text>>,
}

/// `[bus]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub name: Spanned<String>,
    pub heap: Option<Spanned<Size>>,
    pub agents: Option<Spanned<Count>>,
    pub limit: Option<Spanned<Count>>,
    #[serde(default)]
    pub queues: Vec<Spanned<String>>,
    #[serde(default)]
    pub keep: bool,
}

/// `[coordinator]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    pub command: Spanned<Words>,
    pub name: Option<Spanned<String>>,
    #[serde(default)]
    pub env: Env,
    pub restart: Option<Restart>,
}

/// `[pool.NAME]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub command: Spanned<Words>,
    pub size: Spanned<Count>,
    #[serde(default)]
    pub env: Env,
    pub restart: Option<Restart>,
}

/// `[drain]`
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    pub grace: Option<Span>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestartTable {
    policy: Option<Policy>,
    first: Option<Span>,
    most: Option<Span>,
    failures: Option<Spanned<Count>>,
    within: Option<Span>,
    healthy: Option<Span>,
}

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
                f.write_str("a duration with its unit, such as \"10s\" or \"250ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                humantime::parse_duration(text.trim()).map(Span).map_err(|error| {
                    E::custom(format!("\"{text}\" is no duration ({error}), expected \"10s\" or \"250ms\""))
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
