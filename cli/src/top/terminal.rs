//! The loop of the dashboard, and the terminal: as it was afterwards, whatever ends the program (a key, a signal, a panic).

use std::io::{Stdout, Write, stdout};
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

/// How long a signal may go unnoticed.
const SIGNALS_WITHIN: Duration = Duration::from_millis(100);

/// When the second look is taken.
const FIRST_AFTER: Duration = Duration::from_millis(300);

/// The terminal in our hands; it is given back when this goes.
struct Held;

impl Held {
    fn take() -> Result<Held, Failure> {
        // The message of a panic is to be seen, and stay.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        enable_raw_mode().map_err(|error| Failure::io("cannot take over the terminal", &error))?;
        let held = Held;
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
    let result = turn(source, screen, limits, every, colors, &interrupt);
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
) -> Result<(), Failure> {
    let mut terminal: Terminal<CrosstermBackend<Stdout>> = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut history = History::default();
    let mut picture = Picture::of(source.look(), &mut history, limits);
    // Rates need two looks, and nobody likes to wait for the first ones.
    let mut next = Instant::now() + every.min(FIRST_AFTER);
    loop {
        terminal.draw(|frame| draw(frame, screen, &picture, colors))?;
        let patience = next.saturating_duration_since(Instant::now()).min(SIGNALS_WITHIN);
        if keys(screen, &picture, patience)? == After::Quit {
            return Ok(());
        }
        interrupt.check()?;
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

/// Waits for keys, and hands on all that there are: who holds a key down is not to be shown every step of the way.
fn keys(screen: &mut Screen, picture: &Picture, patience: Duration) -> Result<After, Failure> {
    let mut patience = patience;
    while event::poll(patience)? {
        if let Event::Key(key) = event::read()?
            && screen.key(key, picture) == After::Quit
        {
            return Ok(After::Quit);
        }
        patience = Duration::ZERO;
    }
    Ok(After::Go)
}
