//! The standard error of a backend, where it is not simply that of the program.
//! Not here: what a panic says to its caller (`actor::panics`).
//! Layer 5: over `sys`.
//!
//! Whoever reaps a backend also reads its pipe, so that no thread of the program has to, and so that the
//! backend is never held up by a full one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::unistd::{dup2_stderr, pipe2};

use crate::process::builder::Output;

/// How much of the end is kept.
const TAIL_MAX_BYTES: usize = 8 * 1024;

/// How much is read at a time, and how often in a row: all of a full pipe, and never more, lest a
/// backend that writes without end keeps its server busy with it alone.
const READ_BYTES: usize = 4096;
const READS_AT_ONCE: usize = 16;

/// Where the standard error of one backend goes.
#[derive(Debug)]
pub(super) struct Redirection {
    backends_end: OwnedFd,
    ours: Option<OwnedFd>,
}

/// What a backend has written last.
#[derive(Debug)]
pub(super) struct LastWords {
    pipe: File,
    tail: VecDeque<u8>,
    is_cut: bool,
}

impl Redirection {
    /// Prepares what the output asks for; `None` where nothing is to be done.
    pub(super) fn new(output: Output) -> io::Result<Option<Self>> {
        Ok(match output {
            Output::Inherit => None,
            Output::Null => {
                let null = File::options().write(true).open("/dev/null")?;
                Some(Self { backends_end: null.into(), ours: None })
            }
            Output::Tail => {
                let (ours, backends_end) = pipe2(OFlag::O_CLOEXEC)?;
                // Ours alone: the backend's writes are to wait for room, as on any pipe.
                nix::fcntl::fcntl(&ours, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                Some(Self { backends_end, ours: Some(ours) })
            }
        })
    }

    /// In the backend: makes it so.
    pub(super) fn apply(&self) {
        let _ = dup2_stderr(&self.backends_end);
    }

    /// In the server: what is left to be read. The backend's end must not stay open here.
    pub(super) fn into_last_words(self) -> Option<LastWords> {
        self.ours.map(|pipe| LastWords { pipe: pipe.into(), tail: VecDeque::new(), is_cut: false })
    }
}

impl LastWords {
    /// Takes in what is there now; says whether more may come.
    pub(super) fn take_in(&mut self) -> bool {
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_AT_ONCE {
            match self.pipe.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length_bytes) => self.keep(&buffer[..length_bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        let excess = self.tail.len().saturating_sub(TAIL_MAX_BYTES);
        self.tail.drain(..excess);
        self.is_cut |= excess > 0;
    }

    /// The last lines, now that the backend has ended. One that was cut at its start is left out.
    pub(super) fn into_text(mut self) -> String {
        // What the backend started may hold the pipe open still; its words are not waited for.
        self.take_in();
        let bytes = self.tail.make_contiguous();
        let start = match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end_of_line) if self.is_cut && end_of_line + 1 < bytes.len() => end_of_line + 1,
            _ => 0,
        };
        let mut text = String::from_utf8_lossy(&bytes[start..]).into_owned();
        // A byte that is no text takes three as its replacement, and the notice must not grow by that.
        let excess =
            (0..text.len()).find(|&at| text.len() - at <= TAIL_MAX_BYTES && text.is_char_boundary(at));
        text.drain(..excess.unwrap_or(0));
        text
    }
}

impl AsFd for LastWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn after(write: impl FnOnce(&mut File)) -> String {
        let mut redirection = Redirection::new(Output::Tail).unwrap().unwrap();
        let mut end = File::from(redirection.backends_end.try_clone().unwrap());
        write(&mut end);
        redirection.backends_end = File::open("/dev/null").unwrap().into();
        drop(end);
        redirection.into_last_words().unwrap().into_text()
    }

    #[test]
    fn short_words_are_kept_whole() {
        assert_eq!(after(|end| end.write_all(b"one\ntwo").unwrap()), "one\ntwo");
        assert_eq!(after(|_| {}), "");
    }

    #[test]
    fn of_long_ones_the_last_whole_lines_are_kept() {
        let text = after(|end| {
            for number in 0..2000 {
                writeln!(end, "line {number}").unwrap();
            }
        });
        assert!(text.starts_with("line ") && text.ends_with("line 1999\n"), "{text}");
        assert!(text.len() <= TAIL_MAX_BYTES && text.len() > TAIL_MAX_BYTES / 2);
    }

    #[test]
    fn what_is_no_text_is_shown_as_such_and_grows_no_longer() {
        let text = after(|end| end.write_all(&[0xFF; 10_000]).unwrap());
        assert!(text.chars().all(|character| character == '\u{FFFD}') && text.len() <= TAIL_MAX_BYTES);
    }
}
