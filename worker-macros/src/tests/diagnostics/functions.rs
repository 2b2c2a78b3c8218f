//! Rules about functions, hooks and names.

use super::items;

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
    items("pub async fn a(&self) {} #[oneway] pub async fn b(&mut self) {}", &[]);
    items(
        "pub async fn open(n: u8) -> Self {}",
        &[("a constructor cannot be `async`: begin what waits in a method", "async")],
    );
    items(
        "pub async fn a<T: Bound>(&self, t: T) {}",
        &[(
            "a generic method cannot be `async`: make its types parameters of the actor, `impl<T> Actor<T>`, or write \
            `fn`",
            "async",
        )],
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
    items(
        "#[activate] fn a(&mut self) {} #[deactivate] fn b(&self) {} #[activate] fn c(&mut self) {}",
        &[("`#[activate]` is already on `a`: keep one hook and call the rest from there", "#[activate]")],
    );
    items(
        "#[deactivate] pub fn a(&mut self) {}",
        &[("a `#[deactivate]` hook is called by its backend only, found `pub`: remove it", "pub")],
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
fn what_is_said_of_a_return_type() {
    items(
        "#[fallible] pub fn a(&self) -> Outcome {} #[infallible] pub fn b(&self) -> SearchResult<u8> {}",
        &[],
    );
    items("#[fallible] pub fn open() -> Outcome<Self> {}", &[]);
    items(
        "#[fallible] pub fn a(&self) {}",
        &[("`#[fallible]` tells what a return type is, `a` has none to tell of: remove it", "#[fallible]")],
    );
    items(
        "#[infallible] fn a(&self) -> SearchResult<u8> {}",
        &[(
            "`#[infallible]` is for exported methods, `a` has no visibility: write `pub fn a`",
            "#[infallible]",
        )],
    );
    items(
        "#[oneway] #[fallible] pub fn a(&self) {}",
        &[("`#[fallible]` cannot stand beside `#[oneway]`: keep one of the two", "#[fallible]")],
    );
}
