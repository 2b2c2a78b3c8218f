//! Which messages of one direction take descriptors along, and when the next may.
//! Not here: the socket that they go on (`link::beside`).
//! Layer 3: over `link::beside`.
//!
//! * P1: a parcel is on the socket before the record that speaks of it is published. So whoever finds
//!   the record finds the parcel.
//! * P2: the receiver takes a parcel out before it releases the record. So once its position has
//!   passed the record, the parcel is off the socket, and room for records is room for parcels too.

use std::collections::VecDeque;

use nix::errno::Errno;

use super::FLAG_PARCEL;
use crate::link::beside::{Beside, PARCELS_IN_FLIGHT_MAX};
use crate::link::{Room, SendError};
use crate::sys::while_doing;
use crate::wire::descriptors::Parcel;

/// The sender's book of the parcels of one direction.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    sent_count: u64,
    /// Where the record of each parcel ends that may still be on the socket.
    in_flight_until: VecDeque<u64>,
}

impl Parcels {
    /// Sends a parcel ahead of its record (P1); gives the flags for that record, which must follow.
    pub(super) fn send_ahead(
        &mut self,
        beside: &Beside,
        parcel: &Parcel,
        read_position: u64,
    ) -> Result<u8, SendError> {
        while self.in_flight_until.front().is_some_and(|&until| until <= read_position) {
            self.in_flight_until.pop_front();
        }
        let oldest = self.in_flight_until.front().map(|&until_position| Room { until_position });
        if let Some(room) = oldest
            && self.in_flight_until.len() >= PARCELS_IN_FLIGHT_MAX
        {
            return Err(SendError::NoRoom(room));
        }
        match (beside.send_parcel(self.sent_count, parcel), oldest) {
            (Ok(()), _) => {
                self.sent_count += 1;
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
        self.in_flight_until.push_back(write_position);
    }
}
