//! The supervisor is killed, and another goes on with its run: none of the agents is restarted, the work goes on, what was under way is finished.

mod common;

use common::ledger::{self, answered, assert_all_answered, may_end};
use common::{LISTENERS, Standby, Swarm, code, is_alive, is_asleep, signal};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

fn pids(swarm: &Swarm) -> BTreeMap<String, Option<u32>> {
    swarm.agents().into_iter().map(|(name, agent)| (name, agent.pid)).collect()
}

#[test]
fn a_restarted_supervisor_adopts_the_living_and_restarts_none() {
    let mut swarm = ledger::swarm(1000, 10, 6);
    swarm.start();
    let before = swarm.wait_until_attached();
    swarm.until("some work is done", || answered(&swarm).len() > 50);
    swarm.kill();
    let done = answered(&swarm).len();
    swarm.until("work goes on", || answered(&swarm).len() > done + 50);

    swarm.start();
    let after = swarm.wait_until_attached();
    assert!(swarm.err().contains("took over from a supervisor that is dead; 7 processes go on\n"), "{}", swarm.err());
    assert_eq!(after.supervisor_pid, Some(swarm.pid()));
    for (before, after) in before.agents.iter().zip(&after.agents) {
        assert_eq!((&before.name, before.pid, before.restarts), (&after.name, after.pid, after.restarts));
    }
    // One that dies now is restarted, and its exit is known though it is no child of ours.
    let victim = after.agents.iter().find(|agent| agent.name == "w-3").unwrap();
    signal(victim.pid.unwrap(), Signal::KILL);
    swarm.until("it is back", || swarm.agents()["w-3"].restarts == 1 && swarm.agents()["w-3"].attached);
    let exits = ["w-3 (pid", "was killed by SIGKILL", "how is not known"];
    assert!(
        swarm.err().contains(exits[0]) && exits[1..].iter().any(|exit| swarm.err().contains(exit)),
        "{}",
        swarm.err()
    );

    may_end(&swarm);
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_all_answered(&swarm, 1000);
    swarm.assert_nothing_left();
}

#[test]
fn a_run_is_taken_over_again_and_again() {
    let mut swarm = ledger::swarm(200, 10, 6);
    swarm.start();
    swarm.wait_until_attached();
    let first = pids(&swarm);
    // At any time: while it is taken over, too.
    for round in 0..12u64 {
        std::thread::sleep(Duration::from_millis(7 * round % 60));
        swarm.kill();
        swarm.start();
    }
    swarm.wait_until_attached();
    assert_eq!(pids(&swarm), first, "{}", swarm.err());
    may_end(&swarm);
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_all_answered(&swarm, 200);
    swarm.assert_nothing_left();
}

#[test]
fn what_ended_while_nobody_watched_is_a_failure_and_sizes_stay() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    assert_eq!(swarm.ask(json!({"verb": "scale", "pool": "w", "size": 4}))["answer"], "accepted");
    swarm.until("it has grown", || swarm.agents().values().filter(|agent| agent.attached).count() == 4);
    assert_eq!(swarm.ask(json!({"verb": "stop", "names": ["w-2"]}))["answer"], "accepted");
    swarm.until("it is stopped", || swarm.agents()["w-2"].state == "stopped");
    let before = pids(&swarm);
    swarm.kill();
    signal(before["w-4"].unwrap(), Signal::KILL);
    swarm.until("it is dead", || !is_alive(before["w-4"].unwrap()));
    swarm.start();
    swarm.until("the failed one is back", || {
        let agents = swarm.agents();
        agents.get("w-4").is_some_and(|agent| agent.attached && agent.restarts == 1)
    });
    let after = swarm.agents();
    assert_eq!((after["w-2"].state.as_str(), after.len()), ("stopped", 4));
    for name in ["w-1", "w-3"] {
        assert_eq!((after[name].pid, after[name].restarts), (before[name], 0), "{name}");
    }
    assert!(swarm.err().contains("3 processes go on") || swarm.err().contains("2 processes go on, 1 ended meanwhile"));
    assert!(swarm.verb("down").status.success());
    assert_eq!(code(swarm.wait()), 143);
    assert!(before.values().flatten().all(|pid| !is_alive(*pid)));
    swarm.assert_nothing_left();
}

#[test]
fn another_file_does_not_take_a_run_over() {
    let mut swarm = Swarm::up("[bus]\nname = \"<bus>\"\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = 1\n");
    swarm.wait_until_attached();
    let own = swarm.dir.path().join("swarm.toml");
    swarm.kill();
    std::fs::rename(&own, swarm.dir.path().join("first.toml")).unwrap();
    std::fs::copy(swarm.dir.path().join("first.toml"), swarm.dir.path().join("second.toml")).unwrap();
    let other = swarm.run_with(&["up", "second.toml"]);
    assert!(
        !other.status.success() && String::from_utf8_lossy(&other.stderr).contains("it was started from"),
        "{other:?}"
    );
    assert_eq!(swarm.agents()["w-1"].state, "running");
}

fn standbys(swarm: &Swarm, count: usize) -> Vec<Standby> {
    let names: Vec<String> = (0..count).map(|number| format!("standby-{number}")).collect();
    let standbys = names.iter().map(|name| swarm.standby(name)).collect();
    swarm.until("they stand by", || names.iter().all(|name| swarm.file(name).contains("standing by")));
    standbys
}

#[test]
fn of_two_standbys_one_takes_over_and_the_other_waits_on() {
    let mut swarm = ledger::swarm(200, 10, 6);
    swarm.start();
    swarm.wait_until_attached();
    let before = pids(&swarm);
    let mut standbys = standbys(&swarm, 2);
    let mut leader = swarm.pid();
    swarm.kill();
    for killed in [true, false] {
        swarm.until("another one leads", || {
            swarm.ps().is_some_and(|status| status.state == "running" && status.supervisor_pid != Some(leader))
        });
        leader = swarm.ps().unwrap().supervisor_pid.unwrap();
        assert_eq!(standbys.iter().filter(|standby| standby.pid() == leader).count(), 1);
        assert_eq!(pids(&swarm), before);
        if killed {
            signal(leader, Signal::KILL);
        }
    }
    // The last one ends the run, the first is dead.
    may_end(&swarm);
    let last = standbys.iter_mut().find(|standby| standby.pid() == leader).unwrap();
    let mut exit = None;
    swarm.until("it ends", || {
        exit = last.exit();
        exit.is_some()
    });
    assert_eq!(exit, Some(0), "{} {}", swarm.file("standby-0"), swarm.file("standby-1"));
    assert_all_answered(&swarm, 200);
    swarm.assert_nothing_left();
}

#[test]
fn a_standby_that_is_not_needed_ends_with_the_run() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    let mut standbys = standbys(&swarm, 2);
    assert!(swarm.verb("drain").status.success());
    assert_eq!(code(swarm.wait()), 0);
    swarm.until("they end", || standbys.iter_mut().all(|standby| standby.exit().is_some()));
    assert!(standbys.iter_mut().all(|standby| standby.exit() == Some(0)));
    swarm.assert_nothing_left();
    let alone = swarm.run_with(&["standby", "swarm.toml"]);
    assert!(String::from_utf8_lossy(&alone.stderr).contains("no run to stand by for"), "{alone:?}");
}

#[test]
fn who_asked_for_a_drain_hears_of_its_end_though_nothing_was_left_to_do() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    let agents = pids(&swarm);
    // It cannot see the end of the drain itself.
    agents.values().flatten().for_each(|pid| signal(*pid, Signal::STOP));
    let drain = swarm.command(&["drain", &swarm.bus]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    swarm.until("it drains", || swarm.ps().is_some_and(|status| status.state == "draining"));
    // Stopped, it does not see for how long there is no supervisor.
    swarm.until("it waits", || is_asleep(drain.id()));
    signal(drain.id(), Signal::STOP);
    swarm.kill();
    agents.values().flatten().for_each(|pid| signal(*pid, Signal::CONT));
    swarm.until("all have ended", || !agents.values().flatten().any(|pid| is_alive(*pid)));
    swarm.start();
    signal(drain.id(), Signal::CONT);
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    let drained = drain.wait_with_output().unwrap();
    match serde_json::from_slice::<Value>(&drained.stdout) {
        Ok(report) => assert_eq!((&report["unread"], &report["forced"]), (&json!(0), &json!([])), "{report}"),
        // It was kept from the processor for as long as the successor stayed.
        Err(_) => assert!(String::from_utf8_lossy(&drained.stderr).contains("its agents have ended"), "{drained:?}"),
    }
    swarm.assert_nothing_left();
}

#[test]
fn a_drain_is_finished_by_the_next_supervisor() {
    let mut swarm = Swarm::new(
        "[bus]\nname = \"<bus>\"\nlimit = 400\n[drain]\ngrace = \"10m\"\n[pool.w]\ncommand = [\"<agent>\", \"file\", \"done\", \"1\"]\nsize = 5\n",
    );
    // It says how many messages each agent may take.
    let wait = swarm.dir.path().join("wait");
    std::fs::write(&wait, "").unwrap();
    swarm.start();
    swarm.wait_until_attached();
    let bus = swarmbus_core::Bus::open(&swarm.bus).unwrap();
    let guest = bus.attach("guest").unwrap();
    for number in 0..1000 {
        let to = format!("w-{}", number % 5 + 1);
        guest.send(&to, format!("task {number}").as_bytes(), &swarmbus_core::SendOptions::default()).unwrap();
    }
    drop(guest);
    drop(bus);
    let before = pids(&swarm);
    let told = File::create(swarm.dir.path().join("told")).unwrap();
    let drain = swarm.command(&["drain", &swarm.bus]).stdout(Stdio::piped()).stderr(told).spawn().unwrap();
    let hears = |swarm: &Swarm| swarm.file("told").matches("Draining").count();
    swarm.until("it is told how the drain goes", || hears(&swarm) > 0);
    let lines = |swarm: &Swarm| swarm.file("done").lines().count();
    std::fs::write(&wait, "10").unwrap();
    swarm.until("a part of it is done", || lines(&swarm) == 50);
    // Whoever asked for it waits some seconds for a successor, and no longer. Stopped, it does not see that there is none yet; and asleep
    // before, it has heard all that this supervisor has told.
    swarm.until("it waits for more", || is_asleep(drain.id()));
    signal(drain.id(), Signal::STOP);
    swarm.kill();
    let heard = hears(&swarm);
    swarm.start();
    swarm.until("another one drains", || {
        swarm.ps().is_some_and(|status| status.state == "draining" && status.supervisor_pid == Some(swarm.pid()))
    });
    signal(drain.id(), Signal::CONT);
    swarm.until("it is told again", || hears(&swarm) > heard);
    std::fs::remove_file(&wait).unwrap();
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert!(swarm.err().contains("its end was under way"), "{}", swarm.err());
    let drained = drain.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&drained.stdout).unwrap_or_else(|_| panic!("{drained:?}"));
    assert_eq!((&report["unread"], &report["forced"]), (&json!(0), &json!([])), "{report}");
    assert!(report["finished"].as_u64().is_some_and(|finished| finished > 0 && finished <= 1000), "{report}");
    let mut done: Vec<usize> =
        swarm.file("done").lines().filter_map(|line| line.strip_prefix("task ")?.parse().ok()).collect();
    done.sort_unstable();
    assert_eq!(done, (0..1000).collect::<Vec<_>>());
    assert!(before.values().flatten().all(|pid| !is_alive(*pid)));
    swarm.assert_nothing_left();
}

#[test]
fn nothing_is_left_of_a_run_of_which_all_are_dead_once_another_starts() {
    let mut dead = Swarm::up(LISTENERS);
    let status = dead.wait_until_attached();
    dead.kill();
    status.agents.iter().for_each(|agent| signal(agent.pid.unwrap(), Signal::KILL));
    dead.until("they are dead", || !status.agents.iter().any(|agent| is_alive(agent.pid.unwrap())));
    assert!(dead.segment().exists());
    // Another run of the same user, so with the same folder for run directories.
    let text = "[bus]\nname = \"<bus>-b\"\n[pool.w]\ncommand = [\"true\"]\nsize = 1\n".replace("<bus>", &dead.bus);
    std::fs::write(dead.dir.path().join("other.toml"), text).unwrap();
    let other = dead.run_with(&["up", "other.toml"]);
    assert!(other.status.success(), "{other:?}");
    let told = format!("removed what a dead run of {} had left", dead.bus);
    assert!(String::from_utf8_lossy(&other.stderr).contains(&told), "{other:?}");
    dead.assert_nothing_left();
}
