//! Tests of the pipeline on tokens, without a compiler.

mod diagnostics;
mod golden;
mod support;
