//! The table: a block a figure, a line a contender, each with its ratio to ours.
//! Not here: measuring, and the plot (`plot`).
//! Layer: over `report`, which is that of the figures.

use std::fmt;

use crate::peers::Sort;
use crate::reasons::reason;
use crate::report::Series;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    /// More is better.
    PerSecond,
    /// More is better.
    GigabytesPerSecond,
    Kibibytes,
    Count,
}

/// What ours shall reach, as a ratio to the best of some.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this many times the best that is bare.
    TimesBare(f64),
    /// At least this part of what the best that is bare does.
    PartOfBare(f64),
    /// So many times the best bare contender that sleeps while it waits, from the start or after a while.
    TimesSleeping(f64),
    /// At most this many times the contender of this name.
    Times(f64, &'static str),
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// A contender's numbers, one a round.
#[derive(Clone, Debug)]
pub struct Cell {
    pub name: String,
    pub sort: Sort,
    pub series: Series,
}

/// The bare contender that never sleeps.
pub const POLLS: &str = "bare spin";

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    pub figure: String,
    pub unit: Unit,
    pub cells: Vec<Cell>,
    pub goal: Goal,
}

impl Unit {
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond | Self::GigabytesPerSecond)
    }

    pub fn show(self, number: f64) -> String {
        match self {
            Self::Microseconds => format!("{} us", significant(number)),
            Self::PerSecond if number >= 1e6 => format!("{} million/s", significant(number / 1e6)),
            Self::PerSecond => format!("{number:.0} /s"),
            Self::GigabytesPerSecond => format!("{} GB/s", significant(number)),
            Self::Kibibytes => format!("{number:.0} KiB"),
            Self::Count => format!("{}", (number * 10.0).round() / 10.0),
        }
    }

    /// A power of ten, for a scale.
    pub fn show_short(self, number: f64) -> String {
        let unit = match self {
            Self::Microseconds => " us",
            Self::PerSecond => " /s",
            Self::GigabytesPerSecond => " GB/s",
            Self::Kibibytes => " KiB",
            Self::Count => "",
        };
        format!("{}{unit}", (number * 1e6).round() / 1e6)
    }
}

impl Row {
    pub fn ours(&self) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.sort == Sort::Ours)
    }

    /// How many times ours a number is: above 1, ours is better.
    pub fn ratio(&self, number: f64) -> Option<f64> {
        let ours = self.ours()?.series.median();
        let ratio = if self.unit.more_is_better() { ours / number } else { number / ours };
        Some(ratio).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
    }

    pub fn best(&self, fits: impl Fn(&Cell) -> bool) -> Option<&Cell> {
        let better = |one: &&Cell, other: &&Cell| {
            let order = one.series.median().total_cmp(&other.series.median());
            if self.unit.more_is_better() { order.reverse() } else { order }
        };
        self.cells.iter().filter(|cell| fits(cell) && !cell.series.median().is_nan()).min_by(better)
    }

    /// Whom the goal is held against, if it is one against another.
    pub fn rival(&self) -> Option<&Cell> {
        match self.goal {
            Goal::TimesBare(_) | Goal::PartOfBare(_) | Goal::None => {
                self.best(|cell| cell.sort == Sort::Bare)
            }
            Goal::TimesSleeping(_) => self.best(|cell| cell.sort == Sort::Bare && cell.name != POLLS),
            Goal::Times(_, name) => self.best(|cell| cell.name == name),
            Goal::AtMost(_) | Goal::AtLeast(_) => self.best(|cell| cell.sort == Sort::Bare),
        }
    }

    /// How many times theirs ours takes: below 1, ours is ahead.
    pub fn cost(&self, other: &Cell) -> Option<f64> {
        self.ratio(other.series.median()).map(|ratio| 1.0 / ratio)
    }

    /// What is asked, in words.
    pub fn wanted(&self) -> Option<String> {
        match self.goal {
            Goal::TimesBare(most) => Some(format!("at most {most} x the best bare")),
            Goal::PartOfBare(least) => Some(format!("at least {least} of the best bare")),
            Goal::TimesSleeping(most) => Some(format!("at most {most} x the best bare that sleeps")),
            Goal::Times(most, name) => Some(format!("at most {most} x {name}")),
            Goal::AtMost(most) => Some(format!("at most {}", self.unit.show(most))),
            Goal::AtLeast(least) => Some(format!("at least {}", self.unit.show(least))),
            Goal::None => None,
        }
    }

    pub fn is_met(&self) -> Option<bool> {
        let ours = self.ours()?.series.median();
        match self.goal {
            Goal::TimesBare(most) | Goal::TimesSleeping(most) | Goal::Times(most, _) => {
                Some(self.cost(self.rival()?)? <= most)
            }
            Goal::PartOfBare(least) => Some(self.cost(self.rival()?)? * least <= 1.0),
            Goal::AtMost(most) => Some(ours <= most),
            Goal::AtLeast(least) => Some(ours >= least),
            Goal::None => None,
        }
    }

    /// How many times ours the goal would let us take: below 1, it is missed.
    pub fn allowed(&self) -> Option<f64> {
        let most = match self.goal {
            Goal::TimesBare(most) | Goal::TimesSleeping(most) | Goal::Times(most, _) => {
                return Some(most / self.cost(self.rival()?)?);
            }
            Goal::PartOfBare(least) => return Some(1.0 / (least * self.cost(self.rival()?)?)),
            Goal::AtMost(most) | Goal::AtLeast(most) => most,
            Goal::None => return None,
        };
        self.ratio(most)
    }

    /// What is to be said of the goal.
    fn verdict(&self) -> Option<String> {
        let (wanted, met) = (self.wanted()?, if self.is_met()? { "met" } else { "missed" });
        let is_against = !matches!(self.goal, Goal::AtMost(_) | Goal::AtLeast(_) | Goal::None);
        let rival = self.rival().filter(|_| is_against);
        Some(match rival {
            Some(rival) => {
                let cost = self.cost(rival)?;
                format!("ours / {} = {cost:.2}, goal {wanted}: {met}", rival.name)
            }
            None => format!("goal {wanted}: {met}"),
        })
    }

    /// The public contender that does best.
    pub fn best_peer(&self) -> Option<&Cell> {
        self.best(|cell| cell.sort == Sort::Public)
    }

    /// Whether a public contender is ahead of ours.
    pub fn is_behind(&self) -> bool {
        self.best_peer().and_then(|best| self.ratio(best.series.median())).is_some_and(|ratio| ratio < 1.0)
    }

    /// What is to be said beside the name of whom ours is behind: it was in some rounds, and not in others.
    pub fn within_spread(&self) -> Option<&'static str> {
        let (low, high) = self.spread(self.best_peer()?)?;
        (low < 1.0 && high > 1.0).then_some("in some of the rounds, behind in others")
    }

    /// Who that is.
    fn ahead(&self) -> Option<String> {
        let best = self.best_peer().filter(|_| self.is_behind())?;
        let when = self.within_spread().map_or(String::new(), |when| format!(", {when}"));
        Some(format!("ahead of ours: {} ({:.2}){when}", best.name, self.ratio(best.series.median())?))
    }

    /// Smallest and largest of our own rounds, as ratios to their median.
    pub fn own_spread(&self) -> Option<(f64, f64)> {
        let rounds = self.ours()?.series.0.iter();
        let ratios: Vec<f64> = rounds.filter_map(|&round| self.ratio(round)).collect();
        let least = ratios.iter().copied().reduce(f64::min)?;
        let most = ratios.iter().copied().reduce(f64::max)?;
        Some((least, most)).filter(|_| ratios.len() > 1)
    }

    /// Smallest and largest ratio to ours, round by round.
    pub fn spread(&self, cell: &Cell) -> Option<(f64, f64)> {
        let ours = self.ours()?;
        let ratios = ours
            .series
            .0
            .iter()
            .zip(&cell.series.0)
            .map(|(ours, other)| if self.unit.more_is_better() { ours / other } else { other / ours });
        Some(
            ratios.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), ratio| {
                (low.min(ratio), high.max(ratio))
            }),
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let better = if self.unit.more_is_better() { "more is better" } else { "less is better" };
        writeln!(formatter, "{} ({better})", self.figure)?;
        for cell in &self.cells {
            let median = cell.series.median();
            if median.is_nan() {
                continue;
            }
            write!(formatter, "  {:<28}{:>16}", cell.name, self.unit.show(median))?;
            if let (Some(ratio), Some((low, high))) = (self.ratio(median), self.spread(cell)) {
                write!(formatter, "{ratio:>9.2} x")?;
                if cell.series.0.len() > 1 {
                    write!(formatter, "   ({low:.2} to {high:.2})")?;
                }
            }
            writeln!(formatter)?;
        }
        let why = reason(&self.figure).filter(|_| self.is_met() == Some(false) || self.is_behind());
        for line in [self.verdict(), self.ahead(), why.map(str::to_owned)].into_iter().flatten() {
            writeln!(formatter, "  -> {line}")?;
        }
        Ok(())
    }
}

/// About three digits, without an exponent.
fn significant(number: f64) -> String {
    match number {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}
