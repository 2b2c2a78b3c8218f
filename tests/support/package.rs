//! A package outside the workspace, as a user has one.
//! Not here: what is in it, which each test brings.
//! Layer: support for tests that run cargo.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// A package that depends on the runtime of this workspace and on serde.
pub(crate) struct Package {
    folder: PathBuf,
    /// What it calls the runtime.
    runtime: &'static str,
}

impl Package {
    pub(crate) fn new(name: &str, runtime: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, runtime }
    }

    /// Writes its manifest, with these programs; what is called `lib` is its library.
    pub(crate) fn write(&mut self, edition: &str, programs: &[(String, PathBuf)]) {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut manifest = format!(
            "[workspace]\n[package]\nname = \"cases\"\nedition = \"{edition}\"\nautobins = false\n[dependencies]\n\
             {} = {{ package = \"worker-core\", path = {:?} }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n",
            self.runtime,
            workspace.join("worker-core")
        );
        for (name, path) in programs {
            let kind = if name == "lib" { "[lib]" } else { "[[bin]]" };
            let _ = write!(manifest, "{kind}\nname = {name:?}\npath = {path:?}\n");
        }
        fs::write(self.folder.join("Cargo.toml"), manifest).unwrap();
        // The same versions as here, so that nothing is to be fetched.
        fs::copy(workspace.join("Cargo.lock"), self.folder.join("Cargo.lock")).unwrap();
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Output {
        Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.folder)
            // One for all packages, so that what they share is built once.
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages"))
            .output()
            .unwrap()
    }
}
