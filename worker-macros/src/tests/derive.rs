//! `#[derive(Frontend)]`: what it writes, what it refuses, and that no tokens make it panic.

use super::support::pretty;
use crate::derive::frontend;

#[test]
fn the_runtime_is_where_the_handle_is() {
    let text = pretty(&frontend("pub struct A<T: 'static>(crate::rt::Handle<B<T>>);".parse().unwrap()));
    for part in [
        "impl<T: 'static> crate::rt::Frontend for A<T> {}",
        "type Target = crate::rt::Remote;",
        "pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self",
        "impl<T: 'static> ::core::convert::From<crate::rt::Handle<B<T>>> for A<T>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = pretty(&frontend("struct A(Handle<B>);".parse().unwrap()));
    assert!(text.contains("impl ::worker_core::Frontend for A {}"), "{text}");
    assert!(!text.contains("unsafe") && !text.contains("compile_error"), "{text}");
}

#[test]
fn what_is_no_frontend_is_one_error() {
    for item in [
        "enum A { B }",
        "struct A;",
        "struct A { handle: Handle<B> }",
        "struct A(Handle<B>, u8);",
        "fn a() {}",
    ] {
        let text = frontend(item.parse().unwrap()).to_string();
        assert_eq!(text.matches("compile_error").count(), 1, "{text}");
        assert!(!text.contains("impl"), "{text}");
    }
    let text = frontend("struct A;".parse().unwrap()).to_string();
    assert!(text.contains("write `struct A(Handle<Actor>);`"), "{text}");
}
