//! The memory of a process that has been made and has answered nothing yet.
//! Not here: many of them (`scale`).
//! Layer: a figure.

use crate::peers::{Contender, Outcome};
use crate::report::Series;
use crate::system::memory_kib;
use crate::table::{Cell, Goal, Row, Unit};

/// Before anybody is asked anything, because a payload of 16 MiB leaves its pages.
pub fn measure(contenders: &[Contender], rows: &mut Vec<Row>) -> Outcome<()> {
    let (mut unique, mut proportional) = (Vec::new(), Vec::new());
    for contender in contenders {
        let Some(pid) = contender.pid.and_then(|pid| u32::try_from(pid).ok()) else { continue };
        let (its_unique, its_proportional) = memory_kib(pid)?;
        for (cells, number) in [(&mut unique, its_unique), (&mut proportional, its_proportional)] {
            let series = Series(vec![number]);
            cells.push(Cell { name: contender.name.to_owned(), sort: contender.sort, series });
        }
    }
    let figures = [
        ("memory of its own of an idle backend", unique, Goal::AtMost(64.0)),
        ("proportional memory of an idle backend", proportional, Goal::AtMost(300.0)),
    ];
    for (figure, cells, goal) in figures {
        let row = Row { figure: figure.to_owned(), unit: Unit::Kibibytes, cells, goal };
        println!("{row}");
        rows.push(row);
    }
    Ok(())
}
