//! What a user may choose about a ring of frames, and the sizes that follow.
//! Not here: the control words (`control`) and making the memory (`memory`).
//! Layer 6: plain data.

use std::io;

use super::control::{Control, SLOTS_MAX};

/// Most dimensions of a frame.
pub(super) const DIMENSIONS_MAX: usize = 8;
/// Slots of a ring unless another number is given.
const SLOTS: usize = 8;
/// What slots are multiples of, and with it the strictest alignment of an element.
pub(super) const SLOT_UNIT_BYTES: usize = 64;
/// Where the control words begin; before them stands what the ring is.
pub(super) const HEADER_BYTES: usize = 512;
/// Slots of this size or more begin at a page.
const PAGE_BYTES: usize = 4096;
/// Size of a huge page.
pub(super) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// What happens when a frame is ready and every slot holds one that some reader has not passed.
///
/// Whatever is chosen, a frame that is being read is never touched, and every lost frame is counted:
/// see [`FrameReader::lost`](super::FrameReader::lost) and [`FrameWriter::counts`](super::FrameWriter::counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The writer waits for the slowest reader. Nothing is lost.
    #[default]
    Block,
    /// The frame that was about to be written is dropped; readers get all the older ones.
    DropNewest,
    /// The oldest frame that nobody is reading just now makes room; slow readers lose it.
    DropOldest,
    /// As `DropOldest`, and a reader always gets the newest frame, passing over older ones.
    LatestOnly,
}

impl Overflow {
    pub(super) const ALL: [Self; 4] = [Self::Block, Self::DropNewest, Self::DropOldest, Self::LatestOnly];

    pub(super) fn loses_old_frames(self) -> bool {
        matches!(self, Self::DropOldest | Self::LatestOnly)
    }
}

/// Shape and number of the frames of a ring, and what happens when it is full.
///
/// # Examples
///
/// ```
/// use worker_core::frames::{self, Layout, Overflow};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([1080, 1920, 3]).slots(4).overflow(Overflow::DropOldest);
/// let (writer, reader) = frames::ring::<u8>(layout)?;
/// assert_eq!(reader.shape(), [1080, 1920, 3]);
/// # drop(writer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Layout {
    pub(super) shape: Vec<usize>,
    pub(super) slots: usize,
    pub(super) overflow: Overflow,
    pub(super) huge_pages: bool,
}

impl Layout {
    /// Frames of this shape, outermost dimension first, in eight slots, with [`Overflow::Block`].
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), slots: SLOTS, overflow: Overflow::default(), huge_pages: false }
    }

    /// Sets how many frames the ring holds, those being written and read included: 2 to 65,536.
    ///
    /// A writer that shall never be without a slot under [`Overflow::DropOldest`] or
    /// [`Overflow::LatestOnly`] needs two more than there are frames borrowed at one time.
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Sets what happens when no slot is free.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Asks for pages of 2 MiB, which spare the processor work with frames of megabytes.
    ///
    /// Where the system has none to give, and few have, pages are of the ordinary size.
    pub fn huge_pages(mut self, wanted: bool) -> Self {
        self.huge_pages = wanted;
        self
    }
}

/// Size and alignment of the element type, or of the metadata type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeSize {
    pub(super) size_bytes: usize,
    pub(super) align_bytes: usize,
}

impl TypeSize {
    pub(super) const fn of<T>() -> Self {
        Self { size_bytes: size_of::<T>(), align_bytes: align_of::<T>() }
    }
}

/// Where everything lies in the memory of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) control: Control,
    /// Elements of a frame.
    pub(super) elements: usize,
    /// Where in a slot the metadata lies.
    pub(super) metadata_offset_bytes: usize,
    pub(super) slot_bytes: usize,
    /// Where the slots begin; before it lies the control part, a multiple of a page.
    pub(super) slots_offset_bytes: usize,
    pub(super) total_bytes: usize,
}

impl Sizes {
    /// The sizes for frames of this layout, or why there can be none.
    pub(super) fn of(layout: &Layout, element: TypeSize, metadata: TypeSize) -> io::Result<Self> {
        let refuse = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        let shape = &layout.shape;
        if shape.is_empty() || shape.len() > DIMENSIONS_MAX || shape.contains(&0) {
            return refuse(format!(
                "a frame has 1 to {DIMENSIONS_MAX} dimensions, none of them zero, and {shape:?} is no such shape"
            ));
        }
        if !(2..=SLOTS_MAX).contains(&layout.slots) {
            return refuse(format!("a ring has 2 to {SLOTS_MAX} slots, not {}", layout.slots));
        }
        if element.size_bytes == 0 || element.align_bytes > SLOT_UNIT_BYTES {
            return refuse(format!(
                "an element takes at least one byte and is aligned to at most {SLOT_UNIT_BYTES}, \
                 not {} aligned to {}",
                element.size_bytes, element.align_bytes
            ));
        }
        let control = Control::new(HEADER_BYTES, layout.slots);
        let page_bytes = if layout.huge_pages { HUGE_PAGE_BYTES } else { PAGE_BYTES };
        let sizes = || {
            let elements = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))?;
            let metadata_offset_bytes = elements.checked_mul(element.size_bytes)?;
            let used_bytes = metadata_offset_bytes.checked_add(metadata.size_bytes)?;
            let unit = if used_bytes < PAGE_BYTES { SLOT_UNIT_BYTES } else { PAGE_BYTES };
            let slot_bytes = used_bytes.checked_next_multiple_of(unit)?;
            let slots_offset_bytes = control.end_bytes().checked_next_multiple_of(page_bytes)?;
            let total_bytes = slot_bytes
                .checked_mul(layout.slots)?
                .checked_add(slots_offset_bytes)?
                .checked_next_multiple_of(page_bytes)
                .filter(|&total| isize::try_from(total).is_ok())?;
            Some(Self {
                control,
                elements,
                metadata_offset_bytes,
                slot_bytes,
                slots_offset_bytes,
                total_bytes,
            })
        };
        match sizes() {
            Some(sizes) => Ok(sizes),
            None => refuse(format!(
                "{} frames of shape {shape:?} are more bytes than there are addresses",
                layout.slots
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(layout: &Layout) -> io::Result<Sizes> {
        Sizes::of(layout, TypeSize::of::<u16>(), TypeSize::of::<[u8; 3]>())
    }

    #[test]
    fn parts_follow_each_other_without_overlap() {
        for slots in [2, 3, 8, 1000, SLOTS_MAX] {
            let sizes = sizes(&Layout::new([5, 7]).slots(slots)).unwrap();
            assert_eq!((sizes.elements, sizes.metadata_offset_bytes, sizes.slot_bytes), (35, 70, 128));
            let control = sizes.control;
            let mut words = vec![
                control.newest(),
                control.sequence(),
                control.dropped(),
                control.overwritten(),
                control.writer_waiting(),
                control.sleepers(),
                control.epoch(),
                control.attached(),
                control.attachments(),
                control.tokens(),
                control.departed_lost(),
            ];
            for index in 0..control.readers_max() {
                let at = control.reader(index);
                words.extend([at.state, at.next, at.lost, at.taken, at.last_sequence]);
            }
            words.extend((0..slots as u64).map(|position| control.index(position)));
            for slot in 0..slots {
                let at = control.slot(slot);
                words.extend([at.word, at.position, at.sequence, at.timestamp]);
            }
            let count = words.len();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), count, "each word has a place of its own");
            assert!(words[0] >= HEADER_BYTES && words.iter().all(|word| word % 8 == 0));
            assert!(words[count - 1] + 8 <= sizes.slots_offset_bytes);
            assert!(sizes.total_bytes >= sizes.slots_offset_bytes + slots * sizes.slot_bytes);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (layout, reason) in [
            (Layout::new([]), "1 to 8 dimensions"),
            (Layout::new([1; 9]), "1 to 8 dimensions"),
            (Layout::new([3, 0]), "none of them zero"),
            (Layout::new([3]).slots(1), "2 to 65536 slots"),
            (Layout::new([3]).slots(SLOTS_MAX + 1), "2 to 65536 slots"),
            (Layout::new([usize::MAX, 2]), "more bytes than there are addresses"),
            (Layout::new([usize::MAX / 4]), "more bytes than there are addresses"),
        ] {
            let text = sizes(&layout).unwrap_err().to_string();
            assert!(text.contains(reason), "{text}");
        }
        let nothing = Sizes::of(&Layout::new([3]), TypeSize::of::<()>(), TypeSize::of::<()>());
        assert!(nothing.unwrap_err().to_string().contains("at least one byte"));
    }
}
