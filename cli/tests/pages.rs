//! Manual pages and the cheat sheet.

mod common;

use common::{fails, ok, run};

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("man1");
    ok(&["man", path.to_str().expect("a path in UTF-8")]);
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let main = read("swarmbus.1");
    assert!(main.contains(".TH") && main.contains("SWARMBUS"), "{main}");
    for page in ["swarmbus-send.1", "swarmbus-lock-run.1", "swarmbus-dead-letter-redrive.1"] {
        let text = read(page);
        assert!(text.contains("NAME") && text.contains("OPTIONS"), "{page}: {text}");
        let title = page.trim_end_matches(".1").replace('-', "\\-");
        assert!(text.contains(&title), "{page} does not say its name: {text}");
    }
    assert!(!path.join("swarmbus-man.1").exists());
    std::fs::write(folder.path().join("file"), b"").expect("it is written");
    fails(&["man", folder.path().join("file").to_str().expect("a path in UTF-8")], 74);
}

#[test]
fn the_cheat_sheet_is_one_screen_and_every_line_of_it_is_a_command() {
    let sheet = String::from_utf8(ok(&["cheat"])).expect("text");
    assert!(sheet.lines().count() <= 24, "{sheet}");
    for line in sheet.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let verbs = sheet.split("swarmbus ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let mut known = 0;
    for verb in verbs {
        assert_eq!(run(&[verb, "--help"]).status.code(), Some(0), "{verb}");
        known += 1;
    }
    assert!(known > 20, "{known}");
}
