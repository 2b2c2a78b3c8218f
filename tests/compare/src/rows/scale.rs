//! One actor, ten, a hundred, a thousand: whether anything grows with their number, and with that of bare processes.
//! Not here: one at a time (`spawn`); public peers, of which none makes actors: what so many of them would cost is what
//! whoever uses them builds around them.
//! Layer: a figure.

use std::time::Instant;

use crate::effort::Effort;
use crate::growth::{Goal, Growth, Point};
use crate::payload::{digest, numbers};
use crate::peers::Outcome;
use crate::peers::herd::{Herder, LOOKS, Numbers, Wait, busy_us, in_turn_us};
use crate::peers::ours::AnswererFrontend;
use crate::report::Series;
use crate::system::{memory_kib, open_descriptors};
use crate::table::Unit;

/// What is measured of ours, and what stands beside it.
struct Figure {
    name: &'static str,
    unit: Unit,
    goal: Goal,
    ours: fn(&Numbers) -> f64,
    bare: &'static [(&'static str, Wait)],
    why: &'static str,
}

const FIGURES: [Figure; 6] = [
    Figure {
        name: "spawns a second, each answering before the next",
        unit: Unit::PerSecond,
        goal: Goal::AtLeast(2000.0),
        ours: |numbers| numbers.spawns_per_second,
        bare: &[("fork", Wait::Pipe)],
        why: "a fork, page faults and wake-ups are work of the kernel, and it has the processors that it has",
    },
    Figure {
        name: "a call of one of them again and again, while the others sleep",
        unit: Unit::Microseconds,
        goal: Goal::Times(1.5),
        ours: |numbers| numbers.one_us,
        bare: &[("spin, then futex", Wait::SpinThenFutex)],
        why: "two lines of memory change processors; nothing in a call asks how many other actors there are",
    },
    Figure {
        name: "a call of each in turn",
        unit: Unit::Microseconds,
        goal: Goal::TimesBare(1.5),
        ours: |numbers| numbers.each_us,
        bare: &[("pipe", Wait::Pipe), ("futex", Wait::Futex)],
        why: "with one actor both sides stay awake; with more each has to be woken, and with many it finds its memory out of every cache, \
              as bare processes do: a call makes the same system calls and instructions of ten actors and of two hundred",
    },
    Figure {
        name: "a stop of each in turn",
        unit: Unit::Microseconds,
        goal: Goal::None,
        ours: |numbers| numbers.stop_us,
        bare: &[("SIGTERM + waitpid", Wait::Pipe)],
        why: "the kernel takes a process apart; ours is asked, ends its own way, is reaped by the fork server, and its end is told to the program",
    },
    Figure {
        name: "proportional memory of each",
        unit: Unit::Kibibytes,
        goal: Goal::None,
        ours: |numbers| numbers.proportional_kib,
        bare: &[("forked process in read", Wait::Pipe)],
        why: "pages that all share are counted in parts, so more actors have less each; what remains is of its own",
    },
    Figure {
        name: "memory of its own of each",
        unit: Unit::Kibibytes,
        goal: Goal::Times(1.2),
        ours: |numbers| numbers.unique_kib,
        bare: &[("forked process in read", Wait::Pipe)],
        why: "pages that a fork copies when they are first written",
    },
];

pub fn measure(herder: &mut Herder, effort: &Effort) -> Outcome<Vec<Growth>> {
    let point = |figure: &Figure, actors| Point {
        actors,
        ours: Series::default(),
        bare: figure.bare.iter().map(|(name, _)| (*name, Series::default())).collect(),
    };
    let mut all: Vec<Growth> = FIGURES
        .iter()
        .map(|figure| Growth {
            figure: figure.name,
            unit: figure.unit,
            points: effort.actors.iter().map(|&actors| point(figure, actors)).collect(),
            goal: figure.goal,
            why: figure.why,
        })
        .collect();
    let mut descriptors = Growth {
        figure: "descriptors in the program for each",
        unit: Unit::Count,
        points: Vec::new(),
        goal: Goal::Times(1.0),
        why: "two ends of doorbells, a socket, and one that tells of its end",
    };
    for (at, &actors) in effort.actors.iter().enumerate() {
        for herd in 0..effort.herds {
            let (mut its, mut bare) = (None, Vec::new());
            // Each herd begins with another sort.
            let mut sorts = [None, Some(Wait::Pipe), Some(Wait::Futex), Some(Wait::SpinThenFutex)];
            sorts.rotate_left(herd % 4);
            for sort in sorts {
                match sort {
                    None => its = Some(ours(actors, effort)?),
                    Some(wait) => bare.push((wait, herder.measure(wait, actors, effort.slice)?)),
                }
            }
            let Some((ours, its_descriptors)) = its else { continue };
            for (growth, figure) in all.iter_mut().zip(&FIGURES) {
                let point = &mut growth.points[at];
                point.ours.0.push((figure.ours)(&ours));
                for ((_, series), (_, wait)) in point.bare.iter_mut().zip(figure.bare) {
                    let numbers = bare.iter().find(|(other, _)| other == wait);
                    series.0.extend(numbers.map(|(_, numbers)| (figure.ours)(numbers)));
                }
            }
            if descriptors.points.len() <= at {
                descriptors.points.push(Point { actors, ours: Series::default(), bare: Vec::new() });
            }
            descriptors.points[at].ours.0.push(its_descriptors);
        }
    }
    all.push(descriptors);
    for growth in &all {
        println!("{growth}");
    }
    Ok(all)
}

/// What so many actors take, and the descriptors of each.
fn ours(actors: usize, effort: &Effort) -> Outcome<(Numbers, f64)> {
    let before = open_descriptors()?;
    let start = Instant::now();
    let living = (0..actors).map(|_| AnswererFrontend::spawn()).collect::<Result<Vec<_>, _>>()?;
    let spawns_per_second = actors as f64 / start.elapsed().as_secs_f64();
    let descriptors = (open_descriptors()? - before) as f64 / actors as f64;
    let mut number = numbers();
    let mut call = |actor: &AnswererFrontend| -> Outcome<()> {
        number += 1;
        let payload = number.to_le_bytes();
        if actor.ask(&payload)? == digest(&payload) { Ok(()) } else { Err("a wrong answer".into()) }
    };
    let one_us = busy_us(effort.slice, || call(&living[0]))?;
    let each_us = in_turn_us(effort.slice, actors, |at| call(&living[at]))?;
    let looks = living.iter().take(LOOKS).map(|actor| Ok(memory_kib(actor.process().pid())?));
    let (unique, proportional): (Vec<f64>, Vec<f64>) =
        looks.collect::<Outcome<Vec<_>>>()?.into_iter().unzip();
    let start = Instant::now();
    living.iter().try_for_each(|actor| actor.stop().map(drop))?;
    let stop_us = start.elapsed().as_secs_f64() * 1e6 / actors as f64;
    let (proportional_kib, unique_kib) = (Series(proportional).median(), Series(unique).median());
    Ok((Numbers { spawns_per_second, one_us, each_us, stop_us, proportional_kib, unique_kib }, descriptors))
}
