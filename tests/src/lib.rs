//! Whole-library tests of worker-core.
