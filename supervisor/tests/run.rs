//! Whole runs with real processes: starts, deaths, restarts, drains.

mod common;

use common::{LISTENERS, Swarm, code, is_alive, signal, signal_group};
use rustix::process::{Pid, Signal, getpgid};
use std::collections::HashSet;

fn group_of(pid: u32) -> u32 {
    getpgid(Pid::from_raw(pid.cast_signed())).unwrap().as_raw_nonzero().get().cast_unsigned()
}

#[test]
fn a_pool_of_twenty_comes_up_each_in_a_group_of_its_own() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.worker]
command = ["<agent>", "listen"]
size = 20
[drain]
grace = "10m"
"#,
    );
    let status = swarm.wait_until_attached();
    assert_eq!(status.agents.len(), 20);
    assert_eq!(status.supervisor_pid, Some(swarm.pid()));
    let names: HashSet<String> = status.agents.iter().map(|agent| agent.name.clone()).collect();
    assert!((1..=20).all(|n| names.contains(&format!("worker-{n}"))));
    let pids: Vec<u32> = status.agents.iter().map(|agent| agent.pid.unwrap()).collect();
    for pid in &pids {
        assert_eq!(group_of(*pid), *pid);
    }
    // Ctrl-C: the terminal signals the supervisor's group. Whoever waits in recv ends because its mailbox closes.
    signal_group(swarm.pid(), Signal::INT);
    assert_eq!(code(swarm.wait()), 130);
    assert!(swarm.err().contains("SIGINT: draining, 20 processes left"), "{}", swarm.err());
    assert!(!swarm.err().contains("SIGTERM to"), "nobody needed a signal: {}", swarm.err());
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    swarm.assert_nothing_left();
}

#[test]
fn a_killed_holder_is_restarted_and_its_message_redelivered() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["work"]
[coordinator]
command = ["<agent>", "ask", "work", "60"]
[pool.worker]
command = ["<agent>", "work", "work"]
size = 4
"#,
    );
    let holder = swarm.wait_for_pid("held");
    let held = swarm.ps().unwrap().agents.into_iter().find(|agent| agent.pid == Some(holder)).unwrap();
    assert_eq!(held.in_flight, 1);
    signal(holder, Signal::KILL);
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_eq!(swarm.out().lines().count(), 60);
    assert_eq!(
        swarm.out().lines().filter(|line| line.starts_with("hold by") && line.ends_with("delivery 2")).count(),
        1
    );
    let told = format!(
        "{} (pid {holder}) was killed by SIGKILL; the message it held is redelivered; starting again",
        held.name
    );
    assert!(swarm.err().contains(&told), "{}", swarm.err());
    assert!(swarm.err().contains("1 message redelivered"), "{}", swarm.err());
    swarm.assert_nothing_left();
}

#[test]
fn a_restarted_agent_has_its_name_and_a_new_process() {
    let mut swarm = Swarm::up(LISTENERS);
    let before = swarm.wait_until_attached();
    let victim = before.agents[0].clone();
    signal(victim.pid.unwrap(), Signal::KILL);
    swarm.until("it is back", || {
        let after = swarm.ps().unwrap().agents[0].clone();
        after.attached && after.restarts == 1 && after.pid.is_some() && after.pid != victim.pid
    });
    let other = &swarm.ps().unwrap().agents[1];
    assert_eq!((other.pid, other.restarts), (before.agents[1].pid, 0));
    signal(swarm.pid(), Signal::TERM);
    assert_eq!(code(swarm.wait()), 143);
    swarm.assert_nothing_left();
}

#[test]
fn a_crash_loop_is_given_up_and_told_once() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[coordinator]
command = ["<agent>", "listen"]
[pool.bad]
command = ["sh", "-c", "echo started; echo the database is away >&2; exit 3"]
size = 2
restart = { failures = 3, first = "10ms" }
"#,
    );
    assert_eq!(code(swarm.wait()), 1);
    let err = swarm.err();
    assert_eq!(err.matches("given up after 3 failures within 60 s").count(), 2, "{err}");
    assert_eq!(err.matches("| the database is away").count(), 1, "{err}");
    assert!(err.contains("pool bad: every agent has failed for good"), "{err}");
    let logs = swarm.run_dir();
    assert!(err.contains(&format!("logs are in {}", logs.display())), "{err}");
    let log = std::fs::read_to_string(logs.join("bad-1.log")).unwrap();
    assert_eq!(log.matches("started").count(), 3, "{log}");
    assert!(!swarm.segment().exists());
}

#[test]
fn one_that_fails_does_not_end_the_others() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.worker]
command = ["sh", "-c", "[ $SWARMBUS_INDEX = 2 ] && exit 125; exec <agent> listen"]
size = 3
"#,
    );
    swarm.until("worker-2 is given up and the others listen", || {
        let agents = swarm.ps().map(|status| status.agents).unwrap_or_default();
        agents.len() == 3 && agents[0].attached && agents[1].state == "failed" && agents[2].attached
    });
    assert!(swarm.err().contains("worker-2"), "{}", swarm.err());
    let drained = swarm.verb("drain");
    assert!(drained.status.success(), "{drained:?}");
    assert_eq!(code(swarm.wait()), 0);
    assert!(!swarm.segment().exists());
}

#[test]
fn when_the_coordinator_is_done_everything_ends_with_its_code() {
    for (script, expected) in [("exit 0", 0), ("exit 7", 7)] {
        let mut swarm = Swarm::up(&format!(
            r#"
[bus]
name = "<bus>"
[coordinator]
command = ["sh", "-c", "{script}"]
[pool.worker]
command = ["<agent>", "listen"]
size = 5
[drain]
grace = "10m"
"#
        ));
        assert_eq!(code(swarm.wait()), expected, "{}", swarm.err());
        assert!(!swarm.err().contains("SIGTERM to"), "nobody needed a signal: {}", swarm.err());
        swarm.assert_nothing_left();
    }
}

#[test]
fn who_does_not_end_by_itself_is_told_by_a_signal_once_the_coordinator_is_done() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[coordinator]
command = ["true"]
[pool.deaf]
command = ["sh", "-c", "sleep 600 & wait"]
size = 2
[drain]
grace = "300ms"
"#,
    );
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert!(swarm.err().contains("SIGTERM to 2 that did not end by themselves: deaf-1, deaf-2"), "{}", swarm.err());
    swarm.assert_nothing_left();
}

#[test]
fn an_agent_without_manners_is_killed_and_its_children_too() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.rude]
command = ["sh", "-c", "trap '' TERM; sleep 600 & echo $! > child; wait; sleep 600"]
size = 1
[drain]
grace = "100ms"
kill_after = "100ms"
"#,
    );
    let child = swarm.wait_for_pid("child");
    signal(swarm.pid(), Signal::TERM);
    assert_eq!(code(swarm.wait()), 143);
    assert!(swarm.err().contains("SIGKILL to 1"), "{}", swarm.err());
    swarm.until("the child is gone", || !is_alive(child));
    assert!(!swarm.segment().exists());
}

#[test]
fn a_second_interrupt_forces() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.rude]
command = ["sh", "-c", "trap '' TERM; touch ready-$SWARMBUS_INDEX; while :; do sleep 600; done"]
size = 2
[drain]
grace = "10m"
"#,
    );
    swarm.until("both are there", || {
        swarm.dir.path().join("ready-1").exists() && swarm.dir.path().join("ready-2").exists()
    });
    signal_group(swarm.pid(), Signal::INT);
    swarm.until("it drains", || swarm.err().contains("SIGINT: draining, 2 processes left"));
    assert!(swarm.ps().is_some_and(|status| status.agents.iter().all(|agent| agent.state == "draining")));
    signal_group(swarm.pid(), Signal::INT);
    assert_eq!(code(swarm.wait()), 130);
    assert!(swarm.err().contains("SIGINT: stopping now"), "{}", swarm.err());
    assert!(!swarm.segment().exists());
}

#[test]
fn a_drain_lets_agents_finish_what_is_queued() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["work"]
[coordinator]
command = ["<agent>", "ask", "work", "300"]
[pool.worker]
command = ["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; exec <agent> work work"]
size = 3
[drain]
grace = "10m"
"#,
    );
    swarm.until("all is queued", || {
        swarm.ps().is_some_and(|status| status.queues.iter().any(|queue| queue.name == "work" && queue.queued == 300))
    });
    signal(swarm.pid(), Signal::TERM);
    swarm.until("intake is closed", || swarm.ps().is_some_and(|status| status.queues.iter().all(|queue| queue.closed)));
    // The one that is told to hold a message gets it twice: the first holder is killed.
    std::fs::write(swarm.dir.path().join("go"), "").unwrap();
    let holder = swarm.wait_for_pid("held");
    signal(holder, Signal::KILL);
    assert_eq!(code(swarm.wait()), 143, "{}", swarm.err());
    assert_eq!(swarm.out().lines().count(), 300, "{}", swarm.err());
    assert!(!swarm.segment().exists());
}

#[test]
fn children_know_who_they_are() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[env]
GREETING = "hello"
[coordinator]
command = ["sh", "-c", "echo $SWARMBUS $SWARMBUS_AGENT $SWARMBUS_POOL $SWARMBUS_POOL_SIZE [$SWARMBUS_INDEX] $GREETING; while [ ! -e w-2 ] || [ ! -e w-1 ]; do sleep 0.05; done"]
[pool.w]
command = ["sh", "-c", "echo $SWARMBUS_AGENT $SWARMBUS_POOL $SWARMBUS_POOL_SIZE $SWARMBUS_INDEX $GREETING > tmp-$1; mv tmp-$1 w-$1; read line || exit 0", "sh", "${SWARMBUS_INDEX}"]
size = 2
env = { GREETING = "${GREETING} you" }
"#,
    );
    assert_eq!(code(swarm.wait()), 0);
    assert_eq!(swarm.out().trim(), format!("{} coordinator w 2 [] hello", swarm.bus));
    assert_eq!(swarm.file("w-2").trim(), "w-2 w 2 2 hello you");
}

#[test]
fn logs_stay_where_they_are_asked_to() {
    let mut swarm = Swarm::up(
        r#"
logs = "kept"
[bus]
name = "<bus>"
[pool.w]
command = ["sh", "-c", "echo out; echo err >&2"]
size = 1
"#,
    );
    assert_eq!(code(swarm.wait()), 0);
    assert!(swarm.err().contains("all agents have ended"), "{}", swarm.err());
    assert_eq!(
        swarm.file("kept/w-1.log"),
        "out
err
"
    );
    swarm.assert_nothing_left();
}

#[test]
fn a_bus_that_is_there_is_not_taken_unless_kept() {
    let topology = r#"
[bus]
name = "<bus>"
keep = false
[pool.w]
command = ["sh", "-c", "exit 0"]
size = 1
"#;
    let mut swarm = Swarm::new(topology);
    let bus = swarmbus_core::Bus::create(
        &swarm.bus,
        &swarmbus_core::CreateOptions { agents: 128, heap: 4 << 20, ..Default::default() },
    );
    let bus = bus.unwrap();
    swarm.start();
    assert_eq!(code(swarm.wait()), 70);
    assert!(swarm.err().contains("exists") && swarm.err().contains("swarmbus down"), "{}", swarm.err());
    assert!(swarm.segment().exists() && !swarm.run_dir().exists());
    let kept = swarm.file("swarm.toml").replace("keep = false", "keep = true");
    std::fs::write(swarm.dir.path().join("swarm.toml"), kept).unwrap();
    for _ in 0..2 {
        swarm.start();
        assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
        assert!(swarm.segment().exists() && !swarm.run_dir().exists());
    }
    bus.destroy().unwrap();
}

#[test]
fn a_second_supervisor_is_refused() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    let first = swarm.supervisor.take().unwrap();
    swarm.start();
    assert_eq!(code(swarm.wait()), 70);
    assert!(swarm.err().contains(&format!("has a supervisor (pid {})", first.id())), "{}", swarm.err());
    swarm.supervisor = Some(first);
    assert!(swarm.ps().unwrap().agents[0].attached);
    swarm.down();
}

#[test]
fn a_bus_destroyed_by_somebody_else_ends_the_run() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    swarmbus_core::Bus::open(&swarm.bus).unwrap().destroy().unwrap();
    assert_eq!(code(swarm.wait()), 1);
    assert!(swarm.err().contains("the bus was destroyed by somebody else"), "{}", swarm.err());
    assert!(!swarm.segment().exists());
}

#[test]
fn a_hang_up_drains_except_under_nohup() {
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    signal(swarm.pid(), Signal::HUP);
    assert_eq!(code(swarm.wait()), 129);
    let mut swarm = Swarm::new(LISTENERS);
    swarm.start_under_nohup();
    swarm.wait_until_attached();
    signal(swarm.pid(), Signal::HUP);
    assert!(swarm.ps().unwrap().agents.iter().all(|agent| agent.state == "running"));
    signal(swarm.pid(), Signal::TERM);
    assert_eq!(code(swarm.wait()), 143);
    swarm.assert_nothing_left();
}

#[test]
fn quit_kills_at_once() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
[pool.rude]
command = ["sh", "-c", "trap '' TERM; touch ready; while :; do sleep 600; done"]
size = 1
[drain]
grace = "10m"
"#,
    );
    swarm.until("it is there", || swarm.dir.path().join("ready").exists());
    signal(swarm.pid(), Signal::QUIT);
    assert_eq!(code(swarm.wait()), 131);
    assert!(!swarm.segment().exists());
}

#[test]
fn the_control_socket_is_ours_alone_and_bears_nonsense() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    let mut swarm = Swarm::up(LISTENERS);
    swarm.wait_until_attached();
    let path = swarm.run_dir().join("control.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(swarm.run_dir()).unwrap().permissions().mode() & 0o777, 0o700);

    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"nonsense\n{\"verb\":\"dance\"}\n{\"verb\":\"ps\"}\n").unwrap();
    let lines: Vec<String> = BufReader::new(&stream).lines().take(3).map(Result::unwrap).collect();
    assert!(lines[0].contains("\"answer\":\"error\"") && lines[1].contains("\"answer\":\"error\""), "{lines:?}");
    assert!(lines[2].contains("\"answer\":\"status\"") && lines[2].contains("\"w-2\""), "{lines:?}");

    let mut hasty = UnixStream::connect(&path).unwrap();
    hasty.write_all(b"{\"verb\":\"ps\"}\n").unwrap();
    hasty.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    hasty.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"answer\":\"status\""), "{answer}");

    let mut endless = UnixStream::connect(&path).unwrap();
    let _ = endless.write_all(&[b'x'; 80_000]);
    let mut rest = Vec::new();
    let _ = endless.read_to_end(&mut rest);
    assert!(rest.is_empty(), "an endless request is hung up on");

    drop((stream, hasty, endless));
    assert!(swarm.verb("drain").status.success());
    assert_eq!(code(swarm.wait()), 0);
    swarm.assert_nothing_left();
}

#[test]
fn more_processes_than_descriptors_are_refused_before_anything_starts() {
    let swarm = Swarm::new(&LISTENERS.replace("size = 2", "size = 2000"));
    let limited = format!("ulimit -n 512 && exec {} up swarm.toml", common::example("supervise").display());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &limited]).current_dir(swarm.dir.path()).env("XDG_RUNTIME_DIR", swarm.dir.path());
    let answer = command.output().unwrap();
    let told = String::from_utf8(answer.stderr).unwrap();
    assert_eq!(code(answer.status), 70);
    assert!(told.contains("2000 processes need a descriptor each") && told.contains("ulimit -n"), "{told}");
    assert!(!swarm.segment().exists() && !swarm.run_dir().exists());
}
