//! What can be asked of a run while it goes on, over the control socket.

mod common;

use common::{Swarm, code, is_alive, signal};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};

const TWO_POOLS: &str = r#"
[bus]
name = "<bus>"
queues = ["work"]
[pool.a]
command = ["<agent>", "listen"]
size = 3
[pool.b]
command = ["<agent>", "listen"]
size = 1
env = { LEVEL = "1" }
"#;

fn pids(swarm: &Swarm) -> Vec<(String, Option<u32>)> {
    swarm.agents().into_iter().map(|(name, agent)| (name, agent.pid)).collect()
}

#[test]
fn agents_are_stopped_started_and_restarted_by_name() {
    let swarm = Swarm::up(TWO_POOLS);
    swarm.wait_until_attached();
    let before = swarm.agents();
    assert_eq!(swarm.ask(json!({"verb": "stop", "names": ["a-2"]})), json!({"answer": "accepted", "agents": ["a-2"]}));
    swarm.until("a-2 is stopped", || swarm.agents()["a-2"].state == "stopped");
    assert!(!is_alive(before["a-2"].pid.unwrap()));

    swarm.ask(json!({"verb": "restart", "names": ["b", "a-1"]}));
    swarm.until("a-1 and b-1 are new", || {
        let now = swarm.agents();
        ["a-1", "b-1"].iter().all(|name| now[*name].attached && now[*name].pid != before[*name].pid)
    });
    let now = swarm.agents();
    assert_eq!((now["a-3"].pid, now["a-3"].restarts, now["a-1"].restarts), (before["a-3"].pid, 0, 1));
    assert_eq!(now["a-2"].state, "stopped", "a restart of others starts nobody else");

    swarm.ask(json!({"verb": "start", "names": ["a"]}));
    swarm.until("a-2 is back", || swarm.agents()["a-2"].attached);
    assert_eq!(swarm.agents()["a-3"].pid, before["a-3"].pid);
    assert!(swarm.err().contains("stop: a-2"), "{}", swarm.err());
    swarm.down();
}

#[test]
fn one_that_does_not_obey_is_killed_with_its_children() {
    let swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[drain]
kill_after = "200ms"
[pool.rude]
command = ["sh", "-c", "trap '' TERM; sleep 600 & echo $! > child; wait; sleep 600"]
size = 1
[pool.other]
command = ["<agent>", "listen"]
size = 1
"#,
    );
    let child = swarm.wait_for_pid("child");
    swarm.ask(json!({"verb": "stop", "names": ["rude-1"]}));
    swarm.until("it is stopped", || swarm.agents()["rude-1"].state == "stopped");
    assert!(swarm.agents()["rude-1"].last_exit.as_deref().unwrap().contains("SIGKILL"));
    swarm.until("the child is gone", || !is_alive(child));
    swarm.down();
}

#[test]
fn a_name_that_nobody_has_is_told_with_the_nearest() {
    let swarm = Swarm::up(TWO_POOLS);
    swarm.wait_until_up();
    let before = pids(&swarm);
    let refusals = [
        (json!({"verb": "restart", "names": ["a-9"]}), "did you mean"),
        (json!({"verb": "stop", "names": ["a-1", "x"]}), "no agent or pool `x`"),
        (json!({"verb": "stop", "names": []}), "name agents or pools"),
        (json!({"verb": "scale", "pool": "c", "size": 2}), "no pool `c`"),
        (json!({"verb": "scale", "pool": "a", "size": 59_000}), "too few"),
        (json!({"verb": "stop"}), "missing field `names`"),
    ];
    for (request, told) in refusals {
        let answer = swarm.ask(request.clone());
        assert_eq!(answer["answer"], "error", "{request}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(told), "{request}: {answer}");
    }
    assert_eq!(pids(&swarm), before);
    swarm.down();
}

#[test]
fn a_pool_grows_and_shrinks() {
    let swarm = Swarm::up(TWO_POOLS);
    swarm.wait_until_attached();
    let before = swarm.agents();
    let grown = swarm.ask(json!({"verb": "scale", "pool": "a", "size": 6}));
    assert_eq!(grown["agents"], json!(["a-4", "a-5", "a-6"]));
    swarm.until("six are there", || (1..=6).all(|n| swarm.agents().get(&format!("a-{n}")).is_some_and(|a| a.attached)));
    assert!((1..=3).all(|n| swarm.agents()[&format!("a-{n}")].pid == before[&format!("a-{n}")].pid));
    swarm.ask(json!({"verb": "scale", "pool": "a", "size": 1}));
    swarm.until("one is left", || swarm.agents().keys().map(String::as_str).collect::<Vec<_>>() == ["a-1", "b-1"]);
    assert_eq!(swarm.agents()["a-1"].pid, before["a-1"].pid);
    swarm.ask(json!({"verb": "scale", "pool": "a", "size": 2}));
    swarm.until("a-2 is there again and takes messages", || swarm.agents().get("a-2").is_some_and(|a| a.attached));
    swarm.ask(json!({"verb": "scale", "pool": "a", "size": 0}));
    swarm.ask(json!({"verb": "scale", "pool": "b", "size": 0}));
    swarm.until("nobody is left, and the run goes on", || swarm.ps().is_some_and(|status| status.agents.is_empty()));
    swarm.down();
}

#[test]
fn one_that_leaves_finishes_what_it_holds() {
    let swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["work"]
[drain]
grace = "10m"
[coordinator]
command = ["<agent>", "ask", "work", "20"]
[pool.w]
command = ["<agent>", "work", "work"]
size = 2
"#,
    );
    let holder = swarm.wait_for_pid("held");
    let name = swarm.agents().into_values().find(|agent| agent.pid == Some(holder)).unwrap().name;
    swarm.ask(json!({"verb": "drain", "names": ["w"]}));
    let other = if name == "w-1" { "w-2" } else { "w-1" };
    swarm.until("the idle one has left", || swarm.agents()[other].state == "stopped");
    assert!(is_alive(holder), "the one that holds a message may finish");
    assert_eq!(swarm.agents()[&name].state, "stopping");
    // A plain stop hurries it; what it held goes back.
    swarm.ask(json!({"verb": "stop", "names": [name]}));
    swarm.until("it is stopped", || swarm.agents()[&name].state == "stopped");
    let waiting = |swarm: &Swarm| swarm.ps().unwrap().queues.iter().find(|queue| queue.name == "work").unwrap().queued;
    swarm.until("its message waits again", || waiting(&swarm) >= 1);
    let mut swarm = swarm;
    swarm.ask(json!({"verb": "start", "names": ["w"]}));
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_eq!(swarm.out().lines().count(), 20);
    swarm.assert_nothing_left();
}

#[test]
fn one_that_was_given_up_is_started_by_reset_failed() {
    let swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.w]
command = ["sh", "-c", "[ $SWARMBUS_INDEX = 2 ] && [ ! -e mended ] && exit 3; exec <agent> listen"]
size = 2
restart = { failures = 2, first = "10ms" }
"#,
    );
    swarm.until("w-2 is given up", || swarm.agents().get("w-2").is_some_and(|agent| agent.state == "failed"));
    std::fs::write(swarm.dir.path().join("mended"), "").unwrap();
    assert_eq!(swarm.ask(json!({"verb": "reset-failed"}))["agents"], json!(["w-2"]));
    swarm.until("w-2 is there", || swarm.agents()["w-2"].attached);
    swarm.down();
}

#[test]
fn a_reload_changes_what_has_changed_and_nothing_else() {
    let swarm = Swarm::up(TWO_POOLS);
    swarm.wait_until_attached();
    let before = swarm.agents();
    let file = swarm.dir.path().join("swarm.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(swarm.ask(json!({"verb": "reload"}))["changes"], json!([]));

    let new = text.replace("size = 3", "size = 4").replace("LEVEL = \"1\"", "LEVEL = \"2\"");
    std::fs::write(&file, format!("{new}[pool.c]\ncommand = [\"sleep\", \"600\"]\nsize = 1\n")).unwrap();
    let dry = swarm.ask(json!({"verb": "reload", "dry_run": true}));
    assert_eq!(dry["agents"], json!(["a-4", "b-1", "c-1"]), "{dry}");
    assert_eq!(pids(&swarm).len(), 4);
    let done = swarm.ask(json!({"verb": "reload"}));
    assert_eq!((&done["agents"], &done["changes"]), (&dry["agents"], &dry["changes"]));
    let keys: Vec<&str> = done["changes"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"pool.a.size") && keys.contains(&"pool.b.env.LEVEL"), "{keys:?}");
    swarm.until("what is new is there", || {
        let now = swarm.agents();
        let is_new = now["b-1"].attached && now["b-1"].pid != before["b-1"].pid;
        is_new && now.get("a-4").is_some_and(|a| a.attached) && now.get("c-1").is_some_and(|c| c.state == "running")
    });
    for name in ["a-1", "a-2", "a-3"] {
        assert_eq!(swarm.agents()[name].pid, before[name].pid, "{name} has not changed");
    }
    let level = std::fs::read(format!("/proc/{}/environ", swarm.agents()["b-1"].pid.unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&level).contains("LEVEL=2"));

    for (wrong, told) in [
        (text.replace("size = 3", "sise = 3"), "did you mean `size`?"),
        (text.replace("[\"work\"]", "[\"work\"]\nheap = \"2GiB\""), "bus.heap cannot change"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let refused = swarm.ask(json!({"verb": "reload"}));
        assert!(refused["message"].as_str().unwrap().contains(told), "{refused}");
    }
    std::fs::write(&file, &text).unwrap();
    swarm.ask(json!({"verb": "reload"}));
    swarm.until("c and a-4 have left", || {
        pids(&swarm).iter().map(|(name, _)| name.as_str()).eq(["a-1", "a-2", "a-3", "b-1"])
    });
    swarm.down();
}

#[test]
fn events_are_told_as_they_happen() {
    let swarm = Swarm::up(TWO_POOLS);
    let victim = swarm.wait_until_attached().agents[0].clone();
    let mut stream = std::os::unix::net::UnixStream::connect(swarm.run_dir().join("control.sock")).unwrap();
    // The answer to the second request shows that the first was heard.
    stream.write_all(b"{\"verb\":\"events\"}\n{\"verb\":\"ps\"}\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert_eq!(lines.next().unwrap()["answer"], "status");
    signal(victim.pid.unwrap(), Signal::KILL);
    // The host may be told of as well: that its memory is nearly full.
    let ended = lines.find(|line| line["event"]["event"] == "ended").unwrap();
    assert_eq!(ended["event"]["agent"], json!(victim.name));
    swarm.verb("down");
    let told: Vec<Value> = lines.map(|line| line["event"]["event"].clone()).collect();
    assert_eq!(told.last(), Some(&json!("down")), "{told:?}");
    let mut swarm = swarm;
    assert_eq!(code(swarm.wait()), 143);
}

#[test]
fn logs_are_found_by_name() {
    let swarm = Swarm::up(TWO_POOLS);
    swarm.wait_until_up();
    let answer = swarm.ask(json!({"verb": "logs", "names": ["b"]}));
    assert_eq!(answer["files"][0]["path"], json!(swarm.run_dir().join("b-1.log")));
    assert_eq!(swarm.ask(json!({"verb": "logs"}))["files"].as_array().unwrap().len(), 4);
    swarm.down();
}
