//! The examples in Rust are run as they stand, each of their processes in one of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// An example as it was built with this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).expect("the profile's folder");
    let program = folder.join("examples").join(name);
    // Cargo builds examples with the tests of a package, but not when one test is asked for alone.
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", name, "--target-dir"]);
    build.arg(folder.parent().expect("the target folder"));
    if folder.file_name().is_some_and(|profile| profile == "release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "{name} cannot be built");
    Command::new(program)
}

/// A bus that is gone after the test, and the processes with it.
struct Scene {
    bus: String,
    running: Vec<Child>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_file(format!("/dev/shm/swarmbus.{}", self.bus));
    }
}

fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap()
}

#[test]
fn typed_tasks_are_counted_by_another_process() {
    let mut scene = Scene { bus: format!("example-{}", std::process::id()), running: Vec::new() };
    let worker = example("typed").args(["worker", &scene.bus]).stderr(Stdio::piped()).spawn().unwrap();
    scene.running.push(worker);
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("text");
    fs::write(&path, "the bus\nis the\nbüs").unwrap();
    let Output { status, stdout, stderr } =
        example("typed").args(["boss", &scene.bus]).arg(&path).arg(folder.path().join("missing")).output().unwrap();
    assert!(status.success(), "{}", text(&stderr));
    let printed: Vec<&str> = text(&stdout).lines().collect();
    assert_eq!(printed.len(), 2, "{printed:?}");
    assert!(printed[0].ends_with("text: 3 lines, at most 7 characters long, 2 × 'the', 1 × 'bus'"), "{printed:?}");
    assert!(printed[1].contains("missing: No such file"), "{printed:?}");
    let worker = scene.running.pop().unwrap().wait_with_output().unwrap();
    let said = text(&worker.stderr);
    assert!(worker.status.success() && said.contains("content type bytes") && said.contains("count.task/1"), "{said}");
}
