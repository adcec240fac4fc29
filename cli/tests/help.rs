//! The help is part of the product: complete, with examples, and readable in 80 columns.

mod common;

use common::{ok, run};

const VERBS: [&str; 42] = [
    "create",
    "ls",
    "inspect",
    "declare",
    "send",
    "recv",
    "peek",
    "reap",
    "fsck",
    "destroy",
    "up",
    "config",
    "ps",
    "top",
    "health",
    "check",
    "doctor",
    "logs",
    "events",
    "metrics",
    "restart",
    "stop",
    "start",
    "reset-failed",
    "scale",
    "reload",
    "drain",
    "down",
    "bench",
    "call",
    "reply",
    "pub",
    "sub",
    "tail",
    "queue",
    "topic",
    "dead-letter",
    "lock",
    "status",
    "beat",
    "cheat",
    "completions",
];

/// Verbs of verbs.
const BELOW: [&[&str]; 20] = [
    &["queue", "ls"],
    &["queue", "declare"],
    &["queue", "close"],
    &["queue", "reopen"],
    &["queue", "purge"],
    &["queue", "move"],
    &["queue", "tap"],
    &["topic", "ls"],
    &["topic", "declare"],
    &["topic", "trim"],
    &["dead-letter", "ls"],
    &["dead-letter", "show"],
    &["dead-letter", "redrive"],
    &["dead-letter", "drop"],
    &["lock", "run"],
    &["lock", "ls"],
    &["status", "set"],
    &["status", "get"],
    &["status", "ls"],
    &["config", "check"],
];

fn help(args: &[&str]) -> String {
    String::from_utf8(ok(args)).expect("help is text")
}

#[test]
fn every_verb_has_help_with_an_example_in_80_columns() {
    let whole = help(&["--help"]);
    for verb in VERBS {
        assert!(whole.contains(&format!("\n  {verb} ")), "{verb} is not listed");
        let text = help(&[verb, "--help"]);
        assert!(text.contains("Usage: swarmbus "), "{text}");
        assert!(text.contains(&format!("\n  swarmbus {verb} ")), "no example of {verb}");
        for line in text.lines().chain(help(&[verb, "-h"]).lines()) {
            assert!(line.chars().count() <= 80, "{verb}: {line}");
        }
    }
    for line in whole.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn the_summary_lists_each_verb_once_in_one_line() {
    let short = help(&["-h"]);
    for verb in VERBS.into_iter().chain(["help"]) {
        let lines = short.lines().filter(|line| line.starts_with(&format!("  {verb} ")));
        assert_eq!(lines.count(), 1, "{verb}: {short}");
    }
    for line in short.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    // Each in a group of its own kind.
    assert!(!short.contains("\nMore:"), "{short}");
}

#[test]
fn help_names_every_exit_code_and_the_reference_agrees() {
    let whole = help(&["--help"]);
    let reference = include_str!("../../docs/cli.md");
    for code in ["64", "65", "66", "68", "69", "70", "71", "73", "74", "75", "77", "78"] {
        assert!(whole.contains(&format!("   {code}  ")), "{code} is not in the help");
        assert!(reference.contains(&format!("| {code} |")), "{code} is not in docs/cli.md");
    }
    for verb in VERBS {
        assert!(reference.contains(&format!("\n## swarmbus {verb}\n")), "{verb} is not in docs/cli.md");
    }
}

#[test]
fn the_reference_names_every_option() {
    let reference = include_str!("../../docs/cli.md");
    for verb in VERBS {
        let start = reference.find(&format!("\n## swarmbus {verb}\n")).expect("a section for each verb");
        let section = &reference[start + 1..];
        let section = section.find("\n## ").map_or(section, |end| &section[..end]);
        let below = BELOW.into_iter().filter(|words| words[0] == verb);
        for words in below.chain([&[verb][..]]) {
            let text = help(&[words, &["-h"]].concat());
            let own = text.split("Global options:").next().expect("something");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{words:?}: {line}");
            }
            let lines = own.lines().map(str::trim).filter(|line| line.starts_with('-'));
            let options = lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches(','));
            for option in options.filter(|word| word.starts_with("--") && *word != "--help" && *word != "--") {
                let option = option.split(['[', '=']).next().expect("something");
                assert!(section.contains(option), "docs/cli.md does not name {option} of {words:?}");
            }
        }
    }
}

#[test]
fn the_version_is_on_standard_output() {
    let version = help(&["--version"]);
    assert_eq!(version, format!("swarmbus {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_a_verb_the_help_comes_on_standard_error() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Messages:"));
}
