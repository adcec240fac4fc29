//! The loop of the dashboard, and the terminal: as it was afterwards, whatever ends the program (a key, a signal, a panic).

use std::fs::File;
use std::io::{IsTerminal, Stdout, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};

use super::draw::draw;
use super::history::History;
use super::look::Source;
use super::picture::Picture;
use super::problems::Limits;
use super::screen::{After, Screen};
use crate::exit::Failure;
use crate::interrupt::Interrupt;

/// When the second look is taken.
const FIRST_AFTER: Duration = Duration::from_millis(300);

/// The terminal in our hands; it is given back when this goes.
struct Held {
    /// Where keys come from, as those who read them decide it.
    keys: File,
}

impl Held {
    fn take() -> Result<Held, Failure> {
        let keys = match stdin().is_terminal() {
            true => stdin().as_fd().try_clone_to_owned().map(File::from),
            false => File::open("/dev/tty"),
        };
        let keys = keys.map_err(|error| Failure::io("there is no terminal to read keys from", &error))?;
        // The message of a panic is to be seen, and stay.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        enable_raw_mode().map_err(|error| Failure::io("cannot take over the terminal", &error))?;
        let held = Held { keys };
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        give_back();
    }
}

/// What cannot be given back is gone, with whoever would have seen it.
fn give_back() {
    let mut out = stdout();
    let _ = execute!(out, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// Shows the bus until somebody has seen enough.
pub fn run(
    source: &mut Source,
    screen: &mut Screen,
    limits: &Limits,
    every: Duration,
    colors: bool,
) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let held = Held::take()?;
    let result = turn(source, screen, limits, every, colors, &interrupt, &held.keys);
    drop(held);
    // What a signal says comes before what a terminal that has gone says.
    interrupt.check()?;
    result
}

fn turn(
    source: &mut Source,
    screen: &mut Screen,
    limits: &Limits,
    every: Duration,
    colors: bool,
    interrupt: &Interrupt,
    input: &File,
) -> Result<(), Failure> {
    let mut terminal: Terminal<CrosstermBackend<Stdout>> = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut history = History::default();
    let mut picture = Picture::of(source.look(), &mut history, limits);
    // Rates need two looks, and nobody likes to wait for the first ones.
    let mut next = Instant::now() + every.min(FIRST_AFTER);
    loop {
        terminal.draw(|frame| draw(frame, screen, &picture, colors))?;
        // Whoever reads keys reads on and on from a terminal that has gone, so it is looked at first.
        interrupt.wait_terminal(input.as_fd(), next.saturating_duration_since(Instant::now()))?;
        if keys(screen, &picture)? == After::Quit {
            return Ok(());
        }
        if Instant::now() < next {
            continue;
        }
        next = Instant::now() + every;
        // A copy does not change. While the picture stands still looks go on, so that rates and ages are right afterwards.
        if source.is_alive() {
            let look = source.look();
            match screen.paused {
                true => history.see(&look),
                false => picture = Picture::of(look, &mut history, limits),
            }
        }
    }
}

/// Hands on all keys that there are: who holds one down is not to be shown every step of the way.
fn keys(screen: &mut Screen, picture: &Picture) -> Result<After, Failure> {
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()?
            && screen.key(key, picture) == After::Quit
        {
            return Ok(After::Quit);
        }
    }
    Ok(After::Go)
}
