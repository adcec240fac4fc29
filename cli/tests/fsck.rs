//! `swarmbus fsck` looks through a bus or a copy of one, and repairs what nobody uses.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{TestBus, fails, json, ok, run};
use swarmbus_core::Bus;
use swarmbus_core::layout::{Geometry, SLOTS_IN_CELL};

/// Empties the first slot of the normal lane of the first queue: its message waits, and nobody is told of it.
fn lose_a_message(path: &Path) {
    let file = File::options().read(true).write(true).open(path).expect("the segment is there");
    let read = |at: u64| {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).expect("it is as long");
        u64::from_ne_bytes(word)
    };
    let geometry = Geometry::new(read(80), read(88) as u32, read(104));
    let index = (0..geometry.agents).find(|row| read(geometry.roster_at + row * 32 + 8) & 3 == 2).expect("a queue");
    let slot = geometry.cells_at + index * geometry.cell_bytes + SLOTS_IN_CELL + 4 * geometry.ring_bytes;
    assert_eq!(read(slot) & 3, 1, "a message is there");
    file.write_all_at(&(1u64 << 28).to_ne_bytes(), slot).expect("it may be written to");
}

#[test]
fn a_sound_bus_has_no_problems() {
    let bus = TestBus::new();
    ok(&["send", &bus.mailbox("bob"), "hello"]);
    assert_eq!(ok(&["fsck", &bus.name]), b"");
    assert_eq!(json(&["fsck", &bus.name, "-o", "json"]), serde_json::json!([]));
    assert_eq!(ok(&["fsck", &bus.name, "--repair"]), b"");
    fails(&["fsck", "no-such-bus"], 68);
    fails(&["fsck", "--file", "/no/such/copy"], 66);
}

#[test]
fn a_lost_message_is_found_and_put_back() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    for text in ["one", "two"] {
        ok(&["send", &bob, text]);
    }
    lose_a_message(&bus.file());
    let found = run(&["fsck", &bus.name, "-o", "jsonl"]);
    assert_eq!(found.status.code(), Some(65));
    let found = String::from_utf8(found.stdout).expect("text");
    assert!(found.contains("no slot speaks of it") && found.contains("\"kind\":\"message\""), "{found}");

    let user = Bus::open(&bus.name).expect("it is there").join().expect("there is room");
    assert!(fails(&["fsck", &bus.name, "--repair"], 75).contains(&std::process::id().to_string()));
    drop(user);

    let done = String::from_utf8(ok(&["fsck", &bus.name, "--repair"])).expect("text");
    assert!(done.contains("put back in queue 'bob'"), "{done}");
    assert_eq!(ok(&["fsck", &bus.name]), b"");
    let received = String::from_utf8(ok(&["recv", &bob, "-n", "2", "--timeout", "60s"])).expect("text");
    let mut texts: Vec<&str> = received.lines().collect();
    texts.sort_unstable();
    assert_eq!(texts, ["one", "two"]);
}
