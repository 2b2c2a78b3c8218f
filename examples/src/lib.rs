//! Examples of worker-core.
