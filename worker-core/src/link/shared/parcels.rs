//! Which messages of one direction take descriptors along, and when the next may.
//! Not here: the socket that they go on (`link::beside`).
//! Layer 3: over `link::beside`.
//!
//! * P1: a parcel is on the socket before the record that speaks of it is published. So whoever finds
//!   the record finds the parcel.
//! * P2: the receiver takes a parcel out before it releases the record. So once its position has
//!   passed the record, the parcel is off the socket, and room for records is room for parcels too.
//! * P3: all parcels on their way together have no more descriptors than one may have. So the receiver may close what
//!   is more (B3 of `link::beside`), and a process that is limited to so many files can take in all there are.

use std::collections::VecDeque;

use nix::errno::Errno;

use super::FLAG_PARCEL;
use crate::link::beside::{Beside, PARCELS_IN_FLIGHT_MAX};
use crate::link::{Room, SendError};
use crate::sys::socket::DESCRIPTORS_MAX;
use crate::sys::while_doing;
use crate::wire::descriptors::Parcel;

/// The sender's book of the parcels of one direction.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    sent_count: u64,
    /// Those that may still be on the socket.
    in_flight: VecDeque<InFlight>,
    /// Descriptors in the parcel that was sent last.
    last_count: usize,
}

#[derive(Debug)]
struct InFlight {
    /// Where its record ends.
    until_position: u64,
    descriptors: usize,
}

impl Parcels {
    /// Sends a parcel ahead of its record (P1); gives the flags for that record, which must follow.
    pub(super) fn send_ahead(
        &mut self,
        beside: &Beside,
        parcel: &Parcel,
        read_position: u64,
    ) -> Result<u8, SendError> {
        while self.in_flight.front().is_some_and(|oldest| oldest.until_position <= read_position) {
            self.in_flight.pop_front();
        }
        let oldest = self.in_flight.front().map(|oldest| Room { until_position: oldest.until_position });
        let count = parcel.sent_count();
        let before: usize = self.in_flight.iter().map(|parcel| parcel.descriptors).sum();
        if let Some(room) = oldest
            && (self.in_flight.len() >= PARCELS_IN_FLIGHT_MAX || before + count > DESCRIPTORS_MAX)
        {
            return Err(SendError::NoRoom(room));
        }
        match (beside.send_parcel(self.sent_count, parcel), oldest) {
            (Ok(()), _) => {
                self.sent_count += 1;
                self.last_count = count;
                Ok(FLAG_PARCEL)
            }
            (Err(Errno::EPIPE | Errno::ECONNRESET), _) => Err(SendError::Gone),
            // Too many for the socket, or for what one user may have under way (ETOOMANYREFS).
            (Err(Errno::EAGAIN | Errno::ETOOMANYREFS), Some(room)) => Err(SendError::NoRoom(room)),
            (Err(errno), _) => Err(SendError::Memory(while_doing("descriptors could not be sent", errno))),
        }
    }

    /// Notes where the record of the parcel that was sent last ends.
    pub(super) fn follow(&mut self, write_position: u64) {
        self.in_flight.push_back(InFlight { until_position: write_position, descriptors: self.last_count });
    }
}
