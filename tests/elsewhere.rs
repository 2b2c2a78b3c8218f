//! The attribute in a user's own package: the runtime under another name, in the editions that users have.
//! Not here: what can be shown in this workspace (`worker-macros/tests/strict`).
//! Layer: a program of its own, which runs cargo on packages that it writes.

#[path = "support/package.rs"]
mod package;

use package::Package;

#[test]
fn the_runtime_may_have_another_name_in_any_edition() {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/elsewhere/program.rs");
    let mut package = Package::new("elsewhere", "engine");
    for edition in ["2021", "2024"] {
        package.write(edition, &[("program".to_owned(), program.into())]);
        let output = package.cargo(&["run", "--quiet", "--offline", "--color=never"]);
        assert!(output.status.success(), "edition {edition}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The message enums of an actor are public, and their documentation names it, also where it is private: rustdoc keeps quiet
/// about such links only in what is generated.
#[test]
fn the_documentation_of_private_actors_has_no_warnings() {
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/elsewhere/library.rs");
    let mut package = Package::new("elsewhere_library", "engine");
    package.write("2024", &[("lib".to_owned(), library.into())]);
    // Twice: with its private items no link is broken either.
    for private in [None, Some("--document-private-items")] {
        let arguments = ["doc", "--no-deps", "--offline", "--color=never"].into_iter().chain(private);
        let output = package.cargo(&arguments.collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{private:?}: {said}");
    }
}
