//! What a ring says of itself at its beginning, and the check of it by whoever attaches.
//! Not here: the control words behind it (`control`).
//! Layer 6: over `sys::memory`.
//!
//! | offset | size | what | unit |
//! | --- | --- | --- | --- |
//! | 0 | 8 | magic, and version of the protocol | |
//! | 8 | 8 | length of the memory | bytes |
//! | 16 | 8 | slots | |
//! | 24 | 8 | overflow policy | |
//! | 32 | 8 | size of an element | bytes |
//! | 40 | 8 | size of the metadata | bytes |
//! | 48 | 8 | fingerprint of the element type | |
//! | 56 | 8 | fingerprint of the metadata type | |
//! | 64 | 8 | whether pages are huge | |
//! | 72 | 8 | dimensions | |
//! | 80 | 64 | length of each dimension | elements |
//! | 256 | 96 | name of the element type, for errors | UTF-8 |
//! | 384 | 96 | name of the metadata type, for errors | UTF-8 |
//!
//! All of it is written before the ring is given to anybody, and never changes.

use std::any::type_name;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use super::layout::{DIMENSIONS_MAX, Layout, Overflow, Sizes, TypeSize};
use crate::sys::memory::SharedMemory;

/// `"wcf"` and the version of the protocol.
const MAGIC: u64 = 0x77_63_66_00_00_00_00_01;
const NAME_BYTES: usize = 96;
const ELEMENT_NAME_OFFSET: usize = 256;
const METADATA_NAME_OFFSET: usize = 384;

/// Writes the header of a new ring.
pub(super) fn write<T, M>(memory: &SharedMemory, layout: &Layout, sizes: &Sizes) {
    let words = [
        MAGIC,
        sizes.total_bytes as u64,
        layout.slots as u64,
        layout.overflow as u64,
        size_of::<T>() as u64,
        size_of::<M>() as u64,
        fingerprint(type_name::<T>()),
        fingerprint(type_name::<M>()),
        u64::from(layout.huge_pages),
        layout.shape.len() as u64,
    ];
    let words = words.into_iter().chain(layout.shape.iter().map(|&length| length as u64));
    for (index, word) in words.enumerate() {
        // Relaxed: the memory is handed over by a message, which orders everything before it.
        memory.word(index * 8).store(word, Relaxed);
    }
    for (offset, name) in [(ELEMENT_NAME_OFFSET, type_name::<T>()), (METADATA_NAME_OFFSET, type_name::<M>())]
    {
        memory.write(offset, &name.as_bytes()[..name.len().min(NAME_BYTES)]);
    }
}

/// Reads and checks the header of a ring of `length_bytes`, whoever wrote it.
pub(super) fn check<T, M>(memory: &SharedMemory, length_bytes: usize) -> io::Result<(Layout, Sizes)> {
    // Relaxed: as in `write`. Each word is loaded once, and only the copy is used.
    let word = |index: usize| memory.word(index * 8).load(Relaxed);
    let refuse = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let magic = word(0);
    if magic != MAGIC {
        return refuse(if magic >> 32 == MAGIC >> 32 {
            format!(
                "the ring of frames speaks version {} of the protocol, this program version {}",
                magic & u64::from(u32::MAX),
                MAGIC & u64::from(u32::MAX)
            )
        } else {
            "the memory holds no ring of frames".to_owned()
        });
    }
    check_type::<T>(memory, "elements", [word(4), word(6)], ELEMENT_NAME_OFFSET)?;
    check_type::<M>(memory, "metadata", [word(5), word(7)], METADATA_NAME_OFFSET)?;
    let small = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let dimensions = small(word(9)).min(DIMENSIONS_MAX + 1);
    let shape: Vec<usize> = (0..dimensions).map(|index| small(word(10 + index))).collect();
    let Some(overflow) = Overflow::ALL.into_iter().find(|&overflow| overflow as u64 == word(3)) else {
        return refuse("the ring of frames has an overflow policy that nobody knows".to_owned());
    };
    let layout = Layout { shape, slots: small(word(2)), overflow, huge_pages: word(8) != 0 };
    let sizes = Sizes::of(&layout, TypeSize::of::<T>(), TypeSize::of::<M>())?;
    if sizes.total_bytes != length_bytes || word(1) != length_bytes as u64 {
        return refuse(format!(
            "the ring of frames should take {} bytes for its shape {:?}, and has {length_bytes}",
            sizes.total_bytes, layout.shape
        ));
    }
    Ok((layout, sizes))
}

fn check_type<T>(memory: &SharedMemory, what: &str, found: [u64; 2], name_offset: usize) -> io::Result<()> {
    if found == [size_of::<T>() as u64, fingerprint(type_name::<T>())] {
        return Ok(());
    }
    let mut name = Vec::new();
    memory.append_to(&mut name, name_offset, NAME_BYTES);
    name.retain(|&byte| byte != 0);
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the ring of frames has {what} of type `{}` ({} bytes), not `{}` ({} bytes)",
            String::from_utf8_lossy(&name),
            found[0],
            type_name::<T>(),
            size_of::<T>()
        ),
    ))
}

/// Tells types apart by name, in every process of one build.
///
/// # Source
///
/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fingerprint(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
