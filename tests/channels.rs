//! Channels between processes: who gets what, who learns what, and deaths at every step.
//! Not here: channels inside of one process, and forged messages (the library's own tests).
//! Layer: the public surface.

mod support;

use std::fs::File;
use std::io::Read;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use support::{eventually, has_processes, processes, watchdog};
use worker_core::{
    Builder, CallError, Descriptor, Link, Receiver, RecvError, Restart, SendError, Sender, StartMethod,
    channel, process_actor, stop_all,
};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
/// Long enough for sealed memory.
const LONG_BYTES: usize = 100_000;

/// A numbered value that shows whether all of it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    from: u32,
    number: u64,
    filling: Vec<u64>,
}

impl Parcel {
    fn new(from: u32, number: u64) -> Self {
        // Every seventh is long.
        let words = if number % 7 == 6 { LONG_BYTES / 8 } else { 4 };
        Self { from, number, filling: vec![number.wrapping_mul(0x9e37_79b9_7f4a_7c15); words] }
    }

    fn assert_whole(&self) {
        assert!(*self == Self::new(self.from, self.number), "half a value, or a mixed one");
    }
}

/// Where a value is encoded or decoded that ends its process in the middle of that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Deadly {
    Harmless(u32),
    InEncoding,
    InDecoding,
}

/// [`Deadly`], with a long part before it, so that some of it is encoded by then.
pub struct Trap(Vec<u64>, Deadly);

impl Serialize for Trap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        if self.1 == Deadly::InEncoding {
            processes::signal(std::process::id(), Signal::SIGKILL);
        }
        tuple.serialize_element(&self.1)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (filling, deadly) = <(Vec<u64>, Deadly)>::deserialize(deserializer)?;
        if deadly == Deadly::InDecoding {
            processes::signal(std::process::id(), Signal::SIGKILL);
        }
        Ok(Self(filling, deadly))
    }
}

/// Sends, receives and passes on, in its own process.
pub struct Station {
    sender: Option<Sender<Parcel>>,
    receiver: Option<Receiver<Parcel>>,
}

#[process_actor]
impl Station {
    pub fn new() -> Self {
        Self { sender: None, receiver: None }
    }

    pub fn sending(sender: Sender<Parcel>) -> Self {
        Self { sender: Some(sender), receiver: None }
    }

    pub fn receiving(receiver: Receiver<Parcel>) -> Self {
        Self { sender: None, receiver: Some(receiver) }
    }

    pub fn take_sender(&mut self, sender: Sender<Parcel>) {
        self.sender = Some(sender);
    }

    pub fn take_receiver(&mut self, receiver: Receiver<Parcel>) {
        self.receiver = Some(receiver);
    }

    pub fn give_receiver(&mut self) -> Option<Receiver<Parcel>> {
        self.receiver.take()
    }

    pub fn close(&mut self) {
        (self.sender, self.receiver) = (None, None);
    }

    /// Sends numbered values, and says how many found a receiver.
    pub fn send(&self, from: u32, first: u64, count: u64) -> u64 {
        let sender = self.sender.as_ref().expect("a sender");
        let sent =
            (first..first + count).take_while(|&number| sender.send(Parcel::new(from, number)).is_ok());
        sent.count() as u64
    }

    /// Sends until nobody receives any more.
    #[oneway]
    pub fn flood(&self, from: u32) {
        self.send(from, 0, u64::MAX);
    }

    /// Receives to the end; says how many came.
    pub fn drain(&self) -> u64 {
        let received = self.receiver.as_ref().expect("a receiver").iter();
        received.inspect(Parcel::assert_whole).count() as u64
    }

    pub fn next(&self) -> Option<u64> {
        let received = self.receiver.as_ref().expect("a receiver").recv();
        received.ok().map(|parcel| parcel.number)
    }

    /// Makes a channel over here, and gives one end away.
    pub fn open(&mut self) -> std::io::Result<Sender<Parcel>> {
        let (sender, receiver) = channel()?;
        self.receiver = Some(receiver);
        Ok(sender)
    }

    /// Passes values on until there are no more.
    #[oneway]
    pub fn relay(&mut self) {
        let (Some(receiver), Some(sender)) = (self.receiver.take(), self.sender.take()) else { return };
        let _ = receiver.into_iter().try_for_each(|parcel| sender.send(parcel));
    }

    pub fn trap(&self, sender: Sender<Trap>, deadly: Deadly, words: usize) -> bool {
        sender.send(Trap(vec![1; words], Deadly::Harmless(1))).is_ok()
            && sender.send(Trap(vec![2; words], deadly)).is_ok()
    }

    pub fn spring(&self, receiver: Receiver<Trap>) -> u32 {
        receiver.iter().map(|trap| if let Deadly::Harmless(number) = trap.1 { number } else { 0 }).sum()
    }

    pub fn files(&self, sender: Sender<(String, Descriptor<File>)>) -> std::io::Result<()> {
        for name in ["comm", "stat"] {
            let file = File::open(format!("/proc/self/{name}"))?;
            sender.send((name.to_owned(), file.into())).map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}

fn everywhere() -> impl Iterator<Item = Builder> {
    let links = LINKS.into_iter().map(|link| Builder::new().link(link));
    links.chain([Builder::new().start(StartMethod::Thread)])
}

/// Receives to the end; gives how many came of each station, and fails if one of them has a gap.
fn receive_all(receiver: &Receiver<Parcel>, stations: usize) -> Vec<u64> {
    let mut next = vec![0; stations];
    for parcel in receiver {
        parcel.assert_whole();
        let next = &mut next[parcel.from as usize];
        assert_eq!(parcel.number, *next, "in order, without a gap, of station {}", parcel.from);
        *next += 1;
    }
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    next
}

#[test]
fn values_come_from_many_processes_to_one() {
    let _watchdog = watchdog();
    for builder in everywhere() {
        let (sender, receiver) = channel().unwrap();
        let stations: Vec<_> =
            (0..4).map(|_| StationFrontend::spawn_sending_with(&builder, sender.clone()).unwrap()).collect();
        drop(sender);
        let sending: Vec<_> =
            stations.iter().zip(0..).map(|(station, from)| station.send_async(from, 0, 500)).collect();
        let closing: Vec<_> = stations.iter().map(|station| station.close_async()).collect();
        // More than fits: the stations wait for us meanwhile.
        assert_eq!(receive_all(&receiver, 4), [500; 4]);
        sending.into_iter().for_each(|sending| assert_eq!(sending.wait().unwrap(), 500));
        closing.into_iter().for_each(|closing| closing.wait().unwrap());
    }
}

#[test]
fn values_go_straight_from_process_to_process() {
    let _watchdog = watchdog();
    for builder in everywhere() {
        let (sender, receiver) = channel().unwrap();
        let source = StationFrontend::spawn_sending_with(&builder, sender).unwrap();
        let sink = StationFrontend::spawn_receiving_with(&builder, receiver).unwrap();
        let drained = sink.drain_async();
        assert_eq!(source.send(0, 0, 1000).unwrap(), 1000);
        source.close().unwrap();
        assert_eq!(drained.wait().unwrap(), 1000);
    }
}

#[test]
fn an_end_made_in_a_backend_comes_back_as_a_result() {
    let _watchdog = watchdog();
    for builder in everywhere() {
        let station = StationFrontend::spawn_with(&builder).unwrap();
        let sender = station.open().unwrap();
        let drained = station.drain_async();
        (0..20).for_each(|number| sender.send(Parcel::new(0, number)).unwrap());
        drop(sender);
        assert_eq!(drained.wait().unwrap(), 20);
    }
}

#[test]
fn a_receiver_moves_from_process_to_process_with_what_is_in_it() {
    let _watchdog = watchdog();
    for builder in everywhere() {
        let stations = [(); 3].map(|()| StationFrontend::spawn_with(&builder).unwrap());
        let (sender, mut receiver) = channel().unwrap();
        let sent = 30;
        (0..sent).for_each(|number| sender.send(Parcel::new(0, number)).unwrap());
        let mut next = 0;
        for station in stations.iter().cycle().take(9) {
            station.take_receiver(receiver).unwrap();
            assert_eq!(station.next().unwrap(), Some(next));
            next += 1;
            receiver = station.give_receiver().unwrap().unwrap();
            assert_eq!(receiver.recv().unwrap().number, next);
            next += 1;
        }
        drop(sender);
        assert_eq!(receiver.iter().count() as u64, sent - next);
    }
}

#[test]
fn descriptors_go_through_channels() {
    let _watchdog = watchdog();
    for builder in everywhere() {
        let station = StationFrontend::spawn_with(&builder).unwrap();
        let (sender, receiver) = channel().unwrap();
        let sent = station.files_async(sender);
        for (name, mut file) in &receiver {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert!(!text.is_empty(), "{name}");
        }
        sent.wait().unwrap();
    }
}

#[test]
fn three_processes_in_a_row_and_one_in_a_ring() {
    let _watchdog = watchdog();
    let stations = [(); 3].map(|()| StationFrontend::spawn().unwrap());
    let (first, mut receiver) = channel().unwrap();
    for station in &stations {
        let (sender, next) = channel().unwrap();
        station.take_receiver(receiver).unwrap();
        station.take_sender(sender).unwrap();
        station.relay().unwrap();
        receiver = next;
    }
    (0..100).for_each(|number| first.send(Parcel::new(0, number)).unwrap());
    drop(first);
    assert_eq!(receive_all(&receiver, 1), [100], "the end of the first is the end of all");

    // A channel that holds its own sender: only the kernel can see that nobody will ever use it.
    let before = sockets();
    for _ in 0..10 {
        let (sender, receiver) = channel::<Sender<u8>>().unwrap();
        let inner = channel::<Receiver<Sender<u8>>>().unwrap();
        inner.0.send(receiver).unwrap();
        drop((sender, inner));
    }
    eventually("they are gone", || sockets() <= before + 40);
}

fn sockets() -> usize {
    processes::descriptors().iter().filter(|(_, target)| target.starts_with("socket:")).count()
}

#[test]
fn a_killed_sender_leaves_whole_values_and_the_news() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    // Killed after so many values have come, in the flow: at one moment or another of a send.
    for kill_after in (0..120).step_by(3) {
        let builder = Builder::new().link(LINKS[kill_after % 2]);
        let (sender, receiver) = channel().unwrap();
        let stations: Vec<_> =
            (0..3).map(|_| StationFrontend::spawn_sending_with(&builder, sender.clone()).unwrap()).collect();
        drop(sender);
        stations.iter().zip(0..).for_each(|(station, from)| station.flood(from).unwrap());
        let mut next = [0; 3];
        let mut count = 0;
        for parcel in &receiver {
            parcel.assert_whole();
            let next = &mut next[parcel.from as usize];
            assert_eq!(parcel.number, *next);
            *next += 1;
            count += 1;
            if count == kill_after + 1 {
                stations.iter().for_each(|station| station.process().kill().unwrap());
            }
        }
        // The iteration ended because every sender was gone.
        assert!(matches!(receiver.try_recv(), Err(RecvError::Disconnected)));
        assert!(count > kill_after);
    }
}

#[test]
fn one_killed_sender_is_not_the_end_of_the_others() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (sender, receiver) = channel().unwrap();
    let mortal = StationFrontend::spawn_sending(sender.clone()).unwrap();
    let other = StationFrontend::spawn_sending(sender).unwrap();
    mortal.flood(0).unwrap();
    receiver.iter().take(10).for_each(drop);
    mortal.process().kill().unwrap();
    mortal.process().wait();
    let sending = other.send_async(1, 0, 300);
    let closing = other.close_async();
    let mut next = 0;
    for parcel in &receiver {
        parcel.assert_whole();
        if parcel.from == 1 {
            assert_eq!(parcel.number, next);
            next += 1;
        }
    }
    assert_eq!((sending.wait().unwrap(), next), (300, 300));
    closing.wait().unwrap();
}

#[test]
fn a_killed_receiver_is_told_to_its_senders() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for kill_after in (0..60).step_by(3) {
        let (sender, receiver) = channel().unwrap();
        let station = StationFrontend::spawn_receiving(receiver).unwrap();
        let drained = station.drain_async();
        let mut sent = 0;
        let error = loop {
            if sent == kill_after {
                station.process().kill().unwrap();
            }
            match sender.send(Parcel::new(0, sent)) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SendError::Disconnected(_)), "{error:?}");
        error.into_inner().assert_whole();
        assert!(matches!(drained.wait(), Err(CallError::Exited(_) | CallError::NotSent(_))));
        assert!(sent >= kill_after);
    }
}

#[test]
fn death_in_the_middle_of_encoding_and_of_decoding() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for (link, words) in [(LINKS[0], 10), (LINKS[1], 10), (LINKS[0], LONG_BYTES)] {
        let builder = Builder::new().link(link);
        let station = StationFrontend::spawn_with(&builder).unwrap();
        let (sender, receiver) = channel().unwrap();
        let sent = station.trap_async(sender, Deadly::InEncoding, words);
        let came: Vec<Trap> = receiver.iter().collect();
        assert_eq!(
            (came.len(), came[0].0.len()),
            (1, words),
            "the value before came, and of the other nothing"
        );
        assert!(matches!(sent.wait(), Err(CallError::Exited(_))));

        let station = StationFrontend::spawn_with(&builder).unwrap();
        let (sender, receiver) = channel().unwrap();
        let received = station.spring_async(receiver);
        let fatal = Trap(vec![2; words], Deadly::InDecoding);
        sender.send(Trap(vec![1; words], Deadly::Harmless(3))).unwrap();
        sender.send(fatal).unwrap();
        assert!(matches!(received.wait(), Err(CallError::Exited(_))));
        eventually("the sender is told", || {
            matches!(sender.send(Trap(Vec::new(), Deadly::Harmless(0))), Err(SendError::Disconnected(_)))
        });
    }
}

#[test]
fn a_sender_that_waits_for_room_is_killed() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (sender, receiver) = channel().unwrap();
    let station = StationFrontend::spawn_sending(sender).unwrap();
    station.flood(0).unwrap();
    let pid = station.process().pid();
    eventually("the channel is full and its sender sleeps", || {
        processes::Entry::of(pid).is_some_and(|entry| entry.state == 'S')
    });
    station.process().kill().unwrap();
    station.process().wait();
    let came = receive_all(&receiver, 1)[0];
    assert!(came > 5, "{came}");
}

#[test]
fn an_end_in_a_message_that_nobody_took_dies_with_its_backend() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let station = StationFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        processes::signal(station.process().pid(), Signal::SIGSTOP);
        let (sender, receiver) = channel::<Parcel>().unwrap();
        let (other, others_receiver) = channel::<Parcel>().unwrap();
        let sent = [station.take_receiver_async(receiver), station.take_sender_async(other)];
        sender.send(Parcel::new(0, 0)).unwrap();
        assert_eq!(others_receiver.try_recv().unwrap(), None, "both are alive in their messages");
        station.process().kill().unwrap();
        station.process().wait();
        for pending in sent {
            assert!(matches!(pending.wait(), Err(CallError::Exited(_) | CallError::NotSent(_))));
        }
        // The fork server lets go of the messages when it has told of the end, frontend or not.
        eventually("the sender is told", || {
            matches!(sender.try_send(Parcel::new(0, 1)), Err(SendError::Disconnected(_)))
        });
        assert!(matches!(others_receiver.recv(), Err(RecvError::Disconnected)));
        assert!(!station.process().is_alive());
    }
}

#[test]
fn senders_serve_every_life_of_a_restarted_actor_and_receivers_are_refused() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash());
    let (sender, receiver) = channel().unwrap();
    let station = StationFrontend::spawn_sending_with(&builder, sender).unwrap();
    for life in 0..3 {
        assert_eq!(station.send(0, life, 1).unwrap(), 1);
        station.process().kill().unwrap();
        station.process().wait();
    }
    station.stop().unwrap();
    drop(station);
    assert_eq!(
        receive_all(&receiver, 1),
        [3],
        "and with the frontend went the sender that was kept for more"
    );

    let (_sender, receiver) = channel().unwrap();
    let error = StationFrontend::spawn_receiving_with(&builder, receiver).unwrap_err();
    assert!(error.to_string().contains("hand it over by a method"), "{error}");
}

#[test]
fn a_call_that_comes_to_nothing_leaves_a_lent_receiver_good() {
    let _watchdog = watchdog();
    let lender = LenderFrontend::spawn().unwrap();
    let (sender, receiver) = channel().unwrap();
    sender.send(5).unwrap();
    let too_many: Vec<_> = (0..253).map(|_| File::open("/dev/null").unwrap()).collect();
    let error = lender.lent(&receiver, &too_many).unwrap_err();
    assert!(error.to_string().contains("at most 253 descriptors"), "{error}");
    assert_eq!(receiver.recv().unwrap(), 5, "it has not left");
    sender.send(6).unwrap();
    assert_eq!(lender.lent(&receiver, &[]).unwrap(), 6);
    assert!(matches!(receiver.try_recv(), Err(RecvError::Sent)), "now it has");
    let error = lender.lent(&receiver, &[]).unwrap_err();
    assert!(
        matches!(&error, CallError::Encode(error) if error.to_string().contains("was sent away")),
        "{error}"
    );
}

/// Takes a receiver by reference: it moves all the same.
pub struct Lender;

#[process_actor]
impl Lender {
    pub fn new() -> Self {
        Self
    }

    pub fn lent(&self, receiver: &Receiver<u32>, files: &[File]) -> u32 {
        assert!(files.is_empty());
        receiver.recv().unwrap()
    }
}

#[test]
fn nothing_stays_of_channels_that_are_gone() {
    let _watchdog = watchdog();
    let stations = [StationFrontend::spawn().unwrap(), StationFrontend::spawn().unwrap()];
    let theirs = || {
        let pids = stations.iter().map(|station| station.process().pid());
        pids.map(|pid| processes::descriptors_of(pid).len()).sum::<usize>()
    };
    let before = theirs();
    for round in 0..10 {
        let (sender, receiver) = channel().unwrap();
        stations[0].take_sender(sender).unwrap();
        stations[1].take_receiver(receiver).unwrap();
        let drained = stations[1].drain_async();
        stations[0].send(0, 0, 20 + round).unwrap();
        stations[0].close().unwrap();
        assert_eq!(drained.wait().unwrap(), 20 + round);
        stations[1].close().unwrap();
    }
    assert!(!has_processes() || theirs() == before, "no descriptor");
    for station in &stations {
        let memory = std::fs::read_to_string(format!("/proc/{}/maps", station.process().pid())).unwrap();
        // Without processes, the memory is that of every test here.
        assert!(!has_processes() || !memory.contains("worker-core value"), "no memory of long values");
    }
    for exit in stop_all(stations.iter().map(|station| &**station)) {
        assert!(exit.unwrap().is_clean());
    }
}
