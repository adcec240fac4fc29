//! `config check`, `config show`, `config schema` and `up --dry-run`: they tell, and start nothing.

mod common;
#[path = "../../supervisor/tests/mistakes/mod.rs"]
mod mistakes;

use common::run::Run;

const TEXT: &str = r#"
[bus]
name = "<bus>"
[pool.worker]
command = ["touch", "ran"]
size = 2
[env.prod.pool.worker]
size = 700
"#;

/// A folder in which nothing is to be started.
struct Folder(Run);

impl Folder {
    fn with(text: &str) -> Folder {
        Folder(Run::new(text))
    }
}

impl std::ops::Deref for Folder {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let is_started = self.dir.path().join("ran").exists() || self.segment().exists();
        assert!(!is_started || std::thread::panicking(), "something was started");
    }
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let folder = Folder::with(TEXT);
    let checked = folder.json(&["config", "check", "-o", "json"]);
    assert_eq!((&checked["agents"], &checked["profiles"][0]), (&2.into(), &"prod".into()));
    let text = String::from_utf8(folder.run(&["config", "check", "--env", "prod"]).stdout).unwrap();
    assert!(text.contains("700 agents"), "{text}");
}

#[test]
fn a_profile_is_checked_although_nobody_asked_for_it() {
    let folder = Folder::with(&TEXT.replace("size = 700", "size = 0"));
    let output = folder.run(&["config", "check"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("swarm.toml:8:8") && told.contains("(profile prod)"), "{told}");
}

#[test]
fn what_is_shown_has_the_profile_and_the_defaults() {
    let folder = Folder::with(TEXT);
    for args in
        [["config", "show", "--env", "prod", "-o", "json"].as_slice(), &["up", "--env=prod", "--dry-run", "-o", "json"]]
    {
        let shown = folder.json(args);
        assert_eq!(shown["pool"]["worker"]["size"], 700);
        assert_eq!(shown["pool"]["worker"]["restart"]["policy"], "on-failure");
    }
    let text = String::from_utf8(folder.run(&["up", "--dry-run"]).stdout).unwrap();
    assert!(text.contains("[pool.worker]\nsize = 2"), "{text}");
}

#[test]
fn a_profile_that_is_not_there_is_refused() {
    let output = Folder::with(TEXT).run(&["up", "--env", "prd"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean `prod`?"));
}

#[test]
fn the_schema_is_the_one_that_is_shipped() {
    let folder = Folder::with(TEXT);
    let printed = String::from_utf8(folder.run(&["config", "schema"]).stdout).unwrap();
    assert!(printed == include_str!("../../docs/swarm.schema.json"));
}

#[test]
fn each_mistake_is_told_on_one_screen_and_starts_nothing() {
    for mistake in mistakes::BAD {
        let text = mistake.text().replace("\"demo\"", "\"<bus>\"").replace("\"exit 0\"", "\"touch ran\"");
        let folder = Folder::with(&text);
        let output = folder.run(&["up", "swarm.toml"]);
        let (to, told) = (mistake.to, String::from_utf8(output.stderr).unwrap());
        println!("{told}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{to}: {told}");
        assert!(told.contains(&format!("swarm.toml:{}:", mistake.line)), "{to}: {told}");
        assert!(mistake.words.iter().all(|word| told.contains(word)), "{to}: {:?} in {told}", mistake.words);
        assert!(told.lines().count() <= 24 && told.lines().all(|line| line.chars().count() <= 90), "{to}: {told}");
        assert!(!folder.0.dir.path().join("swarmbus").exists(), "{to}: a run directory was made");
    }
}
