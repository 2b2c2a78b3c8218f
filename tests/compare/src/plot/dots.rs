//! A line a figure: a mark for each contender at its ratio to ours, with its spread, and one for the goal.
//! Not here: how figures go with the number of actors.
//! Layer: over `svg`.

use super::svg::{Anchor, Mark, Picture};
use super::{FAINT_INK, GRID, INK, MET, MISSED, OURS};
use crate::peers::Sort;
use crate::table::{Cell, POLLS, Row};

/// Where the scale begins and ends.
const LEFT: f64 = 285.0;
const RIGHT: f64 = 760.0;
/// Where it is told who is best.
const TOLD: f64 = 776.0;
const LINE: f64 = 15.0;
/// Letters of a label that fit beside the scale.
const LABEL_LETTERS: usize = 40;
/// The largest and smallest ratio that have a place of their own.
const RANGE: (f64, f64) = (0.01, 1000.0);

/// Who looks how: the first whose name begins so.
const LOOKS: [(&str, Mark, &str); 9] = [
    ("worker-core over a socket", Mark::Disc, "#54aeff"),
    ("iceoryx2, waiting", Mark::Ring, "#1b9e77"),
    ("iceoryx2", Mark::Disc, "#1b9e77"),
    ("ipc-channel", Mark::Disc, "#e08a00"),
    ("tarpc", Mark::Disc, "#c2528b"),
    ("tokio", Mark::Disc, "#c4432b"),
    ("procspawn", Mark::Disc, "#7a5230"),
    ("crossmist", Mark::Disc, "#7b5fd0"),
    ("Python", Mark::Disc, "#b8a100"),
];
/// [`POLLS`], to the end of its name.
const POLLING: (Mark, &str) = (Mark::HollowSquare, "#6e7781");
const BARE: (Mark, &str) = (Mark::Square, "#6e7781");
const OTHER: (Mark, &str) = (Mark::Ring, "#424a53");

const LEGEND: [(&str, &str); 12] = [
    ("bare spin", POLLS),
    ("other bare primitives", "bare"),
    ("ours, over a socket", "worker-core over a socket"),
    ("ipc-channel", "ipc-channel"),
    ("iceoryx2, polling", "iceoryx2"),
    ("iceoryx2, waiting", "iceoryx2, waiting"),
    ("tarpc", "tarpc"),
    ("tokio + bincode by hand", "tokio"),
    ("procspawn", "procspawn"),
    ("crossmist", "crossmist"),
    ("Python multiprocessing", "Python"),
    ("std::process", "std::process"),
];

fn look(name: &str, sort: Sort) -> (Mark, &'static str) {
    let known = LOOKS.iter().find(|(start, ..)| name.starts_with(start));
    match (known, sort) {
        (Some(&(_, mark, colour)), _) => (mark, colour),
        _ if name == POLLS => POLLING,
        (None, Sort::Bare) => BARE,
        (None, _) => OTHER,
    }
}

fn along(ratio: f64) -> f64 {
    let (least, most) = (RANGE.0.log10(), RANGE.1.log10());
    LEFT + (ratio.log10().clamp(least, most) - least) / (most - least) * (RIGHT - LEFT)
}

/// Draws from `top` on; gives where it ends.
pub fn draw(picture: &mut Picture, top: f64, rows: &[Row]) -> f64 {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| row.ours().is_some() && (row.cells.len() > 1 || row.wanted().is_some()))
        .collect();
    let begin = legend(picture, top) + 44.0;
    let heights: Vec<f64> = rows.iter().map(|row| height(row)).collect();
    let end = begin + heights.iter().sum::<f64>();
    scale(picture, begin, end);
    let mut y = begin;
    for (row, height) in rows.into_iter().zip(heights) {
        picture.line((16.0, y), (1084.0, y), 0.7, GRID);
        draw_row(picture, row, y, height);
        y += height;
    }
    end + 44.0
}

fn legend(picture: &mut Picture, top: f64) -> f64 {
    let (mut x, mut y) = (22.0, top + 12.0);
    for (text, name) in LEGEND {
        // A letter is about six and a half wide.
        let width = 30.0 + 6.4 * text.len() as f64;
        if x + width > 1090.0 {
            (x, y) = (22.0, y + 18.0);
        }
        let sort = if name.starts_with("bare") { Sort::Bare } else { Sort::Public };
        let (mark, colour) = look(name, sort);
        picture.mark((x, y - 4.0), mark, colour, text);
        picture.text((x + 10.0, y), 12.0, INK, Anchor::Start, text);
        x += width;
    }
    y += 20.0;
    picture.rectangle((18.0, y - 10.0), (26.0, y + 2.0), OURS);
    picture.text((32.0, y), 12.0, INK, Anchor::Start, "worker-core, and its spread");
    for (x, colour, text) in [
        (216.0, MET, "what the goal allows: right of worker-core, so it is met"),
        (566.0, MISSED, "left of it, so it is missed"),
    ] {
        goal_mark(picture, x, y - 11.0, y + 3.0, colour);
        picture.text((x + 8.0, y), 12.0, INK, Anchor::Start, text);
    }
    y
}

fn scale(picture: &mut Picture, begin: f64, end: f64) {
    for power in -2..=3 {
        let decade = 10_f64.powi(power);
        for step in [1.0, 2.0, 5.0] {
            let ratio = decade * step;
            if ratio < RANGE.0 || ratio > RANGE.1 {
                continue;
            }
            let (x, width) = (along(ratio), if step == 1.0 { 1.0 } else { 0.4 });
            picture.line((x, begin), (x, end), width, GRID);
            if step == 1.0 {
                let text = format!("{decade} x");
                for y in [begin - 6.0, end + 15.0] {
                    picture.text((x, y), 11.5, INK, Anchor::Middle, &text);
                }
            }
        }
    }
    for y in [begin - 21.0, end + 30.0] {
        picture.text((along(0.9), y), 11.5, FAINT_INK, Anchor::End, "← they are ahead");
        picture.text((along(1.1), y), 11.5, OURS, Anchor::Start, "worker-core is ahead →");
    }
    picture.line((along(1.0), begin), (along(1.0), end), 1.6, OURS);
}

fn height(row: &Row) -> f64 {
    let lines = lines(&row.figure).len() + 1;
    let marks = row.cells.len() as f64 * 4.0 + 8.0;
    (lines as f64 * LINE + 8.0).max(marks).max(3.0 * LINE + 8.0)
}

/// The label of a row, broken where it is too long.
fn lines(label: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in label.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > LABEL_LETTERS {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

fn goal_mark(picture: &mut Picture, x: f64, top: f64, bottom: f64, colour: &str) {
    picture.line((x, top), (x, bottom), 2.5, colour);
}

fn draw_row(picture: &mut Picture, row: &Row, top: f64, height: f64) {
    let Some(ours) = row.ours() else { return };
    let mut y = top + LINE;
    for line in lines(&row.figure) {
        picture.text((16.0, y), 12.5, INK, Anchor::Start, &line);
        y += LINE;
    }
    let value = format!("worker-core {}", row.unit.show(ours.series.median()));
    picture.text((16.0, y), 12.0, OURS, Anchor::Start, &value);

    if let Some((low, high)) = row.own_spread() {
        picture.rectangle((along(low) - 1.5, top + 3.0), (along(high) + 1.5, top + height - 3.0), "#b6d7ff");
        picture.line((along(1.0), top), (along(1.0), top + height), 1.6, OURS);
    }
    if let (Some(allowed), Some(met)) = (row.allowed(), row.is_met()) {
        let colour = if met { MET } else { MISSED };
        goal_mark(picture, along(allowed), top + 2.0, top + height - 2.0, colour);
    }
    let others: Vec<&Cell> =
        row.cells.iter().filter(|cell| cell.sort != Sort::Ours && !cell.series.median().is_nan()).collect();
    let step = (height - 12.0) / others.len().max(1) as f64;
    for (place, cell) in others.into_iter().enumerate() {
        let Some(ratio) = row.ratio(cell.series.median()) else { continue };
        let (mark, colour) = look(&cell.name, cell.sort);
        let y = top + 6.0 + step * (place as f64 + 0.5);
        if let Some((low, high)) = row.spread(cell) {
            picture.line((along(low), y), (along(high), y), 1.2, colour);
        }
        let title = format!("{}: {} ({ratio:.2} x)", cell.name, row.unit.show(cell.series.median()));
        picture.mark((along(ratio), y), mark, colour, &title);
    }
    told(picture, row, top + LINE);
}

/// Beside the marks: who is best, and the goal.
fn told(picture: &mut Picture, row: &Row, mut y: f64) {
    let mut tell = |colour: &str, text: String| {
        picture.text((TOLD, y), 11.5, colour, Anchor::Start, &text);
        y += LINE;
    };
    let named = |cell: &Cell| {
        let ratio = row.ratio(cell.series.median())?;
        Some(format!("{}: {}, {ratio:.2} x", cell.name, row.unit.show(cell.series.median())))
    };
    if let Some(text) = row.rival().and_then(named) {
        tell(FAINT_INK, text);
    }
    if let Some(text) = row.best_peer().and_then(named) {
        tell(INK, text);
    }
    if let (Some(wanted), Some(met)) = (row.wanted(), row.is_met()) {
        let (colour, verdict) = if met { (MET, "met") } else { (MISSED, "missed") };
        tell(colour, format!("{wanted}: {verdict}"));
    }
}
