//! Where encoded bytes go: straight into shared memory, into a vector, or only counted.
//! Not here: the encoding (`codec`), and who owns the room (`link`).
//! Layer 2: safe code over `sys::memory`.

use crate::sys::memory::SharedMemory;

/// A sink for encoded bytes. One concrete type, so that each message type is compiled once.
#[derive(Debug)]
pub struct Writer<'target> {
    target: Target<'target>,
}

#[derive(Debug)]
enum Target<'target> {
    Shared { memory: &'target SharedMemory, at: usize, end: usize },
    Heap(&'target mut Vec<u8>),
    Count(usize),
}

/// What is said where the target was a vector.
pub(crate) const NO_MEMORY: &str = "there is not enough memory for the message";

/// The room ended before the value did; of a vector, the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRoom;

impl<'target> Writer<'target> {
    /// Writes to `room_bytes` of shared memory that this process has reserved.
    #[inline]
    pub(crate) fn to_shared(memory: &'target SharedMemory, offset_bytes: usize, room_bytes: usize) -> Self {
        Self { target: Target::Shared { memory, at: offset_bytes, end: offset_bytes + room_bytes } }
    }

    /// Appends to a vector.
    pub(crate) fn to_heap(vector: &'target mut Vec<u8>) -> Self {
        Self { target: Target::Heap(vector) }
    }

    /// Counts only.
    pub(crate) fn to_nowhere() -> Self {
        Self { target: Target::Count(0) }
    }

    /// Appends bytes, as one block.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfRoom> {
        match &mut self.target {
            Target::Shared { memory, at, end } => {
                if bytes.len() > *end - *at {
                    return Err(OutOfRoom);
                }
                memory.write(*at, bytes);
                *at += bytes.len();
            }
            Target::Heap(vector) => {
                vector.try_reserve(bytes.len()).map_err(|_| OutOfRoom)?;
                vector.extend_from_slice(bytes);
            }
            Target::Count(count) => *count += bytes.len(),
        }
        Ok(())
    }

    /// End of what has been written: an offset in shared memory, a length of the vector, a count.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        match &self.target {
            Target::Shared { at, .. } => *at,
            Target::Heap(vector) => vector.len(),
            Target::Count(count) => *count,
        }
    }
}
