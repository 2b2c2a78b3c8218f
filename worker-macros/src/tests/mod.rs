//! Tests of the pipeline on tokens, without a compiler.

mod derive;
mod diagnostics;
mod expansion;
mod fallback;
mod golden;
mod mutations;
mod pages;
mod spans;
mod support;
