//! Tests of the pipeline on tokens, without a compiler.

mod golden;
mod support;
