//! Compiles each C program of this folder against the header and the library of this build, and runs it on a bus of
//! its own.
mod programs;

use programs::{C11, CPP17, PATIENCE, SHARED, STATIC, TestBus, WARNINGS, check, compile, is_here, remove, root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

macro_rules! programs {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(concat!(stringify!($name), ".c"), stringify!($name), C11, SHARED);
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
    batches,
    boards,
    calls,
    connect,
    dead_thread,
    errors,
    handles,
    heap_full,
    interrupted,
    killed_receiver,
    loan_publish,
    locks,
    misuse,
    observing,
    options,
    payloads,
    queues,
    send_receive,
    topics,
    two_processes,
    versions,
    waiting,
    wrong_thread,
}

#[test]
fn the_cpp_header_does_what_it_says() {
    if is_here(CPP17[0]) {
        check("everything.cpp", "everything", CPP17, SHARED);
    } else {
        eprintln!("skipped: no g++ here");
    }
}

/// What else the guide shows compiles too.
#[test]
fn the_functions_of_the_guide_compile() {
    let guide = fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    let blocks = guide.split("```c\n").skip(1).filter_map(|block| block.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.contains("{\n") && !block.contains("int main(")).collect();
    assert!(shown.len() >= 2, "functions in the guide");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("shown-{}.c", std::process::id()));
    let head = "#include <stdio.h>\n#include <string.h>\n#include <swarmbus.h>\n";
    fs::write(&source, head.to_owned() + &shown.concat()).expect("the functions");
    let mut command = Command::new(C11[0]);
    command.args(&C11[1..]).args(WARNINGS).args(["-Wno-unused-function", "-fsyntax-only", "-I"]);
    let output = command.arg(root().join("include")).arg(&source).output().expect("the compiler runs");
    let _ = fs::remove_file(&source);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every program is C11, and C++17 as well, for each compiler that is here; so are the headers with it.
#[test]
fn every_program_is_c11_and_cpp17_without_a_warning() {
    let folder = root().join("ffi/tests");
    let sources = |end: &str| -> Vec<PathBuf> {
        let files = fs::read_dir(&folder).expect("the tests").map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == end)).collect()
    };
    let mut programs = sources("c");
    programs.push(folder.join("random/calls.c"));
    let everything = [programs.clone(), sources("cpp")].concat();
    for (compiler, language, files) in [
        ("gcc", ["-std=c11", "-xc"], &programs),
        ("clang", ["-std=c11", "-xc"], &programs),
        ("g++", ["-std=c++17", "-xc++"], &everything),
        ("clang++", ["-std=c++17", "-xc++"], &everything),
    ] {
        if !is_here(compiler) {
            eprintln!("skipped: no {compiler} here");
            continue;
        }
        let mut command = Command::new(compiler);
        command.args(language).args(WARNINGS).args(["-Wshadow", "-fsyntax-only", "-I"]).arg(root().join("include"));
        let output = command.args(files).output().expect("the compiler runs");
        assert!(output.status.success(), "{compiler}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// valgrind 3.19 knows no futex_waitv, with which descriptors wait: programs that use these are not among them, nor those that
/// measure out a heap or end threads by the bare system call.
#[test]
#[ignore = "needs valgrind and takes minutes"]
fn programs_neither_leak_nor_read_what_is_not_theirs_as_valgrind_sees_it() {
    if !is_here("valgrind") {
        eprintln!("skipped: no valgrind here");
        return;
    }
    for name in [
        "batches",
        "boards",
        "calls",
        "errors",
        "handles",
        "loan_publish",
        "locks",
        "observing",
        "options",
        "queues",
        "send_receive",
        "topics",
    ] {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("valgrind-{name}-{}", std::process::id()));
        compile(&root().join(format!("ffi/tests/{name}.c")), &program, C11, SHARED);
        let bus = TestBus::new(&format!("valgrind-{name}"));
        let options = ["-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"];
        let command = [&options[..], &[program.to_str().expect("UTF-8"), &bus.0]].concat();
        let printed = program.with_extension("log");
        let log = format!("--log-file={}", printed.display());
        let status = Command::new("valgrind").arg(log).args(command).status().expect("valgrind runs");
        assert!(status.success(), "{name}: {status}\n{}", fs::read_to_string(&printed).unwrap_or_default());
        remove(&program);
        let _ = fs::remove_file(printed);
    }
}

#[test]
fn the_static_library_serves_as_well() {
    check("send_receive.c", "send_receive_static", C11, STATIC);
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
    remove(&binary);
    let _ = fs::remove_file(source);
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
    remove(&binary);
}
