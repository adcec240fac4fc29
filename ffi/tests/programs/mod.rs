//! What the tests share that compile C programs and run them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Guards against a program that hangs; none takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A compiler of C.
pub const C11: &[&str] = &["cc", "-std=c11"];
/// A compiler of C++.
pub const CPP17: &[&str] = &["g++", "-std=c++17", "-x", "c++"];
/// All of them are errors.
pub const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g"];
/// What the Rust standard library needs when it is linked statically.
pub const STATIC: &[&str] = &["-l:libswarmbus.a", "-lpthread", "-ldl", "-lm", "-lrt", "-lutil", "-lgcc_s"];
/// The library as cargo makes it.
pub const SHARED: &[&str] = &["-lswarmbus", "-lpthread"];

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The folder of the libraries that belong to this test: cargo puts them beside it, or one level up; else they are built.
pub fn library_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("this test's path");
        let deps = test.parent().expect("its folder");
        let profile = deps.parent().expect("the profile's folder");
        let whole = |folder: &&Path| ["so", "a"].iter().all(|end| folder.join(format!("libswarmbus.{end}")).exists());
        if let Some(found) = [deps, profile].iter().find(|folder| whole(folder)) {
            return found.to_path_buf();
        }
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(root()).args(["build", "--quiet", "-p", "swarmbus-ffi", "--target-dir"]);
        build.arg(profile.parent().expect("the target folder"));
        match profile.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => {}
            Some(name) => drop(build.args(["--profile", name])),
        }
        assert!(build.status().expect("cargo runs").success(), "building the library failed");
        assert!(whole(&profile), "no libswarmbus.so and .a in {}", profile.display());
        profile.to_owned()
    })
}

/// The bus of one run. What a program that died left in /dev/shm goes with it.
pub struct TestBus(pub String);

impl TestBus {
    /// A name that no other run has.
    pub fn new(label: &str) -> Self {
        TestBus(format!("ffi-{label}-{}", std::process::id()))
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = fs::remove_file(format!("/dev/shm/swarmbus.{}", self.0));
    }
}

/// Whether a command is on this machine.
pub fn is_here(command: &str) -> bool {
    Command::new(command).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Compiles and links a program.
pub fn compile(source: &Path, program: &Path, compiler: &[&str], libraries: &[&str]) {
    let folder = library_folder();
    let output = Command::new(compiler[0])
        .args(&compiler[1..])
        .args(WARNINGS)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("ffi/tests"))
        .arg("-o")
        .arg(program)
        .arg(source)
        .args(if compiler.contains(&"c++") { &["-x", "none"][..] } else { &[] })
        .arg("-L")
        .arg(folder)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .args(libraries)
        .output()
        .unwrap_or_else(|error| panic!("{} can't be started: {error}; the C tests need a C compiler", compiler[0]));
    assert!(
        output.status.success(),
        "{} does not compile:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a program to its end and returns what it printed.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    run_for(program, arguments, PATIENCE)
}

/// The same of one that takes its time.
pub fn run_for(program: &Path, arguments: &[&str], patience: Duration) -> String {
    let report = program.with_extension("out");
    let file = File::create(&report).expect("a file for the output");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second descriptor"))
        .stderr(file)
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + patience;
    let status = loop {
        match child.try_wait().expect("its state") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                break child.wait().expect("its end");
            }
            None => sleep(Duration::from_millis(10)),
        }
    };
    let printed = fs::read_to_string(&report).expect("what it printed");
    assert!(status.success(), "{} {arguments:?}: {status}\n{printed}", program.display());
    printed
}

/// Compiles and runs a program of the tests, which has to leave nothing behind.
pub fn check(file: &str, label: &str, compiler: &[&str], libraries: &[&str]) {
    let source = root().join("ffi/tests").join(file);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{label}-{}", std::process::id()));
    compile(&source, &program, compiler, libraries);
    let bus = TestBus::new(label);
    run(&program, &[&bus.0]);
    assert!(!Path::new(&format!("/dev/shm/swarmbus.{}", bus.0)).exists(), "{file} left its bus behind");
    remove(&program);
}

/// Removes a program and what it printed.
pub fn remove(program: &Path) {
    for leftover in [program.with_extension("out"), program.to_owned()] {
        let _ = fs::remove_file(leftover);
    }
}
