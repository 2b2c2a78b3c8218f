//! Payloads of every length, both ways, one way and all ways at once, over every link.
//! Not here: types of arguments (`calls`).
//! Layer: the public surface.

mod support;

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use support::watchdog;
use worker_core::{Builder, CallError, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// One-way calls to a slow backend: half a gigabyte, far more than anybody may keep.
const CALLS: u64 = 5000;

/// Carries bytes.
pub struct Porter {
    bytes: u64,
    calls: u64,
}

#[process_actor]
impl Porter {
    pub fn new() -> Self {
        Self { bytes: 0, calls: 0 }
    }

    pub fn echo(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    /// A reply that is no block of bytes by itself, and goes through serde.
    pub fn echo_text(&mut self, text: &str) -> String {
        text.to_owned()
    }

    pub fn is_pattern(&mut self, seed: u8, bytes: &[u8]) -> bool {
        bytes == pattern(seed, bytes.len())
    }

    pub fn give(&mut self, seed: u8, length: usize) -> Vec<u8> {
        pattern(seed, length)
    }

    /// How many such calls there were, with this one.
    pub fn count(&mut self, _bytes: &[u8]) -> u64 {
        self.calls += 1;
        self.calls
    }

    #[oneway]
    pub fn swallow(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.calls += 1;
    }

    /// Lets the requests behind it pile up.
    #[oneway]
    pub fn dawdle(&mut self, file: &str) {
        while fs::metadata(file).is_ok() {
            thread::yield_now();
        }
    }

    pub fn swallowed(&self) -> (u64, u64) {
        (self.calls, self.bytes)
    }
}

/// Bytes that tell where they belong: a block of prime length, again and again, so that what was
/// put at a wrong place, by whole pages or pieces, shows.
fn pattern(seed: u8, length: usize) -> Vec<u8> {
    const BLOCK_BYTES: usize = 1021;
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let block: Vec<u8> = (0..BLOCK_BYTES)
        .map(|_| {
            // xorshift32
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect();
    let mut bytes = block.repeat(length.div_ceil(BLOCK_BYTES));
    bytes.truncate(length);
    bytes
}

fn over_links(test: impl Fn(&PorterFrontend)) {
    let _watchdog = watchdog();
    for link in LINKS {
        let porter = PorterFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        test(&porter);
        assert!(porter.stop().unwrap().is_clean());
    }
}

#[track_caller]
fn assert_carries(porter: &PorterFrontend, length: usize) {
    let seed = u8::try_from(length % 251).unwrap();
    let bytes = pattern(seed, length);
    assert!(porter.is_pattern(seed, &bytes).unwrap(), "{length} bytes there");
    assert!(porter.give(7, length).unwrap() == pattern(7, length), "{length} bytes back");
    assert!(porter.echo(&bytes).unwrap() == bytes, "{length} bytes there and back");
}

#[test]
fn what_was_not_sent_in_time_is_never_run_though_a_part_of_it_was_out() {
    over_links(|porter| {
        let file = std::env::temp_dir().join(format!("worker-payloads-late-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        porter.dawdle(file.to_str().unwrap()).unwrap();
        let impatient = porter.with_timeout(Duration::from_millis(5));
        let (mut sent, mut late) = (0, 0);
        while late < 3 {
            match impatient.swallow(&[0; 3 * MIB]) {
                Ok(()) => sent += 1,
                Err(error) => {
                    assert_eq!(error, CallError::NotSentInTime { killed: false });
                    late += 1;
                }
            }
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(porter.swallowed().unwrap(), (sent, sent * 3 * MIB as u64));
    });
}

#[test]
fn payloads_of_every_short_length() {
    over_links(|porter| (0..=300).for_each(|length| assert_carries(porter, length)));
}

#[test]
fn payloads_around_every_power_of_two() {
    over_links(|porter| {
        for power in 8..=22 {
            for length in (1_usize << power) - 2..=(1 << power) + 2 {
                assert_carries(porter, length);
            }
        }
    });
}

#[test]
fn payloads_around_the_limits_of_the_shared_link() {
    over_links(|porter| {
        // Half a ring less its heads, where payloads begin to go through the extension.
        for length in 128 * KIB - 200..=128 * KIB + 20 {
            assert_eq!(porter.give(3, length).unwrap().len(), length);
            assert!(porter.echo(&pattern(1, length)).unwrap() == pattern(1, length), "{length}");
        }
        // Half the extension, where they begin to go in pieces; and units of it.
        for length in [64 * KIB - 1, 64 * KIB, 16 * MIB, 16 * MIB + 1, 32 * MIB - 20, 32 * MIB] {
            assert_carries(porter, length);
        }
        for length in [32 * MIB + 1, 64 * MIB, 64 * MIB + 1] {
            assert_carries(porter, length);
        }
    });
}

#[test]
fn text_goes_the_same_ways() {
    over_links(|porter| {
        for length in [0, 1, 47, 48, 49, 128 * KIB - 100, 128 * KIB, MIB, 33 * MIB] {
            let text = "x".repeat(length);
            assert!(porter.echo_text(&text).unwrap() == text, "{length}");
        }
    });
}

#[test]
fn random_lengths_in_random_order() {
    over_links(|porter| {
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..2000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let power = state % 21;
            let length = usize::try_from((state >> 8) % (1 << power)).unwrap();
            let bytes = pattern(u8::try_from(state >> 56).unwrap(), length);
            assert!(porter.echo(&bytes).unwrap() == bytes, "{length}");
        }
    });
}

#[test]
fn a_gibibyte() {
    over_links(|porter| {
        if memory_available() < 6 * 1024 * MIB {
            eprintln!("skipped: a gibibyte there and another back need 6 GiB of free memory");
            return;
        }
        let bytes = pattern(9, 1024 * MIB);
        let back = porter.echo(&bytes).unwrap();
        assert!(back == bytes);
        drop((back, bytes));
        assert_eq!(porter.echo(b"and on").unwrap(), b"and on");
    });
}

fn memory_available() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * KIB
}

#[test]
fn megabytes_both_ways_with_nobody_waiting() {
    over_links(|porter| {
        for count in [3, 300] {
            let bytes = pattern(5, MIB);
            // Each is sent while replies to the others come back, and nobody takes those in but us.
            let pending: Vec<_> = (0..count).map(|_| porter.echo_async(&bytes)).collect();
            for pending in pending {
                assert!(pending.wait().unwrap() == bytes);
            }
        }
    });
}

#[test]
fn long_messages_both_ways_with_nobody_waiting() {
    over_links(|porter| {
        // Longer than half the extension: in pieces, in both directions at once.
        let bytes = pattern(6, 40 * MIB);
        let pending: Vec<_> = (0..4).map(|_| porter.echo_async(&bytes)).collect();
        for pending in pending {
            assert!(pending.wait().unwrap() == bytes);
        }
    });
}

#[test]
fn both_directions_full_from_eight_threads() {
    over_links(|porter| {
        thread::scope(|scope| {
            for seed in 0..8_u8 {
                scope.spawn(move || {
                    for length in [10, 100 * KIB, MIB, 5 * MIB, 200 * KIB, 1] {
                        let bytes = pattern(seed, length);
                        let pending: Vec<_> = (0..4).map(|_| porter.echo_async(&bytes)).collect();
                        assert!(porter.echo(&bytes).unwrap() == bytes);
                        for pending in pending {
                            assert!(pending.wait().unwrap() == bytes, "{seed} {length}");
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn many_threads_that_wait_for_room_all_get_it() {
    over_links(|porter| {
        for _ in 0..20 {
            thread::scope(|scope| {
                for _ in 0..12 {
                    scope.spawn(move || {
                        for length in [100 * KIB, 1, 60 * KIB, 10, 120 * KIB, 7] {
                            porter.swallow(&vec![1; length]).unwrap();
                        }
                    });
                }
            });
        }
        let (calls, bytes) = porter.swallowed().unwrap();
        assert_eq!((calls, bytes), (20 * 12 * 6, 20 * 12 * (280 * KIB as u64 + 18)));
    });
}

#[test]
fn one_way_calls_to_a_slow_backend_wait_and_do_not_pile_up() {
    over_links(|porter| {
        let gate = support::scratch_file("gate");
        fs::write(&gate, "").unwrap();
        porter.dawdle(gate.to_str().unwrap()).unwrap();
        let bytes = vec![1; 100 * KIB];
        let sent = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    porter.swallow(&bytes).unwrap();
                    // Relaxed: a count and nothing else.
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut seen = (0, 0);
            support::eventually("the sender gets no further", || {
                let now = sent.load(Ordering::Relaxed);
                seen = if now == seen.0 { (now, seen.1 + 1) } else { (now, 0) };
                now > 0 && seen.1 == 50
            });
            let queued = seen.0 * 100 * KIB as u64;
            assert!(queued < 100 * MIB as u64, "{queued} bytes queued");
            fs::remove_file(&gate).unwrap();
        });
        assert_eq!(porter.swallowed().unwrap(), (CALLS, CALLS * 100 * KIB as u64));
        let kept = porter.process().usage().resident;
        // In a thread it is what the whole program keeps.
        assert!(kept < 150 * MIB as u64 || !support::has_processes(), "{kept} bytes kept by the backend");
    });
}

#[test]
fn a_call_that_has_no_room_at_once_is_run_once() {
    let _watchdog = watchdog();
    for link in LINKS {
        let porter = PorterFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        let bytes = vec![1; 40 * MIB];
        for n in 0..3 {
            // Not waited for, so it is tried without waiting first.
            assert_eq!(porter.count_async(&bytes).wait(), Ok(2 * n + 1));
            assert_eq!(porter.count(&bytes), Ok(2 * n + 2));
        }
    }
}
