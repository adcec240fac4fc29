//! Compiles each C program of this folder against the header and the library of this build, and runs it on a bus of
//! its own.
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Guards against a program that hangs; none takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(120);

const C11: &[&str] = &["cc", "-std=c11"];
const CPP17: &[&str] = &["g++", "-std=c++17", "-x", "c++"];
const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g"];
/// What the Rust standard library needs when it is linked statically.
const STATIC: &[&str] = &["-l:libswarmbus.a", "-lpthread", "-ldl", "-lm", "-lrt", "-lutil", "-lgcc_s"];
const SHARED: &[&str] = &["-lswarmbus", "-lpthread"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The folder of the libraries that belong to this test: cargo puts them beside it, or one level up; else they are built.
fn library_folder() -> &'static Path {
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
struct TestBus(String);

impl TestBus {
    fn new(label: &str) -> Self {
        TestBus(format!("ffi-{label}-{}", std::process::id()))
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = fs::remove_file(format!("/dev/shm/swarmbus.{}", self.0));
    }
}

fn compile(source: &Path, program: &Path, compiler: &[&str], libraries: &[&str]) {
    let folder = library_folder();
    let output = Command::new(compiler[0])
        .args(&compiler[1..])
        .args(WARNINGS)
        .arg("-I")
        .arg(root().join("include"))
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
fn run(program: &Path, arguments: &[&str]) -> String {
    let report = program.with_extension("out");
    let file = File::create(&report).expect("a file for the output");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second descriptor"))
        .stderr(file)
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
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

fn check(name: &str, label: &str, compiler: &[&str], libraries: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(format!("{name}.c"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{label}-{}", std::process::id()));
    compile(&source, &program, compiler, libraries);
    let bus = TestBus::new(label);
    run(&program, &[&bus.0]);
    assert!(!Path::new(&format!("/dev/shm/swarmbus.{}", bus.0)).exists(), "{name} left its bus behind");
    for leftover in [program.with_extension("out"), program] {
        let _ = fs::remove_file(leftover);
    }
}

macro_rules! programs {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), stringify!($name), C11, SHARED);
        })*

        /// Every program here is run, none is forgotten.
        #[test]
        fn every_program_is_listed() {
            let listed = [$(concat!(stringify!($name), ".c")),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
            for entry in fs::read_dir(folder).expect("the tests") {
                let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
                assert!(!name.ends_with(".c") || listed.contains(&name.as_str()), "{name} is not run");
            }
        }
    };
}

programs! {
    after_fork,
    connect,
    dead_thread,
    errors,
    handles,
    heap_full,
    interrupted,
    killed_receiver,
    loan_publish,
    options,
    payloads,
    send_receive,
    two_processes,
    versions,
    wrong_thread,
}

#[test]
fn the_header_and_a_program_are_cpp17_too() {
    let found = Command::new(CPP17[0]).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        check("send_receive", "send_receive_cpp", CPP17, SHARED);
    } else {
        eprintln!("skipped: no g++ here");
    }
}

#[test]
fn the_static_library_serves_as_well() {
    check("send_receive", "send_receive_static", C11, STATIC);
}

/// The first program in the guide is whole: it compiles and runs as it stands.
#[test]
fn the_example_of_the_guide_runs() {
    let guide = fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    let program = guide.split("```c\n").find(|block| block.contains("int main(")).expect("a program in the guide");
    let program = program.split("```").next().expect("its end");
    let bus = TestBus::new("guide");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("guide-{}.c", std::process::id()));
    fs::write(&source, program).expect("the program");
    let binary = source.with_extension("bin");
    compile(&source, &binary, C11, SHARED);
    let printed = run(&binary, &[&bus.0]);
    assert!(printed.contains("hello"), "{printed}");
    for leftover in [source, binary.with_extension("out"), binary] {
        let _ = fs::remove_file(leftover);
    }
}

/// examples/c/ping.c in both of its parts: an echo agent and one that pings it.
#[test]
fn the_ping_example_gets_its_answers() {
    let bus = TestBus::new("ping");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let binary = folder.join(format!("ping-{}", std::process::id()));
    compile(&root().join("examples/c/ping.c"), &binary, C11, SHARED);
    let mut echo = Command::new(&binary).args(["echo", &bus.0]).stdin(Stdio::null()).spawn().expect("it starts");
    let printed = run(&binary, &["ping", &bus.0, "100"]);
    assert!(printed.contains("100 answers"), "{printed}");
    let deadline = Instant::now() + PATIENCE;
    while echo.try_wait().expect("its state").is_none() {
        if Instant::now() > deadline {
            let _ = echo.kill();
            let _ = echo.wait();
            panic!("the echo agent did not end with its bus");
        }
        sleep(Duration::from_millis(10));
    }
    for leftover in [binary.with_extension("out"), binary] {
        let _ = fs::remove_file(leftover);
    }
}
