//! A figure by the number of actors, and the same of as many bare processes: whether anything grows.
//! Not here: measuring (`rows::scale`).
//! Layer: over `table`'s units.

use std::fmt;

use crate::report::Series;
use crate::table::Unit;

/// One figure.
#[derive(Clone, Debug)]
pub struct Growth {
    pub figure: &'static str,
    pub unit: Unit,
    pub points: Vec<Point>,
    pub goal: Goal,
    /// What bounds it.
    pub why: &'static str,
}

/// What shall hold.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Of the largest number of actors.
    AtLeast(f64),
    /// Of the largest number, so many times as of the smallest.
    Times(f64),
    /// Of the largest number, so many times the best bare.
    TimesBare(f64),
    None,
}

/// It at one number of actors.
#[derive(Clone, Debug)]
pub struct Point {
    pub actors: usize,
    pub ours: Series,
    /// By the name of the primitive.
    pub bare: Vec<(&'static str, Series)>,
}

impl Point {
    pub fn best_bare(&self, unit: Unit) -> Option<(&'static str, f64)> {
        let medians = self.bare.iter().map(|(name, series)| (*name, series.median()));
        let best = |one: (&'static str, f64), other: (&'static str, f64)| {
            if unit.more_is_better() == (one.1 > other.1) { one } else { other }
        };
        medians.reduce(best)
    }

    /// How many times the best bare ours takes.
    pub fn cost(&self, unit: Unit) -> Option<f64> {
        let (_, bare) = self.best_bare(unit)?;
        let ours = self.ours.median();
        Some(if unit.more_is_better() { bare / ours } else { ours / bare })
    }
}

impl Growth {
    /// What is asked, and whether it was seen.
    pub fn verdict(&self) -> Option<(String, bool)> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let (from, ours) = (first.ours.median(), last.ours.median());
        Some(match self.goal {
            Goal::AtLeast(least) => (format!("at least {}", self.unit.show(least)), ours >= least),
            Goal::Times(most) => {
                (format!("{} actors: at most {most} x {}", last.actors, first.actors), ours <= most * from)
            }
            Goal::TimesBare(most) => (
                format!("{} actors: at most {most} x the best bare", last.actors),
                last.cost(self.unit)? <= most,
            ),
            Goal::None => return None,
        })
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "scale: {}", self.figure)?;
        for point in &self.points {
            let ours = self.unit.show(point.ours.median());
            write!(formatter, "  {:>4} actors {ours:>14}", point.actors)?;
            for (name, series) in &point.bare {
                write!(formatter, "   {name} {}", self.unit.show(series.median()))?;
            }
            if let Some(cost) = point.cost(self.unit) {
                write!(formatter, "   ours / the best of them {cost:.2}")?;
            }
            writeln!(formatter)?;
        }
        if let Some((wanted, met)) = self.verdict() {
            writeln!(formatter, "  -> goal {wanted}: {}", if met { "met" } else { "missed" })?;
        }
        writeln!(formatter, "  -> {}", self.why)
    }
}
