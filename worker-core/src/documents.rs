//! The pages of the repository that show code, as doc tests: none of it is shown without being run.
//! Not here: examples of single items, which stand at the items.
//! Compiled by `cargo test --doc` alone. Two pages show files of tests instead: `macro`, `expansion`.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/guide.md")]
mod guide {}

#[doc = include_str!("../../docs/guarantees.md")]
mod guarantees {}

#[doc = include_str!("../../docs/supervision.md")]
mod supervision {}

#[doc = include_str!("../../docs/frames.md")]
mod frames {}

#[doc = include_str!("../../docs/channels.md")]
mod channels {}

#[doc = include_str!("../../docs/select.md")]
mod select {}

#[doc = include_str!("../../docs/architecture.md")]
mod architecture {}

#[doc = include_str!("../../docs/link.md")]
mod link {}

#[doc = include_str!("../../docs/safety.md")]
mod safety {}

#[doc = include_str!("../../docs/decisions.md")]
mod decisions {}

#[doc = include_str!("../../CONTRIBUTING.md")]
mod contributing {}

#[doc = include_str!("../../docs/performance.md")]
mod performance {}

#[doc = include_str!("../../docs/processes.md")]
mod processes {}

#[cfg(feature = "tokio")]
#[doc = include_str!("../../docs/async.md")]
mod r#async {}

#[doc = include_str!("../../docs/pools.md")]
mod pools {}
