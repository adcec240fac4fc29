//! The supervisor is killed; the agents do not notice.

mod common;

use common::{Swarm, code, is_alive, signal};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const TALKERS: &str = r#"
[bus]
name = "<bus>"
[pool.a]
command = ["<agent>", "talk", "b-1", "a.txt"]
size = 1
[pool.b]
command = ["<agent>", "talk", "a-1", "b.txt"]
size = 1
[pool.deaf]
command = ["sh", "-c", "trap '' TERM; while :; do echo alive; sleep 0.1; done"]
size = 1
"#;

/// For how long the agents are watched after the supervisor's death; `SWARMBUS_TEST_SURVIVAL_S` makes it longer.
fn watched() -> Duration {
    let seconds = std::env::var("SWARMBUS_TEST_SURVIVAL_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

#[test]
fn agents_go_on_without_their_supervisor_and_down_ends_them() {
    let mut swarm = Swarm::up(TALKERS);
    swarm.until("they talk", || swarm.file("a.txt").lines().count() > 3 && swarm.file("b.txt").lines().count() > 3);
    let before = swarm.wait_until_up();
    swarm.kill();

    let begun = Instant::now();
    while begun.elapsed() < watched() {
        let (a, b) = (swarm.file("a.txt").lines().count(), swarm.file("b.txt").lines().count());
        swarm.until("they talk on", || {
            swarm.file("a.txt").lines().count() > a + 3 && swarm.file("b.txt").lines().count() > b + 3
        });
    }
    let log = swarm.run_dir().join("deaf-1.log");
    let written = std::fs::metadata(&log).unwrap().len();
    swarm.until("output is still taken", || std::fs::metadata(&log).unwrap().len() > written);

    let after = swarm.ps().unwrap();
    assert_eq!((after.state.as_str(), after.supervisor_pid), ("unsupervised", None));
    let pids = |status: &swarmbus_supervisor::Status| status.agents.iter().map(|agent| agent.pid).collect::<Vec<_>>();
    assert_eq!(pids(&before), pids(&after));
    assert!(after.agents.iter().all(|agent| agent.state == "running"));
    assert!(after.agents[0].attached && after.agents[1].attached);

    let drained = swarm.verb("drain");
    assert!(!drained.status.success());
    assert!(String::from_utf8_lossy(&drained.stderr).contains("has no supervisor"), "{drained:?}");
    let down = swarm.verb("down");
    assert!(down.status.success(), "{down:?}");
    let told = String::from_utf8_lossy(&down.stdout).into_owned();
    assert!(told.contains("\"signalled\":3") && told.contains("\"killed\":1"), "{told}");
    for pid in pids(&after).into_iter().flatten() {
        assert!(!is_alive(pid), "{pid} is still there");
    }
    swarm.assert_nothing_left();
}

#[test]
fn what_a_dead_run_left_is_removed_by_the_next() {
    let mut swarm =
        Swarm::up("[bus]\nname = \"<bus>\"\nkeep = true\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = 2\n");
    let status = swarm.wait_until_attached();
    swarm.kill();
    for agent in &status.agents {
        signal(agent.pid.unwrap(), Signal::KILL);
    }
    swarm.until("they are dead", || !status.agents.iter().any(|agent| is_alive(agent.pid.unwrap())));
    assert!(swarm.ps().unwrap().agents.iter().all(|agent| agent.state == "dead"));
    swarm.start();
    let status = swarm.wait_until_attached();
    assert!(status.agents.iter().all(|agent| agent.restarts == 0));
    assert!(swarm.verb("down").status.success());
    assert_eq!(code(swarm.wait()), 143);
    assert!(swarm.segment().exists(), "a kept bus stays");
    assert!(swarm.verb("down").status.success());
    swarm.assert_nothing_left();
}

#[test]
fn a_bus_that_nobody_knows_cannot_be_stopped() {
    let swarm = Swarm::new("");
    for verb in ["ps", "drain", "down"] {
        let answer = swarm.verb(verb);
        assert!(!answer.status.success(), "{verb}");
        assert!(String::from_utf8_lossy(&answer.stderr).contains(&swarm.bus), "{verb}: {answer:?}");
    }
}
