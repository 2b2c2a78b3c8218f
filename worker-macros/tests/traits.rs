//! Code over any frontend whose backend has a trait: a generic actor that hosts any type with it.
//! What `docs/macro.md` shows of it is what stands here.
#![deny(warnings, missing_docs, unsafe_code, unused_qualifications)]
#![allow(missing_debug_implementations, reason = "about the users' types here, not about what is generated")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker_core::{CallError, Frontend, process_actor};

/// The trait: plain Rust, which knows nothing of processes.
pub trait Shape: 'static {
    /// What a shape is made of.
    type Size: Serialize + DeserializeOwned;
    /// Makes one.
    fn with_size(size: Self::Size) -> Self;
    /// Its area.
    fn area(&self) -> f64;
    /// Makes it larger.
    fn scale(&mut self, by: f64);
}

/// A shape in a process of its own, whichever it is.
pub struct Remote<S>(S);

#[process_actor]
impl<S: Shape> Remote<S> {
    /// Makes the shape, over there.
    pub fn new(size: S::Size) -> Self {
        Self(S::with_size(size))
    }
    /// See [`Shape::area`].
    pub fn area(&self) -> f64 {
        self.0.area()
    }
    /// See [`Shape::scale`].
    pub fn scale(&mut self, by: f64) {
        self.0.scale(by);
    }
}

/// A shape that is not serialisable itself.
pub struct Square(f64);

impl Shape for Square {
    type Size = f64;
    fn with_size(size: f64) -> Self {
        Self(size)
    }
    fn area(&self) -> f64 {
        self.0 * self.0
    }
    fn scale(&mut self, by: f64) {
        self.0 *= by;
    }
}

/// Another.
pub struct Oblong(f64, f64);

impl Shape for Oblong {
    type Size = (f64, f64);
    fn with_size((width, height): (f64, f64)) -> Self {
        Self(width, height)
    }
    fn area(&self) -> f64 {
        self.0 * self.1
    }
    fn scale(&mut self, by: f64) {
        (self.0, self.1) = (self.0 * by, self.1 * by);
    }
}

/// Code over any frontend whose backend is a shape.
fn doubled<S: Shape>(shape: &RemoteFrontend<S>) -> Result<f64, CallError> {
    shape.scale(2.0)?;
    shape.area()
}

/// For frontends of different shapes in one collection.
trait AnyShape {
    fn area(&self) -> Result<f64, CallError>;
}

impl<S: Shape> AnyShape for RemoteFrontend<S> {
    fn area(&self) -> Result<f64, CallError> {
        self.area()
    }
}

/// Any frontend at all.
fn end_all(frontends: impl IntoIterator<Item = impl Frontend>) {
    for frontend in frontends {
        assert!(frontend.stop().unwrap().is_clean());
    }
}

#[test]
fn code_is_generic_over_the_backends_trait() -> Result<(), Box<dyn std::error::Error>> {
    let square = RemoteFrontend::<Square>::spawn(1.5)?;
    let oblong = RemoteFrontend::<Oblong>::spawn((1.0, 2.0))?;
    assert_eq!((doubled(&square)?, doubled(&oblong)?), (9.0, 8.0));
    let all: [Box<dyn AnyShape>; 2] = [Box::new(square.clone()), Box::new(oblong.clone())];
    let areas = all.iter().map(|shape| shape.area()).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(areas, [9.0, 8.0]);
    end_all([square]);
    end_all([oblong]);
    Ok(())
}
