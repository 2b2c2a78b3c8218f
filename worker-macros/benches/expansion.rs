//! How long one expansion takes: an actor of ten methods, from tokens to tokens.
//! Not here: what the compiler then makes of it (`compile_time` in the package `tests`).
//! A program of its own, with the rooms of the macro in it: a procedural macro exports nothing else to call.
#![allow(dead_code, unreachable_pub, reason = "the entry of the macro is not among the rooms")]

#[path = "../src/args.rs"]
mod args;
#[path = "../src/check/mod.rs"]
mod check;
#[path = "../src/errors.rs"]
mod errors;
#[path = "../src/expand/mod.rs"]
mod expand;
#[path = "../src/fallback.rs"]
mod fallback;
#[path = "../src/model.rs"]
mod model;
#[path = "../src/names.rs"]
mod names;
#[path = "../src/parse/mod.rs"]
mod parse;
#[path = "../src/pipeline.rs"]
mod pipeline;
#[path = "../src/shown.rs"]
mod shown;
#[path = "../src/words.rs"]
mod words;

use std::hint::black_box;
use std::time::{Duration, Instant};

use proc_macro2::TokenStream;

/// An actor with a constructor and this many methods.
fn block(methods: usize) -> TokenStream {
    let method = |index: usize| {
        format!(
            "/// Decodes.\n pub fn m{index}(&mut self, n: i64, of: &str, at: &Point) -> Result<Image, Gone> {{ self.n += n; Ok(n) }}"
        )
    };
    let methods: String = (0..methods).map(method).collect();
    format!("impl Decoder {{ pub fn new(start: i64) -> Self {{ Self {{ start }} }} {methods} }}")
        .parse()
        .unwrap()
}

/// The least of many expansions: noise only adds.
fn measure(methods: usize) -> Duration {
    let block = block(methods);
    let expand = |_| {
        let block = block.clone();
        let start = Instant::now();
        black_box(pipeline::run(TokenStream::new(), block));
        start.elapsed()
    };
    (0..500).map(expand).min().unwrap_or_default()
}

fn main() {
    for methods in [1, 10, 50] {
        let time = measure(methods);
        println!("an actor of {methods:2} methods: {:4} us", time.as_micros());
    }
}
