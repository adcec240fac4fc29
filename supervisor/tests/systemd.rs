//! What a service manager hears, on a socket as it makes one; and the unit that is shipped.

mod common;

use common::{PATIENCE, Swarm, code, example, is_alive, signal};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

const RUN: &str = r#"
[bus]
name = "<bus>"
[pool.w]
command = ["sh", "-c", "echo $${NOTIFY_SOCKET-nobody} $${WATCHDOG_USEC-never} > told; exec <agent> listen"]
size = 1
"#;

struct Manager {
    said: Receiver<String>,
    heard: String,
}

impl Manager {
    /// A thread of its own always reads: whoever tells a manager something waits for room in its socket.
    fn at(swarm: &Swarm, name: &str) -> Manager {
        let socket = UnixDatagram::bind(swarm.dir.path().join(name)).unwrap();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                if sender.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Manager { said, heard: String::new() }
    }

    /// Starts a supervisor as a service of this manager.
    fn start(&self, swarm: &Swarm, name: &str, verb: &str) -> Child {
        let mut command = swarm.command(&[verb, "swarm.toml"]);
        command.env("NOTIFY_SOCKET", swarm.dir.path().join(name)).env("WATCHDOG_USEC", "100000");
        let err = std::fs::File::options().append(true).create(true).open(swarm.dir.path().join("err")).unwrap();
        command.stdout(Stdio::null()).stderr(err).spawn().unwrap()
    }

    /// Listens until a line was heard so often from now on.
    fn hear(&mut self, line: &str, times: usize) {
        let begun = Instant::now();
        let mut left = times;
        while left > 0 {
            assert!(begun.elapsed() < PATIENCE, "{line} was not heard, but:\n{}", self.heard);
            let text = self.said.recv_timeout(PATIENCE).expect("something is said in time");
            left = left.saturating_sub(text.lines().filter(|said| *said == line).count());
            self.heard.push_str(&text);
        }
    }
}

#[test]
fn a_service_manager_hears_of_the_run_and_agents_do_not_hear_of_it() {
    let swarm = Swarm::new(RUN);
    let mut manager = Manager::at(&swarm, "notify");
    let mut up = manager.start(&swarm, "notify", "up");
    manager.hear("READY=1", 1);
    assert!(manager.heard.contains("STATUS=1 agents\n"), "{}", manager.heard);
    manager.hear("WATCHDOG=1", 3);
    swarm.wait_until_attached();
    assert_eq!(swarm.file("told"), "nobody never\n");

    // A standby is ready when it stands by, and says that it lives.
    let mut second = Manager::at(&swarm, "second");
    let mut standby = second.start(&swarm, "second", "standby");
    second.hear("READY=1", 1);
    second.hear("WATCHDOG=1", 2);
    signal(up.id(), Signal::KILL);
    assert_eq!(code(up.wait().unwrap()), 137);
    second.hear("STATUS=took over 1 agents", 1);
    second.hear("WATCHDOG=1", 2);
    let pid = swarm.agents()["w-1"].pid.unwrap();
    signal(standby.id(), Signal::TERM);
    second.hear("STOPPING=1", 1);
    assert_eq!(code(standby.wait().unwrap()), 143, "{}", swarm.err());
    assert!(!is_alive(pid));
    swarm.assert_nothing_left();
}

/// The settings of a unit; lists are not of interest here.
fn settings(unit: &str) -> BTreeMap<&str, &str> {
    unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn the_unit_leaves_agents_alone_and_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/swarmbus@.service");
    let unit = std::fs::read_to_string(path).unwrap();
    let settings = settings(&unit);
    for (key, value) in
        [("Type", "notify"), ("KillMode", "process"), ("Restart", "on-failure"), ("SuccessExitStatus", "143")]
    {
        assert_eq!(settings.get(key), Some(&value), "{key}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("swarmbus@demo.service");
    // The program and the user that are here.
    let text =
        unit.replace("/usr/bin/swarmbus", example("supervise").to_str().unwrap()).replace("User=swarmbus", "User=root");
    std::fs::write(&file, text).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(verified) => {
            // Other complaints are about units of the machine.
            let complaints = String::from_utf8_lossy(&verified.stderr);
            assert!(verified.status.success() && !complaints.contains("swarmbus@"), "{verified:?}");
        }
        Err(error) => eprintln!("the unit was not verified, there is no systemd-analyze: {error}"),
    }
}
