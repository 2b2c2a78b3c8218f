//! What postcard cannot carry compiles, and fails in the call with an error that says so; the actor lives on.
//! Not here: types without serde, which do not compile (`tests/ui`).
//! Layer: actors in processes of their own.

use std::collections::BTreeMap;

use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use worker_core::{CallError, process_actor};

#[derive(Serialize, Deserialize, Default)]
pub struct Flat {
    known: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Number(u8),
    Text(String),
}

#[derive(Serialize, Deserialize)]
pub struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: String,
}

/// Asks the format what comes next.
#[derive(Serialize)]
pub struct Asking;

impl<'de> Deserialize<'de> for Asking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IgnoredAny).map(|_| Self)
    }
}

pub struct Formats;

#[process_actor]
impl Formats {
    pub fn new() -> Self {
        Self
    }
    pub fn take_flat(&self, flat: Flat) -> u8 {
        flat.known
    }
    pub fn take_untagged(&self, value: Untagged) -> bool {
        matches!(value, Untagged::Number(_))
    }
    pub fn take_skipping(&self, skipping: &Skipping) -> usize {
        skipping.second.len() + usize::from(skipping.first.unwrap_or(0))
    }
    pub fn take_asking(&self, asking: Asking) {
        let Asking = asking;
    }
    pub fn flat(&self) -> Flat {
        Flat::default()
    }
    pub fn untagged(&self) -> Untagged {
        Untagged::Text("x".to_owned())
    }
    pub fn skipping(&self) -> Skipping {
        Skipping { first: None, second: "x".to_owned() }
    }
    pub fn asking(&self) -> Asking {
        Asking
    }
}

#[track_caller]
fn says_so<T>(result: Result<T, CallError>) {
    let error = result.err().expect("postcard cannot carry it");
    assert!(matches!(error, CallError::Encode(_) | CallError::Decode(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("postcard carries no"), "{text}");
}

#[test]
fn what_postcard_cannot_carry_is_said_in_the_call() -> Result<(), Box<dyn std::error::Error>> {
    let formats = FormatsFrontend::spawn()?;
    says_so(formats.take_flat(Flat::default()));
    says_so(formats.take_untagged(Untagged::Number(1)));
    says_so(formats.take_skipping(&Skipping { first: None, second: "x".to_owned() }));
    says_so(formats.take_asking(Asking));
    says_so(formats.flat());
    says_so(formats.untagged());
    says_so(formats.skipping());
    says_so(formats.asking());
    assert!(formats.process().is_alive());
    assert!(formats.stop()?.is_clean());
    Ok(())
}
