//! The rows of each view, and the columns that they have.

use serde::Serialize;

use super::cell::Cell;

/// How urgent something is; the sign for it stands in the first column, so that no colour is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Alarm {
    /// All is well.
    #[default]
    None,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Critical,
}

impl Alarm {
    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Alarm::None => "",
            Alarm::Warning => "!",
            Alarm::Critical => "!!",
        }
    }
}

/// A column.
pub struct Column {
    /// What stands over it, and what it is called on the command line.
    pub title: &'static str,
    /// Characters; text columns may get more.
    pub width: u16,
    /// Columns of a higher rank go first where there is no room.
    pub rank: u8,
    /// Whether it holds words, which stand left.
    pub words: bool,
}

pub(super) const fn words(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, words: true }
}

pub(super) const fn number(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, words: false }
}

/// A row of a view.
pub trait Row {
    /// What stands in a column.
    fn cell(&self, column: usize) -> Cell<'_>;
    /// What it is found by again in the next look.
    fn key(&self) -> &str;
    /// How urgent it is.
    fn alarm(&self) -> Alarm;
}

/// What a second brings, between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Messages sent.
    pub sent: f64,
    /// Messages received.
    pub received: f64,
    /// Sends refused.
    pub refused: f64,
}

/// For how long the oldest message has waited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Oldest {
    /// So long, ns.
    pub ns: u64,
    /// It was there at the first look, so it may be older.
    pub at_least: bool,
}

fn rate(rates: Option<Rates>, of: impl Fn(Rates) -> f64) -> Cell<'static> {
    rates.map_or(Cell::Absent, |rates| Cell::Rate(of(rates)))
}

fn age(oldest: Option<Oldest>) -> Cell<'static> {
    oldest.map_or(Cell::Absent, |oldest| Cell::Age(oldest.ns, oldest.at_least))
}

/// A member of the bus, or an agent that has left and said something.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AgentRow {
    /// Its name; of a member without a mailbox, what it is in parentheses.
    pub name: String,
    /// The part of its name before the number, if it has one.
    pub pool: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// What it says that it does; `dead` if its process is gone, `left` if it has gone in order.
    pub state: String,
    /// For how long it has been in this state, ns.
    pub since_ns: Option<u64>,
    /// Goals done, goals in all.
    pub goals: Option<(u32, u32)>,
    /// Messages in its mailbox.
    pub inbox: Option<u64>,
    /// How old the first of these is.
    pub oldest: Option<Oldest>,
    /// Messages that it has received and not released.
    pub in_flight: u64,
    /// What it does a second.
    pub rates: Option<Rates>,
    /// Sends that were refused so far.
    pub refused: u64,
    /// Half of its messages waited less, ns.
    pub p50_ns: Option<u64>,
    /// 99 of 100 of its messages waited less, ns.
    pub p99_ns: Option<u64>,
    /// Its task.
    pub task: String,
    /// How urgent it is.
    pub alarm: Alarm,
}

/// The columns of agents.
pub const AGENT_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("name", 16, 0),
    words("pool", 10, 12),
    number("pid", 7, 11),
    words("state", 11, 1),
    number("goals", 7, 8),
    number("inbox", 6, 1),
    number("oldest", 7, 2),
    number("held", 5, 7),
    number("sent/s", 6, 3),
    number("recv/s", 6, 3),
    number("refused", 7, 6),
    number("p50", 7, 5),
    number("p99", 7, 4),
    number("since", 7, 9),
    words("task", 20, 10),
];

impl Row for AgentRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(&self.name),
            2 => self.pool.as_deref().map_or(Cell::Absent, Cell::Text),
            3 => self.pid.map_or(Cell::Absent, |pid| Cell::Count(pid.into())),
            4 => Cell::Text(&self.state),
            5 => self.goals.map_or(Cell::Absent, |(done, of)| Cell::Done(done, of)),
            6 => self.inbox.map_or(Cell::Absent, Cell::Count),
            7 => age(self.oldest),
            8 => Cell::Count(self.in_flight),
            9 => rate(self.rates, |rates| rates.sent),
            10 => rate(self.rates, |rates| rates.received),
            11 => Cell::Count(self.refused),
            12 => self.p50_ns.map_or(Cell::Absent, Cell::Time),
            13 => self.p99_ns.map_or(Cell::Absent, Cell::Time),
            14 => self.since_ns.map_or(Cell::Absent, |ns| Cell::Age(ns, false)),
            _ => Cell::Text(&self.task),
        }
    }

    fn key(&self) -> &str {
        &self.name
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}

/// The agents of a pool, added up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// Agents.
    pub agents: u32,
    /// Those in progress.
    pub working: u32,
    /// Those that wait for others.
    pub waiting: u32,
    /// Those that are blocked.
    pub blocked: u32,
    /// Those that are dead or have left.
    pub gone: u32,
    /// Messages in their mailboxes.
    pub inbox: u64,
    /// The oldest of these.
    pub oldest: Option<Oldest>,
    /// Messages that they have received and not released.
    pub in_flight: u64,
    /// What they do a second.
    pub rates: Option<Rates>,
    /// Sends refused so far.
    pub refused: u64,
    /// The most urgent of them.
    pub alarm: Alarm,
}

/// The columns of pools.
pub const POOL_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("pool", 14, 0),
    number("agents", 6, 0),
    number("working", 7, 4),
    number("waiting", 7, 5),
    number("blocked", 7, 4),
    number("gone", 5, 2),
    number("inbox", 6, 1),
    number("oldest", 7, 1),
    number("held", 5, 6),
    number("sent/s", 6, 3),
    number("recv/s", 6, 3),
    number("refused", 7, 7),
];

impl Row for PoolRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(&self.name),
            2 => Cell::Count(self.agents.into()),
            3 => Cell::Count(self.working.into()),
            4 => Cell::Count(self.waiting.into()),
            5 => Cell::Count(self.blocked.into()),
            6 => Cell::Count(self.gone.into()),
            7 => Cell::Count(self.inbox),
            8 => age(self.oldest),
            9 => Cell::Count(self.in_flight),
            10 => rate(self.rates, |rates| rates.sent),
            11 => rate(self.rates, |rates| rates.received),
            _ => Cell::Count(self.refused),
        }
    }

    fn key(&self) -> &str {
        &self.name
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}

/// A mailbox or work queue.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// `open`, `closed`, `full`.
    pub state: &'static str,
    /// The process that owns it.
    pub owner: Option<u32>,
    /// Messages that wait.
    pub queued: u64,
    /// How much of its fullest lane is used, in hundredths.
    pub used: u64,
    /// How old the first message is.
    pub oldest: Option<Oldest>,
    /// Messages taken and not released.
    pub in_flight: u64,
    /// What comes and goes a second.
    pub rates: Option<Rates>,
    /// Messages put in so far.
    pub sent: u64,
    /// Messages that became dead letters or were dropped.
    pub lost: u64,
    /// How urgent it is.
    pub alarm: Alarm,
}

/// The columns of queues.
pub const QUEUE_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("name", 20, 0),
    words("state", 6, 4),
    number("owner", 7, 7),
    number("queued", 6, 0),
    number("used%", 5, 2),
    number("oldest", 7, 1),
    number("held", 6, 3),
    number("in/s", 6, 1),
    number("out/s", 6, 1),
    number("sent", 7, 6),
    number("lost", 6, 5),
];

impl Row for QueueRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(&self.name),
            2 => Cell::Text(self.state),
            3 => self.owner.map_or(Cell::Absent, |pid| Cell::Count(pid.into())),
            4 => Cell::Count(self.queued),
            5 => Cell::Count(self.used),
            6 => age(self.oldest),
            7 => Cell::Count(self.in_flight),
            8 => rate(self.rates, |rates| rates.sent),
            9 => rate(self.rates, |rates| rates.received),
            10 => Cell::Count(self.sent),
            _ => Cell::Count(self.lost),
        }
    }

    fn key(&self) -> &str {
        &self.name
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}
