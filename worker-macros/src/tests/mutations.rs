//! Any tokens in, never a panic: golden inputs are cut up and shuffled by a seeded generator, so that a failure can
//! be run again. `MUTATIONS=100000 cargo test -p worker-macros mutations` looks longer.

use std::env;

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use super::golden;
use crate::{derive, pipeline};

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }
}

const WORDS: [&str; 34] = [
    "self", "Self", "fn", "impl", "pub", "async", "unsafe", "const", "dyn", "mut", "ref", "where", "for",
    "crate", "super", "type", "struct", "extern", "default", "oneway", "started", "stopped", "cfg", "Result",
    "Option", "Vec", "Box", "u8", "str", "Path", "Context", "r#type", "_", "__Marker",
];

fn arbitrary(random: &mut Random) -> TokenTree {
    let puncts = ['#', '&', '\'', '<', '>', ':', ';', ',', '=', '-', '!', '+', '*', '.', '|', '$', '@', '?'];
    match random.below(4) {
        0 => {
            let word = WORDS[random.below(WORDS.len())];
            let ident = match word.strip_prefix("r#") {
                Some(raw) => Ident::new_raw(raw, Span::call_site()),
                None => Ident::new(word, Span::call_site()),
            };
            ident.into()
        }
        1 => {
            let spacing = if random.below(2) == 0 { Spacing::Alone } else { Spacing::Joint };
            Punct::new(puncts[random.below(puncts.len())], spacing).into()
        }
        2 => Literal::string("text").into(),
        _ => {
            let delimiters = [Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None];
            Group::new(delimiters[random.below(4)], TokenStream::new()).into()
        }
    }
}

/// One change somewhere in the tree.
fn mutate(random: &mut Random, tokens: TokenStream) -> TokenStream {
    let mut trees: Vec<TokenTree> = tokens.into_iter().collect();
    if trees.is_empty() {
        return TokenStream::from(arbitrary(random));
    }
    let at = random.below(trees.len());
    if let TokenTree::Group(group) = &trees[at]
        && random.below(5) != 0
    {
        let delimiters = [Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None];
        let delimiter = if random.below(12) == 0 { delimiters[random.below(4)] } else { group.delimiter() };
        trees[at] = Group::new(delimiter, mutate(random, group.stream())).into();
        return trees.into_iter().collect();
    }
    let other = random.below(trees.len());
    match random.below(6) {
        0 => {
            trees.remove(at);
        }
        1 => trees.insert(at, arbitrary(random)),
        2 => trees[at] = arbitrary(random),
        3 => trees.swap(at, other),
        4 => trees.insert(other, trees[at].clone()),
        _ => trees.truncate(at),
    }
    trees.into_iter().collect()
}

#[test]
fn no_tokens_make_the_macro_panic() {
    let rounds: u64 = env::var("MUTATIONS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2_000);
    // What the derive takes, so that some mutations of it are still a struct.
    let structure = (TokenStream::new(), "pub struct A<T: B>(c::Handle<D<T>>) where T: E;".parse().unwrap());
    let inputs: Vec<(TokenStream, TokenStream)> =
        golden::inputs().iter().map(|input| golden::read(input)).chain([structure]).collect();
    for seed in 0..rounds {
        let random = &mut Random(seed);
        let (mut args, mut block) = inputs[random.below(inputs.len())].clone();
        for _ in 0..=random.below(8) {
            if random.below(8) == 0 {
                args = mutate(random, args);
            } else {
                block = mutate(random, block);
            }
        }
        let run = || pipeline::run(args.clone(), block.clone()).to_string();
        let outcome = std::panic::catch_unwind(run);
        assert!(outcome.is_ok(), "seed {seed} panics on\n#[process_actor({args})]\n{block}");
        let outcome = std::panic::catch_unwind(|| derive::frontend(block.clone()).to_string());
        assert!(outcome.is_ok(), "seed {seed} panics on\n#[derive(Frontend)]\n{block}");
    }
}
