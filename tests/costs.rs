//! Small calls allocate nothing, on either side.
//! Not here: instructions and system calls (`guard`), and time (`figures`).
//! Layer: the public surface, under an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use worker_core::{Builder, Link, process_actor};

/// The system's allocator, counted. A backend is a copy of this program, so it has one too.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(at, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: u64 = 1000;

/// Tells how often its process has allocated.
pub struct Frugal {
    total: u64,
}

#[process_actor]
impl Frugal {
    pub fn new() -> Self {
        Self { total: 0 }
    }
    pub fn add(&mut self, n: u64, name: &str, bytes: &[u8]) -> u64 {
        self.total += n + name.len() as u64 + bytes.len() as u64;
        self.total
    }
    pub fn checked(&self, n: u64) -> Result<u64, u8> {
        n.checked_sub(1).ok_or(0)
    }
    #[oneway]
    pub fn note(&mut self, n: u64) {
        self.total += n;
    }
    pub fn allocations(&self) -> u64 {
        ALLOCATIONS.load(Ordering::Relaxed)
    }
}

/// The only test here: others would allocate at the same time.
#[test]
fn small_calls_allocate_nothing_on_either_side() -> Result<(), Box<dyn std::error::Error>> {
    // The socket link has a buffer for each message; it is for places where there is no other.
    let frugal = FrugalFrontend::spawn_with(&Builder::new().link(Link::SharedMemory))?;
    // What is made once: room for replies and for whoever waits.
    frugal.add(0, "", &[])?;
    frugal.checked(1)?;
    frugal.note(0)?;
    let there = frugal.allocations()?;
    let here = ALLOCATIONS.load(Ordering::Relaxed);
    let mut expected = 0;
    for n in 1..=CALLS {
        expected += n + 3 + 4;
        assert_eq!(frugal.add(n, "abc", &[1, 2, 3, 4])?, expected);
        frugal.note(1)?;
        expected += 1;
        assert_eq!(frugal.checked(n)?, n - 1);
        assert!(frugal.checked(0).is_err());
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - here, 0, "in the program");
    assert_eq!(frugal.allocations()? - there, 0, "in the backend");
    Ok(())
}
