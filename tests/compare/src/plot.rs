//! The table as a picture: a group of bars a figure, on a scale of ratios to ours.
//! Not here: the numbers (`table`).
//! Layer: over `table`.

use std::path::Path;

use plotters::prelude::*;

use crate::peers::{Outcome, Sort};
use crate::table::{Cell, Row};

const WIDTH: i32 = 1000;
const BAR: i32 = 15;
const HEAD: i32 = 26;
const LABELS: i32 = 250;
const NUMBERS: i32 = 110;
/// The largest ratio that is drawn in full.
const MOST: f64 = 1000.0;

fn colour(sort: Sort) -> RGBColor {
    match sort {
        Sort::Ours => RGBColor(20, 110, 180),
        Sort::OursOtherwise => RGBColor(120, 175, 215),
        Sort::Bare => RGBColor(150, 150, 150),
        Sort::Public => RGBColor(220, 140, 60),
    }
}

/// Where a ratio ends, between a tenth and a thousand.
fn along(ratio: f64) -> i32 {
    let share = (ratio.clamp(0.1, MOST).log10() + 1.0) / (MOST.log10() + 1.0);
    LABELS + (share * f64::from(WIDTH - LABELS - NUMBERS)) as i32
}

/// Writes the picture of all rows that have somebody to be held against.
pub fn write(path: &Path, rows: &[Row], machine: &str) -> Outcome<()> {
    let drawn: Vec<(&Row, Vec<(&Cell, f64)>)> = rows
        .iter()
        .filter(|row| row.cells.len() > 1)
        .map(|row| {
            let ratio = |cell| Some((cell, row.ratio(Cell::median(cell))?));
            (row, row.cells.iter().filter_map(ratio).collect())
        })
        .collect();
    let bars: i32 = drawn.iter().map(|(_, cells)| HEAD + BAR * i32::try_from(cells.len()).unwrap_or(0)).sum();
    let height = bars + 3 * HEAD;
    let root = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    let title =
        "Times of worker-core's own figure (to the right: worker-core is ahead), on a scale of powers of ten";
    root.draw(&Text::new(title, (8, 8), text(14)))?;
    root.draw(&Text::new(machine.to_owned(), (8, 28), text(11)))?;
    for power in -1..=3 {
        let x = along(10_f64.powi(power));
        let line = if power == 0 { BLACK.mix(0.6) } else { BLACK.mix(0.15) };
        root.draw(&PathElement::new([(x, 2 * HEAD), (x, height - HEAD / 2)], line))?;
        root.draw(&Text::new(format!("{} x", 10_f64.powi(power)), (x + 2, 2 * HEAD - 12), text(10)))?;
    }
    let mut y = 2 * HEAD;
    for (row, cells) in drawn {
        root.draw(&Text::new(row.figure.clone(), (8, y + 8), text(13)))?;
        y += HEAD;
        for (cell, ratio) in cells {
            let (from, to) = (along(1.0), along(ratio));
            let (from, to) = (from.min(to), from.max(to).max(from + 1));
            root.draw(&Text::new(cell.name.clone(), (24, y + 2), text(11)))?;
            let bar = [(from, y + 2), (to, y + BAR - 2)];
            root.draw(&Rectangle::new(bar, colour(cell.sort).filled()))?;
            let number = row.unit.show(cell.median());
            root.draw(&Text::new(format!("{number} ({ratio:.2})"), (to + 4, y + 2), text(10)))?;
            y += BAR;
        }
    }
    root.present()?;
    Ok(())
}

impl Cell {
    fn median(&self) -> f64 {
        self.series.median()
    }
}
