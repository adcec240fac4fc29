//! Hooks: commands that run when something happens. They never hold the supervisor up: a few at a time, each for a limited time, the rest wait, and
//! what is too much is dropped and counted.

use crate::config::{CommandPlan, Identity, Template};
use crate::process::signal_group;
use crate::{ready, restart};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// What follows an event: `[hooks.EVENT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// A command.
    pub words: Option<Vec<Template>>,
    /// `[env]` of the file.
    pub shared_env: Vec<(String, Template)>,
    /// A topic to which the event is published.
    pub topic: Option<String>,
}

/// Commands that run at a time.
const RUNNING_MAX: usize = 8;

/// Commands that wait for their turn.
const WAITING_MAX: usize = 256;

/// How long one may run.
pub const TIME_MAX: Duration = Duration::from_secs(30);

/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A command that is to run.
#[derive(Debug)]
struct Due {
    plan: CommandPlan,
    event: Value,
}

/// Where hooks run, and where they write.
#[derive(Clone, Debug)]
pub struct Place {
    /// The bus.
    pub bus: String,
    /// The folder of the topology.
    pub dir: PathBuf,
    /// The file for their output.
    pub log: PathBuf,
}

/// The commands that run and those that wait.
#[derive(Debug, Default)]
pub struct Runner {
    waiting: VecDeque<Due>,
    running: Vec<(Child, Duration)>,
    dropped: u64,
}

impl Runner {
    /// Notes a command for an event.
    pub fn add(&mut self, hook: &Hook, event: &Value) {
        let Some(words) = &hook.words else { return };
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        let plan = CommandPlan {
            name: "hook".into(),
            words: words.clone(),
            shared_env: hook.shared_env.clone(),
            env: Vec::new(),
            restart: restart::Plan::for_agents(),
            depends_on: Vec::new(),
            ready: ready::Ready::Start,
            process: Default::default(),
            settings: Vec::new(),
        };
        self.waiting.push_back(Due { plan, event: event.clone() });
    }

    /// Starts what there is room for, collects what has ended, and kills what takes too long. The answers are worth a warning.
    pub fn go_on(&mut self, place: &Place, now: Duration) -> Vec<String> {
        let mut told = Vec::new();
        self.running.retain_mut(|(child, since)| match child.try_wait() {
            Ok(None) if now >= *since + TIME_MAX => {
                signal_group(child.id(), Signal::KILL);
                let _ = child.wait();
                told.push(format!("a hook took longer than {} s and was killed", TIME_MAX.as_secs()));
                false
            }
            Ok(None) => true,
            Ok(Some(status)) if !status.success() => {
                told.push(format!("a hook failed ({status}); it wrote to {}", place.log.display()));
                false
            }
            Ok(Some(_)) | Err(_) => false,
        });
        while self.running.len() < RUNNING_MAX
            && let Some(due) = self.waiting.pop_front()
        {
            match due.start(place) {
                Ok(child) => self.running.push((child, now)),
                Err(error) => told.push(format!("a hook could not be started: {error}")),
            }
        }
        if self.waiting.is_empty() && std::mem::take(&mut self.dropped) > 0 {
            told.push(format!("hooks could not keep up; more than {WAITING_MAX} waited, and some events had none"));
        }
        told
    }

    /// When somebody has to look again.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        (!self.running.is_empty() || !self.waiting.is_empty()).then_some(now + LOOK_EVERY)
    }

    /// Whether this is one of the processes.
    pub fn has(&self, pid: u32) -> bool {
        self.running.iter().any(|(child, _)| child.id() == pid)
    }

    /// At the end: lets those that are left run, `time` at most.
    pub fn finish(&mut self, place: &Place, time: Duration) {
        let begun = std::time::Instant::now();
        while begun.elapsed() < time && (!self.running.is_empty() || !self.waiting.is_empty()) {
            self.go_on(place, Duration::ZERO);
            std::thread::sleep(LOOK_EVERY / 10);
        }
        for (mut child, _) in self.running.drain(..) {
            signal_group(child.id(), Signal::KILL);
            let _ = child.wait();
        }
    }
}

impl Due {
    fn start(&self, place: &Place) -> io::Result<Child> {
        let who =
            Identity { bus: place.bus.clone(), agent: String::new(), pool: None, pools: String::new(), index: None };
        let mut launch = self.plan.launch(&place.dir, &who).map_err(|fault| io::Error::other(fault.to_string()))?;
        // It is no agent, and must not be taken for one.
        launch.env.retain(|(name, _)| name != "SWARMBUS_AGENT" && name != "SWARMBUS_POOLS");
        launch.env.extend(["SWARMBUS_AGENT", "SWARMBUS_POOLS"].map(|name| (name.to_owned(), None)));
        launch.env.extend(variables(&self.event));
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&place.log)?;
        let mut command = launch.command(&place.dir);
        command.stdin(Stdio::from(in_memory(&self.event)?)).stdout(log.try_clone()?).stderr(log);
        command.spawn()
    }
}

/// The parts of an event that are words or numbers, as variables: `SWARMBUS_EVENT`, `SWARMBUS_EVENT_AGENT`, ….
fn variables(event: &Value) -> Vec<(String, Option<String>)> {
    let Value::Object(parts) = event else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.replace('\0', "")),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let name = |key: &str| match key {
        "event" => "SWARMBUS_EVENT".to_owned(),
        key => format!("SWARMBUS_EVENT_{}", key.to_uppercase()),
    };
    parts.iter().filter_map(|(key, value)| Some((name(key), Some(text(value)?)))).collect()
}

/// The event as a file that nobody has to write to while it is read: a pipe could fill up.
fn in_memory(event: &Value) -> io::Result<std::os::fd::OwnedFd> {
    let file = memfd_create("event", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    io::Write::write_all(&mut file, format!("{event}\n").as_bytes())?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// The file for the output of hooks.
pub fn log_in(logs: &Path) -> PathBuf {
    logs.join("hooks.log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hook(script: &str) -> Hook {
        let words = ["sh", "-c", script].map(|word| Template::parse(&word.replace("${", "$${")).unwrap());
        Hook { words: Some(words.to_vec()), shared_env: Vec::new(), topic: None }
    }

    fn place(dir: &Path) -> Place {
        Place { bus: "b".into(), dir: dir.to_owned(), log: log_in(dir) }
    }

    #[test]
    fn the_event_comes_on_standard_input_and_in_variables() {
        let (dir, mut runner) = (tempfile::tempdir().unwrap(), Runner::default());
        let event = json!({ "event": "stalled", "agent": "w-1", "quiet_s": 1.5, "tail": ["x"] });
        runner.add(&hook("cat > seen; env | grep ^SWARMBUS | LC_ALL=C sort >> seen"), &event);
        runner.finish(&place(dir.path()), Duration::from_secs(60));
        let seen = std::fs::read_to_string(dir.path().join("seen")).unwrap();
        let (line, rest) = seen.split_once('\n').unwrap();
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), event);
        let own: Vec<&str> = rest.lines().collect();
        let wanted = ["SWARMBUS=b", "SWARMBUS_EVENT=stalled", "SWARMBUS_EVENT_AGENT=w-1", "SWARMBUS_EVENT_QUIET_S=1.5"];
        assert_eq!(own, wanted);
    }

    #[test]
    fn a_few_run_at_a_time_and_what_is_too_much_is_dropped() {
        let (dir, mut runner) = (tempfile::tempdir().unwrap(), Runner::default());
        let place = place(dir.path());
        for _ in 0..WAITING_MAX + 5 {
            runner.add(&hook("sleep 600"), &json!({ "event": "stalled" }));
        }
        assert_eq!(runner.go_on(&place, Duration::ZERO), Vec::<String>::new());
        assert_eq!((runner.running.len(), runner.dropped), (RUNNING_MAX, 5));
        assert!(runner.deadline(Duration::ZERO).is_some());
        let pid = runner.running[0].0.id();
        assert!(runner.has(pid) && !runner.has(std::process::id()));
        runner.waiting.clear();
        let told = runner.go_on(&place, TIME_MAX);
        assert_eq!(told.iter().filter(|text| text.contains("was killed")).count(), RUNNING_MAX, "{told:?}");
        assert!(told.iter().any(|text| text.contains("keep up")), "{told:?}");
        assert_eq!(runner.deadline(Duration::ZERO), None);
    }

    #[test]
    fn what_fails_is_told() {
        let (dir, mut runner) = (tempfile::tempdir().unwrap(), Runner::default());
        runner.add(&hook("exit 3"), &json!({ "event": "down" }));
        let mut told = Vec::new();
        while told.is_empty() {
            told = runner.go_on(&place(dir.path()), Duration::ZERO);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(told[0].contains("exit status: 3"), "{told:?}");
    }
}
