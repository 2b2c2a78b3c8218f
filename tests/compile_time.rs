//! What the attribute costs at compile time: programs of one and of fifty actors with ten methods each, against the same
//! written by hand, cold and after an edit. Not here: the expansion alone (`cargo bench -p worker-macros`).
//! Prints a table; judges nothing, as machines differ.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

const METHODS: usize = 10;
const RUNS: usize = 3;

/// How the actors of a program are written.
#[derive(Clone, Copy)]
enum Writing {
    WithAttribute,
    ByHand,
}

fn main() {
    // Cargo passes `--bench`; under `cargo test --benches` there is nothing to prove here.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{:9} {:14} {:>9} {:>12}", "actors", "written", "cold", "incremental");
    for actors in [1, 50] {
        for (writing, name) in [(Writing::WithAttribute, "attribute"), (Writing::ByHand, "hand")] {
            let program = Program::new(actors, writing, name);
            let (cold, incremental) = program.measure();
            println!("{actors:<9} {name:14} {:>7} ms {:>10} ms", cold.as_millis(), incremental.as_millis());
        }
    }
}

struct Program {
    package: PathBuf,
    target: PathBuf,
    name: String,
    actors: usize,
    writing: Writing,
}

impl Program {
    fn new(actors: usize, writing: Writing, name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_time");
        let name = format!("{name}{actors}");
        let (package, target) = (root.join(&name), root.join("target"));
        fs::create_dir_all(package.join("src")).unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = format!(
            "[workspace]\n[package]\nname = {name:?}\nedition = \"2024\"\n[dependencies]\n\
             worker-core = {{ path = {:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
            workspace.join("worker-core")
        );
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
        fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
        Self { package, target, name, actors, writing }
    }

    /// The least of a few runs: noise only adds.
    fn measure(&self) -> (Duration, Duration) {
        self.write(0);
        // The runtime itself is not what is measured.
        self.build();
        let mut cold = Vec::new();
        let mut incremental = Vec::new();
        for run in 0..RUNS {
            self.cargo(&["clean", "--quiet", "--package", &self.name]);
            self.write(0);
            cold.push(self.build());
            // The body of one method changes.
            self.write(run + 1);
            incremental.push(self.build());
        }
        (cold.into_iter().min().unwrap(), incremental.into_iter().min().unwrap())
    }

    fn write(&self, edit: usize) {
        let mut source = String::new();
        for index in 0..self.actors {
            let edit = if index == 0 { edit } else { 0 };
            actor(&mut source, &format!("Actor{index}"), edit, self.writing);
        }
        source.push_str("fn main() {");
        for index in 0..self.actors {
            let _ = write!(
                source,
                "let actor = Actor{index}Frontend::spawn({index}).unwrap(); actor.stop().unwrap();"
            );
            for method in 0..METHODS {
                let _ = write!(source, "actor.m{method}(1).unwrap();");
            }
        }
        source.push_str("}\n");
        fs::write(self.package.join("src/main.rs"), source).unwrap();
    }

    fn build(&self) -> Duration {
        let start = Instant::now();
        self.cargo(&["build", "--quiet", "--offline"]);
        start.elapsed()
    }

    fn cargo(&self, arguments: &[&str]) {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.package)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn actor(source: &mut String, name: &str, edit: usize, writing: Writing) {
    let _ = writeln!(source, "pub struct {name} {{ total: i64 }}");
    if let Writing::WithAttribute = writing {
        source.push_str("#[worker_core::process_actor]\n");
    }
    let _ = writeln!(source, "impl {name} {{ pub fn new(start: i64) -> Self {{ Self {{ total: start }} }}");
    for method in 0..METHODS {
        let add = if method == 0 { edit } else { 0 };
        let _ = writeln!(
            source,
            "pub fn m{method}(&mut self, n: i64) -> i64 {{ self.total += n + {add}; self.total }}"
        );
    }
    source.push_str("}\n");
    if let Writing::ByHand = writing {
        by_hand(source, name);
    }
}

/// What a user without the attribute would write for the same frontend, with everything in scope and nothing beyond.
fn by_hand(source: &mut String, name: &str) {
    let (mut variants, mut arms, mut methods) = (String::new(), String::new(), String::new());
    for method in 0..METHODS {
        let _ = write!(variants, "M{method} {{ n: i64 }},");
        let _ = write!(arms, "Request::M{method} {{ n }} => call.reply(self.m{method}(n)).carry(),");
        let _ = write!(
            methods,
            "pub fn m{method}(&self, n: i64) -> Result<i64, CallError> {{ self.0.call(&Request::M{method} {{ n }}).carry() }}
            pub fn m{method}_async(&self, n: i64) -> Pending<i64> {{ self.0.call_async(&Request::M{method} {{ n }}).carry() }}"
        );
    }
    let module = name.to_lowercase();
    let _ = writeln!(
        source,
        "pub use {module}::{name}Frontend;
        mod {module} {{
            use worker_core::{{Actor, Birth, Builder, Call, CallError, Handle, Pending, Remote, SpawnError}};
            #[derive(serde::Serialize, serde::Deserialize)]
            pub enum Request {{ {variants} }}
            #[derive(serde::Serialize, serde::Deserialize)]
            pub enum Constructor {{ New {{ start: i64 }} }}
            impl Actor for super::{name} {{
                type Constructor<'a> = Constructor;
                type Request<'a> = Request;
                const NAME: &'static str = {name:?};
                fn make(constructor: Constructor, birth: &Birth<Self>) {{
                    match constructor {{ Constructor::New {{ start }} => birth.value(Self::new(start)) }}
                }}
                fn run(&mut self, request: Request, call: &Call<'_, Self>) {{
                    match request {{ {arms} }}
                }}
            }}
            #[derive(Clone, Debug)]
            pub struct {name}Frontend(Handle<super::{name}>);
            impl {name}Frontend {{
                pub fn spawn(start: i64) -> Result<Self, SpawnError> {{ Self::spawn_with(&Builder::new(), start) }}
                pub fn spawn_with(builder: &Builder, start: i64) -> Result<Self, SpawnError> {{
                    Handle::spawn(builder, &Constructor::New {{ start }}).map(Self)
                }}
                {methods}
            }}
            impl std::ops::Deref for {name}Frontend {{
                type Target = Remote;
                fn deref(&self) -> &Remote {{ &self.0 }}
            }}
            impl {name}Frontend {{
                pub fn with_timeout(&self, timeout: std::time::Duration) -> Self {{ Self(self.0.with_timeout(timeout)) }}
            }}
            impl worker_core::Frontend for {name}Frontend {{}}
            impl From<Handle<super::{name}>> for {name}Frontend {{
                fn from(handle: Handle<super::{name}>) -> Self {{ Self(handle) }}
            }}
            impl serde::Serialize for {name}Frontend {{
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {{
                    self.0.serialize(serializer)
                }}
            }}
            impl<'de> serde::Deserialize<'de> for {name}Frontend {{
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {{
                    Handle::deserialize(deserializer).map(Self)
                }}
            }}
        }}"
    );
}
