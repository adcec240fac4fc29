//! Completions as the shells themselves use them. A shell that is not installed is told of and passed over.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{TestBus, command, fails, ok, unique};

/// A shell with the command under test on its path, ended should it hang; `None` if there is no such shell.
fn shell(name: &str, arguments: &[&str]) -> Option<Output> {
    if Command::new(name).args(["-c", "exit 0"]).output().is_err() {
        eprintln!("no {name} here (apt install {name}): its completions are not tried");
        return None;
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_swarmbus")).parent().expect("the command is in a folder");
    let path = std::env::var("PATH").expect("a path");
    let mut timed = Command::new("timeout");
    timed
        .args(["300", name])
        .args(arguments)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env_remove("SWARMBUS");
    Some(timed.output().expect("the shell runs"))
}

/// A folder with the completions of a shell in a file of this name.
fn completions(shell: &str, file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(file), ok(&["completions", shell])).expect("it is written");
    folder
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn there_are_completions_for_three_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(ok(&["completions", shell])).expect("text");
        for verb in ["send", "dead-letter", "completions", "timeout", "swarmbus words"] {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
        // A verb for programs is no verb to offer.
        assert!(!script.contains("manual pages"), "{shell}");
    }
    fails(&["completions", "csh"], 64);
}

#[test]
fn words_are_names_that_are_there() {
    let bus = TestBus::new();
    bus.mailbox("bob");
    bus.mailbox("bill");
    ok(&["topic", "declare", &bus.at("bulletin")]);
    let words = |arguments: &[&str]| String::from_utf8(ok(&[&["words"], arguments].concat())).expect("text");
    assert_eq!(words(&["addresses", &bus.at("bo")]), bus.at("bob\n"));
    assert_eq!(
        words(&["addresses", &bus.at("b")]),
        ["bill\n", "bob\n", "bulletin\n"].map(|name| bus.at(name)).concat()
    );
    assert_eq!(words(&["addresses", &bus.name]), bus.at("\n"));
    assert_eq!(words(&["buses", &bus.name]), format!("{}\n", bus.name));
    assert_eq!(words(&["addresses", "no-such-bus/b"]), "");
    let here = command(&["words", "addresses", "bo"]).env("SWARMBUS", &bus.name).output().expect("swarmbus runs");
    assert_eq!(text(&here), "bob\n");
}

#[test]
fn bash_completes_verbs_options_and_names() {
    let bus = TestBus::new();
    bus.mailbox("bob");
    let folder = completions("bash", "completions");
    let file = folder.path().join("completions");
    // As bash calls the function of a completion: command, word, the word before it.
    let script = "source \"$1\"; shift; COMP_WORDS=(swarmbus \"$@\") COMP_CWORD=$#
        _swarmbus_names swarmbus \"${@: -1}\" \"${COMP_WORDS[-2]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let file = file.to_str().expect("a path in UTF-8");
        shell("bash", &[&["-c", script, "bash", file], words].concat()).map(|output| text(&output))
    };
    let same = |words: &[&str], wanted: &str| {
        assert!(complete(words).is_none_or(|found| found.trim() == wanted), "{words:?}: {:?}", complete(words));
    };
    same(&["dead-"], "dead-letter");
    same(&["send", "--timeo"], "--timeout");
    same(&["send", "--lane", "u"], "urgent");
    same(&["send", &bus.at("b")], &bus.at("bob"));
    same(&["queue", "purge", &bus.at("b")], &bus.at("bob"));
    same(&["ls", "-b", &bus.name], &bus.name);
}

#[test]
fn fish_completes_verbs_options_and_names() {
    let bus = TestBus::new();
    bus.mailbox("bob");
    let folder = completions("fish", "swarmbus.fish");
    let file = folder.path().join("swarmbus.fish");
    let same = |line: &str, wanted: &str| {
        let script = "source $argv[1]; complete -C $argv[2]";
        let file = file.to_str().expect("a path in UTF-8");
        let Some(output) = shell("fish", &["--no-config", "-c", script, file, line]) else { return };
        let found = text(&output);
        let words: Vec<_> = found.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, [wanted], "{line}");
    };
    same("swarmbus dead-", "dead-letter");
    same("swarmbus send --timeo", "--timeout");
    same("swarmbus send --lane u", "urgent");
    same(&format!("swarmbus send {}", bus.at("b")), &bus.at("bob"));
    same(&format!("swarmbus queue purge {}", bus.at("b")), &bus.at("bob"));
    same(&format!("swarmbus ls -b {}", bus.name), &bus.name);
    same(&format!("swarmbus -b {}", bus.name), &bus.name);
}

/// An interactive zsh in a terminal of its own: each line is typed with tabs in it, and a function shows what came of it.
const TYPIST: &str = r#"
zmodload zsh/zpty
print -r -- 'fpath=($ZDOTDIR $fpath); autoload -U compinit; compinit -u -D
    swarmbus() { if [[ $1 == words ]]; then command swarmbus "$@"; else print -r -- "<$*>"; fi }; PS1=READY' >$ZDOTDIR/.zshrc
zpty typist zsh -i
zpty -r typist text '*READY*'
while (( $# )); do
    zpty -w typist "$1"
    zpty -r typist text "*<$2>*"
    print -r -- "$2"
    shift 2
done
"#;

#[test]
fn zsh_completes_verbs_options_and_names() {
    // No other bus has a name that begins like this one: all but its end is typed.
    let bus = TestBus { name: unique("zsh") };
    ok(&["create", &bus.name, "--agents", "64", "--heap", "64MiB"]);
    bus.mailbox("bob");
    let folder = completions("zsh", "_swarmbus");
    let home = format!("export ZDOTDIR={}; {TYPIST}", folder.path().display());
    let typed = [
        ("dead-\t".to_owned(), "dead-letter".to_owned()),
        ("send --timeo\t5s".to_owned(), "send --timeout=5s".to_owned()),
        ("send --lane u\t".to_owned(), "send --lane urgent".to_owned()),
        (format!("send {}\t", bus.at("b")), format!("send {}", bus.at("bob"))),
        (format!("queue purge {}\t", bus.at("b")), format!("queue purge {}", bus.at("bob"))),
        (format!("ls -b {}\t", &bus.name[..bus.name.len() - 1]), format!("ls -b {}", bus.name)),
    ];
    let typed: Vec<_> = typed.into_iter().map(|(line, wanted)| (format!("swarmbus {line}"), wanted)).collect();
    let mut arguments = vec!["-f", "-c", &home, "zsh"];
    arguments.extend(typed.iter().flat_map(|(line, wanted)| [line.as_str(), wanted.as_str()]));
    let Some(output) = shell("zsh", &arguments) else { return };
    let wanted: String = typed.iter().map(|(_, wanted)| format!("{wanted}\n")).collect();
    assert_eq!(text(&output), wanted);
}
