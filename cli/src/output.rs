//! How results are printed: tables for people, JSON for programs, and never a panic on a closed pipe.

use std::cell::RefCell;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use clap::ValueEnum;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use swarmbus_core::Address;

use crate::exit::Failure;

/// The form of what is printed on stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Tables and text, for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
}

/// What the global options say: how to print, and the bus of addresses that name none.
pub struct Output {
    format: Format,
    bus: Option<String>,
    default_bus: Option<String>,
    verbose: bool,
    terminal: bool,
    color: bool,
    /// What is printed goes here instead, while somebody collects it.
    collected: RefCell<Option<String>>,
}

impl Output {
    /// Made once, from the command line and the environment.
    pub fn new(format: Format, bus: Option<String>, verbose: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let color = terminal && variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb");
        let collected = RefCell::default();
        Self { format, bus, default_bus: variable("SWARMBUS"), verbose, terminal, color, collected }
    }

    /// The chosen format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a program reads the output.
    pub fn is_json(&self) -> bool {
        self.format != Format::Table
    }

    /// Whether people read the output as it comes.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether stdout may have colours.
    pub fn has_colors(&self) -> bool {
        self.color
    }

    /// Whether the user wants to hear more.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// The bus a verb works on: the argument, else `--bus`, else `$SWARMBUS`.
    pub fn bus(&self, argument: Option<&str>) -> Result<String, Failure> {
        argument.or(self.bus.as_deref()).or(self.default_bus.as_deref()).map(str::to_owned).ok_or_else(|| {
            Failure::usage(
                "no bus is named: give it as BUS or BUS/NAME, with --bus, or in the environment variable SWARMBUS",
            )
        })
    }

    /// The bus that `--bus` names, for verbs that do something else without one.
    pub fn named_bus(&self) -> Option<&str> {
        self.bus.as_deref()
    }

    /// The bus and the name that `[BUS/]NAME` stands for.
    pub fn address(&self, text: &str) -> Result<(String, String), Failure> {
        let address = Address::parse(text)?;
        Ok((self.bus(address.bus.as_deref())?, address.name))
    }

    /// Prints a list: a table, a JSON array, or a JSON object per line.
    pub fn records<T: Serialize>(&self, headers: &[&str], rows: Vec<Vec<String>>, data: &[T]) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.line(&self.table(headers, rows)),
            Format::Json => self.line(&pretty(data)?),
            Format::Jsonl => data.iter().try_for_each(|one| self.line(&compact(one)?)),
        }
    }

    /// Prints one thing: text (nothing if it is empty), a JSON document, or the same in one line.
    pub fn record<T: Serialize>(&self, text: &str, data: &T) -> Result<(), Failure> {
        match self.format {
            Format::Table if text.is_empty() => Ok(()),
            Format::Table => self.line(text),
            Format::Json => self.line(&pretty(data)?),
            Format::Jsonl => self.line(&compact(data)?),
        }
    }

    /// Lays out a table without its last newline. Columns of numbers are aligned to the right; in a terminal the table
    /// is folded to its width, elsewhere a row is always one line.
    pub fn table(&self, headers: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = self.width() {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let numeric: Vec<bool> = (0..headers.len()).map(|column| is_numeric(&rows, column)).collect();
        let whole = self.width().map_or_else(Vec::new, |width| whole_columns(headers, &rows, usize::from(width)));
        table.set_header(headers.iter().map(|header| header.to_uppercase()));
        table.add_rows(rows);
        for (column, numeric) in table.column_iter_mut().zip(numeric) {
            column.set_padding((0, 2));
            if numeric {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for (column, _) in table.column_iter_mut().zip(whole).filter(|(_, whole)| *whole) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        let text = table.trim_fmt();
        match text.split_once('\n') {
            Some((header, body)) if self.color => format!("\x1b[1m{header}\x1b[0m\n{body}"),
            _ => text,
        }
    }

    /// Lays out a list of many: as a table, but in a terminal a row is one line as well.
    pub fn list(&self, headers: &[&str], rows: Vec<Vec<String>>) -> String {
        let Some(width) = self.width() else { return self.table(headers, rows) };
        let (headers, rows) = crate::table::fit(headers, rows, width.into());
        self.table(&headers, rows)
    }

    /// Columns of the terminal that stdout is, if it is one.
    pub fn width(&self) -> Option<u16> {
        self.size().map(|(width, _)| width)
    }

    /// Columns and lines of the terminal that stdout is, if it is one.
    pub fn size(&self) -> Option<(u16, u16)> {
        let size = if self.terminal { terminal_size::terminal_size_of(std::io::stdout()) } else { None };
        size.map(|(width, height)| (width.0, height.0))
    }

    /// Whether what goes to stderr may have colours.
    pub fn colors_notes(&self) -> bool {
        let wanted = variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb");
        wanted && std::io::stderr().is_terminal()
    }

    /// Prints a line on stdout.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        match &mut *self.collected.borrow_mut() {
            Some(collected) => {
                collected.push_str(text);
                collected.push('\n');
                Ok(())
            }
            None => self.bytes(text.as_bytes()),
        }
    }

    /// What `print` prints, without printing it.
    pub fn collect(&self, print: impl FnOnce() -> Result<(), Failure>) -> Result<String, Failure> {
        self.collected.replace(Some(String::new()));
        let printed = print();
        let text = self.collected.take().unwrap_or_default();
        printed.map(|()| text)
    }

    /// Prints bytes and a newline on stdout.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        // In one piece: a reader such as `grep -q`, content with the start, must not make the rest fail.
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&[bytes, b"\n"].concat())?;
        stdout.flush()?;
        Ok(())
    }

    /// Says something on stderr that is no result. A closed stderr is no reason to fail.
    pub fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Stdout as a file, for verbs that do their own buffering.
    pub fn stdout(&self) -> Result<File, Failure> {
        Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
    }
}

/// An environment variable that says something; an empty one counts as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One line of JSON.
pub fn compact<T: Serialize + ?Sized>(data: &T) -> Result<String, Failure> {
    serde_json::to_string(data).map_err(unserializable)
}

fn pretty<T: Serialize + ?Sized>(data: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(data).map_err(unserializable)
}

fn unserializable(error: serde_json::Error) -> Failure {
    Failure::new(crate::exit::SOFTWARE, format!("cannot write the result as JSON: {error}"))
}

/// Columns between two others.
const GAP: usize = 2;

/// A column no wider than this is not folded, as long as each of the others has the least that can be read.
const SHORT: usize = 16;
const LEAST: usize = 8;

/// Which columns are not to be folded: those of words and numbers, if that leaves room for the others.
fn whole_columns(headers: &[&str], rows: &[Vec<String>], width: usize) -> Vec<bool> {
    let length = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headers[column].chars().count()]).max().unwrap_or(0)
    };
    let lengths: Vec<usize> = (0..headers.len()).map(length).collect();
    let whole: Vec<bool> = lengths.iter().map(|length| *length <= SHORT).collect();
    let wanted: usize = lengths.iter().map(|length| if *length <= SHORT { length + GAP } else { LEAST + GAP }).sum();
    if wanted <= width { whole } else { vec![false; headers.len()] }
}

fn is_numeric(rows: &[Vec<String>], column: usize) -> bool {
    rows.iter().filter_map(|row| row.get(column)).all(|cell| cell == "-" || cell.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Output {
        let default_bus = Some("demo".into());
        Output {
            format: Format::Table,
            bus: None,
            default_bus,
            verbose: false,
            terminal: false,
            color: false,
            collected: RefCell::default(),
        }
    }

    #[test]
    fn tables_are_plain_and_numbers_stand_right() {
        let rows = vec![vec!["alice".into(), "5".into(), "yes".into()], vec!["bob".into(), "1000".into(), "no".into()]];
        let table = plain().table(&["name", "queued", "closed"], rows);
        assert_eq!(table, "NAME   QUEUED  CLOSED\nalice       5  yes\nbob      1000  no");
    }

    #[test]
    fn words_and_numbers_are_not_folded_where_texts_can_be() {
        let rows = vec![vec!["in_progress".into(), "a task that takes some words".into()]];
        assert_eq!(whole_columns(&["state", "task"], &rows, 30), [true, false]);
        assert_eq!(whole_columns(&["state", "task"], &rows, 20), [false, false]);
    }

    #[test]
    fn colours_are_for_terminals() {
        let colored = Output { color: true, ..plain() };
        assert!(colored.table(&["name"], vec![vec!["alice".into()]]).contains('\x1b'));
    }

    #[test]
    fn an_address_without_bus_takes_the_default() {
        let address = |text| plain().address(text).expect("a good address");
        assert_eq!(address("bob"), ("demo".into(), "bob".into()));
        assert_eq!(address("other/bob"), ("other".into(), "bob".into()));
        let named = Output { bus: Some("named".into()), ..plain() };
        assert_eq!(named.address("bob").expect("a good address").0, "named");
        let none = Output { default_bus: None, ..plain() };
        assert_eq!(none.address("bob").expect_err("no bus").code, crate::exit::USAGE);
    }
}
