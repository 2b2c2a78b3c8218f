//! q
use std::time::Instant;
use worker_core::process_actor;
/// C
pub struct Counter {
    total: i64,
}
#[process_actor]
impl Counter {
    /// n
    pub fn new(start: i64) -> Self {
        Self { total: start }
    }
    /// a
    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }
}
fn med(v: &mut [u64]) -> (f64, f64) {
    v.sort();
    (v[v.len() / 2] as f64 / 1e3, v[v.len() * 9 / 10] as f64 / 1e3)
}
fn main() {
    for r in 0..3 {
        let c = CounterFrontend::spawn(0).unwrap();
        let mut v = vec![];
        for _ in 0..200000 {
            let t = Instant::now();
            c.add(1).unwrap();
            v.push(t.elapsed().as_nanos() as u64);
        }
        println!("busy {:?}", med(&mut v));
        let mut v = vec![];
        for _ in 0..300 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let t = Instant::now();
            c.add(1).unwrap();
            v.push(t.elapsed().as_nanos() as u64);
        }
        println!("idle {:?} {:?}", med(&mut v), c.process().usage());
        if r == 0 {
            println!("stop {:?}", c.stop());
        }
        let mut v = vec![];
        for _ in 0..200 {
            let t = Instant::now();
            let c = CounterFrontend::spawn(0).unwrap();
            c.add(1).unwrap();
            v.push(t.elapsed().as_nanos() as u64);
            c.stop().unwrap();
        }
        println!("spawn+call {:?}", med(&mut v));
        let mut v = vec![];
        for _ in 0..200 {
            let c = CounterFrontend::spawn(0).unwrap();
            c.add(1).unwrap();
            let t = Instant::now();
            c.stop().unwrap();
            v.push(t.elapsed().as_nanos() as u64);
        }
        println!("stop {:?}", med(&mut v));
    }
}
