//! The table of a page: a line a figure, put between two marks of a Markdown file.
//! Not here: the numbers (`table`), and what bounds them (`reasons`).
//! Layer: over both.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::growth::Growth;
use crate::peers::Outcome;
use crate::reasons::reason;
use crate::table::{Cell, Row};

const BEGIN: &str = "<!-- compare: begin -->";
const END: &str = "<!-- compare: end -->";

/// Puts the table in place of what is between the marks.
pub fn write(path: &Path, rows: &[Row], growths: &[Growth], machine: &str, quick: bool) -> Outcome<()> {
    let page = fs::read_to_string(path)?;
    let marks = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("{} has no `{BEGIN}` and `{END}`", path.display()))?;
    fs::write(path, format!("{before}{BEGIN}\n{}{END}{after}", table(rows, growths, machine, quick)?))?;
    Ok(())
}

fn table(rows: &[Row], growths: &[Growth], machine: &str, quick: bool) -> Result<String, std::fmt::Error> {
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
        let when = row.within_spread().map_or(String::new(), |when| format!(" {when}"));
        let ahead = peer.map_or(String::new(), |peer| format!(" ({} is ahead{when})", peer.name));
        let why = reason(&row.figure).unwrap_or("nothing is known of why");
        writeln!(text, "* {}{ahead}: {why}.", row.figure)?;
    }
    scale(&mut text, growths)?;
    writeln!(text)?;
    Ok(text)
}

/// A table of its own: a column a number of actors, ours above the best bare of as many.
fn scale(text: &mut String, growths: &[Growth]) -> std::fmt::Result {
    let Some(first) = growths.first() else { return Ok(()) };
    writeln!(
        text,
        "\nBy the number of actors; behind it as many bare processes, and how many times theirs ours takes. No public peer makes \
         actors, so none is here:\n"
    )?;
    let actors: Vec<String> = first.points.iter().map(|point| point.actors.to_string()).collect();
    writeln!(text, "| figure | {} | bare | goal |", actors.join(" | "))?;
    writeln!(text, "| --- | {}--- | --- |", "--- | ".repeat(actors.len()))?;
    for growth in growths {
        write!(text, "| {} |", growth.figure)?;
        for point in &growth.points {
            write!(text, " {}", growth.unit.show(point.ours.median()))?;
            if let (Some((_, bare)), Some(cost)) = (point.best_bare(growth.unit), point.cost(growth.unit)) {
                write!(text, "; {}, {cost:.2}", growth.unit.show(bare))?;
            }
            write!(text, " |")?;
        }
        let mut names: Vec<&str> =
            growth.points.iter().filter_map(|point| Some(point.best_bare(growth.unit)?.0)).collect();
        names.sort_unstable();
        names.dedup();
        let goal = match growth.verdict() {
            Some((wanted, true)) => format!("{wanted}: met"),
            Some((wanted, false)) => format!("{wanted}: **missed**"),
            None => String::new(),
        };
        writeln!(text, " {} | {goal} |", names.join(" or "))?;
    }
    writeln!(text, "\nWhat bounds them:\n")?;
    growths.iter().try_for_each(|growth| writeln!(text, "* {}: {}.", growth.figure, growth.why))
}
