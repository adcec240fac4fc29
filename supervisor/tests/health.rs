//! Health, judged over real agents: stalls, overflow, hooks, restarts, shedding, and what children are told of the kernel.

mod common;

use common::{Swarm, code, signal};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use swarmbus_core::{AgentState, Bus, CreateOptions, Observer, SendOptions, Status};
use swarmbus_supervisor::health::judge::{judge, next_stall};
use swarmbus_supervisor::health::looks::Looks;
use swarmbus_supervisor::health::{Condition, Health, Plan, Severity, Stall, look};

fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

/// A bus without a supervisor, gone with the test.
struct Alone(Bus);

impl Alone {
    fn new(test: &str) -> Alone {
        let options = CreateOptions { agents: 64, heap: 16 << 20, limit: 10, ..CreateOptions::default() };
        Alone(Bus::create(&format!("hl-{}-{test}", std::process::id()), &options).unwrap())
    }

    fn observer(&self) -> Observer {
        self.0.observer().unwrap()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}

/// Without the host: how full its memory is does not belong here.
fn usual() -> Plan {
    Plan { memory: 101, ..Plan::default() }
}

/// As strict as tests need it: whoever is quiet at two looks is stalled.
fn strict() -> Plan {
    let after = Duration::from_nanos(1);
    Plan { stall: Stall { after, ..Stall::default() }, ..usual() }
}

fn looked(observer: &Observer, looks: &mut Looks, plan: &Plan) -> Health {
    judge(look::once(observer, looks, plan, true), plan)
}

fn condition(health: &Health, agent: &str) -> Condition {
    health.agents.iter().find(|found| found.facts.name == agent).expect("the agent is seen").condition
}

#[test]
fn who_takes_nothing_is_stalled_unless_it_says_that_it_works() {
    let bus = Alone::new("stall");
    let (ann, bob) = (bus.0.attach("ann").unwrap(), bus.0.attach("bob").unwrap());
    let (observer, mut looks, plan) = (bus.observer(), Looks::default(), strict());
    let now = |looks: &mut Looks| looked(&observer, looks, &plan);
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Healthy);
    bob.send("ann", b"1", &at_once()).unwrap();
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Healthy, "it may not have had the time yet");
    let usual = Plan::default();
    let due = next_stall(&looked(&observer, &mut looks, &usual), &usual).expect("ann has a message");
    assert!(due < usual.stall.after && due > Duration::ZERO, "{due:?}");
    let health = now(&mut looks);
    assert_eq!((condition(&health, "ann"), condition(&health, "bob")), (Condition::Stalled, Condition::Healthy));
    assert_eq!(health.verdict, Severity::Warning, "one of two");
    let working = Status { state: AgentState::InProgress, task: "think".into(), ..Status::default() };
    ann.set_status(&working).unwrap();
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Working);
    // Without a task or a sign of life anybody can say so.
    ann.set_status(&Status { task: String::new(), ..working.clone() }).unwrap();
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Stalled);
    ann.beat().unwrap();
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Working);
    ann.set_status(&Status::default()).unwrap();
    assert_eq!(condition(&now(&mut looks), "ann"), Condition::Stalled, "a beat is not work");
    ann.recv(Some(Duration::ZERO)).unwrap().release().unwrap();
    let health = now(&mut looks);
    assert_eq!((condition(&health, "ann"), next_stall(&health, &usual)), (Condition::Healthy, None));
}

#[test]
fn a_work_queue_presses_those_who_take_from_it() {
    let bus = Alone::new("queue");
    bus.0.declare("work", &Default::default()).unwrap();
    let (ann, bob) = (bus.0.attach("ann").unwrap(), bus.0.attach("bob").unwrap());
    let (observer, mut looks, plan) = (bus.observer(), Looks::default(), strict());
    bob.send("work", b"1", &at_once()).unwrap();
    ann.receive("work", Some(Duration::ZERO)).unwrap().release().unwrap();
    for text in ["2", "3"] {
        bob.send("work", text.as_bytes(), &at_once()).unwrap();
    }
    looked(&observer, &mut looks, &plan);
    let health = looked(&observer, &mut looks, &Plan { age: Duration::from_nanos(1), ..plan.clone() });
    assert_eq!(condition(&health, "ann"), Condition::Stalled);
    assert_eq!(condition(&health, "bob"), Condition::Healthy, "it never took from there");
    let queue = health.queues.iter().find(|queue| queue.name == "work").unwrap();
    assert_eq!((queue.waiting, queue.takers), (2, 1));
    ann.receive("work", Some(Duration::ZERO)).unwrap().release().unwrap();
    assert_eq!(condition(&looked(&observer, &mut looks, &plan), "ann"), Condition::Healthy, "slow is not stalled");
}

#[test]
fn full_queues_and_the_dead_are_told() {
    let bus = Alone::new("full");
    bus.0.declare("work", &Default::default()).unwrap();
    let (ann, bob) = (bus.0.attach("ann").unwrap(), bus.0.attach("bob").unwrap());
    let observer = bus.observer();
    let now = || looked(&observer, &mut Looks::default(), &usual());
    for _ in 0..8 {
        bob.send("ann", b"1", &at_once()).unwrap();
        bob.send("work", b"1", &at_once()).unwrap();
    }
    assert_eq!(condition(&now(), "ann"), Condition::Overflowing);
    assert_eq!(now().verdict, Severity::Warning);
    for _ in 0..2 {
        bob.send("work", b"1", &at_once()).unwrap();
    }
    let health = now();
    assert_eq!(health.verdict, Severity::Critical);
    assert_eq!((health.alerts[0].kind, health.alerts[0].subject.as_str()), ("overflow", "work"));
    drop(ann);
    let health = now();
    assert!(!health.agents.iter().any(|agent| agent.facts.name == "ann"), "it has left in peace");
    assert!(health.queues.iter().any(|queue| queue.name == "ann" && queue.waiting == 8), "and left its mailbox");
}

#[test]
fn a_stalled_agent_is_found_told_to_hooks_and_started_anew() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[health]
every = "100ms"
stall = "300ms"
[hooks.stalled]
command = ["sh", "-c", "cat > told-$SWARMBUS_EVENT_AGENT; echo $SWARMBUS_EVENT > named-$SWARMBUS_EVENT_AGENT"]
topic = "alarms"
[pool.hung]
command = ["<agent>", "hang"]
size = 1
health = { restart = true }
[pool.busy]
command = ["<agent>", "hang", "a long thought"]
size = 1
[pool.stopped]
command = ["<agent>", "listen"]
size = 1
"#,
    );
    swarm.wait_until_attached();
    let first = swarm.agents()["hung-1"].pid;
    signal(swarm.agents()["stopped-1"].pid.unwrap(), Signal::STOP);
    let bus = Bus::open(&swarm.bus).unwrap();
    let me = bus.join().unwrap();
    // Before it has said so, whoever works is as stalled as the others.
    swarm.until("the busy one says that it works", || {
        bus.status_of("busy-1").unwrap().is_some_and(|status| status.state == AgentState::InProgress)
    });
    for agent in ["hung-1", "busy-1", "stopped-1"] {
        me.send(agent, b"one", &at_once()).unwrap();
        me.send(agent, b"two", &at_once()).unwrap();
    }
    swarm.until("the hung agent is started anew", || swarm.err().contains("hung-1 is stalled"));
    swarm.until("it runs again", || {
        let now = swarm.agents()["hung-1"].clone();
        now.pid.is_some() && now.pid != first
    });
    swarm.until("the stopped one is found", || swarm.err().contains("stopped-1 is stalled"));
    // A file for each, since both may run at the same time; and again, when the one that was started anew hangs as well.
    for agent in ["hung-1", "stopped-1"] {
        swarm.until("the hook has run", || swarm.file(&format!("named-{agent}")) == "stalled\n");
        swarm.until("it was told what happened", || {
            let told: serde_json::Value =
                serde_json::from_str(&swarm.file(&format!("told-{agent}"))).unwrap_or_default();
            told["event"] == "stalled" && told["agent"] == agent
        });
    }
    assert!(!swarm.err().contains("busy-1 is stalled"), "it says that it works: {}", swarm.err());
    signal(swarm.agents()["stopped-1"].pid.unwrap(), Signal::CONT);
    swarm.until("it has recovered", || swarm.err().contains("stopped-1 has recovered"));
    let topics = bus.observer().unwrap().topics();
    assert!(topics.iter().any(|topic| topic.name == "alarms"), "{topics:?}");
    drop(me);
    // Those that hang would not end by themselves.
    signal(swarm.pid(), Signal::QUIT);
    swarm.wait();
    swarm.assert_nothing_left();
}

#[test]
fn under_pressure_the_lowest_priority_stops_and_comes_back() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["full"]
limit = 10
[health]
every = "100ms"
memory = "99%"
[health.shed]
from = "100%"
until = "99%"
pause = "200ms"
[pool.low]
command = ["<agent>", "listen"]
size = 2
priority = -1
[pool.high]
command = ["<agent>", "listen"]
size = 1
"#,
    );
    swarm.wait_until_attached();
    let bus = Bus::open(&swarm.bus).unwrap();
    let me = bus.join().unwrap();
    while me.send("full", b"x", &at_once()).is_ok() {}
    let states = |pool: &str| -> Vec<String> {
        let agents = swarm.agents().into_values().filter(|agent| agent.pool.as_deref() == Some(pool));
        agents.map(|agent| agent.state).collect()
    };
    swarm.until("the low pool has stopped", || states("low") == ["stopped", "stopped"]);
    assert_eq!(states("high"), ["running"]);
    assert!(swarm.err().contains("pool low stops, by its priority: full is 100 % full"), "{}", swarm.err());
    while let Ok(message) = me.receive("full", Some(Duration::ZERO)) {
        message.release().unwrap();
    }
    swarm.until("the low pool is back", || states("low") == ["running", "running"]);
    drop(me);
    signal(swarm.pid(), Signal::TERM);
    swarm.wait();
    swarm.assert_nothing_left();
}

fn stat(pid: u32, place: usize) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(place).unwrap().to_owned()
}

fn proc(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

const PROCESS: &str = r#"
[pool.w.process]
nice = 7
oom = 300
cpus = "<cpu>"
ionice = "best-effort:6"
[pool.w.process.limits]
nofile = 333
core = 0
address_space = "64GiB"
"#;

/// The settings of a pool, on the first of the processors that are ours.
fn process() -> String {
    PROCESS.replace("<cpu>", &first_cpu())
}

fn first_cpu() -> String {
    let status = proc(std::process::id(), "status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t")).unwrap();
    list.split([',', '-']).next().unwrap().to_owned()
}

/// What the kernel says of a process of that pool.
fn assert_set(pid: u32) {
    assert_eq!(stat(pid, 16), "7", "nice");
    assert_eq!(proc(pid, "oom_score_adj").trim(), "300");
    assert!(proc(pid, "status").lines().any(|line| line == format!("Cpus_allowed_list:\t{}", first_cpu())));
    let limits = proc(pid, "limits");
    let limit = |name: &str| {
        limits.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().rev().nth(1).unwrap().to_owned()
    };
    assert_eq!((limit("Max open files"), limit("Max core file")), ("333".into(), "0".into()));
    assert_eq!(limit("Max address space"), (64u64 << 30).to_string());
}

#[test]
fn children_are_what_the_file_says_before_they_run() {
    let mut swarm = Swarm::up(&format!(
        "[bus]\nname = \"<bus>\"\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = 2\n{}\n\
         [pool.plain]\ncommand = [\"<agent>\", \"listen\"]\nsize = 1\n",
        process()
    ));
    swarm.wait_until_attached();
    let agents = swarm.agents();
    for name in ["w-1", "w-2"] {
        assert_set(agents[name].pid.unwrap());
    }
    assert_eq!(stat(agents["plain-1"].pid.unwrap(), 16), stat(std::process::id(), 16), "others are left alone");
    signal(swarm.pid(), Signal::TERM);
    swarm.wait();
    swarm.assert_nothing_left();
}

#[test]
fn agents_of_a_zygote_are_what_the_file_says() {
    let mut swarm = Swarm::new(&format!(
        "[bus]\nname = \"<bus>\"\n[pool.w]\ncommand = [\"python3\", \"agent.py\"]\npreload = [\"json\"]\nsize = 2\n{}",
        process()
    ));
    std::fs::write(swarm.dir.path().join("agent.py"), "import time\ntime.sleep(600)\n").unwrap();
    swarm.start();
    let agents = swarm.wait_until_up().agents;
    assert_eq!(agents.len(), 2);
    agents.iter().for_each(|agent| assert_set(agent.pid.unwrap()));
    signal(swarm.pid(), Signal::QUIT);
    swarm.wait();
    swarm.assert_nothing_left();
}

#[test]
fn what_is_not_allowed_is_a_warning_or_with_required_an_error() {
    let text = |required: bool| {
        format!(
            "[bus]\nname = \"<bus>\"\n[coordinator]\ncommand = [\"true\"]\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\n\
             size = 1\n[pool.w.process]\nrequired = {required}\ncpus = \"1023\"\n"
        )
    };
    let mut swarm = Swarm::up(&text(false));
    swarm.wait();
    assert!(swarm.err().contains("warning: pool w: cpus is not allowed"), "{}", swarm.err());
    let mut swarm = Swarm::up(&text(true));
    let status = swarm.wait();
    assert!(!status.success());
    assert!(swarm.err().contains("pool w: cpus is not allowed"), "{}", swarm.err());
    swarm.assert_nothing_left();
}

#[test]
#[ignore = "500 processes, 200 kills; run with --nocapture for the figures"]
fn from_a_kill_to_the_redelivery() {
    const AGENTS: usize = 500;
    const KILLS: usize = 200;
    let mut swarm = Swarm::up(&format!(
        "[bus]\nname = \"<bus>\"\nqueues = [\"work\"]\n[pool.w]\ncommand = [\"<agent>\", \"grip\", \"work\"]\n\
         size = {AGENTS}\nrestart = {{ policy = \"never\" }}\n"
    ));
    swarm.wait_until_attached();
    let bus = Bus::open(&swarm.bus).unwrap();
    let me = bus.join().unwrap();
    for number in 0..AGENTS {
        me.send("work", number.to_string().as_bytes(), &SendOptions::default()).unwrap();
    }
    let observer = bus.observer().unwrap();
    swarm.until("everybody has one", || {
        observer.queues().iter().any(|q| q.name == "work" && q.in_flight == AGENTS as u64)
    });
    let agents = swarm.agents();
    let mut times: Vec<Duration> = Vec::new();
    for number in 1..=KILLS {
        let pid = agents[&format!("w-{number}")].pid.unwrap();
        let begun = Instant::now();
        signal(pid, Signal::KILL);
        let message = me.receive("work", Some(common::PATIENCE)).unwrap();
        times.push(begun.elapsed());
        assert_eq!(message.deliveries(), 2);
        message.release().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort();
    let at = |part: usize| times[KILLS * part / 100 - 1].as_secs_f64() * 1e3;
    println!(
        "from SIGKILL to redelivery, {KILLS} kills of {AGENTS}: p50 {:.3} ms, p99 {:.3} ms, most {:.3} ms",
        at(50),
        at(99),
        at(100)
    );
    drop(me);
    signal(swarm.pid(), Signal::QUIT);
    swarm.wait();
    swarm.assert_nothing_left();
}

#[test]
#[ignore = "2000 members; run with --release --nocapture for the figures"]
fn what_a_check_of_two_thousand_costs() {
    const AGENTS: usize = 2000;
    let name = format!("hl-{}-many", std::process::id());
    let bus = Alone(Bus::create(&name, &CreateOptions { agents: 3000, ..CreateOptions::default() }).unwrap());
    let agents: Vec<_> = (0..AGENTS).map(|number| bus.0.attach(&format!("agent-{number}")).unwrap()).collect();
    for pair in agents.chunks(2) {
        pair[0].set_status(&Status { state: AgentState::InProgress, task: "x".into(), ..Status::default() }).unwrap();
        pair[1].send(pair[0].name(), b"hello", &at_once()).unwrap();
    }
    let (observer, plan, mut looks) = (bus.observer(), Plan::default(), Looks::default());
    let mut times: Vec<[Duration; 2]> = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let facts = look::once(&observer, &mut looks, &plan, false);
        let looked = begun.elapsed();
        let health = judge(facts, &plan);
        times.push([looked, begun.elapsed()]);
        assert_eq!(health.agents.len(), AGENTS);
    }
    times.sort_by_key(|time| time[1]);
    let [looked, judged] = times[times.len() / 2].map(|time| time.as_secs_f64() * 1e3);
    println!("a check of {AGENTS} agents: {judged:.3} ms, of which {looked:.3} ms for the look (median of 200)");
}

#[test]
#[ignore = "2000 processes for half a minute; run with --release --nocapture for the figures"]
fn what_two_thousand_idle_agents_cost_their_supervisor() {
    const FOR: Duration = Duration::from_secs(30);
    let mut swarm = Swarm::up("[bus]\nname = \"<bus>\"\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = 2000\n");
    swarm.wait_until_attached();
    let used_s = || {
        let ticks = |place| stat(swarm.pid(), place).parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
    };
    let before_s = used_s();
    std::thread::sleep(FOR);
    let percent = (used_s() - before_s) * 100.0 / FOR.as_secs_f64();
    println!("the supervisor of 2000 idle agents: {percent:.2} % of a processor, over {} s", FOR.as_secs());
    assert!(swarm.verb("drain").status.success(), "{}", swarm.err());
    assert_eq!(code(swarm.wait()), 0);
    swarm.assert_nothing_left();
}
