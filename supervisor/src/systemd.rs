//! What the service manager is told, if there is one: that the run is up, how it goes, that it ends, and that we are alive.

use crate::event::Event;
use sd_notify::NotifyState;
use std::time::Duration;

/// The socket that `NOTIFY_SOCKET` names; without it nobody is told.
#[derive(Debug)]
pub struct Systemd {
    /// How often it wants to hear that we are alive.
    every: Option<Duration>,
    next: Duration,
}

/// Variables that are meant for the supervisor alone.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

impl Systemd {
    /// As the environment says.
    pub fn of_environment() -> Systemd {
        // Half of the time that it allows, so that one late sign is no death.
        Systemd { every: sd_notify::watchdog_enabled().map(|within| within / 2), next: Duration::ZERO }
    }

    /// How often it wants to hear from us.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// When it wants to hear from us next.
    pub fn deadline(&self) -> Option<Duration> {
        self.every.map(|_| self.next)
    }

    /// Says that we are alive, when it is time.
    pub fn look(&mut self, now: Duration) {
        if let Some(every) = self.every.filter(|_| now >= self.next) {
            self.next = now + every;
            say(&[NotifyState::Watchdog]);
        }
    }
}

/// Says that a standby is ready to take over.
pub fn stands_by(bus: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(&format!("standing by for {bus}"))]);
}

/// Says that we are alive, whenever it is.
pub fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// Says what an event means to a service manager.
pub fn tell(event: &Event) {
    match event {
        Event::Up { agents, .. } => say(&[NotifyState::Ready, NotifyState::Status(&format!("{agents} agents"))]),
        Event::TookOver { adopted, .. } => {
            say(&[NotifyState::Ready, NotifyState::Status(&format!("took over {adopted} agents"))]);
        }
        Event::Draining { reason, left, .. } => {
            say(&[NotifyState::Stopping, NotifyState::Status(&format!("{reason}: draining, {left} left"))]);
        }
        Event::DrainLeft { phase, left } => say(&[NotifyState::Status(&format!("{phase}: {left} left"))]),
        Event::Starting { begun, total, .. } => {
            say(&[NotifyState::Status(&format!("starting: {begun} of {total}"))]);
        }
        _ => {}
    }
}

fn say(state: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason to stop.
    let _ = sd_notify::notify(state);
}
