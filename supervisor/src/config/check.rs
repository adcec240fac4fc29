//! Checks a file that was read as a whole, so that all that is wrong is told at once and nothing starts before.

use super::launch::{Identity, LaunchFault, RESERVED};
use super::problem::Problem;
use super::schema::{self, Env, Size, Span, Text};
use super::template::Template;
use super::{AGENTS_MAX, BusPlan, CommandPlan, MetricsPlan, Overrides, PoolPlan, SPARE_MEMBERS, Topology};
use crate::ready::Ready;
use crate::{drain, priority, restart};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use swarmbus_core::{CreateOptions, check_name};
use toml::Spanned;

/// The smallest heap that is any use.
const HEAP_BYTES_MIN: u64 = 1 << 20;

pub(super) struct Checker {
    problems: Vec<Problem>,
    /// Who waits for whom.
    pub(super) waits: Vec<(String, Spanned<String>)>,
}

/// What a coordinator's and a pool's table say beside what runs.
struct After {
    restart: Option<schema::Restart>,
    usual: restart::Plan,
    depends_on: Vec<Spanned<String>>,
    ready: Option<Spanned<schema::Ready>>,
    /// Whether its output goes to a file.
    has_log: bool,
}

/// The topology, as far as it could be understood, and all that is wrong with it.
pub fn topology(path: &Path, dir: &Path, file: schema::File) -> (Option<Topology>, Vec<Problem>) {
    let mut checker = Checker { problems: Vec::new(), waits: Vec::new() };
    let topology = checker.topology(path, dir, file);
    (topology, checker.problems)
}

/// Places that a launch's faults are reported at.
struct Places {
    command: Range<usize>,
    words: Vec<Range<usize>>,
    env: BTreeMap<String, Range<usize>>,
}

impl Checker {
    pub(super) fn say(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(span, message, hint));
    }

    fn topology(&mut self, path: &Path, dir: &Path, file: schema::File) -> Option<Topology> {
        let shared_places: BTreeMap<String, Range<usize>> = places_of(&file.env);
        let shared_env = self.env(file.env);
        let logs = file.logs.and_then(|text| self.folder(dir, &text));
        let agents_given = file.bus.agents.as_ref().map(|count| (count.span(), count.as_ref().0));
        let mut bus = self.bus(file.bus);
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for queue in &bus.queues {
            names.insert(queue.clone(), "a queue".into());
        }

        let (mut health, shed) = self.health(file.health);
        let hooks = self.hooks(file.hooks, &shared_env);
        let mut written: Vec<_> = file.pool.into_iter().collect();
        written.sort_by_key(|(name, _)| name.span().start);
        let mut runs = Vec::new();
        let coordinator = file.coordinator.map(|raw| {
            let place = raw.command.span();
            let name = match &raw.name {
                Some(name) => self.name(name, "the coordinator", 63),
                None => "coordinator".to_owned(),
            };
            let (plan, places) = self.command(
                name,
                raw.command,
                raw.env,
                &shared_env,
                After {
                    restart: raw.restart,
                    usual: restart::Plan::for_coordinator(),
                    depends_on: raw.depends_on,
                    ready: raw.ready,
                    has_log: false,
                },
            );
            let span = raw.name.map_or(place, |name| name.span());
            self.unique(&mut names, plan.name.clone(), "the coordinator", span);
            runs.push((plan.clone(), places));
            plan
        });

        let mut pools = Vec::new();
        for (name, raw) in written {
            let size = raw.size.as_ref().0;
            if size == 0 || size > AGENTS_MAX {
                self.say(raw.size.span(), format!("a pool has 1 to {AGENTS_MAX} agents, not {size}"), "");
                continue;
            }
            let most = raw.scale.as_ref().map_or(size, |scale| scale.max.as_ref().0.clamp(size, AGENTS_MAX));
            let longest = 62 - most.to_string().len();
            let span = name.span();
            let name = self.name(&name, "a pool", longest);
            let (plan, places) = self.command(
                name.clone(),
                raw.command,
                raw.env,
                &shared_env,
                After {
                    restart: raw.restart,
                    usual: restart::Plan::for_agents(),
                    depends_on: raw.depends_on,
                    ready: raw.ready,
                    has_log: true,
                },
            );
            for index in 1..=most {
                let what = format!("an agent of pool {name}");
                if !self.unique(&mut names, Topology::agent_name(&name, index), &what, span.clone()) {
                    break;
                }
            }
            let scale = raw.scale.and_then(|scale| self.scale(scale, size, &raw.size.span(), &bus.queues));
            let preload = self.preload(raw.preload, &plan);
            runs.push((plan.clone(), places));
            let trouble = self.pool_health(raw.health, &health.stall);
            health.pools.extend(trouble.stall.map(|stall| (name.clone(), stall)));
            let plan = CommandPlan { process: self.process(raw.process), ..plan };
            pools.push(PoolPlan { name, size, run: plan, preload, scale, priority: raw.priority, health: trouble });
        }
        if coordinator.is_none() && pools.is_empty() && self.problems.is_empty() {
            self.say(0..0, "there is nothing to run", "add a [coordinator] or a [pool.worker], each with its command");
        }
        let known: Vec<&str> = runs.iter().map(|(plan, _): &(CommandPlan, Places)| plan.name.as_str()).collect();
        self.dependencies(&known);
        let groups = self.groups(file.group, &pools);
        self.fit(&mut bus, agents_given, &pools, coordinator.is_some());
        let plan = Topology {
            path: path.to_owned(),
            dir: dir.to_owned(),
            text: String::new(),
            profile: None,
            overrides: Overrides::default(),
            bus,
            coordinator,
            pools,
            groups,
            drain: drain::Plan {
                grace: file.drain.grace.map_or(drain::Plan::default().grace, |span| span.0),
                kill_after: file.drain.kill_after.map_or(drain::Plan::default().kill_after, |span| span.0),
            },
            metrics: file.metrics.and_then(|raw| self.metrics(raw)),
            logs,
            log: self.log(file.log),
            health,
            shed,
            hooks,
        };
        for (run, places) in &runs {
            self.launchable(&plan, run, places, &shared_places);
        }
        self.problems.is_empty().then_some(plan)
    }

    fn metrics(&mut self, raw: schema::Metrics) -> Option<MetricsPlan> {
        match raw.listen.as_ref().parse() {
            Ok(listen) => Some(MetricsPlan { listen, agents: raw.agents }),
            Err(_) => {
                let message = format!("`{}` is no address with a port", raw.listen.as_ref());
                self.say(raw.listen.span(), message, "127.0.0.1:9464 is usual");
                None
            }
        }
    }

    fn bus(&mut self, raw: schema::Bus) -> BusPlan {
        let name = self.name(&raw.name, "the bus", 63);
        let mut create = CreateOptions::default();
        if let Some(heap) = raw.heap {
            let Size(bytes) = *heap.as_ref();
            if bytes < HEAP_BYTES_MIN {
                self.say(
                    heap.span(),
                    format!("a heap of {bytes} bytes is too small"),
                    "1MiB is the least, 1GiB is usual",
                );
            }
            create.heap = bytes;
        }
        if let Some(limit) = raw.limit {
            let count = limit.as_ref().0;
            if count == 0 || count > 1 << 24 {
                self.say(
                    limit.span(),
                    format!("a limit of {count} messages per lane is not possible"),
                    "1000 is usual",
                );
            }
            create.limit = count;
        }
        if let Some(agents) = &raw.agents {
            let count = agents.as_ref().0;
            if count == 0 || count > AGENTS_MAX {
                self.say(agents.span(), format!("a bus has 1 to {AGENTS_MAX} agents, not {count}"), "");
            }
            create.agents = count;
        }
        let mut queues: Vec<String> = Vec::new();
        for queue in &raw.queues {
            let name = self.name(queue, "a queue", 63);
            if queues.contains(&name) {
                self.say(queue.span(), format!("the queue `{name}` is there twice"), "name it once");
            }
            queues.push(name);
        }
        BusPlan { name, create, queues, keep: raw.keep }
    }

    /// Makes room for all agents, unless the file gives a number that is too small.
    fn fit(&mut self, bus: &mut BusPlan, given: Option<(Range<usize>, u32)>, pools: &[PoolPlan], coordinator: bool) {
        let total = pools.iter().map(|pool| u64::from(pool.most())).sum::<u64>() + u64::from(coordinator);
        if total > u64::from(AGENTS_MAX) {
            self.say(0..0, format!("{total} agents in all are too many"), format!("a bus has at most {AGENTS_MAX}"));
            return;
        }
        let total = total as u32;
        match given {
            Some((span, count)) if count <= total + bus.queues.len() as u32 => {
                let message =
                    format!("room for {count} is too little for the {total} agents of this file and its queues");
                self.say(
                    span,
                    message,
                    format!("leave it out, or write {}", total + bus.queues.len() as u32 + SPARE_MEMBERS),
                );
            }
            Some(_) => {}
            None => bus.create.agents = bus.create.agents.max(total + bus.queues.len() as u32 + SPARE_MEMBERS),
        }
    }

    fn name(&mut self, name: &Spanned<String>, what: &str, longest: usize) -> String {
        let text = name.as_ref();
        if let Err(error) = check_name(text) {
            let reason = match &error {
                swarmbus_core::Error::InvalidName { reason, .. } => (*reason).to_owned(),
                other => other.to_string(),
            };
            self.say(
                name.span(),
                format!("`{text}` cannot name {what}: {reason}"),
                "letters, digits, `.`, `_` and `-`, at most 63",
            );
        } else if text.len() > longest {
            self.say(
                name.span(),
                format!("`{text}` is too long to name {what}"),
                format!("at most {longest} characters"),
            );
        }
        text.clone()
    }

    fn unique(&mut self, names: &mut BTreeMap<String, String>, name: String, what: &str, span: Range<usize>) -> bool {
        if let Some(other) = names.get(&name) {
            let message = format!("`{name}` would name both {other} and {what}");
            self.say(span, message, "names of agents and queues must differ");
            return false;
        }
        names.insert(name, what.to_owned());
        true
    }

    fn folder(&mut self, dir: &Path, text: &Spanned<Text>) -> Option<std::path::PathBuf> {
        let lookup = |name: &str| std::env::var(name).ok();
        match text.as_ref().template().and_then(|template| template.expand(&lookup)) {
            Ok(folder) if folder.is_empty() => {
                self.say(text.span(), "the folder for logs has no name", "name one, or leave `logs` out");
                None
            }
            Ok(folder) => Some(dir.join(folder)),
            Err(fault) => {
                self.say(text.span(), fault.to_string(), fault.hint());
                None
            }
        }
    }

    fn env(&mut self, env: Env) -> Vec<(String, Template)> {
        let mut out = Vec::new();
        for (name, text) in env {
            let span = name.span();
            let name = name.into_inner();
            if RESERVED.contains(&name.as_str()) {
                self.say(span, format!("{name} is set by the supervisor"), "choose another name");
            } else if name.is_empty() || name.contains(['=', '\0']) {
                self.say(span, format!("`{name}` cannot name a variable"), "");
            }
            match text.as_ref().template() {
                Ok(template) => out.push((name, template)),
                Err(fault) => self.say(text.span(), fault.to_string(), fault.hint()),
            }
        }
        out
    }

    fn command(
        &mut self,
        name: String,
        command: Spanned<schema::Words>,
        env: Env,
        shared_env: &[(String, Template)],
        after: After,
    ) -> (CommandPlan, Places) {
        let mut places = Places { command: command.span(), words: Vec::new(), env: places_of(&env) };
        let mut words = Vec::new();
        for word in &command.as_ref().0 {
            places.words.push(word.span());
            match word.as_ref().template() {
                Ok(template) => words.push(template),
                Err(fault) => self.say(word.span(), fault.to_string(), fault.hint()),
            }
        }
        if command.as_ref().0.is_empty() {
            self.say(command.span(), "the command is empty", "name a program, such as [\"python3\", \"worker.py\"]");
        }
        let env = self.env(env);
        let restart = self.restart(after.restart, after.usual);
        let ready = after.ready.as_ref().map_or(Ok(Ready::Bus), |ready| ready.as_ref().plan());
        let ready = ready.unwrap_or_else(|fault| {
            let span = after.ready.as_ref().map_or(0..0, Spanned::span);
            self.say(span, fault.to_string(), fault.hint());
            Ready::Bus
        });
        if let (Ready::Log(text), Some(written)) = (&ready, &after.ready)
            && (text.is_empty() || !after.has_log)
        {
            let hint = if after.has_log {
                "say what it writes"
            } else {
                "its output goes where the supervisor's does: use another way"
            };
            self.say(written.span(), "there is no text to wait for", hint);
        }
        let depends_on = after.depends_on.iter().map(|name| name.as_ref().clone()).collect();
        self.waits.extend(after.depends_on.into_iter().map(|on| (name.clone(), on)));
        let (shared_env, process) = (shared_env.to_vec(), priority::Plan::default());
        let plan =
            CommandPlan { name, words, shared_env, env, restart, depends_on, ready, process, settings: Vec::new() };
        (plan, places)
    }

    fn restart(&mut self, raw: Option<schema::Restart>, usual: restart::Plan) -> restart::Plan {
        let Some(raw) = raw else { return usual };
        if let Some(failures) = raw.failures.as_ref().filter(|count| count.as_ref().0 == 0) {
            self.say(
                failures.span(),
                "0 failures to give up at",
                "1 gives up at the first; restart = \"never\" does not restart",
            );
        }
        let or = |span: Option<Span>, usual| span.map_or(usual, |span| span.0);
        restart::Plan {
            policy: raw.policy.unwrap_or(usual.policy),
            first: or(raw.first, usual.first),
            most: or(raw.most, usual.most),
            failures: raw.failures.map_or(usual.failures, |count| count.as_ref().0),
            within: or(raw.within, usual.within),
            healthy: or(raw.healthy, usual.healthy),
        }
    }

    /// Puts the launch together once, so that an unset variable or a missing program is told before anything starts.
    fn launchable(
        &mut self,
        plan: &Topology,
        run: &CommandPlan,
        places: &Places,
        shared: &BTreeMap<String, Range<usize>>,
    ) {
        if run.words.is_empty() || run.words.len() != places.words.len() {
            return;
        }
        let identity = Identity {
            bus: plan.bus.name.clone(),
            agent: run.name.clone(),
            pool: Some((run.name.clone(), 1)),
            pools: String::new(),
            index: Some(1),
        };
        let at = |span: Option<&Range<usize>>| span.cloned().unwrap_or_else(|| places.command.clone());
        match run.launch(&plan.dir, &identity) {
            Ok(_) => {}
            Err(LaunchFault::SharedEnv(name, fault)) => {
                let problem = Problem::new(at(shared.get(&name)), fault.to_string(), fault.hint());
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
            Err(LaunchFault::Env(name, fault)) => self.say(at(places.env.get(&name)), fault.to_string(), fault.hint()),
            Err(LaunchFault::Word(index, fault)) => {
                self.say(at(places.words.get(index)), fault.to_string(), fault.hint())
            }
            Err(LaunchFault::Program(message, hint)) => self.say(at(places.words.first()), message, hint),
        }
    }
}

fn places_of(env: &Env) -> BTreeMap<String, Range<usize>> {
    env.iter().map(|(name, text)| (name.as_ref().clone(), text.span())).collect()
}
