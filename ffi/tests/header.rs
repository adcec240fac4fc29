//! include/swarmbus.h is what cbindgen makes of the sources, and docs/c-api.md knows every function in it.
//!
//! `SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test header` writes the header anew.
use std::fs;
use std::path::{Path, PathBuf};

/// In the order in which a reader of the header wants to meet them.
const SOURCES: &[&str] = &[
    "version",
    "error",
    "text",
    "options",
    "bus",
    "agent",
    "role",
    "send",
    "loan",
    "receive",
    "batch",
    "sources",
    "descriptor",
    "message",
    "heading",
    "call",
    "queue",
    "topic",
    "subscription",
    "lock",
    "status",
    "observe",
    "info",
    "rows",
    "snapshot",
    "row",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn generate() -> String {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(ffi.join("src").join(format!("{name}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen understands the sources").write(&mut header);
    with_headings(&String::from_utf8(header).expect("UTF-8"))
}

/// Says before the functions of each source what they are about, in the source's own words.
fn with_headings(header: &str) -> String {
    let mut lines: Vec<String> = header.lines().map(str::to_owned).collect();
    for source in SOURCES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{source}.rs")));
        let text = text.expect("a source");
        let about = text.lines().next().and_then(|line| line.strip_prefix("//! ")).expect("what it is about");
        let function = text.split("#[unsafe(no_mangle)]").nth(1).and_then(|part| part.split("fn ").nth(1));
        let Some(name) = function.and_then(|rest| rest.split('(').next()) else { continue };
        let is_declared = |line: &String| {
            line.split_once('(')
                .is_some_and(|(before, _)| before.ends_with(name) && !line.trim().starts_with(['*', '/']))
        };
        let at = lines.iter().position(is_declared).expect("its first function");
        let comment = lines[..at].iter().rposition(|line| line.starts_with("/**")).expect("its comment");
        lines.splice(comment..comment, [format!("/* {about} */"), String::new()]);
    }
    lines.join("\n") + "\n"
}

/// Declarations by function name, each on one line with single spaces.
fn functions(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut text = String::new();
    for line in header.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['/', '*', '#', '}']) || line.ends_with('{') {
            text.clear();
            continue;
        }
        if !text.is_empty() && !text.ends_with('(') {
            text.push(' ');
        }
        text.push_str(line);
        if line.ends_with(';') {
            if let Some((before, _)) =
                text.split_once('(').filter(|_| !text.starts_with("typedef") && !text.contains("(*"))
            {
                let name = before.rsplit([' ', '*']).next().unwrap_or(before);
                found.push((name.to_owned(), text.clone()));
            }
            text.clear();
        }
    }
    found
}

#[test]
fn the_header_is_the_one_that_the_sources_make() {
    let path = root().join("include/swarmbus.h");
    let made = generate();
    if std::env::var_os("SWARMBUS_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &made).expect("the header can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "include/swarmbus.h is not what ffi/src makes (first difference at line {}): \
         run SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test header and commit it",
        differs.unwrap_or(made.lines().count().min(committed.lines().count())) + 1
    );
}

#[test]
fn every_source_with_exported_functions_is_read() {
    let header = generate();
    let declared = functions(&header);
    assert!(declared.len() > 30, "{declared:?}");
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("the sources") {
        let path = entry.expect("an entry").path();
        let source = fs::read_to_string(&path).expect("a source");
        for part in source.split("#[unsafe(no_mangle)]").skip(1) {
            let name = part.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).expect("a function");
            assert!(declared.iter().any(|(known, _)| known == name), "{name} of {} is not declared", path.display());
        }
    }
}

#[test]
fn the_guide_has_every_signature() {
    let guide = fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    let guide = guide.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    let missing: Vec<String> = functions(&generate())
        .into_iter()
        .filter(|(_, text)| !guide.contains(text.as_str()))
        .map(|(_, text)| text)
        .collect();
    assert!(missing.is_empty(), "docs/c-api.md lacks:\n{}", missing.join("\n"));
}

/// Every code, lane and the like of the header is explained in the guide.
#[test]
fn the_guide_has_every_constant() {
    let guide = fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    for line in generate().lines().filter(|line| line.starts_with("#define SWARMBUS_") && line.contains(' ')) {
        let name = line.split_whitespace().nth(1).expect("a name");
        assert!(name == "SWARMBUS_H" || guide.contains(name), "docs/c-api.md lacks {name}");
    }
}

/// C++ programs need nothing of the C header but what tells which library it is, and its texts.
#[test]
fn the_cpp_header_has_every_function() {
    let header = fs::read_to_string(root().join("include/swarmbus.hpp")).expect("include/swarmbus.hpp");
    let words: Vec<&str> = header.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let as_they_are = ["swarmbus_abi_version", "swarmbus_version", "swarmbus_strerror"];
    let declared = functions(&generate());
    let names = declared.iter().map(|(name, _)| name.as_str()).filter(|name| !as_they_are.contains(name));
    let missing: Vec<&str> = names.filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "include/swarmbus.hpp lacks {missing:?}");
}
