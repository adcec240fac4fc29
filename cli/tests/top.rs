//! `swarmbus top` as its users have it: in a terminal, which is as it was afterwards, and as text or JSON elsewhere.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use common::{PATIENCE, Running, TestBus, command, fails, json, ok, wait_for};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use swarmbus_core::{Bus, SendOptions};

/// A dashboard in a terminal of 80 by 24.
struct Dashboard {
    running: Running,
    terminal: File,
    keys: File,
    shown: Arc<Mutex<String>>,
}

impl Dashboard {
    fn start(args: &[&str]) -> Dashboard {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(&size, None).expect("a terminal");
        let (terminal, keys) = (File::from(ends.slave), File::from(ends.master));
        let copy = || terminal.try_clone().expect("a descriptor");
        let mut command = command(args);
        command.env("TERM", "xterm").stdin(copy()).stdout(copy()).stderr(copy());
        let running = Running(command.spawn().expect("swarmbus starts"));
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, heard) = (keys.try_clone().expect("a descriptor"), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Dashboard { running, terminal, keys, shown }
    }

    fn shows(&self, text: &str) {
        wait_for(text, || self.shown.lock().unwrap().contains(text));
    }

    fn is_raw(&self) -> bool {
        let flags = tcgetattr(self.terminal.as_fd()).expect("it is a terminal").local_flags;
        !flags.contains(LocalFlags::ICANON)
    }

    /// The exit code, after a look at the terminal: cooked, its cursor and its own screen back.
    fn ends(&mut self) -> Option<i32> {
        let code = self.running.code();
        self.shows("\x1b[?1049l");
        self.shows("\x1b[?25h");
        assert!(!self.is_raw());
        code
    }
}

#[test]
fn a_terminal_is_given_back_after_a_key_and_after_a_signal() {
    let bus = TestBus::new();
    bus.mailbox("somebody");
    let mut dashboard = Dashboard::start(&["top", &bus.name, "--every", "100ms"]);
    dashboard.shows("No problems");
    assert!(dashboard.is_raw());
    dashboard.keys.write_all(b"3").unwrap();
    dashboard.shows("somebody");
    dashboard.keys.write_all(b"q").unwrap();
    assert_eq!(dashboard.ends(), Some(0));

    let mut dashboard = Dashboard::start(&["top", &bus.name]);
    dashboard.shows("No problems");
    dashboard.running.signal(Signal::SIGTERM);
    assert_eq!(dashboard.ends(), Some(143));

    // Ctrl-C is a key here.
    let mut dashboard = Dashboard::start(&["top", &bus.name]);
    dashboard.shows("No problems");
    dashboard.keys.write_all(b"\x03").unwrap();
    assert_eq!(dashboard.ends(), Some(0));
}

#[test]
fn a_terminal_that_goes_ends_it() {
    let bus = TestBus::new();
    let ends = openpty(&Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }, None).expect("a terminal");
    // Copies, since these are not inherited: the dashboard must not keep its own terminal.
    let own = |end: OwnedFd| File::from(end).try_clone().expect("a descriptor");
    let (terminal, mut screen) = (own(ends.slave), own(ends.master));
    let copy = || terminal.try_clone().expect("a descriptor");
    let mut command = command(&["top", &bus.name]);
    command.env("TERM", "xterm").stdin(copy()).stdout(copy()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("swarmbus starts"));
    let mut shown = String::new();
    while !shown.contains("No problems") {
        let mut bytes = [0; 4096];
        let read = screen.read(&mut bytes).expect("the dashboard draws");
        shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    drop((screen, terminal, command));
    // As for SIGHUP, or because it cannot draw.
    let code = running.code();
    assert!(matches!(code, Some(129 | 74)), "{code:?}");
}

#[test]
fn what_comes_while_it_is_shown_is_seen() {
    let scratch = TestBus::with(&["--limit", "4"]);
    let bus = Bus::open(&scratch.name).unwrap();
    let alice = bus.attach("alice").unwrap();
    let dashboard = Dashboard::start(&["top", &scratch.name, "--every", "100ms"]);
    dashboard.shows("No problems");
    let options = SendOptions { timeout: Some(PATIENCE), ..SendOptions::default() };
    (0..4).for_each(|_| assert!(alice.send("alice", b"x", &options).is_ok()));
    dashboard.shows("Problems");
    dashboard.shows("full");
}

#[test]
fn without_a_terminal_it_prints_once() {
    let scratch = TestBus::with(&["--limit", "4"]);
    let bus = Bus::open(&scratch.name).unwrap();
    let alice = bus.attach("alice").unwrap();
    (0..4).for_each(|_| assert!(alice.send("alice", b"x", &SendOptions::default()).is_ok()));
    let text = String::from_utf8(ok(&["top", &scratch.name, "--every", "100ms"])).unwrap();
    assert!(text.contains("sent 0/s") && text.contains("!!  full") && !text.contains('\x1b'), "{text}");
    let agents = ok(&["top", &scratch.name, "--every", "100ms", "--view", "agents", "--sort", "inbox"]);
    assert!(String::from_utf8(agents).unwrap().contains("alice"));
    let picture = json(&["top", &scratch.name, "--every", "100ms", "-o", "json"]);
    assert_eq!((&picture["agents"][0]["name"], &picture["queues"][0]["state"]), (&"alice".into(), &"full".into()));
    assert_eq!(picture["problems"][0]["alarm"], "critical");

    // A copy tells the same but for what takes time, when everything is gone.
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("post-mortem");
    std::fs::copy(scratch.file(), &path).unwrap();
    drop((alice, bus, scratch));
    let picture = json(&["top", "--file", path.to_str().unwrap(), "-o", "json"]);
    assert_eq!((&picture["queues"][0]["queued"], &picture["bus"]["rates"]), (&4.into(), &serde_json::Value::Null));
}

#[test]
fn what_is_not_there_is_said() {
    let bus = TestBus::new();
    assert!(fails(&["top", "no-such-bus-here", "--once"], 68).contains("no-such-bus-here"));
    let said = fails(&["top", &bus.name, "--view", "queues", "--sort", "colour"], 64);
    assert!(said.contains("queued") && said.contains("colour"), "{said}");
    assert!(fails(&["top", "--file", "/no/such/file"], 66).contains("/no/such/file"));
}
