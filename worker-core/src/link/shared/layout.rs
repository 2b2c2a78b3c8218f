//! What lies where in the shared memory of a link.
//! Not here: who may write it (`ring`, `side`).
//! Layer 3: plain numbers.
//!
//! | offset | size | what | unit | writer | reader |
//! | --- | --- | --- | --- | --- | --- |
//! | 0 | 8 | magic and version of the layout | | frontend, once | backend |
//! | 128 | 8 | read position of the requests | bytes | backend | frontend |
//! | 136 | 8 | taken position: requests before it were begun | bytes | backend | frontend |
//! | 256 | 8 | read position of the replies | bytes | frontend | backend |
//! | 384 | 8 | what the backend waits for | bits | both | both |
//! | 512 | 8 | what the frontend waits for | bits | both | both |
//! | 64 Ki | ring | requests | records | frontend | backend |
//! | + ring | ring | replies | records | backend | frontend |
//! | + ring | extension | long requests | bytes | frontend | backend |
//! | + extension | extension | long replies | bytes | backend | frontend |
//!
//! Each word that both sides touch has 128 bytes to itself: processors fetch lines in pairs.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use crate::ring::Geometry;
use crate::sys::memory::{SharedMemory, write_at_start};

/// `"wcl"` and the version of the layout.
const MAGIC: u64 = 0x77_63_6c_00_00_00_00_01;
/// A multiple of every page size, so that regions of the extensions are too.
const RINGS_OFFSET: usize = 64 * 1024;
/// Where the backend tells which requests it has begun. In the line of its read position, which it
/// owns anyway, so that telling costs nothing.
pub(super) const TAKEN_POSITION_OFFSET: usize = 136;

/// Sizes of the parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    ring_bytes: usize,
    extension_bytes: usize,
}

/// Which way messages go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction(usize);

/// From the frontend to the backend.
pub(super) const REQUESTS: Direction = Direction(0);
/// From the backend to the frontend.
pub(super) const REPLIES: Direction = Direction(1);

/// Offset of the word that says what a side waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitingWord(pub(super) usize);

/// The backend's own word.
pub(super) const BACKEND: WaitingWord = WaitingWord(384);
/// The frontend's own word.
pub(super) const FRONTEND: WaitingWord = WaitingWord(512);

impl WaitingWord {
    /// The word of the other side.
    pub(super) fn other(self) -> Self {
        Self(BACKEND.0 + FRONTEND.0 - self.0)
    }
}

impl Layout {
    /// A ring holds two messages of 64 KiB and more of shorter ones; what is longer goes through the
    /// extension. Pages that are never touched cost address space only.
    pub(super) const DEFAULT: Self = Self { ring_bytes: 256 * 1024, extension_bytes: 64 * 1024 * 1024 };

    pub(super) fn total_bytes(self) -> usize {
        RINGS_OFFSET + 2 * self.ring_bytes + 2 * self.extension_bytes
    }

    /// Everything before the rings fits in the first page of the smallest size.
    pub(super) fn head_bytes(self) -> usize {
        4096
    }

    pub(super) fn ring(self, direction: Direction) -> Geometry {
        Geometry {
            base_bytes: RINGS_OFFSET + direction.0 * self.ring_bytes,
            capacity_bytes: self.ring_bytes,
            read_position_offset: 128 + direction.0 * 128,
        }
    }

    /// Offset and length of the extension.
    pub(super) fn extension(self, direction: Direction) -> (usize, usize) {
        let start = RINGS_OFFSET + 2 * self.ring_bytes + direction.0 * self.extension_bytes;
        (start, self.extension_bytes)
    }

    pub(super) fn announce(self, memory: &SharedMemory) {
        // Relaxed: the memory is handed over by a message, which orders everything before it.
        memory.word(0).store(MAGIC, Ordering::Relaxed);
    }

    /// The same in an object that is not mapped.
    pub(super) fn announce_in(object: &OwnedFd) -> io::Result<()> {
        write_at_start(object, &MAGIC.to_ne_bytes())
    }

    pub(super) fn check(self, memory: &SharedMemory) -> io::Result<()> {
        // Relaxed: as in `announce`.
        match memory.word(0).load(Ordering::Relaxed) {
            MAGIC => Ok(()),
            other => Err(io::Error::other(format!("the link has layout {other:#x}, not {MAGIC:#x}"))),
        }
    }
}
