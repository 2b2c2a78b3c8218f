//! Figures 1 to 3: a call and its reply, with the two processes busy, idle, or on one processor.
//! Not here: the bare ping-pong (`partner`).
//! Layer: over `partner` and `report`.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::actor::CounterFrontend;
use crate::effort::Effort;
use crate::partner::{Partner, Primitive};
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::system::{allowed_processors, run_on};

/// Calls between two looks at the clock, which takes a tenth of a call.
const BATCH_CALLS: u32 = 64;
/// Calls before a measurement that are not counted: both sides learn where they are.
const WARM_UP_CALLS: u32 = 256;
/// Pause before each call from idle.
const PAUSE: Duration = Duration::from_millis(1);

/// Where the two processes run, and how often they talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    Busy,
    FromIdle,
    OneProcessor,
    TwoProcessors,
}

impl Placement {
    const ALL: [Self; 4] = [Self::Busy, Self::FromIdle, Self::OneProcessor, Self::TwoProcessors];

    fn figure(self) -> &'static str {
        match self {
            Self::Busy => "call, busy, free to move",
            Self::FromIdle => "call, after 1 ms idle",
            Self::OneProcessor => "call, pinned to one processor",
            Self::TwoProcessors => "call, pinned to two processors",
        }
    }

    fn goal(self) -> Goal {
        match self {
            Self::Busy | Self::TwoProcessors => Goal::Times(1.5),
            Self::FromIdle | Self::OneProcessor => Goal::Times(1.2),
        }
    }

    /// What the figure is held against, or the best of that.
    fn compares_with(self, primitive: Primitive) -> bool {
        match self {
            Self::Busy => primitive == Primitive::SpinThenFutex,
            Self::FromIdle | Self::OneProcessor => primitive.only_sleeps(),
            Self::TwoProcessors => primitive == Primitive::SpinThenAnnouncedFutex,
        }
    }
}

/// A call of the method that adds up.
type Add = dyn FnMut(i64) -> Result<i64, Box<dyn Error>>;

/// Somebody who adds up numbers in another process.
struct Contender {
    name: &'static str,
    pid: i32,
    add: Box<Add>,
    total: i64,
    medians_us: [Series; Placement::ALL.len()],
}

impl Contender {
    fn new(
        name: &'static str,
        pid: i32,
        add: impl FnMut(i64) -> Result<i64, Box<dyn Error>> + 'static,
    ) -> Self {
        Self { name, pid, add: Box::new(add), total: 0, medians_us: Default::default() }
    }

    #[inline]
    fn call(&mut self) -> Result<(), Box<dyn Error>> {
        self.total += 1;
        let answer = (self.add)(1)?;
        if answer == self.total {
            return Ok(());
        }
        Err(format!("{} answered {answer} instead of {}", self.name, self.total).into())
    }

    /// Median time of a call in microseconds.
    fn sample(&mut self, placement: Placement, effort: &Effort) -> Result<f64, Box<dyn Error>> {
        let mut times_us = Series::default();
        if placement == Placement::FromIdle {
            for _ in 0..effort.idle_calls {
                thread::sleep(PAUSE);
                let start = Instant::now();
                self.call()?;
                times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
            }
            return Ok(times_us.median());
        }
        for _ in 0..WARM_UP_CALLS {
            self.call()?;
        }
        let end = Instant::now() + effort.slice;
        let mut start = Instant::now();
        while start < end {
            for _ in 0..BATCH_CALLS {
                self.call()?;
            }
            let now = Instant::now();
            times_us.0.push((now - start).as_secs_f64() * 1e6 / f64::from(BATCH_CALLS));
            start = now;
        }
        Ok(times_us.median())
    }
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut bare = Vec::new();
    for primitive in Primitive::ALL {
        let mut partner = Partner::start(primitive)?;
        let pid = partner.child.pid.as_raw();
        bare.push(Contender::new(primitive.name(), pid, move |n| Ok(partner.add(n)?)));
    }
    let counter = CounterFrontend::spawn(0)?;
    let pid = i32::try_from(counter.process().pid())?;
    let stays = counter.clone();
    let ours = Contender::new("ours", pid, move |n| Ok(counter.add(n)?));

    let mut contenders = vec![ours];
    contenders.append(&mut bare);
    let processors = allowed_processors();
    for round in 0..effort.rounds {
        for (index, placement) in Placement::ALL.into_iter().enumerate() {
            let Some(place) = Place::of(placement, &processors) else { continue };
            // Each round begins with another one, so that none always follows the same.
            for turn in 0..contenders.len() {
                let at = (turn + round) % contenders.len();
                let contender = &mut contenders[at];
                place.apply(contender.pid)?;
                let median_us = contender.sample(placement, effort);
                Place::anywhere(&processors).apply(contender.pid)?;
                contender.medians_us[index].0.push(median_us?);
            }
        }
    }
    stays.stop()?;
    tell(&contenders, report);
    Ok(())
}

/// The processors of this thread and of the other process.
struct Place {
    ours: Vec<usize>,
    theirs: Vec<usize>,
}

impl Place {
    /// `None` if there are not processors enough.
    fn of(placement: Placement, processors: &[usize]) -> Option<Self> {
        let only = |at: usize| processors.get(at).map(|&cpu| vec![cpu]);
        match placement {
            Placement::Busy | Placement::FromIdle => Some(Self::anywhere(processors)),
            Placement::OneProcessor => Some(Self { ours: only(0)?, theirs: only(0)? }),
            Placement::TwoProcessors => Some(Self { ours: only(0)?, theirs: only(1)? }),
        }
    }

    fn anywhere(processors: &[usize]) -> Self {
        Self { ours: processors.to_vec(), theirs: processors.to_vec() }
    }

    fn apply(&self, other: i32) -> std::io::Result<()> {
        run_on(0, &self.ours)?;
        run_on(other, &self.theirs)
    }
}

fn tell(contenders: &[Contender], report: &mut Report) {
    let [ours, bare @ ..] = contenders else { return };
    for (index, placement) in Placement::ALL.into_iter().enumerate() {
        if ours.medians_us[index].0.is_empty() {
            continue;
        }
        let best = Primitive::ALL
            .into_iter()
            .zip(bare)
            .filter(|(primitive, _)| placement.compares_with(*primitive))
            .map(|(_, contender)| (contender.name.to_owned(), contender.medians_us[index].clone()))
            .min_by(|(_, one), (_, other)| one.median().total_cmp(&other.median()));
        report.rows.push(Row {
            figure: placement.figure().to_owned(),
            unit: Unit::Microseconds,
            ours: ours.medians_us[index].clone(),
            bare: best,
            goal: placement.goal(),
        });
        let numbers = contenders.iter().map(|one| (one.name.to_owned(), one.medians_us[index].median()));
        report.details.push((placement.figure().to_owned(), numbers.collect()));
    }
}
