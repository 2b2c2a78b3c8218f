//! The table: a row a figure, with its bare primitive, their ratio, and the goal.
//! Not here: measuring.
//! Layer: bottom.

use std::fmt;
use std::fs;

/// One number a round; what is told of it is the median.
#[derive(Clone, Debug, Default)]
pub struct Series(pub Vec<f64>);

impl Series {
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The round that others on the machine disturbed least.
    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Smallest and largest ratio to another series, round by round.
    fn ratio_spread(&self, other: &Self) -> (f64, f64) {
        let ratios = self.0.iter().zip(&other.0).map(|(ours, bare)| ours / bare);
        ratios.fold((f64::INFINITY, 0.0), |(low, high), ratio| (ratio.min(low), ratio.max(high)))
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Microseconds,
    Kibibytes,
    Count,
}

/// How large a figure may be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this many times the bare primitive.
    Times(f64),
    /// At most this, in the row's unit.
    AtMost(f64),
    /// At least this, in the row's unit.
    AtLeast(f64),
    /// Shown for what it tells about others.
    None,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    pub figure: String,
    pub unit: Unit,
    pub ours: Series,
    pub bare: Option<(String, Series)>,
    pub goal: Goal,
}

/// Everything to be printed.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Lines below the table: each bare primitive by itself.
    pub details: Vec<(String, Vec<(String, f64)>)>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let (_, bare) = self.bare.as_ref()?;
        Some(self.ours.median() / bare.median()).filter(|ratio| ratio.is_finite())
    }

    fn cells(&self) -> [String; 8] {
        let ours = self.ours.median();
        let quantity = |number| Quantity { number, unit: self.unit }.to_string();
        let (goal, met) = match self.goal {
            Goal::Times(most) => (format!("<= {most:.1} x"), self.ratio().map(|ratio| ratio <= most)),
            Goal::AtMost(most) => (format!("<= {}", quantity(most)), Some(ours <= most)),
            Goal::AtLeast(least) => (format!(">= {}", quantity(least)), Some(ours >= least)),
            Goal::None => (String::new(), None),
        };
        let (name, bare) = match &self.bare {
            Some((name, series)) => (name.clone(), quantity(series.median())),
            None => Default::default(),
        };
        let rounds = self.bare.as_ref().filter(|_| self.ours.0.len() > 1);
        let spread = rounds.map(|(_, bare)| {
            let (low, high) = self.ours.ratio_spread(bare);
            format!(" ({low:.2} to {high:.2})")
        });
        let of_best = rounds.map(|(_, bare)| format!("{:.2}", self.ours.least() / bare.least()));
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2}{}", spread.unwrap_or_default()));
        let met = met.map_or("", |met| if met { "met" } else { "missed" });
        [
            self.figure.clone(),
            quantity(ours),
            bare,
            name,
            ratio.unwrap_or_default(),
            of_best.unwrap_or_default(),
            goal,
            met.to_owned(),
        ]
    }
}

struct Quantity {
    number: f64,
    unit: Unit,
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Microseconds => write!(formatter, "{} us", significant(self.number)),
            Unit::Kibibytes => write!(formatter, "{:.0} KiB", self.number),
            Unit::Count => write!(formatter, "{}", self.number),
        }
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

const HEAD: [&str; 8] = ["figure", "ours", "bare", "bare primitive", "ratio (range)", "of best", "goal", ""];

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = vec![HEAD.map(str::to_owned)];
        table.extend(self.rows.iter().map(Row::cells));
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| table.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        for row in &table {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                1 | 2 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            });
            writeln!(formatter, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        if !self.details.is_empty() {
            writeln!(formatter, "\nmedians in us:")?;
        }
        for (what, numbers) in &self.details {
            let numbers = numbers.iter().map(|(name, number)| format!("{name} {}", significant(*number)));
            writeln!(formatter, "  {what}: {}", numbers.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

/// The machine, its kernel, and how busy others keep it.
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let guest = if processors.contains(" hypervisor") { ", virtual machine" } else { "" };
    let kernel = read("/proc/sys/kernel/osrelease");
    // What stands behind the version names whoever built it.
    let kernel = kernel.trim().split('-').next().unwrap_or("?");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("machine: {count} x {model}{guest}, Linux {kernel}, load {load} before")
}
