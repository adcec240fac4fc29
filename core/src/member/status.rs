//! The status of an agent: [`crate::board`] says how it is published, [`crate::status`] what it is.

use super::{Agent, Member};
use crate::board::{Board, CONTENT_MAX, Unread, Written};
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::platform::clock;
use crate::registry;
use crate::segment::Segment;
use crate::status::Status;
use crate::sync::aside;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;

/// How often a status is written anew because the mailbox went to another handle and came back meanwhile.
const RETURNS: u32 = 16;

impl Agent {
    /// Says what this agent does. Whoever looks ([`Bus::status_of`], [`Observer::statuses`](crate::Observer::statuses)) sees the whole of it or the whole of what was
    /// said before, whenever this process dies or is paused. It stays when the agent leaves or dies, and goes on with the next owner of the mailbox. Tags and roles are the
    /// agent's own.
    ///
    /// # Errors
    /// `InvalidArgument` (too long, with the limit), `HandedOver` (another handle owns the mailbox now), `OutOfMemory` (the first time), `Closed`, `Forked`. Nothing has
    /// changed then.
    pub fn set_status(&self, status: &Status) -> Result<()> {
        let member = &self.member;
        member.check()?;
        member.check_not_deposed()?;
        let segment = member.segment();
        segment.commit_board(self.mailbox.index())?;
        let Some(page) = segment.board(self.mailbox.index()) else { return Err(Error::corrupt("the roster", "I12")) };
        let board = Board::of(&page.status);
        let since_ns = match board.read(&mut [0; CONTENT_MAX]).ok().flatten().and_then(Status::decode_state) {
            Some((state, since_ns, _)) if state == status.state => since_ns,
            _ => clock::monotonic_ns(),
        };
        let whole = Status { since_ns, tags: self.tags(), roles: self.roles(), ..status.clone() };
        let content = whole.encode(member.name())?;
        for _ in 0..RETURNS {
            match board.write(member.name(), &content, || !member.is_deposed()) {
                Written::Published => return Ok(()),
                Written::HandedOver => member.check_not_deposed()?,
                Written::Disturbed => break,
            }
        }
        Err(corrupt(segment, self.mailbox))
    }

    /// Changes what this agent says of itself, beginning with what it said last (or its predecessor).
    ///
    /// # Errors
    /// Those of [`Agent::set_status`], and `Corrupt`.
    pub fn update_status(&self, change: impl FnOnce(&mut Status)) -> Result<()> {
        let mut status = self.status()?.unwrap_or_default();
        change(&mut status);
        self.set_status(&status)
    }

    /// What was said of this agent last, by itself or by who owned its mailbox before; `None` if nothing ever was.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`, `Forked`.
    pub fn status(&self) -> Result<Option<Status>> {
        self.member.check()?;
        read(self.member.segment(), self.mailbox)
    }

    /// Gives a sign of life, which others see as an age ([`StatusInfo::beat_age_ns`](crate::StatusInfo::beat_age_ns)): for who wants to tell an agent that works from one that
    /// hangs. Nobody is taken for dead by it. One store, and a look at the clock.
    ///
    /// # Errors
    /// `HandedOver`, `OutOfMemory` (the first time), `Forked`.
    pub fn beat(&self) -> Result<()> {
        self.member.check_fork()?;
        self.member.check_not_deposed()?;
        let segment = self.member.segment();
        segment.commit_board(self.mailbox.index())?;
        if let Some(page) = segment.board(self.mailbox.index()) {
            // Relaxed: a figure by itself.
            aside(|| page.status.beat_ns.store(clock::monotonic_ns(), Relaxed));
        }
        Ok(())
    }
}

impl Bus {
    /// What the agent of this name says of itself, or said last if it is gone; `None` if it never said anything. Waits for nobody.
    ///
    /// # Errors
    /// `UnknownAgent`, `InvalidName`, `Closed`, `Corrupt`; `Timeout` if it changes so fast that it could not be read once in a thousand times.
    pub fn status_of(&self, name: &str) -> Result<Option<Status>> {
        self.segment().check_open()?;
        read(self.segment(), find(self.segment(), name)?)
    }
}

/// The mailbox of this name, without a write.
pub(crate) fn find(segment: &Segment, name: &str) -> Result<Name> {
    if let Some(found) = registry::look_up_only(segment, name).filter(|found| found.topic().is_none()) {
        return Ok(found);
    }
    crate::name::check_name(name)?;
    Err(Error::UnknownAgent { name: name.into(), bus: segment.name().into() })
}

/// The status of a mailbox, if there is one.
pub(crate) fn read(segment: &Segment, mailbox: Name) -> Result<Option<Status>> {
    Ok(read_said(segment, mailbox)?.map(|(status, _)| status))
}

/// The same, with who said it.
pub(crate) fn read_said(segment: &Segment, mailbox: Name) -> Result<Option<(Status, Name)>> {
    let Some(page) = segment.board(mailbox.index()) else { return Ok(None) };
    match Board::of(&page.status).read(&mut [0; CONTENT_MAX]) {
        Ok(Some(content)) => {
            let member = Status::decode_state(content).map(|(.., member)| member);
            Status::decode(content).zip(member).map(Some).ok_or_else(|| corrupt(segment, mailbox))
        }
        Ok(None) => Ok(None),
        Err(Unread::Corrupt) => Err(corrupt(segment, mailbox)),
        Err(Unread::Restless) => Err(Error::Timeout),
    }
}

fn corrupt(segment: &Segment, mailbox: Name) -> Error {
    Error::corrupt(format!("the board of '{}'", segment.queue_name(mailbox).unwrap_or_default()), "I38")
}

impl Member {
    /// Whether a histogram of this member's has a place.
    pub(super) fn board_of_member(&self) -> Option<&crate::layout::Board> {
        let (segment, index) = (self.segment(), self.name.index());
        segment.commit_board(index).ok()?;
        segment.board(index)
    }
}
