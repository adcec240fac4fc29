//! Every crash window is in the source, in `docs/crash-windows.md` and in the kills, under the same number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use swarmbus_stress::sweep::KILLS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Numbers of the calls `window(N)` in a folder, and how often each is there.
fn in_source(folder: &Path, found: &mut BTreeMap<u32, u32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_source(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for call in std::fs::read_to_string(&path).unwrap().split("window(").skip(1) {
                let number: String = call.chars().take_while(char::is_ascii_digit).collect();
                if !number.is_empty() && call[number.len()..].starts_with(')') {
                    *found.entry(number.parse().unwrap()).or_default() += 1;
                }
            }
        }
    }
}

/// Rows `| **W7** | … | tests |` of the document: number and the names in the last column.
fn in_document() -> BTreeMap<u32, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/crash-windows.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| **W"));
    rows.map(|row| {
        let number = row.split("**").next().unwrap().parse().unwrap();
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        (number, tests.split_whitespace().map(|name| name.trim_matches(['`', ',']).to_owned()).collect())
    })
    .collect()
}

#[test]
fn every_window_has_a_number_of_its_own_a_row_and_a_kill() {
    let mut source = BTreeMap::new();
    in_source(&root().join("core/src"), &mut source);
    let twice: Vec<_> = source.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "windows with the same number: {twice:?}");
    let numbers: Vec<u32> = source.into_keys().collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "windows are numbered without holes");

    let document = in_document();
    assert_eq!(document.keys().copied().collect::<Vec<_>>(), numbers, "rows of docs/crash-windows.md");
    let mut killed = BTreeMap::<u32, BTreeSet<String>>::new();
    for (operation, windows) in KILLS {
        for window in *windows {
            killed.entry(*window).or_default().insert(operation.name());
        }
    }
    for number in numbers {
        let kills = killed.get(&number).unwrap_or_else(|| panic!("no operation is killed in W{number}"));
        assert_eq!(&document[&number], kills, "the tests of W{number} in docs/crash-windows.md");
    }
    println!("{} windows, each documented and killed in", document.len());
}
