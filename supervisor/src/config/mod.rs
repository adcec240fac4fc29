//! The topology: what `swarmbus up FILE.toml` starts.
//!
//! A file is read, checked as a whole and turned into a [`Topology`] before anything starts; what is wrong is
//! reported with its line and with what would be right ([`ConfigError`]).

mod check;
mod check_pools;
mod health;
mod hooks;
mod launch;
mod log;
mod plain;
mod problem;
mod process;
mod profile;
mod schema;
mod template;

pub use health::PoolPlan as PoolHealth;
pub use launch::{Identity, Launch, LaunchFault, RESERVED};
pub use plain::{Change, Plain, changes};
pub use problem::{ConfigError, Problem, suggest};
pub use template::{Fault, Template};

use crate::priority::{self, Setting};
use crate::ready::Ready;
use crate::restart::Strategy;
use crate::{drain, hooks as hook, restart, rotate, scale, shed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use swarmbus_core::CreateOptions;
use toml::Spanned;
use toml::de::DeTable;

/// A checked topology: a bus, perhaps a coordinator, and pools of agents.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The file it came from.
    pub path: PathBuf,
    /// The folder of the file; commands run in it.
    pub dir: PathBuf,
    /// Its text.
    pub text: String,
    /// The profile it was read under.
    pub profile: Option<String>,
    /// What the command line said over the file.
    pub overrides: Overrides,
    /// The bus.
    pub bus: BusPlan,
    /// The process whose end is the end of the job.
    pub coordinator: Option<CommandPlan>,
    /// The pools, in the order of the file.
    pub pools: Vec<PoolPlan>,
    /// Pools that are restarted together.
    pub groups: Vec<GroupPlan>,
    /// How long agents have to finish.
    pub drain: drain::Plan,
    /// Where figures are exported.
    pub metrics: Option<MetricsPlan>,
    /// Where logs go when they are to stay.
    pub logs: Option<PathBuf>,
    /// When logs are rotated.
    pub log: rotate::Plan,
    /// What counts as trouble.
    pub health: crate::health::Plan,
    /// When pools of low priority stop.
    pub shed: Option<shed::Plan>,
    /// What follows events, by their kinds.
    pub hooks: BTreeMap<String, hook::Hook>,
}

/// `[bus]`
#[derive(Clone, Debug)]
pub struct BusPlan {
    /// Its name.
    pub name: String,
    /// How to make it.
    pub create: CreateOptions,
    /// Queues that are declared ahead.
    pub queues: Vec<String>,
    /// Take the bus if it exists, and leave it at the end.
    pub keep: bool,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPlan {
    /// Where `/metrics` is.
    pub listen: SocketAddr,
    /// Series of each agent as well.
    pub agents: bool,
}

/// `[pool.NAME]`
#[derive(Clone, Debug)]
pub struct PoolPlan {
    /// The pool's name; its agents are `NAME-1` … `NAME-SIZE`.
    pub name: String,
    /// How many agents.
    pub size: u32,
    /// What they run. `run.name` is the pool's name.
    pub run: CommandPlan,
    /// Python modules that are imported once, in a process that then forks the agents.
    pub preload: Vec<String>,
    /// How it grows and shrinks by itself.
    pub scale: Option<scale::Plan>,
    /// Pools of higher priority start first, those of lower priority stop first under pressure.
    pub priority: i32,
    /// What counts as trouble with its agents.
    pub health: PoolHealth,
}

impl PoolPlan {
    /// The most agents it may have by itself.
    pub fn most(&self) -> u32 {
        self.scale.as_ref().map_or(self.size, |scale| scale.max.max(self.size))
    }

    /// Whether agents started by the other plan would be other ones.
    pub fn starts_differently(&self, other: &PoolPlan) -> bool {
        self.preload != other.preload || self.run.starts_differently(&other.run)
    }
}

/// A command with its environment and its restart policy.
#[derive(Clone, Debug)]
pub struct CommandPlan {
    /// The agent's name, or the pool's.
    pub name: String,
    /// The words of the command; never empty.
    pub words: Vec<Template>,
    /// `[env]` of the file.
    pub shared_env: Vec<(String, Template)>,
    /// `env` of this table; wins over `[env]`.
    pub env: Vec<(String, Template)>,
    /// What follows an exit.
    pub restart: restart::Plan,
    /// Pools, or the coordinator, that must be ready before it starts.
    pub depends_on: Vec<String>,
    /// When it counts as ready.
    pub ready: Ready,
    /// What the kernel is told of it.
    pub process: priority::Plan,
    /// What of that the system allows: see [`priority::rehearse`].
    pub settings: Vec<Setting>,
}

/// `[group.NAME]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlan {
    /// Its name.
    pub name: String,
    /// The pools, in order.
    pub pools: Vec<String>,
    /// Who else starts anew when an agent of them does.
    pub strategy: Strategy,
}

impl CommandPlan {
    /// Whether a process started by the other plan would be another one; the policy for its end does not count.
    pub fn starts_differently(&self, other: &CommandPlan) -> bool {
        (&self.words, &self.shared_env, &self.env, &self.process)
            != (&other.words, &other.shared_env, &other.env, &other.process)
    }
}

/// What the command line says over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Another name for the bus.
    pub bus: Option<String>,
    /// Sizes: of the pool named, or of the only one.
    pub sizes: Vec<(Option<String>, u32)>,
    /// Where logs go and stay.
    pub logs: Option<PathBuf>,
    /// As `keep = true`.
    pub keep: bool,
    /// The profile to lay over the file.
    pub profile: Option<String>,
}

/// Why a topology could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command line is wrong.
    #[error("{0}")]
    Override(String),
}

impl Topology {
    /// Reads and checks a file. Nothing is started or created.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Topology, LoadError> {
        let read = |error| LoadError::Read { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let full = std::fs::canonicalize(path).map_err(read)?;
        let dir = full.parent().unwrap_or(Path::new("/")).to_owned();
        Topology::of_text(path, &dir, &text, overrides)
    }

    /// Checks the text of a file, with what the command line said.
    pub fn of_text(path: &Path, dir: &Path, text: &str, overrides: &Overrides) -> Result<Topology, LoadError> {
        let mut topology = Topology::parse_under(path, dir, text, overrides.profile.as_deref())?;
        topology.apply(overrides)?;
        Ok(topology)
    }

    /// Reads the same file again, with the same overrides.
    pub fn again(&self) -> Result<Topology, LoadError> {
        Topology::load(&self.path, &self.overrides)
    }

    /// Checks a file as it is and under each of its profiles. The answer are their names.
    pub fn check(path: &Path) -> Result<Vec<String>, LoadError> {
        let topology = Topology::load(path, &Overrides::default())?;
        let text = std::fs::read_to_string(path).map_err(|error| LoadError::Read { path: path.to_owned(), error })?;
        let root = DeTable::parse(&text).map_err(|error| wrong(path, &text, vec![Problem::from_toml(&error)]))?;
        let names = profile::names(root.as_ref());
        let mut problems = Vec::new();
        for name in &names {
            let found = match read(&root, Some(name)) {
                Ok(file) => check::topology(path, &topology.dir, file).1,
                Err(problem) => vec![problem],
            };
            problems.extend(found.into_iter().map(|problem| profile::of_profile(problem, name)));
        }
        if problems.is_empty() { Ok(names) } else { Err(wrong(path, &text, problems).into()) }
    }

    /// Checks the text of a file; `path` is what errors call it, `dir` where its commands run.
    pub fn parse(path: &Path, dir: &Path, text: &str) -> Result<Topology, LoadError> {
        Topology::parse_under(path, dir, text, None)
    }

    /// Checks the text of a file under a profile. Of other profiles only keys and types are checked: they may be for a machine
    /// that has other variables and programs.
    pub fn parse_under(path: &Path, dir: &Path, text: &str, profile: Option<&str>) -> Result<Topology, LoadError> {
        let root = DeTable::parse(text).map_err(|error| wrong(path, text, vec![Problem::from_toml(&error)]))?;
        let names = profile::names(root.as_ref());
        if let Some(wanted) = profile.filter(|wanted| !names.iter().any(|name| name == wanted)) {
            return Err(LoadError::Override(profile::unknown(wanted, &names)));
        }
        let file = read(&root, profile).map_err(|problem| wrong(path, text, vec![problem]))?;
        let (topology, mut problems) = check::topology(path, dir, file);
        for name in names.iter().filter(|name| Some(name.as_str()) != profile) {
            problems.extend(read(&root, Some(name)).err().map(|problem| profile::of_profile(problem, name)));
        }
        match topology {
            Some(topology) if problems.is_empty() => {
                Ok(Topology { text: text.to_owned(), profile: profile.map(str::to_owned), ..topology })
            }
            _ => Err(wrong(path, text, problems).into()),
        }
    }

    fn apply(&mut self, overrides: &Overrides) -> Result<(), LoadError> {
        if let Some(name) = &overrides.bus {
            swarmbus_core::check_name(name).map_err(|error| LoadError::Override(error.to_string()))?;
            self.bus.name.clone_from(name);
        }
        for (pool, size) in &overrides.sizes {
            let names: Vec<String> = self.pools.iter().map(|pool| pool.name.clone()).collect();
            let index = match pool {
                Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
                    let known: Vec<&str> = names.iter().map(String::as_str).collect();
                    LoadError::Override(format!("there is no pool `{name}`; {}", suggest(name, &known)))
                })?,
                None if names.len() == 1 => 0,
                None => {
                    let all = names.join(", ");
                    return Err(LoadError::Override(format!(
                        "say which pool: POOL={size}, where POOL is one of {all}"
                    )));
                }
            };
            if *size == 0 || *size > AGENTS_MAX {
                return Err(LoadError::Override(format!("a pool has 1 to {AGENTS_MAX} agents, not {size}")));
            }
            self.pools[index].size = *size;
        }
        if let Some(logs) = &overrides.logs {
            self.logs = Some(std::path::absolute(logs).unwrap_or_else(|_| logs.clone()));
        }
        self.bus.keep |= overrides.keep;
        self.overrides = overrides.clone();
        let grown: u32 = self.pools.iter().map(|pool| pool.most() - pool.size).sum();
        let wanted = self.agents() + grown + self.bus.queues.len() as u32 + SPARE_MEMBERS;
        self.bus.create.agents = self.bus.create.agents.max(wanted);
        Ok(())
    }

    /// How many agents there are, the coordinator included.
    pub fn agents(&self) -> u32 {
        self.pools.iter().map(|pool| pool.size).sum::<u32>() + u32::from(self.coordinator.is_some())
    }

    /// The name of agent `index` (from 1) of a pool.
    pub fn agent_name(pool: &str, index: u32) -> String {
        format!("{pool}-{index}")
    }
}

/// The file as serde reads it under a profile.
fn read(root: &Spanned<DeTable<'_>>, profile: Option<&str>) -> Result<schema::File, Problem> {
    let table = profile::under(root, profile);
    schema::File::deserialize(toml::de::Deserializer::from(table)).map_err(|error| Problem::from_toml(&error))
}

fn wrong(path: &Path, text: &str, problems: Vec<Problem>) -> ConfigError {
    ConfigError::new(path, text, problems)
}

/// The JSON Schema of a topology file, for editors; it is shipped as `docs/swarm.schema.json`.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(schema::File).to_value()
}

/// The most agents a pool or a bus can have; members have 16-bit indices.
pub const AGENTS_MAX: u32 = 60_000;

/// Entries that a bus keeps free beside the agents of its topology: for tools, and for a successor that starts while its
/// predecessor's entry is being reaped.
pub const SPARE_MEMBERS: u32 = 64;
