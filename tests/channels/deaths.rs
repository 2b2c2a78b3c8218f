//! Senders and receivers that are killed, at every step: what was sent is whole, and the others learn of it.
//! Not here: what outlives a call or an actor (`ends`).
//! Layer: tests only, through the public surface.

use nix::sys::signal::Signal;
use worker_core::{Builder, CallError, RecvError, SendError, channel};

use super::{Deadly, LINKS, LONG_BYTES, Parcel, StationFrontend, Trap, receive_all};
use crate::support::{eventually, has_processes, processes, watchdog};

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
