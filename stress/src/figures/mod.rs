//! What the last runs of the proof found, as Markdown: `swarmbus-stress report` reads the files that `make verify` leaves in `target/verify`.
//!
//! A page has room for a part between two comments, `<!-- figures of FILE -->` and `<!-- end of figures -->`; what stands there is replaced. So a page
//! says what was found by the run whose files are there, and nobody copies figures by hand.

mod parts;
mod sweeps;

pub use parts::{Flipped, Fuzzed};
pub use sweeps::{Swept, as_table, sums};

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Which figures, and where to.
#[derive(clap::Args, Debug)]
pub struct Wish {
    /// The folder of the files.
    #[arg(long, default_value = "target/verify")]
    from: PathBuf,
    /// A page whose figures are to be replaced; without it they are printed.
    #[arg(long, value_name = "PAGE")]
    into: Option<PathBuf>,
}

/// A part of the proof: its file, what writes it, and how it reads.
type Part = (&'static str, &'static str, fn(&str) -> Result<String>);

const PARTS: [Part; 11] = [
    ("kill-sweep.json", "make verify-sweeps", sweeps::killed),
    ("pause-sweep.json", "make verify-sweeps", sweeps::paused),
    ("storm.json", "make verify-storm", parts::storms),
    ("storm-iceoryx2.json", "make verify-peers", parts::storms),
    ("fuzz.json", "make verify-fuzz", parts::fuzzed),
    ("flips.json", "make verify-fuzz", parts::flipped),
    ("mutants.json", "make verify-all-mutants", parts::mutants),
    ("mutants-sample.json", "make verify-mutants", parts::mutants),
    ("model.json", "make verify-model", parts::model),
    ("loom.jsonl", "make verify-loom", parts::loom),
    ("soak.json", "make verify-soak", parts::soak),
];

/// Prints the figures, or puts them into a page.
///
/// # Errors
/// When a file cannot be understood, or the page has no room for a part; the others are reported all the same.
pub fn report(wish: &Wish) -> Result<()> {
    let mut page = match &wish.into {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => None,
    };
    let (commit_s, mut troubles) = (commit_time(), Vec::new());
    for (file, maker, read) in PARTS {
        let path = wish.from.join(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("there is no {}: {maker} writes it", path.display());
            continue;
        };
        if commit_s.is_some_and(|commit_s| written_s(&path).is_none_or(|written_s| written_s < commit_s)) {
            eprintln!("{} is older than the last commit: {maker} writes it anew", path.display());
        }
        let put = read(&text)
            .map_err(|error| {
                format!("{} cannot be understood ({error}): {maker} writes it anew", path.display()).into()
            })
            .and_then(|figures| put(&mut page, file, &figures));
        troubles.extend(put.err().map(|error| error.to_string()));
    }
    if let (Some(path), Some(page)) = (&wish.into, page) {
        std::fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n").into()) }
}

fn put(page: &mut Option<String>, file: &str, figures: &str) -> Result<()> {
    match page {
        Some(page) => *page = replaced(page, file, figures)?,
        None => println!("## {file}\n\n{}\n", figures.trim_end()),
    }
    Ok(())
}

/// When the last commit was made, if this is a working copy: figures that are older are those of another source.
fn commit_time() -> Option<Duration> {
    let said = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    String::from_utf8(said.stdout).ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn written_s(path: &Path) -> Option<Duration> {
    std::fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()
}

/// The page with other figures in the place of this part.
fn replaced(page: &str, name: &str, figures: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- figures of {name} -->"), "<!-- end of figures -->");
    let (before, rest) = page.split_once(&begin).ok_or_else(|| format!("the page has no line {begin}"))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| format!("after {begin} the page has no line {end}"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", figures.trim_end()))
}

/// With a comma after every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_those_of_the_same_part() {
        let block =
            |name: &str, figures: &str| format!("<!-- figures of {name} -->\n{figures}\n<!-- end of figures -->");
        let page =
            |figures: &str| format!("# P\n{}\ntext\n{}\n", block("storm.json", "old"), block("soak.json", figures));
        assert_eq!(replaced(&page("old"), "soak.json", "new\n\n").unwrap(), page("new"));
        assert!(replaced(&page("old"), "model.json", "new").is_err(), "there is no room for it");
    }

    #[test]
    fn the_page_has_room_for_every_part() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let page = std::fs::read_to_string(root.join("docs/verification.md")).unwrap();
        for (name, ..) in PARTS {
            replaced(&page, name, "").unwrap();
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
