//! The attribute `#[process_actor]`.
