//! The camera: fills frames in place, in its own process.
//! Not here: what is in the pictures (`source`).

use serde::{Deserialize, Serialize};
use worker_core::frames::FrameWriter;
use worker_core::process_actor;

use crate::source::Source;

/// Makes frames.
pub struct Camera {
    frames: FrameWriter<u8>,
    source: Source,
    is_paused: bool,
}

/// What has become of the frames.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Frames that found no slot.
    pub dropped: u64,
    /// Frames that each of the other readers lost, in the order in which they were made.
    pub lost: Vec<u64>,
}

#[process_actor]
impl Camera {
    /// Films `source`.
    pub fn new(frames: FrameWriter<u8>, source: Source) -> Self {
        Self { frames, source, is_paused: false }
    }

    /// Makes the next frame; `false` once the film is over.
    pub fn shoot(&mut self) -> bool {
        if self.is_paused {
            return true;
        }
        let Ok(claim) = self.frames.claim() else { return false };
        // No slot is no end: the frame is dropped, and counted.
        let Some(mut frame) = claim else { return true };
        let goes_on = self.source.next_into(&mut frame);
        if goes_on {
            frame.commit();
        }
        goes_on
    }

    /// Stops making frames, or goes on.
    pub fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Tells what has become of the frames.
    pub fn status(&self) -> Status {
        // The first reader is the program's own.
        let lost = self.frames.readers().iter().skip(1).map(|reader| reader.lost).collect();
        Status { dropped: self.frames.counts().dropped, lost }
    }
}
