//! The picture of a moment as text, where nobody watches.

use std::time::Duration;

use super::draw::{first_line, second_line};
use super::look::Source;
use super::picture::Picture;
use super::problems::{self, Limits};
use super::rows::Row;
use super::screen::{Screen, View};
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Prints what is there, and what a second brings: on a living bus that takes two looks.
pub fn run(
    source: &mut Source,
    screen: &mut Screen,
    limits: &Limits,
    every: Duration,
    output: &Output,
) -> Result<(), Failure> {
    let mut history = super::history::History::default();
    let mut picture = Picture::of(source.look(), &mut history, limits);
    if source.is_alive() && !every.is_zero() {
        let interrupt = Interrupt::install()?;
        interrupt.sleep(every)?;
        picture = Picture::of(source.look(), &mut history, limits);
    }
    if output.is_json() {
        return output.record("", &picture);
    }
    let bus = &picture.bus;
    let state = if bus.state == "ready" { String::new() } else { format!(" ({})", bus.state) };
    let mut sections = vec![format!("{}{state}{}\n{}", bus.name, first_line(bus), second_line(bus))];
    let view = screen.view;
    let add = |sections: &mut Vec<String>, view: View, title: &str, screen: &mut Screen| {
        let columns = view.columns();
        let rows = screen.tables[view as usize].arrange(view, &picture);
        if !rows.is_empty() {
            let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
            let cells = rows.iter().map(|row| {
                let sign = std::iter::once(row.alarm().sign().to_owned());
                sign.chain((1..columns.len()).map(|column| row.cell(column).text())).collect()
            });
            sections.push(format!("{title}:\n{}", output.table(&titles, cells.collect())));
        }
    };
    if view == View::Overview {
        let groups = problems::groups(&picture.problems);
        if !groups.is_empty() {
            let rows = groups.into_iter().map(|(problem, more)| {
                let age = problem.cell(3).text();
                let (sign, of) = (problem.alarm.sign().to_owned(), problems::group_name(problem, more));
                vec![sign, problem.what.to_owned(), of, age, problem.text.clone()]
            });
            let titles = ["!", "problem", "of", "age", "what it means"];
            sections.push(format!("Problems:\n{}", output.table(&titles, rows.collect())));
        }
        add(&mut sections, View::Overview, "Pools", screen);
    } else {
        let title = view.title();
        add(&mut sections, view, &format!("{}{}", title[..1].to_uppercase(), &title[1..]), screen);
    }
    output.line(&sections.join("\n\n"))
}
