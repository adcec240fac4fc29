//! A topology in plain words, defaults written out: what `config show` prints, and what two topologies are compared by.

use super::log::PlainLog;
use super::{CommandPlan, GroupPlan, PoolPlan, Topology};
use crate::ready::Ready;
use crate::restart;
use bytesize::ByteSize;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A topology with every default written out; as TOML it is a file that means the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plain {
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<String>,
    bus: Bus,
    drain: Drain,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    log: PlainLog,
    health: super::health::Plain,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hooks: BTreeMap<String, super::hooks::Plain>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinator: Option<Command>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pool: BTreeMap<String, Pool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    group: BTreeMap<String, Group>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Bus {
    name: String,
    queues: Vec<String>,
    heap: String,
    agents: u32,
    limit: u32,
    keep: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Drain {
    grace: String,
    kill_after: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Metrics {
    listen: String,
    agents: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Command {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    command: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    restart: Restart,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
    ready: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Group {
    pools: Vec<String>,
    strategy: restart::Strategy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Pool {
    size: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preload: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<Scale>,
    priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<super::health::PlainPool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<super::process::Plain>,
    #[serde(flatten)]
    run: Command,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Scale {
    min: u32,
    max: u32,
    queue: String,
    depth: u32,
    age: String,
    idle: String,
    spare: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Restart {
    policy: restart::Policy,
    first: String,
    most: String,
    healthy: String,
    failures: u32,
    within: String,
}

impl From<&Topology> for Plain {
    fn from(topology: &Topology) -> Plain {
        let (bus, create) = (&topology.bus, &topology.bus.create);
        let shared = topology.coordinator.iter().chain(topology.pools.iter().map(|pool| &pool.run)).next();
        Plain {
            logs: topology.logs.as_ref().map(|logs| logs.display().to_string()),
            bus: Bus {
                name: bus.name.clone(),
                queues: bus.queues.clone(),
                heap: size(create.heap),
                agents: create.agents,
                limit: create.limit,
                keep: bus.keep,
            },
            drain: Drain { grace: span(topology.drain.grace), kill_after: span(topology.drain.kill_after) },
            metrics: topology
                .metrics
                .as_ref()
                .map(|plan| Metrics { listen: plan.listen.to_string(), agents: plan.agents }),
            log: PlainLog::of(topology.log, size),
            health: super::health::Plain::of(&topology.health, topology.shed.as_ref()),
            hooks: topology.hooks.iter().map(|(kind, hook)| (kind.clone(), super::hooks::Plain::of(hook))).collect(),
            env: shared.map_or_else(BTreeMap::new, |run| texts(&run.shared_env)),
            coordinator: topology.coordinator.as_ref().map(|run| command(run, Some(run.name.clone()))),
            pool: topology.pools.iter().map(|plan| (plan.name.clone(), pool(plan))).collect(),
            group: topology.groups.iter().map(group).collect(),
        }
    }
}

impl Plain {
    /// As a file that means the same.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
    }
}

fn group(plan: &GroupPlan) -> (String, Group) {
    (plan.name.clone(), Group { pools: plan.pools.clone(), strategy: plan.strategy })
}

fn pool(plan: &PoolPlan) -> Pool {
    Pool {
        size: plan.size,
        preload: plan.preload.clone(),
        scale: plan.scale.as_ref().map(scale),
        priority: plan.priority,
        health: super::health::PlainPool::of(&plan.health),
        process: super::process::Plain::of(&plan.run.process),
        run: command(&plan.run, None),
    }
}

fn scale(plan: &crate::scale::Plan) -> Scale {
    Scale {
        min: plan.min,
        max: plan.max,
        queue: plan.queue.clone(),
        depth: plan.depth,
        age: span(plan.age),
        idle: span(plan.idle),
        spare: plan.spare,
    }
}

fn command(plan: &CommandPlan, name: Option<String>) -> Command {
    let restart = plan.restart;
    Command {
        name,
        command: plan.words.iter().map(ToString::to_string).collect(),
        env: texts(&plan.env),
        restart: Restart {
            policy: restart.policy,
            first: span(restart.first),
            most: span(restart.most),
            healthy: span(restart.healthy),
            failures: restart.failures,
            within: span(restart.within),
        },
        depends_on: plan.depends_on.clone(),
        ready: match &plan.ready {
            Ready::Bus => "bus".into(),
            Ready::Start => "start".into(),
            Ready::Notify => "notify".into(),
            Ready::Log(text) => json!({ "log": text }),
            Ready::Exec(words) => json!({ "exec": words.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        },
    }
}

fn texts(env: &[(String, super::Template)]) -> BTreeMap<String, String> {
    env.iter().map(|(name, text)| (name.clone(), text.to_string())).collect()
}

pub(super) fn span(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// In the largest unit that leaves nothing over, so that it can be read back.
pub(super) fn size(bytes: u64) -> String {
    match bytes.trailing_zeros() {
        _ if bytes == 0 => "0".into(),
        30.. => format!("{}GiB", bytes >> 30),
        20.. => format!("{}MiB", bytes >> 20),
        10.. => format!("{}KiB", bytes >> 10),
        _ => ByteSize::b(bytes).display().si_short().to_string().replace(' ', ""),
    }
}

/// A key whose value is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Change {
    /// The key, with its tables: `pool.worker.size`.
    pub key: String,
    /// What it was; none if it is new.
    pub old: Option<Value>,
    /// What it is; none if it has gone.
    pub new: Option<Value>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {}: {old} -> {new}", self.key),
            (Some(old), None) => write!(f, "- {}: {old}", self.key),
            (None, Some(new)) => write!(f, "+ {}: {new}", self.key),
            (None, None) => f.write_str(&self.key),
        }
    }
}

/// What differs between two topologies, key by key. Neither a file's name nor its comments count.
pub fn changes(old: &Topology, new: &Topology) -> Vec<Change> {
    let (mut before, after) = (flat(old), flat(new));
    let mut found = Vec::new();
    for (key, new) in after {
        match before.remove(&key) {
            Some(old) if old == new => {}
            old => found.push(Change { key, old, new: Some(new) }),
        }
    }
    found.extend(before.into_iter().map(|(key, old)| Change { key, old: Some(old), new: None }));
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn flat(topology: &Topology) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, value: Value, out: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                    walk(&key, value, out);
                }
            }
            value => {
                out.insert(prefix.to_owned(), value);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", serde_json::to_value(Plain::from(topology)).unwrap_or_default(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Topology {
        Topology::parse(Path::new("t.toml"), Path::new("/"), text).unwrap()
    }

    const TEXT: &str = r#"
logs = "/tmp/logs"
[bus]
name = "b"
queues = ["q"]
heap = 3000001
[env]
LEVEL = "${NO_SUCH:-3}"
[health]
stall = "20s"
overflow = "70%"
[health.shed]
until = "60%"
[hooks.stalled]
command = ["sh", "-c", "cat"]
topic = "alerts"
[coordinator]
command = ["sh", "-c", "exit $1 $${x}"]
[pool.w.process]
nice = 5
cpus = "0-1"
ionice = "best-effort:7"
[pool.w.process.limits]
nofile = 100
core = 0
[pool.w.process.cgroup]
memory = "1GiB"
cpu = "150%"
[pool.w]
priority = -3
health = { stall = "5s", restart = true }
command = ["sh"]
size = 2
env = { A = "${LEVEL}" }
restart = { policy = "always", most = "1m 30s" }
depends_on = ["x"]
[pool.x]
command = ["sh"]
size = 1
scale = { min = 1, max = 3, queue = "q", idle = "1m" }
ready = { exec = ["test", "-e", "${NO_SUCH:-x}"] }
[metrics]
listen = "127.0.0.1:9464"
[group.g]
pools = ["x", "w"]
strategy = "rest-for-one"
"#;

    #[test]
    fn what_is_shown_is_a_file_that_means_the_same() {
        let shown = Plain::from(&parse(TEXT));
        assert_eq!(Plain::from(&parse(&shown.to_toml())), shown, "{}", shown.to_toml());
    }

    #[test]
    fn changes_are_named_key_by_key() {
        let new = TEXT.replace("size = 2", "size = 3").replace("env = { A = \"${LEVEL}\" }", "");
        let found: Vec<String> = changes(&parse(TEXT), &parse(&new)).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["- pool.w.env.A: \"${LEVEL}\"", "~ pool.w.size: 2 -> 3"]);
        assert!(changes(&parse(TEXT), &parse(&format!("# a comment\n{TEXT}"))).is_empty());
    }
}
