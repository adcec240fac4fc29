//! `up`, `ps`, `drain` and `down` with agents that are shell scripts using the command itself.

mod common;

use common::run::Run;
use common::wait_for;
use serde_json::Value;

const SHELL_SWARM: &str = r#"
[bus]
name = "<bus>"
queues = ["work"]
heap = "32MiB"
[env]
SB = "<bin>"
[coordinator]
command = ["sh", "-c", "for n in 1 2 3 4 5 6; do $SB send work task-$n --from coordinator; done; $SB recv -n 6"]
[pool.worker]
command = ["sh", "-c", "while task=$($SB recv work); do $SB send coordinator \"$task done\"; done"]
size = 3
"#;

#[test]
fn shell_scripts_make_a_swarm() {
    let mut swarm = Run::new(SHELL_SWARM);
    swarm.start(&[]);
    assert_eq!(swarm.wait(), Some(0), "{}", swarm.file("err"));
    let mut lines: Vec<String> =
        swarm.file("out").lines().filter(|line| line.ends_with("done")).map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, (1..=6).map(|n| format!("task-{n} done")).collect::<Vec<_>>());
    assert!(!swarm.segment().exists());
    assert!(!swarm.dir.path().join("swarmbus").exists());
}

const SLEEPERS: &str =
    "[bus]\nname = \"<bus>\"\nheap = \"32MiB\"\n[pool.idle]\ncommand = [\"<bin>\", \"recv\"]\nsize = 40\n";

fn all_attached(status: &Value) -> bool {
    status["state"] == "running" && status["agents"].as_array().unwrap().iter().all(|agent| agent["attached"] == true)
}

#[test]
fn a_running_swarm_is_shown_and_drained() {
    let mut swarm = Run::new(SLEEPERS);
    swarm.start(&["swarm.toml", "--size", "idle=3", "-o", "json"]);
    wait_for("all are there", || all_attached(&swarm.ps()));
    let status = swarm.ps();
    assert_eq!(status["agents"].as_array().unwrap().len(), 3);
    assert_eq!(status["supervisor_pid"], swarm.supervisor.as_ref().unwrap().0.id());
    let table = String::from_utf8(swarm.run(&["ps", "--bus", &swarm.bus]).stdout).unwrap();
    for word in ["running, supervisor", "NAME", "MAILBOX", "idle-1", "idle-3"] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    let drained = swarm.run(&["drain", &swarm.bus, "-o", "json"]);
    assert!(drained.status.success(), "{drained:?}");
    let drained: Value = serde_json::from_slice(&drained.stdout).unwrap();
    assert_eq!((&drained["code"], &drained["unread"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(swarm.wait(), Some(0));
    for line in swarm.file("err").lines() {
        let event: Value = serde_json::from_str(line).expect("each line is an event");
        assert!(event["event"].is_string());
    }
    assert!(!swarm.segment().exists());
    let gone = swarm.run(&["ps", &swarm.bus]);
    assert_eq!(gone.status.code(), Some(68), "{gone:?}");
    assert_eq!(swarm.run(&["drain", &swarm.bus]).status.code(), Some(68));
    assert_eq!(swarm.run(&["down", &swarm.bus]).status.code(), Some(68));
}

#[test]
fn down_ends_a_swarm_with_and_without_its_supervisor() {
    let mut swarm = Run::new(SLEEPERS);
    for kill in [false, true] {
        swarm.start(&["--size", "2", "--quiet"]);
        wait_for("all are there", || all_attached(&swarm.ps()));
        if kill {
            swarm.kill();
            assert_eq!(swarm.run(&["drain", &swarm.bus]).status.code(), Some(69));
        }
        let down = swarm.run(&["down", &swarm.bus]);
        assert!(down.status.success(), "{down:?}");
        let told = String::from_utf8(down.stdout).unwrap();
        assert_eq!(told.contains("there was no supervisor, agents ended here: 2"), kill, "{told}");
        if !kill {
            assert_eq!(swarm.wait(), Some(143));
        }
        assert_eq!(swarm.file("err"), "");
        assert!(!swarm.segment().exists());
    }
}

#[test]
fn mistakes_have_their_exit_codes() {
    let swarm = Run::new("[bus]\nname = \"<bus>\"\n[pool.w]\ncomand = [\"sh\"]\nsize = 1\n");
    let answer = swarm.run(&["up"]);
    assert_eq!(answer.status.code(), Some(78));
    let told = String::from_utf8(answer.stderr).unwrap();
    assert!(
        told.contains("swarm.toml:4:1")
            && told.contains("unknown key `comand`")
            && told.contains("did you mean `command`?"),
        "{told}"
    );
    assert_eq!(swarm.run(&["up", "none.toml"]).status.code(), Some(66));
    let swarm = Run::new(SLEEPERS);
    assert_eq!(swarm.run(&["up", "--size", "none=3"]).status.code(), Some(64));
    assert_eq!(swarm.run(&["up", "--size", "many"]).status.code(), Some(64));
    assert!(!swarm.segment().exists());
    assert!(swarm.run(&["create", &swarm.bus, "--agents", "64", "--heap", "32MiB"]).status.success());
    assert_eq!(swarm.run(&["up"]).status.code(), Some(73));
    assert!(swarm.segment().exists());
    assert!(swarm.run(&["destroy", &swarm.bus]).status.success());
}
