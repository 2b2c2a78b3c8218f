//! Every rule: its message and the text it underlines, and that one mistake gives one error.

use super::support::diagnostics;

/// One constructor, so that only the mistake of the case is reported.
fn actor(items: &str) -> String {
    format!("impl Decoder {{ pub fn new() -> Self {{}} {items} }}")
}

/// Asserts the mistakes of a block: `(message, underlined)` each, in order.
#[track_caller]
fn block(args: &str, item: &str, expected: &[(&str, &str)]) {
    let found = diagnostics(args, item);
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

const ALL_OPTIONS: &str = "`frontend = Name`, `request = Name`, `constructor = Name` or `crate = path`";

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

#[test]
fn exported_functions_are_plain() {
    items(
        "pub unsafe fn a(&self) {}",
        &[(
            "an exported function cannot be `unsafe`, because its caller is in another process: make it safe, or \
            remove its visibility",
            "unsafe",
        )],
    );
    items(
        "pub async fn a(&self) {}",
        &[("an exported function cannot be `async` yet: write `fn`, or remove its visibility", "async")],
    );
    let by_value = "`self` by value would take the actor out of its process: write `&self` or `&mut self`";
    items("pub fn a(self) {}", &[(by_value, "self")]);
    items("pub fn a(mut self) {}", &[(by_value, "mut self")]);
    items(
        "pub fn a(self: Box<Self>) {}",
        &[(
            "the backend lends itself only, found `self: Box<Self>`: write `&self` or `&mut self`",
            "self: Box<Self>",
        )],
    );
}

#[test]
fn arguments_are_values() {
    items(
        "pub fn a(&self, into: &mut Image) {}",
        &[(
            "`&mut Image` cannot reach into another process: take it by value and return the new one",
            "&mut Image",
        )],
    );
    items(
        "pub fn a(&self, name: impl Into<String>) {}",
        &[(
            "`impl Into<String>` has no name that a message could carry: take a named type or a type parameter",
            "impl Into<String>",
        )],
    );
    items(
        "pub fn a(&self, shape: Box<dyn Shape>) {}",
        &[("`dyn Shape` cannot travel to another process: take a named type, such as an enum", "dyn Shape")],
    );
    items(
        "pub fn a(&self, at: *const u8) {}",
        &[("the pointer `*const u8` means nothing in another process: take the value itself", "*const u8")],
    );
    items(
        "pub fn a(&self, f: fn(u8) -> u8) {}",
        &[(
            "the function pointer `fn(u8) -> u8` means nothing in another process: take a value that names the choice, \
            such as an enum",
            "fn(u8) -> u8",
        )],
    );
    items(
        "pub fn a(&self, points: Vec<&Point>) {}",
        &[(
            "inside another type only `&str`, `&[u8]` and `&Path` can be borrowed, found `&Point`: own the data there",
            "&Point",
        )],
    );
    items(
        "pub fn a(&self, name: &'static str) {}",
        &[("nothing that comes from another process is `'static`: remove it, or own the data", "'static")],
    );
    items(
        "pub fn a(&self, cx: Option<&Context<Self>>) {}",
        &[(
            "a `Context` never travels: take it as a parameter of its own, `&Context<Self>`",
            "&Context<Self>",
        )],
    );
    items(
        "pub fn a(&self, #[cfg(a)] a: u8, #[cfg(b)] b: u8, #[cfg(c)] c: u8, #[cfg(d)] d: u8) {}",
        &[("at most 3 arguments can carry `#[cfg]`: put it on the function", "#[cfg(d)]")],
    );
    items(
        "pub fn a<'de, T: Deserialize<'de>>(&self, value: T) {}",
        &[(
            "a value that travels is decoded where `'de` does not exist: bound it without, such as by `DeserializeOwned`",
            "'de",
        )],
    );
}

#[test]
fn replies_are_values() {
    items(
        "pub fn a(&self) -> Option<&str> {}",
        &[(
            "a reply borrows as a whole or not at all, found `&str` inside another type: return an owned value there",
            "&str",
        )],
    );
    items(
        "pub fn a(&mut self) -> &mut Self {}",
        &[("`&mut Self` cannot reach into another process: return a value", "&mut Self")],
    );
    items(
        "pub fn a(&self) -> impl Iterator<Item = Row> + '_ {}",
        &[(
            "`impl Iterator<Item = Row> + '_` cannot be returned to another process yet: return a named type, such as a \
            `Vec`",
            "impl Iterator<Item = Row> + '_",
        )],
    );
    items(
        "pub fn a(&self) -> Result<u8, Box<dyn Error>> {}",
        &[(
            "`dyn Error` cannot travel to another process: return a named type, or `Box<dyn Error + Send + Sync>`",
            "dyn Error",
        )],
    );
    items(
        "pub fn a(&self) -> *mut u8 {}",
        &[("the pointer `*mut u8` means nothing in another process: return the value itself", "*mut u8")],
    );
}

#[test]
fn replies_own_what_is_inside_them() {
    items(
        "pub fn a(&self) -> Cow<'_, str> {}",
        &[(
            "a reply borrows as a whole or not at all, found `'_` inside a type: write `'static`, or return an owned value",
            "'_",
        )],
    );
    items("pub fn a(&self) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {}", &[]);
}

#[test]
fn the_context_is_lent_once() {
    items(
        "pub fn a(&self, cx: &mut Context<Self>) {}",
        &[("the `Context` is lent as `&Context<Self>`: remove `mut`", "mut")],
    );
    items(
        "pub fn a(&self, a: &Context<Self>, b: &Context<Self>) {}",
        &[("the backend fills in one `Context`: remove this one", "&Context<Self>")],
    );
}

#[test]
fn one_way_calls_have_no_reply() {
    items(
        "#[oneway] pub fn a(&self) -> u32 {}",
        &[("a one-way call has no reply, found `-> u32`: remove it, or remove `#[oneway]`", "u32")],
    );
    items(
        "#[oneway] fn a(&self) {}",
        &[("`#[oneway]` is for exported methods, `a` has no visibility: write `pub fn a`", "#[oneway]")],
    );
    items(
        "#[oneway] pub fn a() {}",
        &[("`#[oneway]` is for methods, `a` has no `self`: write `a(&mut self, ..)`", "#[oneway]")],
    );
    items(
        "#[oneway(fast)] pub fn a(&self) {}",
        &[("`#[oneway]` takes no arguments: write `#[oneway]`", "oneway(fast)")],
    );
    items(
        "#[oneway] #[oneway] pub fn a(&self) {}",
        &[("`#[oneway]` is given twice: remove this one", "#[oneway]")],
    );
    items(
        "#[started] #[oneway] fn a(&self) {}",
        &[("`#[oneway]` cannot stand beside `#[started]`: keep one of the two", "#[oneway]")],
    );
}

#[test]
fn hooks_are_called_by_the_backend() {
    items(
        "#[started] fn a(&mut self) {} #[started] fn b(&mut self) {}",
        &[("`#[started]` is already on `a`: keep one hook and call the rest from there", "#[started]")],
    );
    items(
        "#[stopped] pub fn a(&mut self) {}",
        &[("a `#[stopped]` hook is called by its backend only, found `pub`: remove it", "pub")],
    );
    items(
        "#[started] fn a(n: &Context<Self>) {}",
        &[("a `#[started]` hook works on its actor: write `a(&mut self)`", "(n: &Context<Self>)")],
    );
    items(
        "#[started] fn a(&self, n: u32) {}",
        &[("a `#[started]` hook takes at most a `&Context<Self>`, found `u32`: remove the parameter", "u32")],
    );
    items(
        "#[started] fn a(&self) -> u32 {}",
        &[("nobody receives what a `#[started]` hook returns, found `-> u32`: remove it", "u32")],
    );
    items(
        "#[started] async fn a(&self) {}",
        &[("a `#[started]` hook cannot be `async` yet: write `fn`", "async")],
    );
    items(
        "#[started] unsafe fn a(&self) {}",
        &[("a `#[started]` hook is called from safe code: remove `unsafe`", "unsafe")],
    );
    items(
        "#[started] fn a<T>(&self) {}",
        &[("nobody chooses the generics of a `#[started]` hook: remove them", "T")],
    );
    items("#[activate] fn a(&self) {}", &[("`#[activate]` is not supported yet: remove it", "#[activate]")]);
    items(
        "#[deactivate] fn a(&self) {}",
        &[("`#[deactivate]` is not supported yet: remove it", "#[deactivate]")],
    );
}

#[test]
fn names_do_not_clash_with_generated_ones() {
    items(
        "pub fn stop(&self) {}",
        &[(
            "`stop` is already a method of `DecoderFrontend` (on every frontend it ends the actor): rename `stop`",
            "stop",
        )],
    );
    items(
        "pub fn get(&self) {} pub fn get_async(&self) {}",
        &[(
            "`get_async` is already a method of `DecoderFrontend` (generated for the method `get`): rename `get_async`",
            "get_async",
        )],
    );
    items(
        "pub fn get_async(&self) {} pub fn get(&self) {}",
        &[(
            "`get_async` is already a method of `DecoderFrontend` (generated for the method `get`): rename `get_async`",
            "get_async",
        )],
    );
    items(
        "pub fn with() -> Self {}",
        &[(
            "`with` gives `spawn_with`, and `spawn_with` is already a method of `DecoderFrontend` (on every frontend it starts an actor): \
            rename `with`",
            "with",
        )],
    );
    items(
        "pub fn open() -> Self {} pub fn spawn_open(&self) {}",
        &[(
            "`spawn_open` is already a method of `DecoderFrontend` (generated for the constructor `open`): rename `spawn_open`",
            "spawn_open",
        )],
    );
    items(
        "pub fn a_b(&self) {} pub fn aB(&self) {}",
        &[("`aB` and `a_b` both give the variant `DecoderRequest::AB`: rename one of the two", "aB")],
    );
    items(
        "pub fn request<T>(&self, t: T) {}",
        &[(
            "the message of the generic method `request` would be named like the type `DecoderRequest`: rename `request`",
            "request",
        )],
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    block(
        "frontent = A",
        "impl Decoder { #[oneway] pub fn a(self, n: &mut u8) -> u8 {} pub fn stop(&self) {} pub async fn b(&self) {} }",
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
            ("an exported function cannot be `async` yet: write `fn`, or remove its visibility", "async"),
            ("`self` by value would take the actor out of its process: write `&self` or `&mut self`", "self"),
            ("a one-way call has no reply, found `-> u8`: remove it, or remove `#[oneway]`", "u8"),
            (
                "`stop` is already a method of `DecoderFrontend` (on every frontend it ends the actor): rename `stop`",
                "stop",
            ),
        ],
    );
}

#[test]
fn messages_are_one_sentence() {
    let cases = [
        "pub fn a(self, n: &mut u8, f: fn(), p: *const u8) -> impl Iterator {}",
        "#[started] pub fn a() -> u8 {}",
    ];
    for (message, _) in cases.iter().flat_map(|case| diagnostics("", &actor(case))) {
        assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
        assert!(!message.starts_with(char::is_uppercase), "{message}");
    }
}
