//! What is to be shown at full size; each takes long, so they run when they are asked for, one by one:
//! `cargo test --release -p swarmbus-supervisor --test large -- --ignored --nocapture --test-threads 1`

mod common;

use common::ledger::{self, assert_all_answered, may_end};
use common::{PATIENCE, Swarm, code, is_alive, own_kib, signal};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, SendOptions};
use swarmbus_supervisor::health::Condition;
use swarmbus_supervisor::health::judge::judge;
use swarmbus_supervisor::process::Stranger;
use swarmbus_supervisor::protocol::Answer;

fn pids(swarm: &Swarm) -> BTreeMap<String, (Option<u32>, u32)> {
    swarm.agents().into_iter().map(|(name, agent)| (name, (agent.pid, agent.restarts))).collect()
}

/// Who answers at the control socket now.
fn leader(swarm: &Swarm) -> Option<u64> {
    let mut stream = UnixStream::connect(swarm.run_dir().join("control.sock")).ok()?;
    stream.write_all(b"{\"verb\":\"ps\"}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str::<Value>(&line).ok()?["supervisor_pid"].as_u64()
}

#[test]
#[ignore = "200 agents"]
fn a_standby_takes_200_agents_over() {
    let mut swarm = ledger::swarm(30_000, 20, 200);
    swarm.start();
    swarm.wait_until_attached();
    let before = pids(&swarm);
    let mut standby = swarm.standby("standby");
    swarm.until("it stands by", || swarm.file("standby").contains("standing by"));
    let done = swarm.out().lines().count();
    let begun = Instant::now();
    signal(swarm.pid(), Signal::KILL);
    while leader(&swarm) != Some(u64::from(standby.pid())) {
        assert!(begun.elapsed() < PATIENCE, "{}", swarm.file("standby"));
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    let meanwhile = swarm.out().lines().count() - done;
    println!("200 agents: taken over in {took:?}; {meanwhile} tasks were answered meanwhile");
    assert_eq!(code(swarm.wait()), 137);
    assert_eq!(pids(&swarm), before);
    may_end(&swarm);
    swarm.until("the run ends", || standby.exit().is_some());
    assert_eq!(standby.exit(), Some(0));
    assert_all_answered(&swarm, 30_000);
    swarm.assert_nothing_left();
}

#[test]
#[ignore = "50 agents with 1000 messages each"]
fn a_drain_of_50_000_messages_outlives_its_supervisor() {
    const AGENTS: usize = 50;
    const EACH: usize = 1000;
    for killed in [false, true] {
        let mut swarm = Swarm::new(&format!(
            "[bus]\nname = \"<bus>\"\nlimit = {EACH}\n[drain]\ngrace = \"120s\"\n[pool.w]\ncommand = [\"<agent>\", \"file\", \"done\", \
             \"1\"]\nsize = {AGENTS}\n"
        ));
        // Nobody begins before all is there.
        let wait = swarm.dir.path().join("wait");
        std::fs::write(&wait, "").unwrap();
        swarm.start();
        swarm.wait_until_attached();
        let guest = Bus::open(&swarm.bus).unwrap().attach("guest").unwrap();
        for number in 0..AGENTS * EACH {
            let to = format!("w-{}", number % AGENTS + 1);
            guest.send(&to, number.to_string().as_bytes(), &SendOptions::default()).unwrap();
        }
        drop(guest);
        let before = pids(&swarm);
        let begun = Instant::now();
        let drain = swarm.command(&["drain", &swarm.bus]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = || swarm.file("done").lines().count();
        swarm.until("it drains", || swarm.ps().is_some_and(|status| status.state == "draining"));
        std::fs::remove_file(&wait).unwrap();
        if killed {
            swarm.until("a part of it is done", || lines() > AGENTS * EACH / 10);
            let done = lines();
            swarm.kill();
            assert!(done < AGENTS * EACH, "it was over too soon");
            println!("killed when {done} were done");
            swarm.start();
        }
        assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
        let report = String::from_utf8(drain.wait_with_output().unwrap().stdout).unwrap();
        println!("supervisor killed: {killed}; {AGENTS} agents drained in {:?}: {}", begun.elapsed(), report.trim());
        let mut done: Vec<usize> = swarm.file("done").lines().map(|line| line.parse().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, (0..AGENTS * EACH).collect::<Vec<_>>());
        assert!(before.values().all(|(pid, _)| !is_alive(pid.unwrap())));
        swarm.assert_nothing_left();
    }
}

#[test]
#[ignore = "a minute with 200 agents"]
fn every_task_is_done_while_an_agent_is_killed_every_50_ms() {
    const FILES: u64 = 16;
    let for_s = std::env::var("SWARMBUS_TEST_STORM_S").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["files"]
heap = "64MiB"
[drain]
grace = "120s"
[pool.w]
command = ["<agent>", "hash", "files", "ledger"]
size = 200
restart = { first = "10ms", most = "50ms", failures = 100000 }
"#,
    );
    let mut hashes = HashMap::new();
    for number in 0..FILES {
        let bytes: Vec<u8> = (0..2 << 20).map(|at: u64| ((at * (number + 3)) >> 3) as u8).collect();
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        hashes.insert(number, format!("{:x}", hasher.finish()));
        std::fs::write(swarm.dir.path().join(format!("file-{number}")), bytes).unwrap();
    }
    swarm.wait_until_attached();
    let supervisor = swarm.pid();
    let guest = Bus::open(&swarm.bus).unwrap().attach("guest").unwrap();
    let observer = swarmbus_core::Observer::open(&swarm.bus).unwrap();
    let (mut victims, mut looked) = (Vec::new(), Instant::now());
    let (begun, mut sent, mut killed, mut memory) = (Instant::now(), 0u64, 0u64, Vec::new());
    while begun.elapsed() < Duration::from_secs(for_s) {
        for _ in 0..20 {
            let path = swarm.dir.path().join(format!("file-{}", sent % FILES));
            let task = format!("{sent} {}", path.display());
            guest.send("files", task.as_bytes(), &SendOptions::default()).unwrap();
            sent += 1;
        }
        if victims.is_empty() || looked.elapsed() > Duration::from_secs(1) {
            (victims, looked) = (of_pool(&observer), Instant::now());
        }
        if let Some(victim) = victims.pop() {
            victim.signal(Signal::KILL);
            killed += 1;
        }
        if killed % 100 == 1 {
            memory.push(own_kib(supervisor));
        }
        let next = Duration::from_millis(50 * killed);
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    let stormed = begun.elapsed();
    drop(guest);
    let drained = swarm.verb("drain");
    assert!(drained.status.success(), "{drained:?}");
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    let mut done: BTreeMap<u64, u64> = BTreeMap::new();
    for line in swarm.file("ledger").lines() {
        let (number, hash) = line.split_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        assert_eq!(hashes[&(number % FILES)], hash);
        *done.entry(number).or_default() += 1;
    }
    let twice = done.values().filter(|times| **times > 1).count();
    println!(
        "{sent} tasks, {killed} agents killed in {stormed:?}; all done, {twice} of them more than once; supervisor's memory in KiB: {memory:?}; {}",
        String::from_utf8_lossy(&drained.stdout).trim()
    );
    assert_eq!(done.keys().copied().collect::<Vec<_>>(), (0..sent).collect::<Vec<_>>());
    // What it is after the first hundred deaths it stays.
    let (first, last) = (memory[1.min(memory.len() - 1)], memory[memory.len() - 1]);
    assert!(last < first + 2048, "the supervisor grows: {memory:?}");
    swarm.assert_nothing_left();
}

#[test]
#[ignore = "500 agents"]
fn stalled_agents_are_found() {
    const AGENTS: usize = 500;
    const STOPPED: usize = 40;
    const AFTER: Duration = Duration::from_secs(2);
    let mut swarm = Swarm::up(&format!(
        "[bus]\nname = \"<bus>\"\n[health]\nstall = \"2s\"\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = {AGENTS}\n"
    ));
    swarm.wait_until_attached();
    let agents = swarm.agents();
    let guest = Bus::open(&swarm.bus).unwrap().attach("guest").unwrap();
    let events = events_of(&swarm);
    let (mut begun, mut told, mut known) = (HashMap::new(), Vec::new(), Vec::new());
    let stopped = Instant::now();
    while told.len() < STOPPED {
        // At all times between two looks of the supervisor.
        let next = (begun.len() < STOPPED).then(|| stopped + Duration::from_millis(137) * begun.len() as u32);
        if next.is_some_and(|next| Instant::now() >= next) {
            let name = format!("w-{}", begun.len() + 1);
            signal(agents[&name].pid.unwrap(), Signal::STOP);
            begun.insert(name.clone(), Instant::now());
            guest.send(&name, b"who does not take this is stalled", &SendOptions::default()).unwrap();
            continue;
        }
        let within = next.map_or(PATIENCE, |next| next.saturating_duration_since(Instant::now()));
        let (at, event) = match events.recv_timeout(within) {
            Ok(heard) => heard,
            Err(_) if next.is_some() => continue,
            Err(error) => panic!("{error}; the supervisor wrote:\n{}", swarm.err()),
        };
        if event["event"] != "stalled" {
            continue;
        }
        let begun = begun[event["agent"].as_str().unwrap()];
        told.push((at - begun).checked_sub(AFTER).expect("it had its time"));
        let answer: Answer = serde_json::from_value(swarm.ask(serde_json::json!({"verb": "health"}))).unwrap();
        let Answer::Health { plan, facts } = answer else { panic!("{answer:?}") };
        let health = judge(facts, &plan);
        let agent = health.agents.iter().find(|agent| agent.facts.name == event["agent"]).unwrap();
        assert_eq!(agent.condition, Condition::Stalled);
        known.push(begun.elapsed() - AFTER);
    }
    for (what, mut times) in [("the event is out", told), ("health has said so", known)] {
        times.sort();
        let (half, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!(
            "{STOPPED} of {AGENTS} agents stopped; from the end of `stall` until {what}: p50 {half:.0?}, most {most:.0?}"
        );
    }
    for number in 1..=STOPPED {
        signal(agents[&format!("w-{number}")].pid.unwrap(), Signal::CONT);
    }
    drop(guest);
    assert!(swarm.verb("drain").status.success(), "{}", swarm.err());
    assert_eq!(code(swarm.wait()), 0);
    swarm.assert_nothing_left();
}

/// What happens, with the time at which it was heard.
fn events_of(swarm: &Swarm) -> Receiver<(Instant, Value)> {
    let mut stream = UnixStream::connect(swarm.run_dir().join("control.sock")).unwrap();
    stream.write_all(b"{\"verb\":\"events\"}\n").unwrap();
    let (heard, events) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let answer: Value = serde_json::from_str(&line).unwrap();
            if heard.send((Instant::now(), answer["event"].clone())).is_err() {
                return;
            }
        }
    });
    events
}

/// The living agents of the pool, as the segment shows them; those that hold a task come last.
fn of_pool(observer: &swarmbus_core::Observer) -> Vec<Stranger> {
    let mut members = observer.members();
    let is_of_pool = |agent: &Option<String>| agent.as_deref().is_some_and(|agent| agent.starts_with("w-"));
    members.retain(|member| member.state == "live" && is_of_pool(&member.agent));
    members.sort_by_key(|member| member.in_flight);
    members.into_iter().filter_map(|member| Stranger::hold(member.pid, false, || true)).collect()
}

#[test]
#[ignore = "50 take-overs"]
fn fifty_supervisors_are_killed_at_any_moment_of_taking_over() {
    let mut swarm = ledger::swarm(2000, 10, 20);
    swarm.start();
    swarm.wait_until_attached();
    let first = pids(&swarm);
    let mut chance = swarmbus_supervisor::restart::Chance::new(u64::from(std::process::id()));
    for _ in 0..50 {
        swarm.kill();
        swarm.start();
        std::thread::sleep(Duration::from_micros((chance.draw() * 60_000.0) as u64));
    }
    swarm.wait_until_attached();
    assert_eq!(pids(&swarm), first, "{}", swarm.err());
    let told = swarm.err().matches("took over").count();
    println!("50 supervisors killed at random; {told} of their successors got so far as to say that they took over");
    may_end(&swarm);
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_all_answered(&swarm, 2000);
    swarm.assert_nothing_left();
}
