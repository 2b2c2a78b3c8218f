//! What travels on a link: kinds of messages, and values as bytes.
//! Not here: how the bytes get across (`link`).
//! Layer 2: above `errors`, beside `ring`.

pub(crate) mod borrowed;
pub mod bytes;
pub(crate) mod codec;
pub mod descriptor;
pub(crate) mod descriptors;
pub(crate) mod field;
pub(crate) mod kind;
pub(crate) mod lent;
pub mod path;
pub(crate) mod portable;
pub(crate) mod reason;
pub(crate) mod received;
pub(crate) mod writer;
