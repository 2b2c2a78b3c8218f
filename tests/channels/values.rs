//! Values, ends and descriptors on their way from process to process, whole and in order.
//! Not here: processes that end meanwhile (`deaths`).
//! Layer: tests only, through the public surface.

use std::io::Read;

use worker_core::{Receiver, Sender, channel};

use super::{Parcel, StationFrontend, everywhere, receive_all, sockets};
use crate::support::{eventually, watchdog};

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
