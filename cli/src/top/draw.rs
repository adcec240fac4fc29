//! The screen as a function of what was seen and what was chosen.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::cell::Cell;
use super::grid;
use super::page::{self, Line};
use super::paper::{BAR, BOLD, DIM, Paper};
use super::picture::{BusLine, Picture};
use super::problems;
use super::rows::{Alarm, Rates};
use super::screen::{Mode, Screen, Table, VIEWS, View};
use crate::units;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, screen: &mut Screen, picture: &Picture, colors: bool) {
    let area = frame.area();
    let mut paper = Paper { buffer: frame.buffer_mut(), area, colors };
    head(&mut paper, screen, picture);
    let body = Rect { y: area.y + 3, height: area.height.saturating_sub(4), ..area };
    let position = body_of(&mut paper.part(body), screen, picture);
    let last = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    foot(&mut paper.part(last), screen, &position);
}

/// What the page, help or view has; the answer tells where in it one is.
fn body_of(paper: &mut Paper<'_>, screen: &mut Screen, picture: &Picture) -> String {
    screen.height = paper.area.height.saturating_sub(1).into();
    if screen.mode == Mode::Help {
        return help(paper);
    }
    if let Some((target, top)) = screen.pages.last_mut() {
        let (title, lines) = page::of(target, picture);
        *top = (*top).min(lines.len().saturating_sub(paper.area.height.saturating_sub(1).into()));
        return draw_page(paper, &title, &lines, *top);
    }
    let view = screen.view;
    if view == View::Overview {
        return overview(paper, screen, picture);
    }
    let table = screen.table();
    let rows = table.arrange(view, picture);
    table.settle(&rows, paper.area.height.saturating_sub(1).into());
    grid::draw(paper, view.columns(), &rows, Some(table), nothing(view, table));
    position(table, rows.len())
}

fn position(table: &Table, rows: usize) -> String {
    let filter = if table.filter.is_empty() { String::new() } else { format!("/{}  ", table.filter) };
    if rows == 0 { filter } else { format!("{filter}{}/{rows}", table.at + 1) }
}

/// What stands where there is no row.
fn nothing(view: View, table: &Table) -> &'static str {
    match view {
        _ if !table.filter.is_empty() => "nothing that matches the filter; Esc shows everything",
        View::Overview | View::Agents => "nobody is on the bus",
        View::Queues => "there is no queue",
        View::Topics => "there is no topic",
        View::Locks => "no lock is held or waited for",
        View::Problems => "no problems",
    }
}

fn head(paper: &mut Paper<'_>, screen: &Screen, picture: &Picture) {
    let bus = &picture.bus;
    let name = paper.put(0, 0, &bus.name, u16::MAX, BOLD);
    let state = if bus.state == "ready" { String::new() } else { format!("  {}", bus.state.to_uppercase()) };
    let at = paper.put(name, 0, &state, u16::MAX, paper.alarm(Alarm::Critical));
    paper.put(at, 0, &first_line(bus), u16::MAX, Style::new());
    if screen.paused {
        let x = paper.area.width.saturating_sub(8);
        paper.put(x, 0, " PAUSED ", 8, BAR);
    }
    paper.line(1, &second_line(bus), Style::new());
    let counts = [
        0,
        picture.agents.len(),
        picture.queues.len(),
        picture.topics.len(),
        picture.locks.len(),
        picture.problems.len(),
    ];
    let worst = picture.problems.iter().map(|problem| problem.alarm).max().unwrap_or_default();
    let mut x = 0;
    for (number, view) in VIEWS.into_iter().enumerate() {
        let count = if counts[number] > 0 { format!(" {}", counts[number]) } else { String::new() };
        let sign = if view == View::Problems { worst.sign() } else { "" };
        let style = match (view == screen.view, view == View::Problems) {
            (true, _) => BAR,
            (false, true) => paper.alarm(worst),
            (false, false) => DIM,
        };
        x = paper.put(x, 2, &format!(" {} {}{count}{sign}", number + 1, view.title()), u16::MAX, style);
    }
}

/// Uptime, supervisor, members.
pub fn first_line(bus: &BusLine) -> String {
    let supervisor = bus.supervisor_pid.map_or_else(|| "no supervisor".to_owned(), |pid| format!("supervisor {pid}"));
    let up = units::age(Duration::from_secs(bus.uptime_s));
    format!("  up {up}, {supervisor}, {} of {} members", bus.members, bus.members_max)
}

/// Rates, what waits, memory.
pub fn second_line(bus: &BusLine) -> String {
    let rate = |of: fn(&Rates) -> f64| match &bus.rates {
        Some(rates) => format!("{}/s", Cell::Rate(of(rates)).text()),
        None => "-".to_owned(),
    };
    let refused = bus
        .rates
        .filter(|rates| rates.refused > 0.0)
        .map_or_else(String::new, |rates| format!(", refused {}/s", Cell::Rate(rates.refused).text()));
    format!(
        "sent {}, recv {}{refused}; {} wait, {} held; heap {}%, {}",
        rate(|rates| rates.sent),
        rate(|rates| rates.received),
        bus.queued,
        bus.in_flight,
        bus.heap_used,
        units::bytes(bus.committed_bytes),
    )
}

fn foot(paper: &mut Paper<'_>, screen: &mut Screen, position: &str) {
    let keys = match (screen.mode, screen.pages.is_empty()) {
        (Mode::Filter, _) => {
            let filter = format!("filter: {}_", screen.table().filter);
            let x = paper.line(0, &filter, BOLD);
            paper.put(x, 0, "  Enter keeps it, Esc removes it", u16::MAX, DIM);
            return;
        }
        (Mode::Help, _) => "q quit  any key goes back",
        (Mode::Browse, false) => "q quit  ? help  Esc back  ↑↓ scroll  1-6 view  space pause",
        (Mode::Browse, true) => "q quit  ? help  Tab view  ↵ open  / filter  ←→ sort  r reverse  space pause",
    };
    let width = u16::try_from(position.chars().count()).unwrap_or(0);
    let x = paper.area.width.saturating_sub(width);
    paper.put(0, 0, whole_words(keys, x.saturating_sub(1).into()), x, DIM);
    paper.put(x, 0, position, width, BOLD);
}

/// As many of the keys as there is room for, none of them cut off.
fn whole_words(keys: &str, room: usize) -> &str {
    match keys.char_indices().nth(room) {
        Some((end, _)) if keys[end..].starts_with("  ") => &keys[..end],
        Some((end, _)) => keys[..end].rfind("  ").map_or("", |end| &keys[..end]),
        None => keys,
    }
}

fn overview(paper: &mut Paper<'_>, screen: &mut Screen, picture: &Picture) -> String {
    let height = paper.area.height;
    let groups = problems::groups(&picture.problems);
    let shown = groups.len().min(usize::from(height / 3).max(3)) as u16;
    let title = match picture.problems.len() {
        0 => "No problems".to_owned(),
        all if all > shown.into() => format!("Problems: {all} (6 shows each)"),
        all => format!("Problems: {all}"),
    };
    let heading = paper.heading();
    paper.line(0, &title, heading);
    for (y, (problem, more)) in groups.into_iter().take(shown.into()).enumerate() {
        let (y, style) = (y as u16 + 1, paper.alarm(problem.alarm));
        let x = paper.put(0, y, &format!("{:3}{:13}", problem.alarm.sign(), problem.what), 16, style);
        let x = paper.put(x, y, &format!("{}: ", problems::group_name(problem, more)), u16::MAX, BOLD);
        paper.put_short(x, y, &problem.text, u16::MAX, Style::new());
    }
    let mut rest = paper.below(shown + 2);
    let table = screen.table();
    let rows = table.arrange(View::Overview, picture);
    let lists = if rest.area.height >= 24 { rest.area.height / 2 } else { 0 };
    let room = rest.area.height - lists;
    table.settle(&rows, room.saturating_sub(1).into());
    let first = &mut rest.first(room);
    grid::draw(first, View::Overview.columns(), &rows, Some(table), nothing(View::Overview, table));
    let used = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(2).min(room);
    if lists > 0 {
        busiest(&mut rest.below(used), picture);
    }
    position(table, rows.len())
}

/// On a large screen: who does most, and where most waits.
fn busiest(paper: &mut Paper<'_>, picture: &Picture) {
    let Rect { x, width, .. } = paper.area;
    let half = if width >= 140 { width / 2 } else { width };
    let list = |paper: &mut Paper<'_>, title: &str, view: View, sort: usize| {
        let order = Table { sort, ..Table::new() };
        let heading = paper.heading();
        paper.line(0, title, heading);
        grid::draw_plain(&mut paper.below(1), view.columns(), &order.arrange(view, picture), &order);
    };
    if half < width {
        let area = paper.area;
        list(&mut paper.part(Rect { width: half - 2, ..area }), "Busiest agents", View::Agents, 10);
        list(&mut paper.part(Rect { x: x + half, width: width - half, ..area }), "Fullest queues", View::Queues, 4);
    } else {
        let height = paper.area.height / 2;
        list(&mut paper.first(height.saturating_sub(1)), "Busiest agents", View::Agents, 10);
        list(&mut paper.below(height), "Fullest queues", View::Queues, 4);
    }
}

fn draw_page(paper: &mut Paper<'_>, title: &str, lines: &[Line], top: usize) -> String {
    let heading = paper.heading();
    paper.line(0, title, heading);
    let mut below = paper.below(1);
    let label_width = lines.iter().map(|line| if let Line::Fact(label, _) = line { label.len() } else { 0 }).max();
    let label_width = label_width.unwrap_or(0) as u16;
    let widths = grid::widths(lines);
    let mut y = 0;
    for (number, line) in lines.iter().enumerate().skip(top) {
        match line {
            Line::Title(title) => drop(below.line(y, title, BOLD)),
            Line::Empty => {}
            Line::Fact(label, fact) => {
                let style = if *label == "problem" { below.alarm(Alarm::Warning) } else { DIM };
                below.put(0, y, label, label_width, style);
                for (at, part) in wrapped(fact, below.area.width.saturating_sub(label_width + 2)).iter().enumerate() {
                    y += u16::from(at > 0);
                    below.put(label_width + 2, y, part, u16::MAX, Style::new());
                }
            }
            Line::Cells(cells) => {
                let is_head = matches!(lines.get(number.wrapping_sub(1)), Some(Line::Title(_)));
                grid::draw_cells(&mut below, y, cells, &widths[number], if is_head { DIM } else { Style::new() });
            }
        }
        y += 1;
    }
    let height = usize::from(paper.area.height.saturating_sub(1));
    if lines.len() > height {
        format!("{}-{} of {}", top + 1, (top + height).min(lines.len()), lines.len())
    } else {
        String::new()
    }
}

/// A text in lines of so many characters, broken between words where that can be.
fn wrapped(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(8));
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there always is a line");
            let used = line.chars().count();
            if used + usize::from(used > 0) + word.len() <= width {
                line.push_str(if used > 0 { " " } else { "" });
                line.extend(word);
                break;
            }
            if used == 0 {
                line.extend(word.drain(..width));
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The keys, each with what it does; the words for columns that need some.
const HELP: &[(&str, &str)] = &[
    ("Tab, 1 to 6", "the next view; overview, agents, queues, topics, locks, problems"),
    ("↑ ↓ j k PgUp PgDn g G", "move the bar; it stays on its row wherever that goes"),
    ("Enter", "the page of what the bar is on; of a pool, its agents"),
    ("Esc, Backspace", "back; Esc in a list removes the filter"),
    ("/", "show only rows that hold what you type"),
    ("← →, r", "sort by another column; turn the order round"),
    ("space", "stop the picture, and let it go on"),
    ("q, Ctrl-C", "quit"),
    ("", ""),
    ("! !!", "somebody should look; something does not work"),
    ("sent/s recv/s", "messages a second since the last look"),
    ("inbox, queued", "messages that wait; held: taken and not released"),
    ("oldest", "for how long the first has waited, if taken in order;"),
    ("", "≥ when it was there before this program was"),
    ("p50 p99", "from send to receipt, of what an agent has received so"),
    ("", "far: every 64th message of a sender is measured"),
    ("since", "for how long an agent has been in its state"),
    ("used%", "how full the fullest lane of a queue is"),
];

fn help(paper: &mut Paper<'_>) -> String {
    for (y, (keys, what)) in HELP.iter().enumerate() {
        let y = y as u16;
        paper.put(1, y, keys, 22, BOLD);
        paper.put(24, y, what, u16::MAX, Style::new());
    }
    String::new()
}
