//! Every order of steps of callers that block, tasks that are suspended, their watcher, and a backend that answers.
//! Not here: the ring and the rule of sleeping, which loom runs (`ring::model`), and rooms, deaths and timeouts.
//! Layer 4: tests.
//!
//! A model, not the code: each step here is what the code does under one lock, or one look at shared memory or at the
//! pipe. It is small enough to try all orders. All callers get their replies; and with any one rule of C1, C5 and C6 taken
//! away there is an order in which one sleeps for ever, so each of them is needed, and a model that shows nothing is noticed.

use std::collections::HashSet;

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// C1: whoever gives the lead away wakes a follower.
    Follower,
    /// C5: whoever gives the lead away arms the link, if a task sleeps.
    Arming,
    /// C5: and looks once more when it is armed.
    SecondLook,
    /// C5: a task looks for itself, unless somebody leads or the link is armed.
    OwnLook,
    /// C6: a watcher leaves the ring in the pipe while somebody leads.
    LeavingRings,
    /// C6: and is woken when that one gives the lead away.
    HeldBack,
    /// A watcher forgets only events from before its look.
    NewerEvents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// About to look at the state; for the watcher, woken and about to ask for its event.
    Begins,
    /// The watcher has asked for its event, and is about to look at the state.
    Asked,
    Leads,
    /// A thread that leads has announced that it will sleep.
    Announced,
    AsleepAtBell,
    StepsDown,
    /// Announced for the watchers, with the lock in hand.
    Arms,
    /// The watcher, after its look.
    Looked,
    Sleeps,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Agent {
    step: Step,
    woken: bool,
    answered: bool,
}

/// The program, the link and the backend at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// Callers, and behind them the watcher.
    agents: Vec<Agent>,
    // The client's state.
    leader: Option<usize>,
    armed: bool,
    held_back: bool,
    /// Whoever arms holds the lock meanwhile.
    locked: bool,
    // The link.
    ring: Vec<usize>,
    announced: bool,
    rings: u8,
    // What the runtime knows of the pipe.
    edge: bool,
    event: bool,
    /// The event is newer than what the watcher asked for.
    newer: bool,
    had_event: bool,
    registered: bool,
    // The backend.
    sent: usize,
    /// A record was published, and the announcement not looked at yet.
    notifies: bool,
}

struct Model {
    without: Without,
    /// Which callers are tasks; the others are threads. Replies come in this order.
    tasks: Vec<bool>,
}

impl Model {
    fn watcher(&self) -> usize {
        self.tasks.len()
    }

    fn is_thread(&self, who: usize) -> bool {
        self.tasks.get(who).is_some_and(|is_task| !is_task)
    }

    fn start(&self) -> World {
        let agent = |step, woken| Agent { step, woken, answered: false };
        let mut agents = vec![agent(Step::Begins, false); self.tasks.len()];
        agents.push(agent(Step::Sleeps, true));
        World {
            agents,
            leader: None,
            armed: false,
            held_back: false,
            locked: false,
            ring: Vec::new(),
            announced: false,
            rings: 0,
            edge: false,
            event: false,
            newer: false,
            had_event: false,
            registered: false,
            sent: 0,
            notifies: false,
        }
    }

    /// All worlds that one step leads to.
    fn next(&self, world: &World) -> Vec<World> {
        let agents = (0..world.agents.len()).filter_map(|who| self.act(world.clone(), who));
        agents.chain(self.backend(world.clone())).chain(driver(world.clone())).collect()
    }

    fn backend(&self, mut world: World) -> Option<World> {
        if world.notifies {
            world.notifies = false;
            if std::mem::take(&mut world.announced) {
                world.rings = 1;
                world.edge = true;
            }
        } else if world.sent < self.tasks.len() {
            world.ring.push(world.sent);
            world.sent += 1;
            world.notifies = true;
        } else {
            return None;
        }
        Some(world)
    }

    /// The next step of a caller or of the watcher, if it can make one.
    fn act(&self, mut world: World, who: usize) -> Option<World> {
        match world.agents[who].step {
            Step::Done => return None,
            Step::Sleeps if !world.agents[who].woken => return None,
            Step::Sleeps => world.agents[who].step = Step::Begins,
            Step::Begins if who == self.watcher() => {
                world.agents[who].woken = false;
                (world.had_event, world.newer) = (world.event, false);
                world.registered |= !world.event;
                world.agents[who].step = Step::Asked;
            }
            Step::Begins | Step::Asked if world.locked => return None,
            Step::Begins => self.look(&mut world, who),
            Step::Asked if world.leader.is_some() => {
                if self.without == Without::LeavingRings {
                    world.rings = 0;
                }
                world.held_back = true;
                world.agents[who].step = Step::Sleeps;
            }
            Step::Asked => {
                take_lead(&mut world, who);
                world.rings = 0;
            }
            Step::Leads => self.take_in(&mut world, who),
            Step::Announced if world.ring.is_empty() => world.agents[who].step = Step::AsleepAtBell,
            Step::Announced => {
                world.announced = false;
                world.agents[who].step = Step::Leads;
            }
            Step::AsleepAtBell if world.rings == 0 => return None,
            Step::AsleepAtBell => {
                (world.rings, world.announced) = (0, false);
                world.agents[who].step = Step::Leads;
            }
            Step::StepsDown => {
                let waits = |at: usize| self.tasks[at] && !world.agents[at].answered;
                let a_task_sleeps =
                    (0..self.tasks.len()).any(|at| waits(at) && world.agents[at].step != Step::Begins);
                if a_task_sleeps && self.without != Without::Arming {
                    (world.announced, world.locked) = (true, true);
                    world.agents[who].step = Step::Arms;
                } else {
                    self.give_lead_away(&mut world, who, false);
                }
            }
            Step::Arms => {
                world.armed = world.ring.is_empty() || self.without == Without::SecondLook;
                let held_back = std::mem::take(&mut world.held_back) && self.without != Without::HeldBack;
                let must_look = held_back || !world.armed;
                self.give_lead_away(&mut world, who, must_look);
            }
            Step::Looked => {
                if world.had_event && (!world.newer || self.without == Without::NewerEvents) {
                    world.event = false;
                }
                let again = world.had_event && world.event;
                world.registered |= !world.event;
                world.agents[who].step = if again { Step::Begins } else { Step::Sleeps };
            }
        }
        Some(world)
    }

    /// A caller looks for its reply, and leads, or goes to sleep.
    fn look(&self, world: &mut World, who: usize) {
        world.agents[who].woken = false;
        let is_led = match self.is_thread(who) {
            true => world.leader.is_some(),
            false => world.leader.is_some() || world.armed || self.without == Without::OwnLook,
        };
        if world.agents[who].answered {
            world.agents[who].step = Step::Done;
        } else if is_led {
            world.agents[who].step = Step::Sleeps;
        } else {
            take_lead(world, who);
        }
    }

    fn take_in(&self, world: &mut World, who: usize) {
        if world.ring.is_empty() {
            if self.is_thread(who) {
                world.announced = true;
                world.agents[who].step = Step::Announced;
            } else {
                world.agents[who].step = Step::StepsDown;
            }
            return;
        }
        let whose = world.ring.remove(0);
        world.agents[whose].answered = true;
        if whose == who {
            world.agents[who].step = Step::StepsDown;
        } else {
            world.agents[whose].woken = true;
        }
    }

    fn give_lead_away(&self, world: &mut World, who: usize, watchers_must_look: bool) {
        (world.leader, world.locked) = (None, false);
        let sleeps = |at: &usize| {
            let agent = &world.agents[*at];
            self.is_thread(*at) && agent.step == Step::Sleeps && !agent.answered
        };
        let follower = (0..self.tasks.len()).find(sleeps).filter(|_| self.without != Without::Follower);
        if let Some(follower) = follower {
            world.agents[follower].woken = true;
        }
        let watcher = self.watcher();
        world.agents[watcher].woken |= watchers_must_look;
        world.agents[who].step = match world.agents[who].answered {
            true => Step::Done,
            false if who == watcher => Step::Looked,
            false => Step::Sleeps,
        };
    }

    /// Tries every order; gives a world in which nothing moves and somebody waits, if there is one.
    fn stuck(&self) -> Option<World> {
        let (mut seen, mut open) = (HashSet::new(), vec![self.start()]);
        while let Some(world) = open.pop() {
            let next = self.next(&world);
            let is_over = world.agents[..self.tasks.len()].iter().all(|caller| caller.step == Step::Done);
            if next.is_empty() && !is_over {
                return Some(world);
            }
            open.extend(next.into_iter().filter(|world| seen.insert(world.clone())));
        }
        None
    }
}

fn take_lead(world: &mut World, who: usize) {
    (world.leader, world.armed) = (Some(who), false);
    world.agents[who].step = Step::Leads;
}

/// The runtime is told of a ring, if it still is in the pipe.
fn driver(mut world: World) -> Option<World> {
    if !std::mem::take(&mut world.edge) {
        return None;
    }
    if world.rings > 0 {
        (world.event, world.newer) = (true, true);
        if std::mem::take(&mut world.registered)
            && let Some(watcher) = world.agents.last_mut()
        {
            watcher.woken = true;
        }
    }
    Some(world)
}

/// Up to three callers, threads and tasks in every mixture.
fn mixtures() -> impl Iterator<Item = Vec<bool>> {
    (1..=3).flat_map(|callers| {
        (0..1 << callers).map(move |bits| (0..callers).map(|at| bits >> at & 1 == 1).collect())
    })
}

#[test]
fn every_caller_gets_its_reply_in_every_order() {
    for tasks in mixtures() {
        let model = Model { without: Without::Nothing, tasks };
        let stuck = model.stuck();
        assert!(stuck.is_none(), "{:?}: {stuck:#?}", model.tasks);
    }
}

#[test]
fn without_any_one_rule_there_is_an_order_in_which_somebody_sleeps_for_ever() {
    let rules = [
        Without::Follower,
        Without::Arming,
        Without::SecondLook,
        Without::OwnLook,
        Without::LeavingRings,
        Without::HeldBack,
        Without::NewerEvents,
    ];
    for without in rules {
        let stuck = mixtures().find_map(|tasks| Model { without, tasks }.stuck());
        assert!(stuck.is_some(), "nobody misses {without:?}");
    }
}
