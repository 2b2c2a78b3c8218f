//! Expansions under every lint that a user may deny: names, types and surroundings that break macros.
//! Not here: traits (`traits`), and mistakes of users (the unit tests).
//! One program: compiling it is most of the test.
#![deny(warnings, missing_docs, unsafe_code, unused_qualifications, unused_lifetimes, unused_results)]
#![deny(single_use_lifetimes, redundant_lifetimes, let_underscore_drop, unnameable_types, unreachable_pub)]
#![deny(explicit_outlives_requirements, trivial_numeric_casts, absolute_paths_not_starting_with_crate)]
#![deny(elided_lifetimes_in_paths, trivial_casts)]
#![deny(clippy::pedantic)]
#![allow(
    missing_debug_implementations,
    clippy::must_use_candidate,
    clippy::unused_self,
    clippy::needless_pass_by_value,
    clippy::new_without_default,
    clippy::trivially_copy_pass_by_ref,
    reason = "about the users' types here, not about what is generated"
)]

extern crate worker_core as rt;

pub mod odd_names;
pub mod odd_types;
pub mod surroundings;
pub mod travel;
