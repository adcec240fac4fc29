//! Every documented exit code that a test can bring about, each with one line that says what to do.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use common::{TestBus, command, fails, failure, ok, run, unique};

#[test]
fn a_wrong_command_line_is_64() {
    assert_eq!(run(&[]).status.code(), Some(64));
    for args in [
        &["frobnicate"][..],
        &["send"],
        &["send", "demo/bob", "hello", "--lan", "high"],
        &["send", "demo/bob", "hello", "--lane", "quick"],
        &["send", "demo/bob", "hello", "--timeout", "soon"],
        &["send", "demo/bob", "hello", "--file", "x"],
        &["create", "demo", "--heap", "huge"],
        &["create", "demo", "--mode", "0888"],
        &["recv", "demo/bob", "-n", "1", "--follow"],
        &["inspect", "demo/bob", "bob"],
    ] {
        fails(args, 64);
    }
    let said = fails(&["send", "demo/bob", "--lan", "high"], 64);
    assert!(said.contains("'--lane'") && said.contains("swarmbus send --help"), "{said}");
}

#[test]
fn a_wrong_name_is_64() {
    let bus = TestBus::new();
    let long = "x".repeat(64);
    for name in ["", "with space", "umläut", "a/b", &long] {
        fails(&["declare", &bus.at(name)], 64);
    }
    fails(&["create", "no/slash"], 64);
    fails(&["create", ""], 64);
}

#[test]
fn no_bus_and_no_mailbox_is_64() {
    let said = fails(&["peek", "bob"], 64);
    assert!(said.contains("SWARMBUS"), "{said}");
    let said = fails(&["recv"], 64);
    assert!(said.contains("SWARMBUS_AGENT"), "{said}");
    fails(&["reap"], 64);
}

#[test]
fn unknown_buses_and_names_are_68() {
    let none = unique("cli-none");
    let address = format!("{none}/bob");
    for args in [
        &["ls", &none][..],
        &["inspect", &none],
        &["declare", &address],
        &["send", &address, "hello"],
        &["recv", &address],
        &["peek", &address],
        &["reap", &none],
        &["destroy", &none],
    ] {
        let said = fails(args, 68);
        assert!(said.contains(&none), "{said}");
    }
    let bus = TestBus::new();
    let nobody = bus.at("nobody");
    for args in
        [&["send", &nobody, "hello"][..], &["peek", &nobody], &["inspect", &nobody], &["recv", &nobody, "--shared"]]
    {
        let said = fails(args, 68);
        assert!(said.contains("nobody"), "{said}");
    }
}

#[test]
fn a_payload_larger_than_a_chunk_can_be_is_65() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "256MiB"]);
    let bob = bus.mailbox("bob");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large");
    // A hole: it has a length and no content.
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    fails(&["send", &bob, "--file", path.to_str().expect("a path in UTF-8")], 65);
    let endless = std::fs::File::open("/dev/zero").expect("zeros");
    let args = ["send", bob.as_str()];
    let output = command(&args).stdin(endless).output().expect("swarmbus runs");
    failure(&args, &output, 65);
}

#[test]
fn a_segment_full_of_nonsense_is_an_error_and_no_crash() {
    let name = unique("cli-nonsense");
    let path = std::path::PathBuf::from(format!("/dev/shm/swarmbus.{name}"));
    struct Unlink(std::path::PathBuf);
    impl Drop for Unlink {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
    let _unlink = Unlink(path.clone());
    std::fs::write(&path, b"x".repeat(1 << 20)).expect("the file is written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let address = format!("{name}/bob");
    for args in [&["inspect", &name][..], &["send", &address, "hello"], &["recv", &address, "--timeout", "0"]] {
        let output = run(args);
        let code = output.status.code().expect("no signal");
        assert!([65, 69].contains(&code), "{args:?}: {code}");
        failure(args, &output, code);
    }
    // A list shows the others all the same.
    let listed = common::json(&["ls", "-o", "json"]);
    let one = listed.as_array().expect("a list").iter().find(|one| one["name"] == name.as_str());
    assert!(one.expect("it is listed")["error"].is_string());
    ok(&["destroy", &name]);
    assert!(!path.exists());
}

#[test]
fn a_closed_queue_is_69() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "before"]);
    let handle = swarmbus_core::Bus::open(&bus.name).expect("the bus is there");
    handle.join().expect("there is room").close_queue("bob").expect("it is open");
    fails(&["send", &bob, "after"], 69);
    assert_eq!(ok(&["recv", &bob, "--shared"]), b"before\n");
    fails(&["recv", &bob, "--shared"], 69);
}

#[test]
fn input_that_is_not_there_is_66_and_unreadable_74() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let said = fails(&["send", &bob, "--file", "/no/such/file"], 66);
    assert!(said.contains("/no/such/file"), "{said}");
    fails(&["send", &bob, "--lines", "--file", "/"], 74);
    let folder = std::fs::File::open("/").expect("a folder");
    let args = ["send", bob.as_str()];
    let output = command(&args).stdin(folder).output().expect("swarmbus runs");
    failure(&args, &output, 74);
    assert_eq!(bus.queue("bob")["queued"], 0);
}

#[test]
fn output_that_cannot_be_written_is_74_and_the_message_stays() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "precious"]);
    let args = ["recv", bob.as_str()];
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").expect("a full device"));
    let output = command(&args).stdout(full()).output().expect("swarmbus runs");
    failure(&args, &output, 74);
    let args = ["ls", "-o", "json"];
    let output = command(&args).stdout(full()).output().expect("swarmbus runs");
    failure(&args, &output, 74);

    let got = common::json(&["recv", &bob, "-o", "json"]);
    assert_eq!(got["data"], "precious");
    assert_eq!(got["deliveries"], 2);
}

#[test]
fn no_room_for_another_agent_is_75() {
    let bus = TestBus::with(&["--agents", "2", "--heap", "16MiB"]);
    let bob = bus.mailbox("bob");
    let handle = swarmbus_core::Bus::open(&bus.name).expect("the bus is there");
    let mut members = Vec::new();
    while let Ok(member) = handle.join() {
        members.push(member);
        assert!(members.len() <= 64, "the limit of 2 agents is no limit");
    }
    fails(&["send", &bob, "hello"], 75);
}

#[test]
fn a_bus_of_another_layout_is_69_and_says_what_to_do() {
    use std::os::unix::fs::FileExt;
    let bus = TestBus::new();
    ok(&["declare", &bus.at("bob")]);
    let path = format!("/dev/shm/swarmbus.{}", bus.name);
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut word = [0; 8];
    file.read_exact_at(&mut word, 8).unwrap();
    let ours = u64::from_ne_bytes(word);
    for (layout, advice) in [(ours + 1, "upgrade this program"), (ours - 1, "create it anew")] {
        file.write_all_at(&layout.to_ne_bytes(), 8).unwrap();
        for args in [
            &["inspect", &bus.name][..],
            &["peek", &bus.at("bob")],
            &["send", &bus.at("bob"), "x"],
            &["recv", &bus.at("bob")],
            &["reap", &bus.name],
        ] {
            let said = fails(args, 69);
            let both = [format!("layout {layout}"), format!("layout {ours}"), env!("CARGO_PKG_VERSION").into()];
            assert!(said.contains(advice) && both.iter().all(|part| said.contains(part)), "{said}");
        }
    }
    fails(&["destroy", &bus.name], 69);
    ok(&["destroy", "--force", &bus.name]);
    assert!(!std::path::Path::new(&path).exists());
}
