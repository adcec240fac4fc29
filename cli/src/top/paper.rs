//! Where text goes on the screen: nothing is written outside, whatever the size of the terminal, and colours are a matter of one place.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::rows::Alarm;

/// Part of a screen.
pub struct Paper<'a> {
    /// What is written on.
    pub buffer: &'a mut Buffer,
    /// The part.
    pub area: Rect,
    /// Whether there are colours; what they say is said by signs and words as well.
    pub colors: bool,
}

impl Paper<'_> {
    /// Another part of the same screen.
    pub fn part(&mut self, area: Rect) -> Paper<'_> {
        let area = area.intersection(self.area);
        Paper { buffer: self.buffer, area, colors: self.colors }
    }

    /// From line `from` on.
    pub fn below(&mut self, from: u16) -> Paper<'_> {
        let Rect { x, y, width, height } = self.area;
        let from = from.min(height);
        self.part(Rect { x, y: y + from, width, height: height - from })
    }

    /// The first lines.
    pub fn first(&mut self, lines: u16) -> Paper<'_> {
        let area = Rect { height: self.area.height.min(lines), ..self.area };
        self.part(area)
    }

    /// Writes at column and line of this part, at most `width` characters. The answer is the column behind it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        let room = self.area.width.saturating_sub(x).min(width);
        if y >= self.area.height || room == 0 {
            return x;
        }
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, room.into(), style);
        end - self.area.x
    }

    /// Writes a whole line.
    pub fn line(&mut self, y: u16, text: &str, style: Style) -> u16 {
        self.put(0, y, text, u16::MAX, style)
    }

    /// Writes with an ellipsis where there is no room.
    pub fn put_short(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) {
        let room = width.min(self.area.width.saturating_sub(x));
        if text.chars().count() > room.into() && room > 1 {
            let short: String = text.chars().take(usize::from(room) - 1).chain(['…']).collect();
            self.put(x, y, &short, room, style);
        } else {
            self.put(x, y, text, room, style);
        }
    }

    /// Gives a line another style, from end to end.
    pub fn mark(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            let line = Rect { y: self.area.y + y, height: 1, ..self.area };
            self.buffer.set_style(line, style);
        }
    }

    /// How something of this urgency is written.
    pub fn alarm(&self, alarm: Alarm) -> Style {
        match (alarm, self.colors) {
            (Alarm::None, _) => Style::new(),
            (_, false) => BOLD,
            (Alarm::Warning, true) => BOLD.fg(Color::Yellow),
            (Alarm::Critical, true) => BOLD.fg(Color::Red),
        }
    }

    /// How headings are written.
    pub fn heading(&self) -> Style {
        if self.colors { BOLD.fg(Color::Cyan) } else { BOLD }
    }
}

/// What stands out without a colour.
pub const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// What is less important.
pub const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Where the bar is.
pub const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
