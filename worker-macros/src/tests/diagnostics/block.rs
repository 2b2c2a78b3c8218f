//! Rules about the block and the options.

use super::{ALL_OPTIONS, block, items, options};

#[test]
fn options_are_words_with_values() {
    let unknown = format!("unknown option `fronted`: expected {ALL_OPTIONS}");
    options("fronted = Remote", &[(&unknown, "fronted")]);
    let found = format!("expected an option, found `\"x\"`: write {ALL_OPTIONS}");
    options("\"x\"", &[(&found, "\"x\"")]);
    options("frontend", &[("`frontend` needs a value: write `frontend = Name`", "frontend")]);
    options("crate =, request = Ask", &[("`crate` needs a value: write `crate = path`", "crate")]);
    options(
        "frontend = a::B",
        &[("`frontend` expects the name of a type, found `a::B`: write `frontend = Name`", "a::B")],
    );
    options(
        "crate = \"worker\"",
        &[(
            "`crate` expects the path of the runtime crate, found `\"worker\"`: write `crate = path`",
            "\"worker\"",
        )],
    );
    options(
        "request = A, request = B",
        &[("option `request` is given twice: keep one of the two", "request")],
    );
    options(
        "frontend = Decoder",
        &[("`Decoder` is the actor itself: choose another name for `frontend = Name`", "Decoder")],
    );
    options(
        "frontend = A, request = A",
        &[("`A` is already the name of the frontend: choose another for `request = Name`", "A")],
    );
}

#[test]
fn the_item_is_an_inherent_impl_of_a_named_type() {
    block(
        "",
        "struct Decoder;",
        &[(
            "`#[process_actor]` expects an inherent impl block, found `struct`: write it on `impl Type { .. }`",
            "struct",
        )],
    );
    block(
        "",
        "trait Decode { fn decode(&self); }",
        &[(
            "`#[process_actor]` expects an inherent impl block, found `trait`: write it on `impl Type { .. }`",
            "trait",
        )],
    );
    block(
        "",
        "impl Decode for Decoder { fn decode(self) {} }",
        &[(
            "`#[process_actor]` expects an inherent impl block, found an impl of `Decode`: write `impl Decoder { .. }` \
            and call the trait's methods from there",
            "Decode",
        )],
    );
    block(
        "",
        "impl (A, B) { pub fn new() -> Self {} }",
        &[("an actor must be a named type, such as a struct or an enum: write `impl Name { .. }`", "(A, B)")],
    );
    block(
        "",
        "impl<'a> Decoder<'a> { pub fn new() -> Self {} }",
        &[("an actor lives in another process and cannot borrow with `'a`: own the data", "'a")],
    );
    block(
        "",
        "impl Decoder<'_> { pub fn new() -> Self {} }",
        &[("an actor lives in another process and cannot borrow with `'_`: own the data", "'_")],
    );
}

#[test]
fn an_actor_has_a_constructor() {
    block(
        "",
        "impl Decoder { pub fn decode(&self) {} }",
        &[(
            "`Decoder` has no constructor: add a `pub fn new(..)` that returns `Self` or `Result<Self, E>`",
            "Decoder",
        )],
    );
    block(
        "",
        "impl Decoder { fn new() -> Self {} }",
        &[(
            "the constructor `new` has no visibility, so no `DecoderFrontend` can be spawned: write `pub fn new`",
            "new",
        )],
    );
    items(
        "pub fn with_cx(cx: &Context<Self>) -> Self {}",
        &[(
            "a constructor runs before there is a `Context`: take it in a `#[started]` hook",
            "&Context<Self>",
        )],
    );
    items(
        "pub fn make<T>(value: T) -> Self {}",
        &[(
            "a constructor cannot be generic by itself: make it a parameter of the actor, `impl<T> Actor<T>`",
            "T",
        )],
    );
}
