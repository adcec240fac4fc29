//! Configuration errors for people: file, line, the wrong word, what would be right.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a topology file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), hint: hint.into() }
    }

    /// What the TOML reader or serde found, with the nearest right word where there is one.
    pub fn from_toml(error: &toml::de::Error) -> Problem {
        let message = plain(error.message());
        let mut hint = hint_for(&message);
        let ticked = ticked(&message);
        if (message.starts_with("unknown field") || message.starts_with("unknown variant"))
            && let Some((wrong, known)) = ticked.split_first()
        {
            hint = suggest(wrong, known);
        }
        let message = message.replacen("unknown field", "unknown key", 1).replacen("missing field", "missing key", 1);
        let message = message.replacen("unknown variant", "unknown value", 1);
        let message = match message.find(", expected") {
            Some(at) if message.starts_with("unknown ") => message[..at].to_owned(),
            _ => message,
        };
        Problem { span: error.span().unwrap_or(0..0), message, hint }
    }
}

/// What serde says, in the words of TOML and of this documentation.
fn plain(message: &str) -> String {
    let words = [
        ("invalid type: map", "invalid type: table"),
        ("invalid type: sequence", "invalid type: list"),
        ("invalid type: string", "invalid type: text"),
        ("invalid type: floating point", "invalid type: fraction"),
        ("expected a map", "expected a table"),
        ("string values must be quoted, expected literal string", "a text is written in quotes"),
        ("expected a string", "expected a text in quotes"),
        ("expected a sequence", "expected a list in brackets"),
    ];
    words.iter().fold(message.to_owned(), |message, (theirs, ours)| message.replacen(theirs, ours, 1))
}

/// The words in back-ticks of a serde message, in order: the wrong one first, then what was expected.
fn ticked(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// "did you mean …", or the list of what is known when nothing is near.
pub fn suggest(wrong: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|word| (strsim::damerau_levenshtein(wrong, word), *word)).min();
    match nearest {
        Some((distance, word)) if distance <= 1 + word.len() / 3 => format!("did you mean `{word}`?"),
        _ if known.is_empty() => String::new(),
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn hint_for(message: &str) -> String {
    match message {
        "missing field `bus`" => "every topology starts with [bus] and name = \"…\"".into(),
        "missing field `name`" => "name the bus: name = \"…\"".into(),
        "missing field `command`" => "say what to run: command = [\"python3\", \"worker.py\"]".into(),
        "missing field `size`" => "say how many agents: size = 10".into(),
        "duplicate key" => "keep one of the two".into(),
        "invalid type: list, expected a table" => "one table for each, by name: [pool.NAME], not [[pool]]".into(),
        _ => String::new(),
    }
}

/// Everything that is wrong with a topology file; nothing was started.
#[derive(Clone, Debug)]
pub struct ConfigError {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

/// What would be right stands beside the wrong word if that fits into a line of a terminal; else below.
const COLUMNS: usize = 80;

/// More than this does not fit on one screen beside its excerpts.
const SHOWN_MAX: usize = 4;

impl ConfigError {
    /// Problems of a file whose text is at hand; `problems` must not be empty.
    pub fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> ConfigError {
        problems.sort_by_key(|problem| problem.span.start);
        ConfigError { path: path.to_owned(), text: text.to_owned(), problems }
    }

    /// What was found, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The line (from 1) and column (from 1, in characters) of a problem.
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        let start = floor_char(&self.text, problem.span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text for people: what is wrong, the line, the wrong words underlined, what would be right.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let path = self.path.display().to_string();
        let shown = self.problems.iter().take(SHOWN_MAX).map(|problem| {
            let underlined = self.underlined(problem);
            let (line, column) = self.place(problem);
            let marked = self.text[underlined.clone()].chars().count();
            let note = AnnotationKind::Primary.span(underlined);
            let hint = problem.hint.chars().count();
            let fits = hint == 0 || line.to_string().len() + 3 + column + marked + hint <= COLUMNS;
            let note = if fits && hint > 0 { note.label(problem.hint.as_str()) } else { note };
            let source = Snippet::source(self.text.as_str()).path(path.as_str()).annotation(note);
            let shown = Level::ERROR.primary_title(problem.message.as_str()).element(source);
            if fits { shown } else { shown.element(Level::HELP.message(problem.hint.as_str())) }
        });
        let mut text = renderer.render(&shown.collect::<Vec<_>>()).to_string();
        if self.problems.len() > SHOWN_MAX {
            text.push_str(&format!("\n… and {} more", self.problems.len() - SHOWN_MAX));
        }
        text
    }

    /// The span, whole characters of its first line only: a whole table underlined would say nothing.
    fn underlined(&self, problem: &Problem) -> Range<usize> {
        let start = floor_char(&self.text, problem.span.start);
        let end = floor_char(&self.text, problem.span.end).max(start);
        let line = self.text[start..end].lines().next().unwrap_or("");
        start..start + line.len()
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested() {
        assert_eq!(suggest("comand", &["command", "size"]), "did you mean `command`?");
        assert_eq!(suggest("on-fail", &["never", "on-failure"]), "did you mean `on-failure`?");
        assert_eq!(suggest("zzzzzz", &["command", "size"]), "known here: command, size");
    }

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = "a = 1\nbü = 'x'\n";
        let at = text.find("'x'").unwrap();
        let error = ConfigError::new(Path::new("t.toml"), text, vec![Problem::new(at..at + 3, "wrong", "right")]);
        assert_eq!(error.place(&error.problems()[0]), (2, 6));
        let shown = error.to_string();
        assert!(shown.contains("--> t.toml:2:6") && shown.contains("2 | bü = 'x'"), "{shown}");
        assert!(shown.contains("|      ^^^ right"), "{shown}");
    }

    #[test]
    fn places_beyond_the_text_do_not_panic() {
        let error = ConfigError::new(Path::new("t.toml"), "", vec![Problem::new(7..9, "wrong", "right")]);
        assert!(error.to_string().contains("error: wrong"), "{error}");
    }
}
