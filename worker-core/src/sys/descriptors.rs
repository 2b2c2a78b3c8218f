//! Descriptors of this process, by number.
//! Not here: what they stand for.
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::os::fd::RawFd;

use nix::errno::Errno;

/// The first number that is no standard stream.
const FIRST: RawFd = 3;

/// Closes every descriptor but the standard streams and `kept`, however many there are.
///
/// # Safety
///
/// Nothing that owns another descriptor may use or drop it from here on.
///
/// # Source
///
/// `close_range(2)`; kernels before 5.9 do not know it, and are asked for the list.
pub(crate) unsafe fn close_all_but(kept: &mut [RawFd]) {
    kept.sort_unstable();
    let mut first = FIRST;
    for &number in &*kept {
        close_from_to(first, number - 1);
        first = first.max(number + 1);
    }
    close_from_to(first, RawFd::MAX);
}

fn close_from_to(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: the caller of `close_all_but` vouches that nobody owns what is closed here.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if Errno::result(result).is_err() {
        close_listed(first, last);
    }
}

#[cold]
fn close_listed(first: RawFd, last: RawFd) {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| (first..=last).contains(number))
        .collect();
    for number in numbers {
        // SAFETY: as above; the descriptor of the listing itself is closed already, which is an error
        // that harms nobody while this is the only thread.
        unsafe { libc::close(number) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};
    use std::fs::File;
    use std::os::fd::AsRawFd;

    fn is_open(number: RawFd) -> bool {
        // SAFETY: a look at a flag by number.
        unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
    }

    #[test]
    fn only_the_kept_ones_stay_open() {
        let files: Vec<File> = (0..6).map(|_| File::open("/dev/null").unwrap()).collect();
        let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        // SAFETY: the child allocates nothing: it closes, looks, and ends.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let mut kept = [numbers[4], numbers[1]];
                // SAFETY: the owners of the rest never run again in this process.
                unsafe { close_all_but(&mut kept) };
                let right = numbers.iter().all(|number| is_open(*number) == kept.contains(number))
                    && (0..3).all(is_open);
                super::super::child::exit_now(i32::from(!right))
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
            }
        }
    }
}
