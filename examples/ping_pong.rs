//! The first program: an object in its own process answers a call, says "bye" and is gone.
//!
//! `cargo run --example ping_pong`

use worker_core::process_actor;

/// Answers.
pub struct Ponger;

#[process_actor]
impl Ponger {
    /// Starts answering.
    pub fn new() -> Self {
        println!("backend:  my process is {}", std::process::id());
        Self
    }

    /// Takes a ball and gives it back.
    pub fn ping(&mut self, ball: &str) -> String {
        println!("backend:  got {ball}");
        ball.replace("ping", "pong")
    }

    #[stopped]
    fn say_bye(&mut self) {
        println!("backend:  bye");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("frontend: my process is {}", std::process::id());
    let ponger = PongerFrontend::spawn()?;
    for turn in 1..=3 {
        let answer = ponger.ping(&format!("ping {turn}"))?;
        println!("frontend: got {answer}");
    }
    let exit = ponger.stop()?;
    println!("frontend: {exit}");
    Ok(())
}
