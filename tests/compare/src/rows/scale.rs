//! One actor, ten, a hundred, a thousand: whether anything grows with their number.
//! Not here: one at a time (`spawn`).
//! Layer: a figure.

use std::time::Instant;

use crate::effort::Effort;
use crate::payload::digest;
use crate::peers::ours::AnswererFrontend;
use crate::peers::{Outcome, Sort};
use crate::report::Series;
use crate::system::{memory_kib, open_descriptors};
use crate::table::{Cell, Goal, Row, Unit};

/// Actors that are looked at for their memory.
const LOOKS: usize = 20;
const CALLS: usize = 2000;

pub fn measure(effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
    let figures = [
        ("spawns a second", Unit::PerSecond, Goal::AtLeast(2000.0)),
        ("a call of one of them, the same again and again", Unit::Microseconds, Goal::None),
        ("a call of each in turn", Unit::Microseconds, Goal::None),
        ("a stop of each in turn", Unit::Microseconds, Goal::None),
        ("proportional memory of each", Unit::Kibibytes, Goal::None),
        ("descriptors in the program for each", Unit::Count, Goal::None),
    ];
    let mut all: Vec<Row> = figures
        .into_iter()
        .map(|(figure, unit, goal)| Row { figure: format!("scale: {figure}"), unit, cells: Vec::new(), goal })
        .collect();
    for &actors in effort.actors {
        let numbers = numbers(actors)?;
        for (row, number) in all.iter_mut().zip(numbers) {
            // The most of them is what the others are held against.
            let sort = if Some(&actors) == effort.actors.last() { Sort::Ours } else { Sort::Bare };
            let name = format!("{actors} actor{}", if actors == 1 { "" } else { "s" });
            row.cells.push(Cell { name, sort, series: Series(vec![number]) });
        }
    }
    for row in &all {
        println!("{row}");
    }
    rows.append(&mut all);
    Ok(())
}

fn numbers(actors: usize) -> Outcome<[f64; 6]> {
    let before = open_descriptors()?;
    let start = Instant::now();
    let living = (0..actors).map(|_| AnswererFrontend::spawn()).collect::<Result<Vec<_>, _>>()?;
    let spawns_per_second = actors as f64 / start.elapsed().as_secs_f64();
    let descriptors = (open_descriptors()? - before) as f64 / actors as f64;
    let expected = digest(b"12345678");
    let call = |actor: &AnswererFrontend| -> Outcome<f64> {
        let start = Instant::now();
        let answer = actor.ask(b"12345678")?;
        let time_us = start.elapsed().as_secs_f64() * 1e6;
        if answer == expected { Ok(time_us) } else { Err("a wrong answer".into()) }
    };
    let one = (0..CALLS).map(|_| call(&living[0])).collect::<Outcome<Vec<f64>>>()?;
    let each = living.iter().cycle().take(actors.max(CALLS)).map(call).collect::<Outcome<Vec<f64>>>()?;
    let looks = living.iter().take(LOOKS).map(|actor| Ok(memory_kib(actor.process().pid())?.1));
    let memory = looks.collect::<Outcome<Vec<f64>>>()?;
    let start = Instant::now();
    for actor in &living {
        actor.stop()?;
    }
    let stop_us = start.elapsed().as_secs_f64() * 1e6 / actors as f64;
    let median = |numbers| Series(numbers).median();
    Ok([spawns_per_second, median(one), median(each), stop_us, median(memory), descriptors])
}
