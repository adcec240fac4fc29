//! What the person at the keys has chosen: view, order, filter, row, page. Pure: keys go in, nothing is drawn.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::cell::natural;
use super::picture::Picture;
use super::rows::{AGENT_COLUMNS, Column, POOL_COLUMNS, QUEUE_COLUMNS, Row};
use super::rows_shared::{LOCK_COLUMNS, PROBLEM_COLUMNS, TOPIC_COLUMNS, Target};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// Problems, and pools
    Overview,
    /// Agents, and other members
    Agents,
    /// Mailboxes and work queues
    Queues,
    /// Topics
    Topics,
    /// Locks that are held or waited for
    Locks,
    /// What is not as it should be
    Problems,
}

/// All views, in the order of their numbers.
pub const VIEWS: [View; 6] = [View::Overview, View::Agents, View::Queues, View::Topics, View::Locks, View::Problems];

impl View {
    /// What it is called.
    pub fn title(self) -> &'static str {
        ["overview", "agents", "queues", "topics", "locks", "problems"][self as usize]
    }

    /// Its columns; of the overview those of pools.
    pub fn columns(self) -> &'static [Column] {
        [POOL_COLUMNS, AGENT_COLUMNS, QUEUE_COLUMNS, TOPIC_COLUMNS, LOCK_COLUMNS, PROBLEM_COLUMNS][self as usize]
    }

    /// Its rows, as they come.
    pub fn rows(self, picture: &Picture) -> Vec<&dyn Row> {
        fn all<R: Row>(rows: &[R]) -> Vec<&dyn Row> {
            rows.iter().map(|row| row as &dyn Row).collect()
        }
        match self {
            View::Overview => all(&picture.pools),
            View::Agents => all(&picture.agents),
            View::Queues => all(&picture.queues),
            View::Topics => all(&picture.topics),
            View::Locks => all(&picture.locks),
            View::Problems => all(&picture.problems),
        }
    }

    /// Whether a column is better looked at from its largest value down.
    pub fn descends(self, column: usize) -> bool {
        column == 0 || !self.columns()[column].words
    }
}

/// How a view is arranged.
#[derive(Clone, Debug)]
pub struct Table {
    /// The column that it is sorted by.
    pub sort: usize,
    /// From the largest value down.
    pub descending: bool,
    /// What the rows hold that are shown.
    pub filter: String,
    /// The row that the bar is on.
    pub key: Option<String>,
    /// Where that is, counted from 0.
    pub at: usize,
    /// The first row on the screen.
    pub top: usize,
}

impl Table {
    /// Those with a sign first.
    pub fn new() -> Table {
        Table { sort: 0, descending: true, filter: String::new(), key: None, at: 0, top: 0 }
    }

    /// The rows that are shown, in order.
    pub fn arrange<'a>(&self, view: View, picture: &'a Picture) -> Vec<&'a dyn Row> {
        let mut rows = view.rows(picture);
        if !self.filter.is_empty() {
            let wanted = self.filter.to_lowercase();
            rows.retain(|row| (0..view.columns().len()).any(|column| row.cell(column).contains(&wanted)));
        }
        // The first column holds signs; problems come in order already.
        if self.sort == 0 && view == View::Problems {
            return rows;
        }
        rows.sort_by(|a, b| {
            let order = match self.sort {
                0 => a.alarm().cmp(&b.alarm()),
                sort => a.cell(sort).order(&b.cell(sort)),
            };
            let order = if self.descending { order.reverse() } else { order };
            order.then_with(|| natural(a.key(), b.key()))
        });
        rows
    }

    /// Puts the bar on the row that it was on, wherever that is now, and keeps it on a screen of so many rows.
    pub fn settle(&mut self, rows: &[&dyn Row], height: usize) {
        if let Some(at) = self.key.as_ref().and_then(|key| rows.iter().position(|row| row.key() == key)) {
            self.at = at;
        }
        self.at = self.at.min(rows.len().saturating_sub(1));
        if self.key.is_some() {
            self.key = rows.get(self.at).map(|row| row.key().to_owned());
        }
        let height = height.max(1);
        self.top = self.top.clamp((self.at + 1).saturating_sub(height), self.at).min(rows.len().saturating_sub(height));
    }
}

/// What keys mean now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Moving about.
    Browse,
    /// Typing a filter.
    Filter,
    /// Reading what keys there are.
    Help,
}

/// What has been chosen.
pub struct Screen {
    /// The view.
    pub view: View,
    /// Of each view.
    pub tables: [Table; 6],
    /// Pages of single things, the last one on top, and how far each is scrolled.
    pub pages: Vec<(Target, usize)>,
    /// What keys mean.
    pub mode: Mode,
    /// Whether the picture stands still.
    pub paused: bool,
    /// Rows that the last screen had, for a key that moves by a screen.
    pub height: usize,
}

/// What follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next key.
    Go,
    /// The end.
    Quit,
}

impl Screen {
    /// The first screen.
    pub fn new(view: View) -> Screen {
        let tables = std::array::from_fn(|_| Table::new());
        Screen { view, tables, pages: Vec::new(), mode: Mode::Browse, paused: false, height: 1 }
    }

    /// The arrangement of the view that is shown.
    pub fn table(&mut self) -> &mut Table {
        &mut self.tables[self.view as usize]
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent, picture: &Picture) -> After {
        if key.kind == KeyEventKind::Release {
            return After::Go;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if matches!(key.code, KeyCode::Char('c' | 'd')) { After::Quit } else { After::Go };
        }
        match self.mode {
            Mode::Filter => self.type_filter(key.code),
            Mode::Help => {
                self.mode = Mode::Browse;
                if key.code == KeyCode::Char('q') {
                    return After::Quit;
                }
            }
            Mode::Browse if !self.pages.is_empty() => return self.page_key(key.code),
            Mode::Browse => return self.browse(key.code, picture),
        }
        After::Go
    }

    fn type_filter(&mut self, code: KeyCode) {
        let table = self.table();
        match code {
            KeyCode::Esc => {
                table.filter.clear();
                self.mode = Mode::Browse;
            }
            KeyCode::Enter | KeyCode::Up | KeyCode::Down => self.mode = Mode::Browse,
            KeyCode::Backspace => drop(table.filter.pop()),
            KeyCode::Char(letter) => {
                table.filter.push(letter);
                (table.at, table.key) = (0, None);
            }
            _ => {}
        }
    }

    fn page_key(&mut self, code: KeyCode) -> After {
        let screen = self.height.max(2) - 1;
        if let Some((_, top)) = self.pages.last_mut() {
            match code {
                KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => *top += 1,
                KeyCode::PageUp => *top = top.saturating_sub(screen),
                KeyCode::PageDown => *top += screen,
                KeyCode::Home | KeyCode::Char('g') => *top = 0,
                _ => {}
            }
        }
        match code {
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left | KeyCode::Char('h') => drop(self.pages.pop()),
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('1'..='6') => {
                self.pages.clear();
                self.change_view(code);
            }
            _ => {}
        }
        After::Go
    }

    fn browse(&mut self, code: KeyCode, picture: &Picture) -> After {
        let screen = self.height.max(2) - 1;
        match code {
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.table().filter.clear(),
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('1'..='6') => self.change_view(code),
            KeyCode::Left | KeyCode::Char('<') => self.sort_by(-1),
            KeyCode::Right | KeyCode::Char('>') => self.sort_by(1),
            KeyCode::Char('r') => self.table().descending ^= true,
            KeyCode::Up | KeyCode::Char('k') => self.move_to(picture, |at| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.move_to(picture, |at| at + 1),
            KeyCode::PageUp => self.move_to(picture, |at| at.saturating_sub(screen)),
            KeyCode::PageDown => self.move_to(picture, |at| at + screen),
            KeyCode::Home | KeyCode::Char('g') => self.move_to(picture, |_| 0),
            KeyCode::End | KeyCode::Char('G') => self.move_to(picture, |_| usize::MAX),
            KeyCode::Enter => self.enter(picture),
            _ => {}
        }
        After::Go
    }

    fn change_view(&mut self, code: KeyCode) {
        let number = match code {
            KeyCode::Char(digit) => digit.to_digit(10).unwrap_or(1) as usize - 1,
            KeyCode::BackTab => self.view as usize + VIEWS.len() - 1,
            _ => self.view as usize + 1,
        };
        self.view = VIEWS[number % VIEWS.len()];
    }

    fn sort_by(&mut self, step: isize) {
        let view = self.view;
        let table = self.table();
        table.sort = table.sort.saturating_add_signed(step).min(view.columns().len() - 1);
        table.descending = view.descends(table.sort);
    }

    /// Moves the bar; from then on it stays on its row.
    fn move_to(&mut self, picture: &Picture, to: impl Fn(usize) -> usize) {
        let view = self.view;
        let table = self.table();
        let rows = table.arrange(view, picture);
        table.at = to(table.at).min(rows.len().saturating_sub(1));
        table.key = rows.get(table.at).map(|row| row.key().to_owned());
    }

    /// Opens the page of what the bar is on; of a pool, the list of its agents.
    fn enter(&mut self, picture: &Picture) {
        let view = self.view;
        let table = self.table();
        let Some(key) = table.arrange(view, picture).get(table.at).map(|row| row.key().to_owned()) else { return };
        table.key = Some(key.clone());
        let page = match view {
            View::Overview => {
                self.view = View::Agents;
                let agents = self.table();
                agents.filter = if key.starts_with('(') { String::new() } else { key };
                (agents.at, agents.key) = (0, None);
                return;
            }
            View::Agents => Target::Agent(key),
            View::Queues => Target::Queue(key),
            View::Topics => Target::Topic(key),
            View::Locks => match picture.locks.iter().find(|lock| lock.key == key) {
                Some(lock) => Target::Lock(lock.name.clone()),
                None => return,
            },
            View::Problems => match picture.problems.iter().find(|problem| problem.key == key) {
                Some(problem) => problem.target.clone(),
                None => return,
            },
        };
        self.pages.push((page, 0));
    }
}
