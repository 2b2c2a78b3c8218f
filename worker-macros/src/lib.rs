//! The attribute `#[process_actor]`, which turns an impl block into an actor with a process of its own.
//! This file is the entry only; `pipeline` has the order of the stages. Use it through `worker_core`.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod args;
mod check;
mod errors;
mod expand;
mod fallback;
mod model;
mod names;
mod parse;
mod pipeline;
mod shown;
mod words;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes an actor of an inherent impl block.
#[proc_macro_attribute]
pub fn process_actor(args: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(args.into(), item.into()).into()
}
