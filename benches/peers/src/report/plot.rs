//! The plot: a panel for each work, a bar for each rival, lengths on a logarithmic scale.

use super::{Results, amount};
use crate::peers::is_ours;
use crate::trial::{Kind, WORKS, Work};
use anyhow::{Context, Result};
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const WIDTH: u32 = 1300;
const BAR: i32 = 18;
const HEADING: i32 = 34;
const NAMES: i32 = 200;
const FIGURES: i32 = 90;
const COLUMNS: usize = 2;

struct Panel<'a> {
    work: &'a Work,
    bars: Vec<(String, bool, f64)>,
}

impl Panel<'_> {
    fn height(&self) -> i32 {
        HEADING + BAR * self.bars.len() as i32 + 16
    }

    fn title(&self) -> String {
        let face = super::table::face(self.work.face);
        match self.work.kind {
            Kind::OneWay => format!("{face}One way, {}: messages per second (longer is better)", self.work.title),
            Kind::Batch => format!("In batches, {}: messages per second (longer is better)", self.work.title),
            Kind::WorkQueue => format!("Work queue, {}: messages per second (longer is better)", self.work.title),
            Kind::Calls => format!("Request and reply, {}: median, µs (shorter is better)", self.work.title),
            Kind::RoundTrip => format!("{face}Round trip, {}: median, µs (shorter is better)", self.work.title),
            Kind::FanOut => format!("Fan-out of 64 KiB, {}: median, ms (shorter is better)", self.work.title),
        }
    }

    fn figure(&self, value: f64) -> String {
        match self.work.kind {
            Kind::OneWay | Kind::Batch | Kind::WorkQueue => amount(value),
            Kind::RoundTrip | Kind::Calls => amount(value / 1e3),
            Kind::FanOut => amount(value / 1e6),
        }
    }
}

fn panels(results: &Results) -> Vec<Panel<'static>> {
    let panel = |work: &'static Work| {
        let bars = results.rows(&[work]).into_iter().filter_map(|(peer, manner)| {
            let value = results.of(&peer, manner, work)?.main_figure(work.kind)?;
            Some((super::title(&peer, manner), is_ours(&peer), value))
        });
        Panel { work, bars: bars.collect() }
    };
    WORKS.iter().map(panel).filter(|panel| !panel.bars.is_empty()).collect()
}

/// Draws it.
pub fn draw(results: &Results, path: &Path) -> Result<()> {
    paint(&panels(results), path)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("cannot draw {}", path.display()))
}

fn paint(panels: &[Panel<'_>], path: &Path) -> std::result::Result<(), Box<dyn Error>> {
    let rows: Vec<&[Panel<'_>]> = panels.chunks(COLUMNS).collect();
    let row_height = |row: &[Panel<'_>]| row.iter().map(Panel::height).max().unwrap_or(0);
    let height: i32 = rows.iter().map(|row| row_height(row)).sum();
    let root = SVGBackend::new(path, (WIDTH, height.max(1) as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut top = 0;
    for row in rows {
        for (column, panel) in row.iter().enumerate() {
            let left = column as i32 * (WIDTH as i32 / COLUMNS as i32);
            let longest = WIDTH as i32 / COLUMNS as i32 - NAMES - FIGURES;
            root.draw(&Text::new(
                panel.title(),
                (left + 10, top + 10),
                ("sans-serif", 15).into_font().style(FontStyle::Bold),
            ))?;
            let most = panel.bars.iter().map(|bar| bar.2).fold(f64::MIN, f64::max).log10();
            // A tenth of the least, so that its bar has a length as well.
            let least = panel.bars.iter().map(|bar| bar.2).fold(f64::MAX, f64::min).log10() - 0.3;
            for (index, (name, ours, value)) in panel.bars.iter().enumerate() {
                let y = top + HEADING + index as i32 * BAR;
                let length = ((value.log10() - least) / (most - least).max(0.1) * f64::from(longest)) as i32;
                let colour = if *ours { RGBColor(200, 60, 40) } else { RGBColor(120, 140, 165) };
                root.draw(&Text::new(name.clone(), (left + 10, y + 2), ("sans-serif", 13)))?;
                let bar = [(left + NAMES, y + 1), (left + NAMES + length.max(1), y + BAR - 3)];
                root.draw(&Rectangle::new(bar, colour.filled()))?;
                root.draw(&Text::new(
                    panel.figure(*value),
                    (left + NAMES + length.max(1) + 5, y + 2),
                    ("sans-serif", 13),
                ))?;
            }
        }
        top += row_height(row);
    }
    root.present()?;
    Ok(())
}
