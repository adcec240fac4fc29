//! Rows in columns: which columns there is room for, how wide they are, and drawing them.

use ratatui::style::Style;

use super::cell::Cell;
use super::page::Line;
use super::paper::{BAR, BOLD, DIM, Paper};
use super::rows::{Column, Row};
use super::screen::Table;

/// The widest that a column of words gets, if it is not the last one.
const WORDS_MAX: u16 = 40;

/// Which columns are shown in so many characters, and how wide each is. Those of the lowest rank stay.
pub fn fit(columns: &[Column], rows: &[&dyn Row], width: u16) -> Vec<(usize, u16)> {
    let wanted: Vec<u16> = columns.iter().enumerate().map(|(at, column)| wanted(at, column, rows)).collect();
    let mut by_rank: Vec<usize> = (0..columns.len()).collect();
    by_rank.sort_by_key(|at| (columns[*at].rank, *at));
    let mut left = width;
    let mut shown: Vec<(usize, u16)> = Vec::new();
    for at in by_rank {
        let column = &columns[at];
        // Long words are cut before a column is left out.
        let least = if column.words { wanted[at].min(column.width) } else { wanted[at] };
        if least < left {
            shown.push((at, least));
            left -= least + 1;
        } else if column.rank > 0 {
            break;
        }
    }
    shown.sort_by_key(|(at, _)| *at);
    for (at, given) in &mut shown {
        let more = (wanted[*at] - *given).min(left);
        *given += more;
        left -= more;
    }
    shown
}

fn wanted(at: usize, column: &Column, rows: &[&dyn Row]) -> u16 {
    if !column.words || at == 0 {
        return column.width;
    }
    let longest =
        rows.iter().map(|row| if let Cell::Text(text) = row.cell(at) { text.chars().count() } else { 1 }).max();
    let longest = u16::try_from(longest.unwrap_or(0)).unwrap_or(u16::MAX);
    // A column that follows what it holds too closely would jump about.
    let (least, most) = (column.title.len() as u16 + 1, if column.width >= 20 { u16::MAX } else { WORDS_MAX });
    longest.max(column.width.min(11)).clamp(least, most)
}

/// Draws head and rows; the bar is where `table` says.
pub fn draw(paper: &mut Paper<'_>, columns: &[Column], rows: &[&dyn Row], table: Option<&Table>, nothing: &str) {
    let shown = fit(columns, rows, paper.area.width);
    head(paper, columns, &shown, table);
    if rows.is_empty() {
        paper.put(0, 1, nothing, u16::MAX, DIM);
    }
    let (top, at) = table.map_or((0, None), |table| (table.top, Some(table.at)));
    let height = usize::from(paper.area.height.saturating_sub(1));
    for (y, row) in rows.iter().enumerate().skip(top).take(height) {
        let line = (y - top + 1) as u16;
        draw_row(paper, line, columns, &shown, *row);
        if at == Some(y) {
            paper.mark(line, BAR);
        }
    }
}

/// Draws head and rows without a bar.
pub fn draw_plain(paper: &mut Paper<'_>, columns: &[Column], rows: &[&dyn Row], order: &Table) {
    let shown = fit(columns, rows, paper.area.width);
    head(paper, columns, &shown, Some(order));
    for (y, row) in rows.iter().take(paper.area.height.saturating_sub(1).into()).enumerate() {
        draw_row(paper, y as u16 + 1, columns, &shown, *row);
    }
}

fn head(paper: &mut Paper<'_>, columns: &[Column], shown: &[(usize, u16)], table: Option<&Table>) {
    let mut x = 0;
    for (at, width) in shown {
        let column = &columns[*at];
        let sign = match table {
            Some(table) if table.sort == *at => {
                if table.descending {
                    "▼"
                } else {
                    "▲"
                }
            }
            _ => "",
        };
        let style = if sign.is_empty() { DIM } else { BOLD };
        let start = if column.words { 0 } else { width.saturating_sub(column.title.len() as u16) };
        // The sign stands in the gap behind a column of numbers.
        let end = paper.put(x + start, 0, column.title, *width, style);
        paper.put(end, 0, sign, 1, BOLD);
        x += width + 1;
    }
}

fn draw_row(paper: &mut Paper<'_>, y: u16, columns: &[Column], shown: &[(usize, u16)], row: &dyn Row) {
    let alarm = paper.alarm(row.alarm());
    let mut x = 0;
    for (at, width) in shown {
        let text = if *at == 0 { row.alarm().sign().to_owned() } else { row.cell(*at).text() };
        let style = if *at == 0 { alarm } else { Style::new() };
        let length = text.chars().count().min((*width).into()) as u16;
        let start = if columns[*at].words { 0 } else { width - length };
        paper.put_short(x + start, y, &text, *width, style);
        x += width + 1;
    }
}

/// Of each line of a page, the widths of the table that it belongs to.
pub fn widths(lines: &[Line]) -> Vec<Vec<u16>> {
    let mut all = vec![Vec::new(); lines.len()];
    let mut begin = 0;
    for end in 0..=lines.len() {
        if matches!(lines.get(end), Some(Line::Cells(_))) {
            continue;
        }
        let mut table: Vec<u16> = Vec::new();
        for line in &lines[begin..end] {
            let Line::Cells(cells) = line else { continue };
            table.resize(table.len().max(cells.len()), 0);
            for (width, cell) in table.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count().min(40) as u16);
            }
        }
        all[begin..end].fill(table);
        begin = end + 1;
    }
    all
}

/// Draws a row of a page's table.
pub fn draw_cells(paper: &mut Paper<'_>, y: u16, cells: &[String], widths: &[u16], style: Style) {
    let mut x = 0;
    for (cell, width) in cells.iter().zip(widths) {
        paper.put_short(x, y, cell, *width, style);
        x += width + 2;
    }
}
