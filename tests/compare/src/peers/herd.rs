//! Many bare processes that answer, made and called by a small process of one thread: what the kernel takes for so many.
//! Not here: one of them (`bare`, `streams`), and ours (`rows::scale`).
//! Layer: a peer, over `system`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::pipe;

use super::Outcome;
use crate::report::Series;
use crate::system::{Child, Mailbox, futex_wait, futex_wake, memory_kib, shared_mailboxes};

/// How those of a herd wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    Pipe,
    Futex,
    /// A moment on the processor first.
    SpinThenFutex,
}

const WAITS: [Wait; 3] = [Wait::Pipe, Wait::Futex, Wait::SpinThenFutex];
const SPIN_TURNS: u32 = 2000;
/// Those that are looked at for their memory.
pub const LOOKS: usize = 20;

/// What a herd of some size was seen to take.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub spawns_per_second: f64,
    /// A call of one of them, again and again.
    pub one_us: f64,
    /// A call of each in turn.
    pub each_us: f64,
    pub stop_us: f64,
    pub proportional_kib: f64,
    pub unique_kib: f64,
}

/// The small process, seen from outside. It ends with this value.
pub struct Herder {
    orders: File,
    numbers: File,
    _child: Child,
}

impl Herder {
    /// While this program is small and has one thread.
    pub fn start() -> Outcome<Self> {
        let (their_orders, orders) = pipe()?;
        let (numbers, their_numbers) = pipe()?;
        let child = Child::fork(|| {
            let (mut orders, mut numbers) = (File::from(their_orders), File::from(their_numbers));
            let (mut order, mut mailboxes) = ([0; 24], Vec::new());
            while orders.read_exact(&mut order).is_ok() {
                let [wait, count, slice_us] = words(&order);
                let (wait, slice) = (WAITS[wait as usize], Duration::from_micros(slice_us));
                let herd = measure(wait, count as usize, slice, &mut mailboxes);
                let found = herd.unwrap_or_else(|error| {
                    eprintln!("herd: {error}");
                    [f64::NAN; 6]
                });
                if numbers.write_all(&found.map(f64::to_le_bytes).concat()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders: orders.into(), numbers: numbers.into(), _child: child })
    }

    /// Makes so many processes, calls them, and ends them.
    pub fn measure(&mut self, wait: Wait, count: usize, slice: Duration) -> Outcome<Numbers> {
        let wait = WAITS.iter().position(|&other| other == wait).unwrap_or(0) as u64;
        let order = [wait, count as u64, u64::try_from(slice.as_micros())?];
        self.orders.write_all(&order.map(u64::to_le_bytes).concat())?;
        let mut found = [0; 48];
        self.numbers.read_exact(&mut found)?;
        let found: [u64; 6] = words(&found);
        let [spawns_per_second, one_us, each_us, stop_us, proportional_kib, unique_kib] =
            found.map(f64::from_bits);
        if spawns_per_second.is_nan() {
            return Err("the bare herd failed".into());
        }
        Ok(Numbers { spawns_per_second, one_us, each_us, stop_us, proportional_kib, unique_kib })
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// One of a herd, seen from its maker.
struct Member {
    there: &'static Mailbox,
    back: &'static Mailbox,
    rounds: u32,
    to: File,
    from: File,
    child: Child,
}

impl Member {
    fn fork(wait: Wait, [there, back]: &'static [Mailbox; 2]) -> Outcome<Self> {
        for mailbox in [there, back] {
            // Relaxed: nobody else knows it yet.
            mailbox.sequence.store(0, Ordering::Relaxed);
            mailbox.sleeping.store(0, Ordering::Relaxed);
        }
        let ((their_from, to), (from, their_to)) = (pipe()?, pipe()?);
        let child = Child::fork(|| {
            // Whoever calls is seen to be gone by this end alone.
            let _ = serve(wait, there, back, their_from.into(), their_to.into());
        })?;
        Ok(Self { there, back, rounds: 0, to: to.into(), from: from.into(), child })
    }

    #[inline]
    fn call(&mut self, wait: Wait) -> Outcome<()> {
        let number = i64::from(self.rounds) + 1;
        if wait == Wait::Pipe {
            self.to.write_all(&number.to_le_bytes())?;
            let mut reply = [0; 8];
            self.from.read_exact(&mut reply)?;
            self.rounds += 1;
            return right(i64::from_le_bytes(reply), number);
        }
        put(wait, self.there, number);
        receive(wait, self.back, self.rounds);
        self.rounds += 1;
        right(self.back.get(), number)
    }

    /// Ends it, and waits for its end.
    fn stop(self) -> Outcome<()> {
        kill(self.child.pid, Signal::SIGTERM)?;
        waitpid(self.child.pid, None)?;
        // It is reaped, and its number may be another's.
        std::mem::forget(self.child);
        Ok(())
    }
}

fn right(reply: i64, number: i64) -> Outcome<()> {
    if reply == number.wrapping_mul(3) { Ok(()) } else { Err("a wrong answer".into()) }
}

fn serve(wait: Wait, there: &Mailbox, back: &Mailbox, mut from: File, mut to: File) -> io::Result<()> {
    to.write_all(&[1])?;
    let mut rounds = 0;
    loop {
        if wait == Wait::Pipe {
            let mut request = [0; 8];
            from.read_exact(&mut request)?;
            to.write_all(&i64::from_le_bytes(request).wrapping_mul(3).to_le_bytes())?;
            continue;
        }
        receive(wait, there, rounds);
        rounds += 1;
        put(wait, back, there.get().wrapping_mul(3));
    }
}

#[inline]
fn put(wait: Wait, mailbox: &Mailbox, value: i64) {
    mailbox.put(value);
    // Of two threads that each write, fence and read the other's word, one sees the other's.
    fence(Ordering::SeqCst);
    if wait == Wait::Futex || mailbox.sleeping.load(Ordering::Relaxed) != 0 {
        futex_wake(&mailbox.sequence);
    }
}

#[inline]
fn receive(wait: Wait, mailbox: &Mailbox, seen: u32) {
    let turns = if wait == Wait::SpinThenFutex { SPIN_TURNS } else { 0 };
    if (0..turns).any(|_| {
        std::hint::spin_loop();
        mailbox.has_more_than(seen)
    }) {
        return;
    }
    mailbox.sleeping.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    while !mailbox.has_more_than(seen) {
        futex_wait(&mailbox.sequence, seen);
    }
    mailbox.sleeping.store(0, Ordering::Relaxed);
}

/// Mailboxes stay mapped, so those of the herd before are used again.
fn measure(
    wait: Wait,
    count: usize,
    slice: Duration,
    mailboxes: &mut Vec<&'static [Mailbox; 2]>,
) -> Outcome<[f64; 6]> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    // One pair is enough where none is used: forks copy what is mapped.
    while mailboxes.len() < if wait == Wait::Pipe { 1 } else { count } {
        mailboxes.push(shared_mailboxes()?);
    }
    let start = Instant::now();
    let mut herd = Vec::with_capacity(count);
    for at in 0..count {
        let mut member = Member::fork(wait, mailboxes[if wait == Wait::Pipe { 0 } else { at }])?;
        // It says that it lives.
        member.from.read_exact(&mut [0])?;
        herd.push(member);
    }
    let spawns_per_second = count as f64 / start.elapsed().as_secs_f64();
    let one_us = busy_us(slice, || herd[0].call(wait))?;
    let each_us = in_turn_us(slice, count, |at| herd[at].call(wait))?;
    let looks =
        herd.iter().take(LOOKS).map(|member| Ok(memory_kib(member.child.pid.as_raw().unsigned_abs())?));
    let (unique, proportional): (Vec<f64>, Vec<f64>) =
        looks.collect::<Outcome<Vec<_>>>()?.into_iter().unzip();
    let start = Instant::now();
    herd.into_iter().try_for_each(Member::stop)?;
    let stop_us = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    let median = |numbers| Series(numbers).median();
    Ok([spawns_per_second, one_us, each_us, stop_us, median(proportional), median(unique)])
}

/// Median time of a call, again and again; the clock is read once in many.
pub fn busy_us(slice: Duration, mut call: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    const BATCH: u32 = 64;
    let mut times_us = Series::default();
    let end = Instant::now() + slice;
    let mut start = Instant::now();
    while start < end || times_us.0.len() < 3 {
        (0..BATCH).try_for_each(|_| call())?;
        let now = Instant::now();
        times_us.0.push((now - start).as_secs_f64() * 1e6 / f64::from(BATCH));
        start = now;
    }
    Ok(times_us.median())
}

/// Median time of a call of each in turn: of all once at least, after all were called once.
pub fn in_turn_us(slice: Duration, count: usize, mut call: impl FnMut(usize) -> Outcome<()>) -> Outcome<f64> {
    (0..count).try_for_each(&mut call)?;
    let mut times_us = Series::default();
    let end = Instant::now() + slice;
    let mut start = Instant::now();
    while start < end || times_us.0.len() < count {
        call(times_us.0.len() % count)?;
        let now = Instant::now();
        times_us.0.push((now - start).as_secs_f64() * 1e6);
        start = now;
    }
    Ok(times_us.median())
}
