//! Rules about what travels.

use super::items;

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
        "pub fn a(&self) -> Result<HashMap<u8, &str>, u8> {}",
        &[(
            "a reply can lend `&T`, `Cow<T>`, and `Option` and `Vec` of them, found `&str` inside another type: return an \
             owned value there",
            "&str",
        )],
    );
    items(
        "pub fn a(&mut self) -> &mut Self {}",
        &[("`&mut Self` cannot reach into another process: return a value", "&mut Self")],
    );
    items(
        "pub fn a(&self) -> impl Display + '_ {}",
        &[(
            "`impl Display + '_` cannot be returned to another process: return `impl Iterator<Item = T>` or \
            `impl Stream<Item = T>`, or a named type, such as a `Vec`",
            "impl Display + '_",
        )],
    );
    items("pub fn a(&mut self) -> impl Iterator<Item = Row> + '_ {}", &[]);
    items("pub fn a(&mut self) -> impl Stream<Item = Row> + '_ {}", &[]);
    items("pub async fn a(&self) -> impl Send + futures::stream::Stream<Item = Row> + use<'_> {}", &[]);
    items(
        "pub fn a(&self) -> impl Stream<Item = &Row> {} pub fn b(&self) -> impl Stream {} #[oneway] pub fn c(&self) -> impl Stream<Item = u8> {}",
        &[
            (
                "a reply can lend `&T`, `Cow<T>`, and `Option` and `Vec` of them, found `&Row` inside another type: return an \
                 owned value there",
                "&Row",
            ),
            (
                "`impl Stream` cannot be returned to another process: return `impl Iterator<Item = T>` or \
                 `impl Stream<Item = T>`, or a named type, such as a `Vec`",
                "impl Stream",
            ),
            (
                "a one-way call has no reply, found `-> impl Stream<Item = u8>`: remove it, or remove `#[oneway]`",
                "impl Stream<Item = u8>",
            ),
        ],
    );
    items(
        "pub fn a<T: Row>(&self) -> impl Stream<Item = T> {}",
        &[(
            "a generic method cannot stream: make its types parameters of the actor, `impl<T> Actor<T>`, or return a \
            `Vec`",
            "T",
        )],
    );
    items(
        "pub fn a(&self) -> impl Iterator<Item = &mut Row> + '_ {} #[oneway] pub fn b(&self) -> impl Iterator<Item = u8> {}",
        &[
            ("`&mut Row` cannot reach into another process: return a value", "&mut Row"),
            (
                "a one-way call has no reply, found `-> impl Iterator<Item = u8>`: remove it, or remove `#[oneway]`",
                "impl Iterator<Item = u8>",
            ),
        ],
    );
    items(
        "pub fn a<T: Row>(&self) -> impl Iterator<Item = T> {}",
        &[(
            "a generic method cannot stream: make its types parameters of the actor, `impl<T> Actor<T>`, or return a \
            `Vec`",
            "T",
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
        "pub fn a(&self) -> Row<'_> {}",
        &[(
            "a reply can lend `&T`, `Cow<T>`, and `Option` and `Vec` of them, found `'_` inside another type: write \
             `'static`, or return an owned value",
            "'_",
        )],
    );
    items("pub fn a(&self) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {}", &[]);
    items(
        "pub fn a(&self) -> Result<Option<&str>, u8> {} pub fn b<'s>(&'s self) -> Vec<Cow<'s, [u8]>> {}",
        &[],
    );
    items("pub fn a(&self) -> Option<&HashMap<u8, u8>> {}", &[]);
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
