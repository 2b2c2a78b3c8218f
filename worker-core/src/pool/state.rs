//! Who is doing what, and who is given what next.
//! Not here: the lock around it, and everything that takes time (`shared`).
//! Layer 7: plain data and choices.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::builder::Options;
use super::line::Line;
use super::member::{Departed, Member, Spare};
use crate::errors::DepartureReason;

/// Time without another try after a process could not be made.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What somebody wants a process for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want<'full> {
    /// For itself alone, and one that is in use without a lease only if it says so.
    Lease { or_busy: bool },
    /// For one use beside others. These have as many as the one who asks would give them.
    Share {
        full: &'full [u64],
        /// Rather a new one than one that is in use, if there is room for it.
        grows: bool,
    },
}

/// What there is to give.
#[derive(Debug)]
pub(super) enum Choice<F> {
    Member {
        number: u64,
        frontend: F,
    },
    /// There is room for one more, and the place is kept: whoever chose must make it.
    Make,
    Nothing,
}

#[derive(Debug)]
pub(super) struct State<F> {
    pub(super) members: Vec<Member<F>>,
    pub(super) spares: VecDeque<Spare<F>>,
    pub(super) line: Line,
    /// Places that are kept for processes that somebody makes, and waits for.
    pub(super) making: usize,
    /// The processes in such places, by number: whoever stops the pool stops them too.
    pub(super) begun: Vec<(u64, F)>,
    /// Processes for such places that somebody begins just now.
    pub(super) beginning: usize,
    /// Spares that somebody begins, or looks at, just now.
    pub(super) in_hand: usize,
    pub(super) next_number: u64,
    /// Until then no spare is begun, because a process failed: whoever needs a process makes it himself, and is told.
    pub(super) pause: Option<Instant>,
    pub(super) closed: bool,
    /// Its last clone was dropped: nobody will stop what is left.
    pub(super) abandoned: bool,
    /// What was stopped with the pool, by number.
    pub(super) stopped: Vec<(u64, F)>,
}

/// What is to be done once nothing is locked.
#[derive(Debug)]
pub(super) struct Aftermath<F> {
    pub(super) departed: Vec<Departed<F>>,
    /// Numbers of the spares to begin.
    pub(super) begin: Vec<u64>,
    /// There are fewer than there should be, until one of these is ready.
    pub(super) is_short: bool,
}

impl<F> Default for State<F> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            spares: VecDeque::new(),
            line: Line::default(),
            making: 0,
            begun: Vec::new(),
            beginning: 0,
            in_hand: 0,
            next_number: 1,
            pause: None,
            closed: false,
            abandoned: false,
            stopped: Vec::new(),
        }
    }
}

impl<F: Clone> State<F> {
    pub(super) fn in_service(&self) -> usize {
        self.members.iter().filter(|member| member.serves()).count()
    }

    pub(super) fn idle(&self) -> usize {
        self.members.iter().filter(|member| member.serves() && member.is_free()).count()
    }

    pub(super) fn ready_spares(&self) -> usize {
        self.spares.iter().filter(|spare| spare.starting.is_none()).count()
    }

    /// Every process there is, in the order in which they were made.
    pub(super) fn everybody(&self) -> Vec<F> {
        let members = self.members.iter().map(|member| (member.number, &member.frontend));
        // Those in the making, too: their constructors come first on their links.
        let begun = self.begun.iter().map(|(number, frontend)| (*number, frontend));
        let spares = self.spares.iter().map(|spare| (spare.number, &spare.frontend)).chain(begun);
        let mut all: Vec<_> = members.chain(spares).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, frontend)| frontend.clone()).collect()
    }

    pub(super) fn member(&mut self, number: u64) -> Option<&mut Member<F>> {
        self.members.iter_mut().find(|member| member.number == number)
    }

    /// Chooses for one who may: the first in the line, or anybody if there is none (P2).
    pub(super) fn choose(&mut self, want: Want<'_>, options: &Options) -> Choice<F> {
        let mut can_grow = self.in_service() + self.making < options.max;
        let candidates = self.members.iter_mut().filter(|member| member.serves() && !member.leased);
        let chosen = match want {
            // The last used of the free ones, so that the others become idle enough to go. A dead one is found
            // by whoever activates it.
            Want::Lease { or_busy } => {
                let best =
                    candidates.max_by_key(|member| (std::cmp::Reverse(member.load), member.idle_since));
                best.filter(|member| member.load == 0 || or_busy && !can_grow)
            }
            Want::Share { full, grows } => {
                can_grow &= grows;
                let candidates = candidates.filter(|member| !full.contains(&member.number));
                let best =
                    candidates.max_by_key(|member| (std::cmp::Reverse(member.load), member.idle_since));
                best.filter(|member| member.load == 0 || !can_grow)
            }
        };
        match chosen {
            Some(member) => {
                match want {
                    Want::Lease { .. } => member.leased = true,
                    Want::Share { .. } => member.load += 1,
                }
                Choice::Member { number: member.number, frontend: member.frontend.clone() }
            }
            None if can_grow => {
                self.making += 1;
                Choice::Make
            }
            None => Choice::Nothing,
        }
    }

    /// Takes a process out of service; it goes when its last user does.
    pub(super) fn condemn(&mut self, number: u64, reason: DepartureReason) {
        if let Some(member) = self.member(number) {
            member.leaving.get_or_insert(reason);
        }
    }

    /// Takes a process out of service that is ending, before it is known how.
    pub(super) fn retire(&mut self, number: u64) {
        if let Some(member) = self.member(number) {
            member.ending = true;
        }
    }

    /// Begins no spare for a while, because a process failed.
    pub(super) fn pause_spares(&mut self) {
        self.pause = Instant::now().checked_add(PAUSE);
    }

    /// Keeps a process that was in hand for whoever needs one, or, where the pool is closed, for whoever stops it;
    /// gives it back if nobody will.
    pub(super) fn put_back(&mut self, spare: Spare<F>) -> Option<Spare<F>> {
        match (self.closed, self.abandoned) {
            (false, _) => self.spares.push_back(spare),
            (true, false) => self.stopped.push((spare.number, spare.frontend)),
            (true, true) => return Some(spare),
        }
        None
    }

    /// Takes the process of this number out of those that are made in a place of the pool.
    pub(super) fn take_begun(&mut self, number: u64) -> Option<F> {
        let position = self.begun.iter().position(|(other, _)| *other == number)?;
        Some(self.begun.swap_remove(position).1)
    }

    /// Lets those go that nobody uses any more, puts spares where they are due, and says what is to be done then.
    ///
    /// Where that can be `later`, nothing is to be begun now, unless there are too few.
    pub(super) fn settle(&mut self, options: &Options, later: bool) -> Aftermath<F> {
        self.replace_due();
        let mut departed = Vec::new();
        let mut index = 0;
        while index < self.members.len() {
            let member = &mut self.members[index];
            // A dead one is of no use to its users either.
            let is_dead = matches!(member.leaving, Some(DepartureReason::Ended(_)));
            if is_dead || !member.serves() && member.is_free() {
                let Member { frontend, leaving: reason, hook, .. } = self.members.remove(index);
                departed.push(Departed { frontend, reason, _hook: hook });
            } else {
                index += 1;
            }
        }
        let mut begin = Vec::new();
        if !self.closed {
            while self.in_service() + self.making < options.min && self.promote() {}
            let due = self.members.iter().filter(|member| member.serves() && member.due.is_some()).count();
            let missing = options.min.saturating_sub(self.in_service() + self.making);
            let wanted = options.spare + due + missing;
            // What somebody began, and waits for no longer, takes a place: there it may be used, and become idle.
            while self.spares.len() > wanted
                && self.in_service() + self.making < options.max
                && self.promote()
            {}
            let pauses = self.pause.is_some_and(|until| Instant::now() < until);
            let is_short = self.in_service() + self.making < options.min;
            while !pauses && (is_short || !later) && self.spares.len() + self.in_hand < wanted {
                self.in_hand += 1;
                begin.push(self.number());
            }
        }
        self.line.wake_first();
        let is_short = !self.closed && self.in_service() + self.making < options.min;
        Aftermath { departed, begin, is_short }
    }

    /// Has a spare that is ready take the place of each that is to be recycled (P3).
    fn replace_due(&mut self) {
        if self.closed {
            return;
        }
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if !member.serves() || member.due.is_none() {
                continue;
            }
            let Some(spare) = take_ready(&mut self.spares) else { return };
            member.leaving = member.due.take();
            self.members.push(Member::new(spare));
        }
    }

    /// Puts a spare that is ready into service.
    fn promote(&mut self) -> bool {
        let spare = take_ready(&mut self.spares);
        let found = spare.is_some();
        self.members.extend(spare.map(Member::new));
        found
    }

    /// The spare that is ready, or will be first.
    pub(super) fn take_spare(&mut self) -> Option<Spare<F>> {
        take_ready(&mut self.spares).or_else(|| self.spares.pop_front())
    }

    /// The next number of a process.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Takes those out of service that nobody has used for too long, down to the smallest size.
    pub(super) fn trim(&mut self, options: &Options, now: Instant) {
        let Some(limit) = options.idle_timeout else { return };
        while self.in_service() > options.min {
            let idle = |member: &Member<F>| member.serves().then(|| member.idle_time(now)).flatten();
            let longest =
                self.members.iter_mut().filter(|member| idle(member).is_some_and(|time| time >= limit));
            let Some(member) = longest.min_by_key(|member| member.idle_since) else { return };
            member.leaving = Some(DepartureReason::Idle(now.saturating_duration_since(member.idle_since)));
        }
    }
}

fn take_ready<F>(spares: &mut VecDeque<Spare<F>>) -> Option<Spare<F>> {
    let ready = spares.iter().position(|spare| spare.starting.is_none())?;
    spares.remove(ready)
}
