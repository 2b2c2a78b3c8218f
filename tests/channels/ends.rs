//! Ends of channels that outlive a call, a life or an actor, and what stays of those that are gone.
//! Not here: deaths in the middle of something (`deaths`).
//! Layer: tests only, through the public surface.

use std::fs::File;

use worker_core::{Builder, CallError, Receiver, RecvError, Restart, channel, process_actor, stop_all};

use super::{StationFrontend, receive_all};
use crate::support::{has_processes, processes, watchdog};

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
