//! Agents that depend on each other, that are restarted together, and what they leave behind.

mod common;

use common::{Swarm, is_alive, signal};
use rustix::process::Signal;
use swarmbus_supervisor::status::AgentStatus;

/// `late` starts only when `early` is ready in its way; `early` becomes so when the file `go` is there.
fn waits_for(early: &str, ready: &str) {
    let swarm = Swarm::up(&format!(
        r#"
[bus]
name = "<bus>"
[pool.early]
command = ["sh", "-c", '''{early}''']
size = 2
{ready}
[pool.late]
command = ["<agent>", "listen"]
size = 1
depends_on = ["early"]
"#
    ));
    swarm.until("early runs", || swarm.agents().get("early-2").is_some_and(|agent| agent.pid.is_some()));
    // The second agent alone is not enough.
    std::fs::write(swarm.dir.path().join("go-2"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(swarm.agents()["late-1"].state, "starting", "{ready}: it did not wait");
    std::fs::write(swarm.dir.path().join("go-1"), "").unwrap();
    swarm.until("late is there", || swarm.agents()["late-1"].attached);
    swarm.down();
}

const WAIT: &str = "while [ ! -e go-$SWARMBUS_INDEX ]; do sleep 0.05; done;";

#[test]
fn readiness_is_being_on_the_bus() {
    waits_for(&format!("{WAIT} exec <agent> listen"), "");
}

#[test]
fn readiness_may_be_a_line_of_output() {
    waits_for(&format!("echo starting; {WAIT} echo now listening; exec sleep 600"), "ready = { log = \"listening\" }");
}

#[test]
fn readiness_may_be_a_command() {
    waits_for("exec sleep 600", "ready = { exec = [\"test\", \"-e\", \"go-${SWARMBUS_INDEX}\"] }");
}

#[test]
fn readiness_may_be_told_as_to_systemd() {
    let tell = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])";
    waits_for(&format!("{WAIT} python3 -c \"{tell}\"; exec sleep 600"), "ready = \"notify\"");
}

#[test]
fn one_that_has_done_its_work_is_waited_for_no_longer() {
    waits_for(&format!("{WAIT} exit 0"), "");
}

fn group(strategy: &str) -> Swarm {
    let swarm = Swarm::up(&format!(
        r#"
[bus]
name = "<bus>"
[pool.a]
command = ["<agent>", "listen"]
size = 1
[pool.b]
command = ["<agent>", "listen"]
size = 2
[pool.c]
command = ["<agent>", "listen"]
size = 1
[pool.other]
command = ["<agent>", "listen"]
size = 1
[group.g]
pools = ["a", "b", "c"]
strategy = "{strategy}"
"#
    ));
    swarm.wait_until_attached();
    swarm
}

fn who_is_new(strategy: &str) -> Vec<String> {
    let swarm = group(strategy);
    let before = swarm.agents();
    signal(before["b-1"].pid.unwrap(), Signal::KILL);
    swarm.until("all are there again", || {
        let now = swarm.agents();
        // Those that start anew are told to end before the one that failed comes back, and may end after it has come.
        let is_there = |agent: &AgentStatus| agent.attached && agent.state == "running";
        now.values().all(is_there) && now["b-1"].pid != before["b-1"].pid
    });
    let now = swarm.agents();
    let new =
        now.values().filter(|agent| agent.pid != before[&agent.name].pid).map(|agent| agent.name.clone()).collect();
    swarm.down();
    new
}

#[test]
fn strategies_say_who_starts_anew() {
    assert_eq!(who_is_new("one-for-one"), ["b-1"]);
    assert_eq!(who_is_new("one-for-all"), ["a-1", "b-1", "b-2", "c-1"]);
    assert_eq!(who_is_new("rest-for-one"), ["b-1", "b-2", "c-1"]);
}

#[test]
fn what_an_agent_left_in_another_session_ends_with_it() {
    let swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.a]
command = ["sh", "-c", "setsid sleep 600 & echo $! > child-$SWARMBUS_INDEX; wait"]
size = 2
"#,
    );
    let mut children = [0, 0];
    swarm.until("both have children", || {
        children = ["child-1", "child-2"].map(|name| swarm.file(name).trim().parse().unwrap_or(0));
        children.iter().all(|child| *child != 0)
    });
    let first = swarm.agents()["a-1"].pid.unwrap();
    signal(first, Signal::KILL);
    swarm.until("its child is gone", || !is_alive(children[0]));
    assert!(is_alive(children[1]), "the child of the other one is left alone");
    swarm.until("it is back with another child", || {
        swarm.file("child-1").trim().parse().is_ok_and(|child: u32| child != children[0] && is_alive(child))
    });
    let second: u32 = swarm.file("child-1").trim().parse().unwrap();
    swarm.down();
    assert!(!is_alive(children[1]) && !is_alive(second));
}
