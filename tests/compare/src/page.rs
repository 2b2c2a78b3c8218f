//! The table of a page: a line a figure, put between two marks of a Markdown file.
//! Not here: the numbers (`table`), and what bounds them (`reasons`).
//! Layer: over both.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::peers::Outcome;
use crate::reasons::reason;
use crate::table::{Cell, Row};

const BEGIN: &str = "<!-- compare: begin -->";
const END: &str = "<!-- compare: end -->";

/// Puts the table in place of what is between the marks.
pub fn write(path: &Path, rows: &[Row], machine: &str, quick: bool) -> Outcome<()> {
    let page = fs::read_to_string(path)?;
    let marks = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("{} has no `{BEGIN}` and `{END}`", path.display()))?;
    fs::write(path, format!("{before}{BEGIN}\n{}{END}{after}", table(rows, machine, quick)?))?;
    Ok(())
}

fn table(rows: &[Row], machine: &str, quick: bool) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let effort = if quick { "A quick look, which says little" } else { "Medians over the rounds of one run" };
    writeln!(text, "\n{effort}; {machine}.\n")?;
    writeln!(
        text,
        "| figure | ours | the best bare, or what the goal names | ours / it | the best of the others | ours / it | goal |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for row in rows {
        let Some(ours) = row.ours() else { continue };
        let show = |cell: Option<&Cell>| match cell {
            Some(cell) => {
                let cost = row.cost(cell).map_or(String::new(), |cost| format!("{cost:.2}"));
                format!("{}, {} | {cost}", row.unit.show(cell.series.median()), cell.name)
            }
            None => " | ".to_owned(),
        };
        let goal = match (row.wanted(), row.is_met()) {
            (Some(wanted), Some(true)) => format!("{wanted}: met"),
            (Some(wanted), Some(false)) => format!("{wanted}: **missed**"),
            _ => String::new(),
        };
        let number = row.unit.show(ours.series.median());
        writeln!(
            text,
            "| {} | {number} | {} | {} | {goal} |",
            row.figure,
            show(row.rival()),
            show(row.best_peer())
        )?;
    }
    writeln!(text, "\nWhere a goal is missed, or somebody is ahead:\n")?;
    for row in rows.iter().filter(|row| row.is_met() == Some(false) || row.is_behind()) {
        let peer = row.best_peer().filter(|_| row.is_behind());
        let ahead = peer.map_or(String::new(), |peer| format!(" ({} is ahead)", peer.name));
        let why = reason(&row.figure).unwrap_or("nothing is known of why");
        writeln!(text, "* {}{ahead}: {why}.", row.figure)?;
    }
    writeln!(text)?;
    Ok(text)
}
