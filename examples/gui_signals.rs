//! How a graphical program hears of its backends: one listener thread, and a callback for each signal.
//!
//! `cargo run --example gui_signals`
//!
//! Backends tell what happens through channels. One thread waits for all of them and runs the callbacks; in a real
//! program those would post to the event loop of the toolkit. Actors come and go while it runs. No display is needed:
//! the window here is text.

#[path = "gui_signals/listener.rs"]
mod listener;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use listener::Listener;
use serde::{Deserialize, Serialize};
use worker_core::{Receiver, Sender, channel, process_actor};

/// What a camera tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum Signal {
    /// A picture was taken: its number and how bright it is.
    Picture {
        /// From 1 on.
        number: u32,
        /// From 0 to 255.
        brightness: u8,
    },
    /// Something moved.
    Motion,
}

/// Takes pictures in its own process.
pub struct Camera {
    seed: u32,
}

#[process_actor]
impl Camera {
    /// Makes a camera that sees what the seed says.
    pub fn new(seed: u32) -> Self {
        Self { seed }
    }

    /// Takes pictures until nobody looks at them any more, or so many are taken.
    #[oneway]
    pub fn film(&mut self, pictures: u32, signals: Sender<Signal>) {
        for number in 1..=pictures {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [.., brightness] = self.seed.to_le_bytes();
            let mut told = signals.send(Signal::Picture { number, brightness });
            if brightness > 200 {
                told = told.and_then(|()| signals.send(Signal::Motion));
            }
            if told.is_err() {
                return;
            }
        }
    }

    /// Ends as a broken driver would.
    #[oneway]
    pub fn crash(&self) {
        std::process::abort();
    }
}

/// What the user sees: a line for each camera.
#[derive(Default)]
struct Window {
    lines: Mutex<BTreeMap<String, Line>>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    pictures: u32,
    motions: u32,
    state: &'static str,
}

impl Window {
    fn update(&self, name: &str, change: impl FnOnce(&mut Line)) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        change(lines.entry(name.to_owned()).or_default());
        self.changed.notify_all();
    }

    /// Waits, as a user would look, until a line is as wanted.
    fn wait_until(&self, name: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match lines.get(name) {
                Some(line) if wanted(line) => return line.clone(),
                _ => lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn draw(&self) {
        println!("+----------+----------+---------+--------+");
        for (name, Line { pictures, motions, state }) in
            &*self.lines.lock().unwrap_or_else(PoisonError::into_inner)
        {
            println!("| {name:8} | {pictures:8} | {motions:7} | {state:6} |");
        }
        println!("+----------+----------+---------+--------+");
    }
}

/// Starts a camera and connects its signals with its line of the window.
fn open_camera(
    name: &'static str,
    seed: u32,
    pictures: u32,
    listener: &Listener,
    window: &Arc<Window>,
) -> Result<(CameraFrontend, listener::Connection), Box<dyn Error>> {
    let camera = CameraFrontend::spawn(seed)?;
    let (sender, receiver): (_, Receiver<Signal>) = channel()?;
    window.update(name, |line| line.state = "live");
    let of_signals = Arc::clone(window);
    let connection = listener.connect(receiver, move |signal| match signal {
        Some(Signal::Picture { number, .. }) => of_signals.update(name, |line| line.pictures = number),
        Some(Signal::Motion) => of_signals.update(name, |line| line.motions += 1),
        None => of_signals.update(name, |line| {
            if line.state == "live" {
                line.state = "done";
            }
        }),
    })?;
    let of_ends = Arc::clone(window);
    listener.on_end(camera.process(), move || of_ends.update(name, |line| line.state = "dead"))?;
    camera.film(pictures, sender)?;
    Ok((camera, connection))
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = Listener::start()?;
    let window = Arc::new(Window::default());
    let (front, _) = open_camera("front", 1, 300, &listener, &window)?;
    let (back, back_signals) = open_camera("back", 2, u32::MAX, &listener, &window)?;
    let (garden, _) = open_camera("garden", 3, 100, &listener, &window)?;

    // Two come to their end by themselves, one never would.
    let line = window.wait_until("front", |line| line.state == "done");
    assert_eq!(line.pictures, 300);
    let line = window.wait_until("garden", |line| line.state == "done");
    assert!(line.pictures == 100 && line.motions > 0);
    window.wait_until("back", |line| line.pictures > 1000);
    window.draw();

    // Another one while it runs; and one is disconnected, which its backend notices by itself.
    let (attic, _) = open_camera("attic", 4, 50, &listener, &window)?;
    listener.disconnect(back_signals)?;
    window.update("back", |line| line.state = "off");
    assert_eq!(window.wait_until("attic", |line| line.state == "done").pictures, 50);

    // And one crashes.
    garden.crash()?;
    window.wait_until("garden", |line| line.state == "dead");
    window.draw();
    for camera in [front, back, attic] {
        assert!(camera.stop()?.is_clean());
    }
    window.wait_until("back", |line| line.state == "dead");
    let told = listener.stop();
    println!("one thread ran {told} callbacks");
    assert!(told > 1450);
    Ok(())
}
