//! Frames: megabytes from process to process through a ring of slots in shared memory.
//! Not here: calls and their arguments, which are for small things and for ends of rings.
//! Layer 6: beside `actor`, over `sys` and `wire`.
//!
//! # Protocol
//!
//! A ring is one sealed memory object: a header that never changes, control words, and *slots*, each of
//! which holds one frame. One end writes; up to 32 ends read; each may be in any process.
//! Published frames have *positions* 1, 2, 3 and so on without a gap, and *sequence numbers* that also
//! count the frames that were dropped. The *index* says in which slot the newest frames lie.
//!
//! ```text
//!                publish                    borrow: own bit set
//!   slot word 0 ----------> {position, -} <----------------------> {position, bits of borrowers}
//!   (writer's)  <----------               give back: own bit cleared
//!                reclaim: only from {position, -}
//! ```
//!
//! * F1: the word of a slot is zero while the writing end has it. A reading end sets its bit by an
//!   exchange that expects the position that it wants; the writing end takes the slot by an exchange
//!   that expects no bit. One word decides, so a frame is never written while it is read: no torn frame.
//! * F2: where nothing may be lost (`Block`, `DropNewest`), only frames that every reading end has
//!   passed are reclaimed. Such an end moves its `next` after it has set its bit. So the frames from
//!   the lowest `next` on all have their slots, no more than there are slots, and their index entries.
//! * F3: a reading end is made from another one, which stays until it is entered (see `registry`).
//! * W1: the writing end changes hands by an exchange of `epoch`: of two that received it, one has it.
//! * W2: what a writing end leaves behind when it dies is published whole or not at all: a claimed slot
//!   has word zero, and its position is not in `newest`.
//! * L1: the writing end knows every reading end by a pipe, sent before the end is entered. A reading
//!   end that is gone, dead or lost inside of a message, shows as an error on its pipe, in every state; the writing end
//!   then clears its bits and its seat. A writing end that is gone shows as the end of every pipe.
//! * D1: of two that each write, fence and read the other's word, at least one sees the other's write.
//!   So whoever announces that it sleeps and looks once more is woken, or sees what it waits for.
//! * D2: an announcement is taken by a swap, so it is answered by at most one wake-up.
//!
//! | `SYNC` label | publishes | release | acquire |
//! | --- | --- | --- | --- |
//! | frame | the frame, to who borrows it without having heard of it | writer stores the slot's word | reader sets its bit |
//! | newest | the frame, its index entry and its slot words | writer stores `newest` | reader loads it |
//! | slot | that reading is over | reader clears its bit | writer takes the slot |
//! | passed | the bit set before | reader stores `next` | writer loads it |
//! | attached | a new reading end | it adds to `attachments` | writer loads it, twice |
//! | seat | that a seat is as good as new | who leaves stores zero | who enters exchanges it |

#[cfg(feature = "tokio")]
mod awaiting;
mod control;
mod doorkeeper;
#[cfg(test)]
mod dying;
mod errors;
mod frame;
mod header;
mod layout;
mod memory;
#[cfg(all(test, worker_model))]
mod model;
mod reader;
mod reading;
mod registry;
mod slots;
#[cfg(test)]
mod tests;
mod travel;
mod words;
mod writer;
mod writing;

use std::io;
use std::sync::Arc;

pub use bytemuck::Pod;

#[cfg(feature = "tokio")]
pub use awaiting::Frames;
pub use errors::{RecvError, WriteError};
pub use frame::Frame;
pub use layout::{Layout, Overflow};
pub use reader::FrameReader;
pub use writer::{Claim, Counts, FrameWriter, ReaderCounts};

use crate::sys::doorbell::doorbell_that_shows_death;
use crate::sys::socket;
use doorkeeper::{Doorkeeper, Known, Registrar};
use memory::{Mapped, Purpose};
use registry::Start;

/// Makes a ring of frames with elements `T`, and its two ends.
///
/// All of its memory is taken at once, so that a lack of it shows here and nowhere later. It is gone
/// when the last end is, in whatever process; it has no name anywhere.
///
/// # Errors
///
/// If the layout makes no sense ([`InvalidInput`](io::ErrorKind::InvalidInput)), if there is not enough
/// memory ([`OutOfMemory`](io::ErrorKind::OutOfMemory)), or if the system refuses a descriptor.
///
/// # Examples
///
/// ```
/// use worker_core::frames::{self, Layout, Overflow};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([480, 640, 3]).slots(4).overflow(Overflow::DropOldest);
/// let (mut writer, reader) = frames::ring::<u8>(layout)?;
/// let grey = vec![128; 480 * 640 * 3];
/// for _ in 0..6 {
///     writer.write(&grey)?;
/// }
/// assert_eq!(reader.recv()?.sequence(), 3);
/// assert_eq!((reader.lost(), writer.counts().overwritten), (2, 2));
/// # Ok(())
/// # }
/// ```
pub fn ring<T: Pod>(layout: Layout) -> io::Result<(FrameWriter<T>, FrameReader<T>)> {
    ring_with_metadata(layout)
}

/// Like [`ring`], for frames that carry metadata `M` each.
///
/// # Errors
///
/// As [`ring`].
///
/// # Examples
///
/// ```
/// use worker_core::frames::{self, Layout};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut writer, reader) = frames::ring_with_metadata::<u8, [f64; 2]>(Layout::new([4]))?;
/// writer.write_with(b"abcd", [52.5, 13.4])?;
/// assert_eq!(reader.recv()?.metadata(), [52.5, 13.4]);
/// # Ok(())
/// # }
/// ```
pub fn ring_with_metadata<T: Pod, M: Pod>(
    layout: Layout,
) -> io::Result<(FrameWriter<T, M>, FrameReader<T, M>)> {
    let mapped = Mapped::create(layout)?;
    let readers_view = Arc::new(mapped.again(Purpose::Read)?);
    let (writers_end, readers_end) = socket::message_pair()?;
    let (bell, sleeper) = doorbell_that_shows_death()?;
    let token = registry::new_token(&mapped.sizes.control, &mapped.words);
    let doorkeeper = Doorkeeper::new(writers_end, vec![Known::new(token, bell)]);
    let registrar = Registrar::from(readers_end);
    let reader = FrameReader::enter(readers_view, token, sleeper, registrar, Start::FIRST)?;
    Ok((FrameWriter::resume(mapped, doorkeeper, 0), reader))
}
