//! The two backends that read: one finds motion, one counts.
//! Not here: where frames come from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_core::frames::FrameReader;
use worker_core::process_actor;

/// Time that a call waits for a frame, so that a control message is answered while none come.
const PATIENCE: Duration = Duration::from_millis(20);

/// Finds motion between a frame and the one before.
pub struct Detector {
    frames: FrameReader<u8>,
    before: Vec<u8>,
    grey: Vec<u8>,
    threshold: u8,
}

/// What a look at a frame found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Motion {
    /// Frames that were looked at so far.
    pub frames: u64,
    /// How many of a thousand pixels changed by more than the threshold.
    pub moving_permille: u64,
}

#[process_actor]
impl Detector {
    /// Reads `frames`.
    pub fn new(frames: FrameReader<u8>) -> Self {
        let pixels = frames.shape()[0] * frames.shape()[1];
        Self { frames, before: vec![0; pixels], grey: vec![0; pixels], threshold: 24 }
    }

    /// Looks at the next frame, if one comes soon.
    pub fn look(&mut self) -> Option<Motion> {
        let frame = self.frames.recv_timeout(PATIENCE).ok()??;
        for (grey, pixel) in self.grey.iter_mut().zip(frame.chunks_exact(3)) {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
            // The weights of ITU-R BT.601, in 256ths.
            *grey = u8::try_from((red * 77 + green * 150 + blue * 29) >> 8).unwrap_or(u8::MAX);
        }
        drop(frame);
        let pairs = self.grey.iter().zip(&self.before);
        let moving = pairs.filter(|(now, before)| now.abs_diff(**before) > self.threshold).count();
        std::mem::swap(&mut self.grey, &mut self.before);
        let moving_permille = moving as u64 * 1000 / self.before.len() as u64;
        Some(Motion { frames: self.frames.taken(), moving_permille })
    }

    /// Sets by how much a pixel must change to count as moving.
    pub fn set_threshold(&mut self, threshold: u8) {
        self.threshold = threshold;
    }
}

/// Counts frames.
pub struct Counter {
    frames: FrameReader<u8>,
}

#[process_actor]
impl Counter {
    /// Reads `frames`.
    pub fn new(frames: FrameReader<u8>) -> Self {
        Self { frames }
    }

    /// Waits a moment for the next frame; tells how many there were so far.
    pub fn count(&mut self) -> u64 {
        let _ = self.frames.recv_timeout(PATIENCE);
        self.frames.taken()
    }
}
