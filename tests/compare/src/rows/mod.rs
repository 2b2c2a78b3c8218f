//! The figures, a file each.
//! Not here: who takes part (`peers`) and how it is told (`table`, `plot`).
//! Layer: over both.

pub mod calls;
pub mod channel;
pub mod frames;
pub mod memory;
pub mod one_way;
pub mod scale;
pub mod spawn;
pub mod threads;
