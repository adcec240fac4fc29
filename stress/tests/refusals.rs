//! Files that are not to be attached, and how that is said.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, chown, symlink};
use std::process::Command;
use swarmbus_core::layout::LAYOUT_VERSION;
use swarmbus_core::{Bus, CreateOptions, Error, Observer};
use swarmbus_stress::scene::{Scene, file_of};
use swarmbus_stress::space::NOT_PERMITTED;

fn scene() -> Scene {
    Scene::new(&CreateOptions { agents: 8, heap: 4 << 20, ..CreateOptions::default() }).unwrap()
}

fn file(scene: &Scene) -> File {
    OpenOptions::new().read(true).write(true).open(file_of(scene.name())).unwrap()
}

/// Opens the scene's bus with one word of its header replaced, for taking part and for looking; restores the word.
fn with_word(scene: &Scene, index: u64, change: impl Fn(u64) -> u64) -> (Error, Option<Error>) {
    let (file, mut before) = (file(scene), [0; 8]);
    file.read_exact_at(&mut before, index * 8).unwrap();
    file.write_all_at(&change(u64::from_ne_bytes(before)).to_ne_bytes(), index * 8).unwrap();
    let result = (Bus::open(scene.name()).map(drop).unwrap_err(), Observer::open(scene.name()).map(drop).err());
    file.write_all_at(&before, index * 8).unwrap();
    Bus::open(scene.name()).unwrap();
    result
}

#[test]
fn another_version_is_refused() {
    let scene = scene();
    for other in [LAYOUT_VERSION - 1, LAYOUT_VERSION + 1, u64::MAX] {
        let expected = Error::WrongVersion {
            bus: scene.name().into(),
            found: other.min(u32::MAX as u64) as u32,
            expected: LAYOUT_VERSION as u32,
            made_by: env!("CARGO_PKG_VERSION").into(),
        };
        assert_eq!(with_word(&scene, 1, |_| other), (expected.clone(), Some(expected)));
    }
}

#[test]
fn another_boot_is_refused_and_can_still_be_looked_at() {
    let scene = scene();
    for word in [4, 5] {
        assert_eq!(with_word(&scene, word, |boot| boot ^ 1), (Error::WrongBoot { bus: scene.name().into() }, None));
    }
}

#[test]
fn another_pid_namespace_is_refused() {
    let scene = scene();
    assert_eq!(with_word(&scene, 6, |inode| inode + 1), (Error::ForeignNamespace { bus: scene.name().into() }, None));
    let output = Command::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
        .args(["open-elsewhere", "--bus", scene.name()])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_PERMITTED as i32) {
        println!("not run in a real namespace: {}", words.trim());
        return;
    }
    assert!(output.status.success(), "{}: {words}", output.status);
}

#[test]
fn another_owner_is_refused() {
    let scene = scene();
    let path = file_of(scene.name());
    if nix::unistd::geteuid().is_root() {
        chown(&path, Some(65534), None).unwrap();
        match Bus::open(scene.name()).map(drop) {
            Err(Error::Permission { reason, .. }) => assert!(reason.contains("65534"), "{reason}"),
            other => panic!("{other:?}"),
        }
        chown(&path, Some(0), None).unwrap();
    } else {
        println!("not run with another owner's file: only root can make one");
    }
    Bus::open(scene.name()).unwrap();
}

#[test]
fn a_link_is_refused() {
    let scene = scene();
    let link = file_of(&scene.second());
    symlink(file_of(scene.name()), &link).unwrap();
    assert!(matches!(Bus::open(&scene.second()).map(drop), Err(Error::Permission { .. })));
    std::fs::remove_file(link).unwrap();
}

#[test]
fn what_is_no_finished_segment_is_not_ready() {
    let scene = scene();
    let not_ready = Error::NotReady { bus: scene.name().into() };
    for (word, value) in [(0, 0), (0, 42), (2, 0)] {
        assert_eq!(with_word(&scene, word, |_| value), (not_ready.clone(), Some(not_ready.clone())), "word {word}");
    }
    let path = file_of(&scene.second());
    for bytes in [0, 7, 255, 256, 4096] {
        std::fs::write(&path, vec![0; bytes]).unwrap();
        assert_eq!(Bus::open(&scene.second()).map(drop), Err(Error::NotReady { bus: scene.second() }), "{bytes} bytes");
        Bus::remove(&scene.second()).unwrap();
        assert!(!path.exists());
    }
}

#[test]
fn a_bus_that_is_being_destroyed_is_no_bus() {
    let scene = scene();
    let (error, _) = with_word(&scene, 2, |_| 2);
    assert_eq!(error, Error::UnknownBus { bus: scene.name().into() });
}

#[test]
fn corrupt_headers_are_refused() {
    let scene = scene();
    let mut refused = 0;
    for word in (9..=11).chain(13..=21) {
        let changes: [fn(u64) -> u64; 6] = [|x| x + 1, |x| x - 1, |_| 0, |_| u64::MAX, |x| x << 32, |x| x ^ 1 << 63];
        for (number, change) in changes.into_iter().enumerate() {
            let before = scene.observer().unwrap().bus();
            let (error, looking) = with_word(&scene, word, change);
            let both = [Some(error), looking];
            assert!(both.iter().all(|error| matches!(error, Some(Error::Corrupt { .. }))), "{word} {number} {both:?}");
            assert_eq!(scene.observer().unwrap().bus().segment_bytes, before.segment_bytes);
            refused += 1;
        }
    }
    let (error, _) = with_word(&scene, 24, |_| u64::MAX);
    assert!(matches!(error, Error::Corrupt { .. }));
    println!("{refused} corrupt words refused");
}

#[test]
fn a_file_shorter_than_its_header_says_is_corrupt() {
    let scene = scene();
    let bytes = scene.observer().unwrap().bus().segment_bytes;
    for shorter in [bytes - 1, bytes - 4096, 4096] {
        // A copy: the real one must never shrink while it is mapped.
        let mut header = vec![0; 4096];
        file(&scene).read_exact_at(&mut header, 0).unwrap();
        let copy = File::create(file_of(&scene.second())).unwrap();
        copy.write_all_at(&header, 0).unwrap();
        copy.set_len(shorter).unwrap();
        assert!(
            matches!(Bus::open(&scene.second()).map(drop), Err(Error::Corrupt { .. })),
            "{shorter} of {bytes} bytes"
        );
    }
}
