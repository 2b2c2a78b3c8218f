//! Every rule: its message and the text it underlines, and that one mistake gives one error.

mod block;
mod functions;
mod values;

use super::support::diagnostics;

/// One constructor, so that only the mistake of the case is reported.
fn actor(items: &str) -> String {
    format!("impl Decoder {{ pub fn new() -> Self {{}} {items} }}")
}

/// Asserts the mistakes of a block: `(message, underlined)` each, in order; and of each message that it is one sentence,
/// in the compiler's own style.
#[track_caller]
fn block(args: &str, item: &str, expected: &[(&str, &str)]) {
    let found = diagnostics(args, item);
    for (message, _) in &found {
        assert!(
            !message.ends_with('.') && !message.contains('\n'),
            "no sentence of the compiler's: {message}"
        );
        assert!(!message.starts_with(char::is_uppercase), "no sentence of the compiler's: {message}");
    }
    let found: Vec<(&str, &str)> =
        found.iter().map(|(message, text)| (message.as_str(), text.as_str())).collect();
    assert_eq!(found, expected, "{item}");
}

#[track_caller]
fn items(items: &str, expected: &[(&str, &str)]) {
    block("", &actor(items), expected);
}

#[track_caller]
fn options(args: &str, expected: &[(&str, &str)]) {
    block(args, &actor(""), expected);
}

const ALL_OPTIONS: &str = "`frontend = Name`, `request = Name`, `constructor = Name` or `crate = path`";

#[test]
fn good_blocks_have_no_diagnostics() {
    items("", &[]);
    items("pub const fn a(&self) {} pub extern \"C\" fn b(&self) {} pub fn c(self: &Self) {}", &[]);
    items("pub fn a(&self, all: &[&str], some: Vec<&[u8]>, b: Cow<'_, str>) -> Cow<'static, str> {}", &[]);
    items("#[cfg(unix)] pub fn a(&self) {} #[cfg(not(unix))] pub fn a(&self) {}", &[]);
    items("pub fn count() -> usize {} pub const N: usize = { 1 }; type A = u8;", &[]);
    items("#[oneway] pub fn a(&self) {} pub fn a_async(&self) {}", &[]);
    options("frontend = Remote, request = Ask, constructor = Make, crate = crate::worker,", &[]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    block(
        "frontent = A",
        "impl Decoder { #[oneway] pub fn a(self, n: &mut u8) -> u8 {} pub fn stop(&self) {} pub async fn b<T>(&self) {} }",
        &[
            (&format!("unknown option `frontent`: expected {ALL_OPTIONS}"), "frontent"),
            (
                "`Decoder` has no constructor: add a `pub fn new(..)` that returns `Self` or `Result<Self, E>`",
                "Decoder",
            ),
            (
                "`&mut u8` cannot reach into another process: take it by value and return the new one",
                "&mut u8",
            ),
            (
                "a generic method cannot be `async`: make its types parameters of the actor, `impl<T> Actor<T>`, or \
                write `fn`",
                "async",
            ),
            ("`self` by value would take the actor out of its process: write `&self` or `&mut self`", "self"),
            ("a one-way call has no reply, found `-> u8`: remove it, or remove `#[oneway]`", "u8"),
            (
                "`stop` is already a method of `DecoderFrontend` (on every frontend it ends the actor): rename `stop`",
                "stop",
            ),
        ],
    );
}
