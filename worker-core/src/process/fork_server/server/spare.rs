//! A spare: a process that is forked before anybody needs it, and waits a moment for its order.
//! Not here: when one is asked for, and the rules K1 to K5 (`fork_server::spares`).
//! Layer 5: over `link` and `sys`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{Shutdown, shutdown};
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::unistd::{ForkResult, getpid, setpgid};

use super::super::spares::LIFE;
use super::charge::Ending;
use super::{FOR_EVER, Server};
use crate::link::{self, LinkEnd, LinkParts};
use crate::process::protocol::{self, Greeting, Order};
use crate::process::start::begin;
use crate::sys::doorbell::wait_readable;
use crate::sys::pidfd::PidFd;
use crate::sys::{child, socket, title};

/// What `ps` shows of a process that waits for its order.
const TITLE: &str = "spare-backend";

/// Time that a new backend gets for its first call before the next fork takes a processor.
const PAUSE: Duration = Duration::from_micros(50);

/// What a server has at hand for its next spare.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// Whether the program spawns so often that it is worth having any.
    is_wanted: bool,
    parts: Option<Parts>,
    /// How many spares were asked for and are not made yet: another may be, while somebody waits for one.
    planned: u32,
    /// The last one was waited for.
    was_late: bool,
}

/// Everything of a spare but the process.
#[derive(Debug)]
struct Parts {
    /// The socket beside the link: the program's end, and that of the spare and the server.
    beside: OwnedFd,
    supervision: OwnedFd,
    /// The socket for the order: the program's end, and the spare's.
    orders: OwnedFd,
    ordered: OwnedFd,
    link: LinkParts,
}

impl Parts {
    /// How many descriptors that are.
    const COUNT: usize = 9;

    fn make() -> std::io::Result<Self> {
        let (beside, supervision) = socket::message_pair()?;
        socket::tell_senders(&beside)?;
        let (orders, ordered) = socket::message_pair()?;
        Ok(Self { beside, supervision, orders, ordered, link: LinkParts::create()? })
    }

    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sockets = [&self.beside, &self.supervision, &self.orders, &self.ordered];
        sockets.into_iter().map(AsFd::as_fd).chain(self.link.all())
    }
}

impl Stock {
    /// Whether there is something to be made in an idle moment.
    pub(super) fn is_short(&self) -> bool {
        self.is_wanted && self.parts.is_none()
    }

    /// How many descriptors it holds.
    pub(super) fn open_files(&self) -> usize {
        self.parts.as_ref().map_or(0, |_| Parts::COUNT)
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parts.iter().flat_map(Parts::descriptors)
    }

    /// Nobody asks for a spare any more: holds nothing, but for one that was asked for before.
    pub(super) fn suffices(&mut self) {
        if self.planned == 0 {
            self.clear();
        }
    }

    /// Holds nothing until another spare is asked for. What was asked for stays so (K3).
    pub(super) fn clear(&mut self) {
        self.is_wanted = false;
        self.parts = None;
    }
}

impl Server {
    /// Sees to it that there will be a spare, or word that there is none (K3).
    pub(super) fn plan_spare(&mut self) {
        self.stock.planned += 1;
        self.stock.is_wanted = true;
        let at = Expiration::OneShot(PAUSE.into());
        // Whoever spawns without a pause needs the next one at once.
        if self.stock.was_late || self.clock.set(at, TimerSetTimeFlags::empty()).is_err() {
            self.make_planned_spares(false);
        }
    }

    /// Forks what was asked for and sends it over, or says that there is none.
    pub(super) fn make_planned_spares(&mut self, is_late: bool) {
        // Whether it rang or not, it is silent then.
        let _ = self.clock.unset();
        for _ in 0..std::mem::take(&mut self.stock.planned) {
            self.stock.was_late = is_late;
            if self.try_make_spare().is_err() {
                self.stock.clear();
                self.greet(&Greeting::NoSpare);
            }
        }
    }

    /// Makes what the next spare takes; nobody waits for anything else just now.
    pub(super) fn fill_stock(&mut self) {
        if !self.has_room_for(Parts::COUNT) {
            self.stock.clear();
        } else if let Ok(parts) = Parts::make() {
            self.stock.parts = Some(parts);
        } else {
            self.stock.clear();
        }
    }

    fn try_make_spare(&mut self) -> nix::Result<()> {
        // A spawn may be worth raising a limit; a spare is not.
        if !self.strange_threads.is_empty() || !self.has_room_for(Parts::COUNT) {
            return Err(Errno::EAGAIN);
        }
        let parts = match self.stock.parts.take() {
            Some(parts) => parts,
            None => Parts::make().map_err(|_| Errno::EMFILE)?,
        };
        let server = getpid();
        match child::fork_single_threaded()? {
            ForkResult::Child => {
                let Parts { beside, supervision, orders, ordered, link } = parts;
                drop((beside, orders));
                let theirs = link.into_theirs();
                let own = theirs.iter().chain([&supervision, &ordered]).map(AsRawFd::as_raw_fd);
                self.leave(server, &own.collect::<Vec<_>>());
                title::set(TITLE);
                match link::open_ahead(theirs, supervision) {
                    Ok(link) => wait_for_order(ordered, link),
                    Err(_) => child::exit_now(1),
                }
            }
            ForkResult::Parent { child } => {
                let _ = setpgid(child, child);
                let Parts { beside, supervision, orders, link, .. } = parts;
                let pidfd = PidFd::open(child);
                // Until it is taken, nothing but its own clock ends it.
                let token = self.take_charge(child, supervision, None, FOR_EVER, None, Vec::new());
                if let Some(backend) = self.backends.get_mut(&token) {
                    backend.is_spare = true;
                }
                let pidfd = pidfd.inspect_err(|_| child::kill_group(child))?;
                let greeting =
                    protocol::encode(&Greeting::Spare { pid: child.as_raw().unsigned_abs(), token });
                let [memory, bell, sleeper] = link.ours();
                let descriptors = [beside.as_fd(), orders.as_fd(), memory, bell, sleeper, pidfd.as_fd()];
                let control = self.control.as_ref().ok_or(Errno::EPIPE)?;
                // Refused, our copies of the other ends go, and with them the spare.
                socket::send(control.as_fd(), &greeting, &descriptors, false)
            }
        }
    }

    /// The program has given a spare its order.
    pub(super) fn spare_was_taken(&mut self, token: u64, stop_timeout: Duration) {
        // One that has ended by now is not in the list, or is to be told of; whoever has its number now is another.
        if let Some(backend) = self.backends.get_mut(&token)
            && !backend.is_reaped
        {
            backend.is_spare = false;
            backend.stop_timeout = stop_timeout;
            // Its frontends may be gone again by now, and that have been heard first.
            if backend.ending.is_some() {
                let now = Instant::now();
                let at = now.checked_add(stop_timeout).unwrap_or(now + FOR_EVER);
                backend.ending = Some(Ending { at, signal: Signal::SIGTERM });
            }
        }
    }
}

/// Waits as long as a spare does, and becomes what it is told.
fn wait_for_order(orders: OwnedFd, link: LinkEnd) -> ! {
    begin::warm_up();
    let until = Instant::now() + LIFE;
    if !wait_readable(orders.as_fd(), Some(until)).unwrap_or(false) {
        // K1: from here on an order is refused to its sender; one that came before is found below.
        let _ = shutdown(orders.as_raw_fd(), Shutdown::Both);
    }
    if let Ok(Some(message)) = socket::receive(orders.as_fd(), false)
        && let Some(order) = protocol::decode::<Order>(&message.bytes)
    {
        drop(orders);
        begin::backend_in_spare(order, message.descriptors, link);
    }
    child::exit_now(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::builder::Output;
    use crate::process::limits::Settings;
    use crate::process::protocol::{Command, Surroundings, Task};
    use crate::sys::socket::Message;

    #[test]
    fn an_order_that_came_without_its_descriptors_is_still_answered_about_the_spare() {
        let mut server = Server::new(None, None, false).unwrap();
        let surroundings = Surroundings {
            name: "lost".to_owned(),
            id: 1,
            spawner: 0,
            has_waits: false,
            has_directory: false,
            open_files_soft: 0,
            preload: None,
            settings: Settings::default(),
            waits_for_debugger: false,
        };
        let order = Order {
            task: Task::Server,
            surroundings,
            fresh_image: false,
            stderr: Output::Inherit,
            stop_timeout: Duration::ZERO,
        };
        let bytes = protocol::encode(&Command::Make { order: Box::new(order), then_spare: true });
        // As it comes where no descriptor can be opened any more; the kernel has cut them off.
        server.obey(Message { bytes, descriptors: Vec::new(), sender: None });
        assert_eq!(server.stock.planned, 1, "K3");
    }

    #[test]
    fn that_a_spare_was_taken_is_not_told_of_who_has_its_number_now() {
        let mut server = Server::new(None, None, false).unwrap();
        let pid = nix::unistd::getppid();
        let mut charge = |timeout| {
            let (_beside, supervision) = socket::message_pair().unwrap();
            server.take_charge(pid, supervision, None, timeout, None, Vec::new())
        };
        let (spare, other) = (charge(FOR_EVER), charge(LIFE));
        server.backends.remove(&spare);
        server.spare_was_taken(spare, Duration::ZERO);
        assert_eq!(server.backends[&other].stop_timeout, LIFE);
        server.spare_was_taken(other, Duration::ZERO);
        assert_eq!(server.backends[&other].stop_timeout, Duration::ZERO);
    }
}
