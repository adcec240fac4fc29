//! From a plan to one start: variables filled in, the program found.

use super::CommandPlan;
use super::template::{Fault, Template};
use crate::priority::Setting;
use crate::systemd;
use rustix::fs::{Access, access};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables the supervisor sets itself.
pub const RESERVED: [&str; 6] =
    ["SWARMBUS", "SWARMBUS_AGENT", "SWARMBUS_POOL", "SWARMBUS_POOL_SIZE", "SWARMBUS_POOLS", "SWARMBUS_INDEX"];

/// Who a process is; becomes its `SWARMBUS…` variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The bus.
    pub bus: String,
    /// The agent's name.
    pub agent: String,
    /// Its pool and the pool's size. For a coordinator: the only pool, if there is just one.
    pub pool: Option<(String, u32)>,
    /// All pools: `worker=100 sorter=2`.
    pub pools: String,
    /// Its number in the pool, from 1. A coordinator has none.
    pub index: Option<u32>,
}

impl Identity {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SWARMBUS" => Some(self.bus.clone()),
            "SWARMBUS_AGENT" => Some(self.agent.clone()),
            "SWARMBUS_POOL" => self.pool.as_ref().map(|(name, _)| name.clone()),
            "SWARMBUS_POOL_SIZE" => self.pool.as_ref().map(|(_, size)| size.to_string()),
            "SWARMBUS_POOLS" => Some(self.pools.clone()),
            "SWARMBUS_INDEX" => self.index.map(|index| index.to_string()),
            _ => None,
        }
    }
}

/// Everything `exec` needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program's full path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables to set (`Some`) or to take away (`None`).
    pub env: Vec<(String, Option<String>)>,
    /// What the process sets before it becomes its program.
    pub settings: Vec<Setting>,
}

/// Why a launch could not be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchFault {
    /// A variable of `[env]`.
    SharedEnv(String, Fault),
    /// A variable of the table's own `env`.
    Env(String, Fault),
    /// A word of the command, by index.
    Word(usize, Fault),
    /// The program: what is wrong, and what to do.
    Program(String, String),
}

impl std::fmt::Display for LaunchFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LaunchFault::SharedEnv(_, fault) | LaunchFault::Env(_, fault) | LaunchFault::Word(_, fault) => fault.fmt(f),
            LaunchFault::Program(message, _) => f.write_str(message),
        }
    }
}

impl CommandPlan {
    /// Fills in the variables for one agent and finds the program.
    ///
    /// `[env]` sees the supervisor's own environment; the table's `env` sees that and `[env]`; the command sees all.
    pub fn launch(&self, dir: &Path, identity: &Identity) -> Result<Launch, LaunchFault> {
        let outer = |name: &str| {
            if RESERVED.contains(&name) { identity.variable(name) } else { std::env::var(name).ok() }
        };
        let mut shared = BTreeMap::new();
        for (name, template) in &self.shared_env {
            let value = template.expand(&outer).map_err(|fault| LaunchFault::SharedEnv(name.clone(), fault))?;
            shared.insert(name.clone(), value);
        }
        let mut all = shared.clone();
        for (name, template) in &self.env {
            let lookup = |name: &str| shared.get(name).cloned().or_else(|| outer(name));
            let value = template.expand(&lookup).map_err(|fault| LaunchFault::Env(name.clone(), fault))?;
            all.insert(name.clone(), value);
        }
        let lookup = |name: &str| all.get(name).cloned().or_else(|| outer(name));
        let mut words = Vec::with_capacity(self.words.len());
        for (index, word) in self.words.iter().enumerate() {
            words.push(Template::expand(word, &lookup).map_err(|fault| LaunchFault::Word(index, fault))?);
        }
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        let program = find_program(&name, dir, lookup("PATH").as_deref())
            .map_err(|(message, hint)| LaunchFault::Program(message, hint))?;
        // What a service manager says to us is not for them.
        let not_theirs = systemd::VARIABLES.iter().filter(|name| !all.contains_key(**name));
        let mut env: Vec<(String, Option<String>)> = not_theirs.map(|name| ((*name).to_owned(), None)).collect();
        env.extend(all.into_iter().map(|(name, value)| (name, Some(value))));
        env.extend(RESERVED.iter().map(|name| ((*name).to_owned(), identity.variable(name))));
        Ok(Launch { program, args: words.collect(), env, settings: self.settings.clone() })
    }
}

/// A word with a slash is a path seen from `dir`; any other is looked for in `path`.
fn find_program(name: &str, dir: &Path, path: Option<&str>) -> Result<PathBuf, (String, String)> {
    if name.is_empty() {
        return Err(("the command is empty".into(), "name a program, such as [\"python3\", \"worker.py\"]".into()));
    }
    if name.contains('/') {
        let full = dir.join(name);
        return match std::fs::metadata(&full) {
            Err(error) => {
                Err((format!("cannot run `{name}`: {error}"), format!("it is looked for at {}", full.display())))
            }
            Ok(meta) if meta.is_dir() => Err((format!("cannot run `{name}`: it is a folder"), "name a program".into())),
            Ok(_) if access(&full, Access::EXEC_OK).is_err() => {
                Err((format!("cannot run `{name}`: it is not executable"), format!("chmod +x {}", full.display())))
            }
            Ok(_) => Ok(full),
        };
    }
    let path = path.unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let folders = || path.split(':').map(|folder| dir.join(folder));
    let runs = |file: &Path| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    if let Some(found) = folders().map(|folder| folder.join(name)).find(|file| runs(file)) {
        return Ok(found);
    }
    let hint = if runs(&dir.join(name)) {
        format!("a program of this folder is written \"./{name}\"")
    } else {
        let near = folders().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        let near = near.filter_map(|entry| entry.file_name().into_string().ok());
        let near = near.map(|known| (strsim::damerau_levenshtein(name, &known), known)).min();
        match near {
            Some((distance, known)) if distance <= 1 + name.len() / 4 => format!("did you mean `{known}`?"),
            _ => "install it, or write its path".into(),
        }
    };
    Err((format!("no such command: `{name}` is not in PATH"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart;

    fn plan(words: &[&str], shared: &[(&str, &str)], env: &[(&str, &str)]) -> CommandPlan {
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(name, value)| ((*name).to_owned(), Template::parse(value).unwrap())).collect()
        };
        CommandPlan {
            name: "worker".into(),
            words: words.iter().map(|word| Template::parse(word).unwrap()).collect(),
            shared_env: pairs(shared),
            env: pairs(env),
            restart: restart::Plan::for_agents(),
            depends_on: Vec::new(),
            ready: crate::ready::Ready::Bus,
            process: crate::priority::Plan::default(),
            settings: Vec::new(),
        }
    }

    fn identity() -> Identity {
        Identity {
            bus: "b".into(),
            agent: "worker-3".into(),
            pool: Some(("worker".into(), 7)),
            pools: "worker=7".into(),
            index: Some(3),
        }
    }

    #[test]
    fn later_layers_see_earlier_ones() {
        let plan =
            plan(&["sh", "${C}", "${SWARMBUS_INDEX}"], &[("A", "a"), ("B", "b")], &[("A", "x${B}"), ("C", "c${A}")]);
        let launch = plan.launch(Path::new("/"), &identity()).unwrap();
        assert_eq!(launch.args, ["ca", "3"]);
        let value = |name: &str| launch.env.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(value("A").as_deref(), Some("xb"));
        assert_eq!(value("B").as_deref(), Some("b"));
        assert_eq!(value("SWARMBUS_AGENT").as_deref(), Some("worker-3"));
        assert_eq!(value("SWARMBUS_POOL_SIZE").as_deref(), Some("7"));
        assert!(launch.program.is_absolute());
    }

    #[test]
    fn variables_of_somebody_else_are_taken_away() {
        let who = Identity { index: None, pool: None, ..identity() };
        let launch = plan(&["sh"], &[], &[]).launch(Path::new("/"), &who).unwrap();
        assert!(launch.env.contains(&("SWARMBUS_INDEX".into(), None)));
        assert!(launch.env.contains(&("SWARMBUS_POOL".into(), None)));
    }

    #[test]
    fn a_missing_program_is_told_apart_from_a_missing_path() {
        let fault = |word: &str| plan(&[word], &[], &[]).launch(Path::new("/"), &identity()).unwrap_err();
        assert!(matches!(fault("no-such-program-here"), LaunchFault::Program(text, _) if text.contains("not in PATH")));
        assert!(
            matches!(fault("./no-such-program"), LaunchFault::Program(_, hint) if hint.contains("/./no-such-program"))
        );
        assert!(matches!(fault("/etc/passwd"), LaunchFault::Program(text, _) if text.contains("not executable")));
        assert!(matches!(fault("${NO_SUCH_VARIABLE_HERE}"), LaunchFault::Word(0, Fault::Unset(_))));
    }
}
