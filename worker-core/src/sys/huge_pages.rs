//! Huge pages for memory that many forks will share.
//! Not here: what is in the memory (`process::fork_server::preloaded`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::fs;

/// Shorter blocks are not worth it, and have no place on a huge page.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Moves the large private blocks of this process to huge pages, where the system can.
///
/// A fork copies one entry for each page of private memory: 65,536 of them for 256 MiB, and 128 with
/// huge pages. A fork that writes into one gets a copy of 4 KiB, not of the whole.
///
/// # Source
///
/// `MADV_COLLAPSE` in `madvise(2)`, since Linux 6.1; before it nothing happens here.
pub(crate) fn collapse() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(private_block) {
        let address = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the advice changes no byte of the memory, whoever owns it, and no mapping.
        unsafe { libc::madvise(address, end - start, libc::MADV_COLLAPSE) };
    }
}

/// The part of a writable anonymous mapping that huge pages can cover.
fn private_block(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    if fields.next()? != "rw-p" || fields.nth(2)? != "0" || fields.next().is_some_and(|name| name != "[heap]")
    {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?.next_multiple_of(HUGE_PAGE_BYTES);
    let end = usize::from_str_radix(end, 16).ok()? / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_private_blocks_are_moved() {
        let block = "7f0000100000-7f0000700000 rw-p 00000000 00:00 0 ";
        assert_eq!(private_block(block), Some((0x7f00_0020_0000, 0x7f00_0060_0000)));
        assert!(private_block("55d000000000-55d000800000 rw-p 00000000 00:00 0    [heap]").is_some());
        for other in [
            "7f0000100000-7f0000300000 rw-p 00000000 00:00 0 ",
            "7f0000000000-7f0000800000 rw-s 00000000 00:01 77  /memfd:link (deleted)",
            "7f0000000000-7f0000800000 r--p 00000000 00:00 0 ",
            "7f0000000000-7f0000800000 rw-p 00000000 08:01 4711 /usr/lib/libc.so",
            "7ff000000000-7ff000800000 rw-p 00000000 00:00 0 [stack]",
        ] {
            assert_eq!(private_block(other), None, "{other}");
        }
    }
}
