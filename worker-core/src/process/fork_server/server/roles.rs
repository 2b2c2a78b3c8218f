//! The three ways to be a fork server: the program's own, one with a preload, the watcher of one fork.
//! Not here: serving, which is the same for all.
//! Layer 5: over `sys`.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid};

use super::super::last_words::Redirection;
use super::Server;
use super::births::{close_all_but, redirection};
use super::charge::tell;
use crate::process::builder::Output;
use crate::process::protocol::{self, Greeting, Notice, Refusal};
use crate::process::start::begin::{self, Sockets};
use crate::sys::pidfd::PidFd;
use crate::sys::{child, huge_pages, signals, socket, title};

/// Serves until the program ends.
pub(in crate::process) fn run(control: OwnedFd, program: Pid) -> ! {
    greet(&control, &Greeting::Here);
    signals::reset();
    // The terminal's Ctrl-C is for the program, which then ends us.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let executable = std::env::current_exe().unwrap_or_default();
    let executable = executable.file_name().unwrap_or_default().to_string_lossy().into_owned();
    title::set(&format!("fork-server of {executable}"));
    let server = PidFd::open(program).and_then(|pidfd| {
        // Between the check in `before_main` and this line the program may have ended and its number
        // been given away; then we have another parent now.
        if getppid() != program {
            return Err(Errno::ESRCH);
        }
        Server::new(Some(control), Some(pidfd), true)
    });
    let status = match server {
        Ok(mut server) => {
            server.greet(&Greeting::Ready);
            server.serve()
        }
        Err(_) => 1,
    };
    child::exit_now(status)
}

/// Loads what its backends are to share, and serves until nobody wants it any more.
///
/// Its parent is a fork server, with which it ends; title and group are set already.
pub(in crate::process) fn run_preloaded(control: OwnedFd, preload: Option<fn()>) -> ! {
    greet(&control, &Greeting::Here);
    if let Err(refusal) = preload.map_or(Ok(()), begin::load) {
        greet(&control, &Greeting::Refused(refusal));
        child::exit_now(1);
    }
    huge_pages::collapse();
    // Whatever was loaded may have installed handlers.
    signals::reset();
    let status = match Server::new(Some(control), None, false) {
        Ok(mut server) if server.strange_threads.is_empty() => {
            server.greet(&Greeting::Ready);
            server.serve()
        }
        Ok(server) => {
            let threads = server.strange_threads.clone();
            server.greet(&Greeting::Refused(Refusal::ThreadsRunning(threads)));
            1
        }
        Err(_) => 1,
    };
    child::exit_now(status)
}

/// Forks one backend from a fork of the program, watches over it, and ends after it.
///
/// `in_child` never returns.
pub(in crate::process) fn watch_one(
    program: PidFd,
    title: &str,
    supervision: OwnedFd,
    stderr: Output,
    stop_timeout: Duration,
    in_child: impl FnOnce(Sockets),
) -> ! {
    signals::reset();
    child::watch_forks();
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    title::set(title);
    fn refuse(supervision: &OwnedFd, refusal: Refusal) -> ! {
        let _ = tell(supervision, &Notice::Refused(refusal), None);
        child::exit_now(1)
    }
    let (mut server, pair) = match (Server::new(None, Some(program), false), socket::message_pair()) {
        (Ok(server), Ok(pair)) => (server, pair),
        (Err(errno), _) => {
            refuse(&supervision, Refusal::system("the watcher of the backend could not begin", errno))
        }
        (_, Err(error)) => refuse(&supervision, Refusal::Other(error.to_string())),
    };
    let (failure, failure_end) = pair;
    let stderr = redirection(stderr).unwrap_or_else(|refusal| refuse(&supervision, refusal));
    let parent = getpid();
    match child::fork_single_threaded() {
        Err(errno) => refuse(&supervision, Refusal::system("a process could not be forked", errno)),
        Ok(ForkResult::Child) => {
            drop(failure);
            if let Some(stderr) = stderr {
                stderr.apply();
            }
            server.leave(parent, &[]);
            in_child(Sockets { beside: supervision, failure: Some(failure_end) });
            child::exit_now(1)
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = setpgid(child, child);
            let last_words = stderr.and_then(Redirection::into_last_words);
            server.adopt(child, supervision, Some(failure), stop_timeout, last_words);
            // Everything else is the program's, and would be kept open here.
            close_all_but(server.descriptors());
            child::exit_now(server.serve())
        }
    }
}

impl Server {
    pub(super) fn greet(&self, greeting: &Greeting) {
        if let Some(control) = &self.control {
            greet(control, greeting);
        }
    }
}

fn greet(control: &OwnedFd, greeting: &Greeting) {
    // A program that is gone does not want to know.
    let _ = socket::send(control.as_fd(), &protocol::encode(greeting), &[], false);
}
