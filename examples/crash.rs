//! A method writes through a null pointer. Its process dies of it, and the program lives on.
//!
//! `cargo run --example crash`

use worker_core::{CallError, process_actor};

/// Reads images with a library in C that has a bug.
pub struct Decoder;

#[process_actor]
impl Decoder {
    /// Starts a decoder.
    pub fn new() -> Self {
        Self
    }

    /// Number of pixels of an image that says `width x height`.
    pub fn pixels(&mut self, header: &str) -> Result<u64, String> {
        let (width, height) = header.split_once('x').ok_or("no size in the header")?;
        if height.trim() == "0" {
            write_through_a_null_pointer();
        }
        let side = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
        Ok(side(width)? * side(height)?)
    }
}

/// What a library in C does when an allocation of nothing gives nothing, and nobody looks.
#[allow(unsafe_code)]
fn write_through_a_null_pointer() {
    let nowhere = std::hint::black_box(std::ptr::null_mut());
    // SAFETY: none at all, on purpose: no page lies at address zero, so the kernel sends SIGSEGV.
    unsafe { libc::memset(nowhere, 0xff, 1) };
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut decoder = DecoderFrontend::spawn()?;
    for header in ["640 x 480", "no image", "1920 x 0", "1920 x 1080"] {
        match decoder.pixels(header) {
            Ok(pixels) => println!("{header:?}: {pixels} pixels"),
            Err(CallError::Actor(error)) => println!("{header:?}: refused: {error}"),
            Err(CallError::Exited(exit)) => {
                println!("{header:?}: {exit}");
                match decoder.pixels("1 x 1") {
                    Err(CallError::NotSent(_)) => println!("a call to the dead one: not sent, safe to retry"),
                    other => println!("a call to the dead one: {other:?}"),
                }
                decoder = DecoderFrontend::spawn()?;
                println!("a new decoder lives in process {}", decoder.process().pid());
            }
            Err(other) => return Err(other.into()),
        }
    }
    println!("the program is still process {}: {}", std::process::id(), decoder.stop()?);
    Ok(())
}
