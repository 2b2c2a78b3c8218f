//! The table as a picture: a line a figure, a mark a contender, on a scale of ratios to ours; and how some go with the
//! number of actors.
//! Not here: the numbers (`table`), and the elements (`svg`).
//! Layer: over `table`.

mod dots;
mod lines;
mod svg;

use std::fs;
use std::path::Path;

use crate::growth::Growth;
use crate::peers::Outcome;
use crate::table::Row;
use svg::{Anchor, Picture};

const WIDTH: f64 = 1100.0;
const INK: &str = "#1f2328";
const FAINT_INK: &str = "#59636e";
const GRID: &str = "#d8dee4";
const OURS: &str = "#0969da";
const MET: &str = "#1a7f37";
const MISSED: &str = "#cf222e";

/// Writes the picture of all rows that have somebody, or a goal, to be held against.
pub fn write(path: &Path, rows: &[Row], growths: &[Growth], machine: &str, quick: bool) -> Outcome<()> {
    let mut picture = Picture::new(WIDTH);
    let title = "Everybody's time as a multiple of worker-core's, figure by figure";
    picture.text((16.0, 30.0), 18.0, INK, Anchor::Start, title);
    let rounds = if quick { "A quick look, which says little" } else { "Medians over the rounds of one run" };
    let how = format!(
        "{rounds}; the line through a mark goes from the least to the largest ratio of a round. What lies beyond the scale is at its edge."
    );
    picture.text((16.0, 50.0), 12.0, FAINT_INK, Anchor::Start, &how);
    picture.text((16.0, 66.0), 12.0, FAINT_INK, Anchor::Start, machine);
    let end = dots::draw(&mut picture, 76.0, rows);
    let end = lines::draw(&mut picture, end, growths);
    fs::write(path, picture.finish(end))?;
    Ok(())
}
