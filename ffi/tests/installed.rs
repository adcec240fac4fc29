//! What `ffi/install.sh` installs: the shared library with its soname and its symbols, and a program that is built out of the
//! tree with pkg-config against it.
mod programs;

use programs::{TestBus, is_here, library_folder, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with all that is installed, gone when the test is.
struct Installed(PathBuf);

impl Installed {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("installed-{}", std::process::id()));
        let installed = Installed(folder.join("usr"));
        let archive = library_folder().join("libswarmbus.a");
        tell(Command::new(root().join("ffi/install.sh")).arg(archive).arg(&installed.0));
        installed
    }

    fn library(&self) -> PathBuf {
        self.0.join("lib/libswarmbus.so")
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().expect("its folder"));
    }
}

/// What a command prints, which has to succeed.
fn tell(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}:\n{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/swarmbus.h")).expect("the header");
    let function = |line: &str| {
        let (before, _) = line.split_once('(').filter(|_| !line.starts_with([' ', '*', '/', '#']))?;
        let name = before.rsplit([' ', '*']).next()?;
        (before.contains(' ') && name.starts_with("swarmbus_")).then(|| name.to_owned())
    };
    header.lines().filter(|line| !line.starts_with("typedef")).filter_map(function).collect()
}

fn check_symbols(installed: &Installed) {
    let library = installed.library();
    let dynamic = tell(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("[libswarmbus.so.0]"), "its soname: {dynamic}");
    let exported = tell(Command::new("nm").args(["-D", "--defined-only", "--with-symbol-versions"]).arg(&library));
    let mut found = BTreeSet::new();
    for line in exported.lines() {
        let symbol = line.split_whitespace().nth(2).expect("a symbol");
        if symbol == "SWARMBUS_0" {
            continue;
        }
        let (name, version) = symbol.split_once("@@").unwrap_or((symbol, "none"));
        assert_eq!(version, "SWARMBUS_0", "{name} has another version");
        found.insert(name.to_owned());
    }
    assert_eq!(found, declared(), "ffi/swarmbus.map lists what the header declares, one by one");
    let versions = tell(Command::new("readelf").args(["-V", "--wide"]).arg(&library));
    assert!(versions.contains("Name: SWARMBUS_0"), "{versions}");
}

/// The manual is there by the name of each call.
fn check_manual(installed: &Installed) {
    for name in declared() {
        let page = installed.0.join(format!("share/man/man3/{name}.3"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(&format!(".Fo {name}\n")), "{}", page.display());
    }
}

/// A program of somebody who has only what is installed.
fn check_client(installed: &Installed) {
    let flags = |more: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", installed.0.join("lib/pkgconfig"));
        command.args(more).args(["--cflags", "--libs", "swarmbus"]);
        tell(&mut command).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let folder = installed.0.parent().expect("its folder");
    let guide = fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    let example = |language: &str| {
        let begin = format!("```{language}\n");
        let whole = guide.split(&begin).map(|block| block.split("```").next().unwrap_or(""));
        let found = whole.filter(|block| block.contains("int main(")).last();
        found.unwrap_or_else(|| panic!("a program in {language} in the guide")).to_owned()
    };
    for (compiler, standard, file, language) in
        [("cc", "-std=c11", "client.c", "c"), ("g++", "-std=c++17", "client.cpp", "cpp")]
    {
        if !is_here(compiler) {
            eprintln!("skipped: no {compiler} here");
            continue;
        }
        let source = folder.join(file);
        fs::write(&source, example(language)).expect("the client");
        // The archive is large; one language is enough to see that it serves.
        let ways = [(&[][..], "shared"), (&["--static"][..], "static")];
        for (more, name) in ways.into_iter().take(if language == "c" { 2 } else { 1 }) {
            let client = folder.join(format!("{file}-{name}"));
            let mut compile = Command::new(compiler);
            compile.current_dir(folder).args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"]);
            compile.arg(&client).arg(&source);
            // `--static` names the libraries that the archive needs; that it is the archive which is linked is said here.
            let named = flags(more).into_iter().map(|flag| match flag.as_str() {
                "-lswarmbus" if name == "static" => "-l:libswarmbus.a".to_owned(),
                _ => flag,
            });
            tell(compile.args(named));
            let bus = TestBus::new(&format!("{language}-{name}"));
            let mut run = Command::new(&client);
            let printed = tell(run.arg(&bus.0).env("LD_LIBRARY_PATH", installed.0.join("lib")));
            assert!(printed.contains("hello"), "{printed}");
            let needs = tell(Command::new("readelf").arg("-d").arg(&client));
            assert_eq!(needs.contains("[libswarmbus.so.0]"), name == "shared", "{needs}");
        }
    }
}

#[test]
fn what_is_installed_has_its_symbols_and_builds_programs() {
    let installed = Installed::new();
    check_symbols(&installed);
    check_manual(&installed);
    if is_here("pkg-config") {
        check_client(&installed);
    } else {
        eprintln!("skipped: no pkg-config here");
    }
}

/// The list of symbols is kept: a name that has been released is in it for good, and none is there twice.
#[test]
fn the_version_script_lists_each_function_once() {
    let map = fs::read_to_string(root().join("ffi/swarmbus.map")).expect("ffi/swarmbus.map");
    let listed: Vec<&str> = map.lines().filter_map(|line| line.trim().strip_suffix(';')).collect();
    let names: Vec<&str> = listed.into_iter().filter(|name| name.starts_with("swarmbus_")).collect();
    let distinct: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(distinct.len(), names.len(), "a name is listed twice");
    assert_eq!(distinct, declared(), "ffi/swarmbus.map is not what the header declares");
}
