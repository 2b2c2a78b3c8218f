//! The attribute in a user's own package: the runtime under another name, in the editions that users have.
//! Not here: what can be shown in this workspace (`worker-macros/tests/surroundings.rs`).
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
