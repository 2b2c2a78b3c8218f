//! The runtime inside of a library that a foreign program loads: a C program, built here.
//! Not here: programs of Rust with the runtime in them, which are all others.
//! Layer: the public surface, as C sees it.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use support::{scratch_file, watchdog};

/// Loads a library and has it add; a second argument is the executable that it shall start.
const LOADER: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) { puts(dlerror()); return 2; }
    int (*add)(const char *) = (int (*)(const char *))dlsym(library, "add_in_a_process");
    return add(count > 2 ? arguments[2] : 0);
}
"#;

/// Is linked to the library; its `main` must never run.
const LINKED: &str = r#"
#include <stdio.h>
int add_in_a_process(const char *);
int main(int count, char **arguments) {
    puts("the main function of the linked program runs");
    return count > 9 ? add_in_a_process(arguments[1]) : 3;
}
"#;

/// Files that are gone with this value.
struct Built(Vec<PathBuf>);

impl Drop for Built {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl Built {
    fn c_program(&mut self, text: &str, options: &[&str]) -> PathBuf {
        let (source, program) = (scratch_file("program").with_extension("c"), scratch_file("program"));
        fs::write(&source, text).unwrap();
        self.0.extend([source.clone(), program.clone()]);
        let output = Command::new("cc").arg(&source).arg("-o").arg(&program).args(options).output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
        program
    }
}

/// Has cargo build the library, in the profile of this test; gives where it lies.
fn library() -> PathBuf {
    let executable = env::current_exe().unwrap();
    let profile_folder = executable.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "tests", "--example", "in_library", "--locked"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.arg("--target-dir").arg(profile_folder.parent().unwrap());
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    let library = profile_folder.join("examples/libin_library.so");
    assert!(library.exists(), "{} is not there", library.display());
    library
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn a_library_in_a_foreign_program_says_what_it_needs_and_works_with_it() {
    let _watchdog = watchdog();
    if !support::has_processes() {
        return;
    }
    let library = library();
    let mut built = Built(Vec::new());
    let loader = built.c_program(LOADER, &["-ldl"]);
    let folder = library.parent().unwrap().display();
    let (named, path) = (library.display().to_string(), format!("-Wl,-rpath,{folder}"));
    let linked = built.c_program(LINKED, &[&named, &path, "-Wl,--no-as-needed"]);
    let run = |arguments: &[&Path], variable: Option<&Path>| {
        let mut command = Command::new(&loader);
        command.arg(&library).args(arguments).env_remove("WORKER_EXECUTABLE");
        command.envs(variable.map(|path| ("WORKER_EXECUTABLE", path)));
        let output = command.output().unwrap();
        (output.status.code(), text_of(&output))
    };

    let (status, text) = run(&[], None);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("no sum: ") && text.contains("lies in a library"), "{text}");
    assert!(text.contains("WORKER_EXECUTABLE") && text.contains("Builder::executable"), "{text}");
    assert!(text.contains(&*loader.file_name().unwrap().to_string_lossy()), "{text}");

    for (status, text) in [run(&[], Some(&linked)), run(&[&linked], None)] {
        assert_eq!((status, text.trim()), (Some(0), "the sum is 42"));
    }

    // An executable without the library in it is told apart.
    let (status, text) = run(&[Path::new("/bin/true")], None);
    assert!(status == Some(1) && text.contains("must contain worker-core"), "{text}");
}
