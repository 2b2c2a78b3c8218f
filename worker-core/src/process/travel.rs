//! An actor inside of a message: what goes along, and how its receiver comes to hold it.
//! Not here: the types of the user (`actor`), and serving several links (`actor::serving`).
//! Layer 5: over `link::newcomers`.
//!
//! What travels is a door to the backend and its pidfd, and never a link: the receiver makes a link of its
//! own and knocks. So an actor can be given any number of times, the giver waits for nobody and may end
//! at any moment, and a message that is lost or written twice leaves nothing behind but doors that close.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::body::{Body, Given};
use super::builder::OnTimeout;
use super::life::Life;
use super::lives::Lives;
use crate::calls::{Client, identity};
use crate::link::beside::Beside;
use crate::link::{self, Herald, LinkKind, NewLink, newcomers};
use crate::sys::held::Held;
use crate::sys::limits::{self, with_descriptors};
use crate::sys::pidfd::PidFd;
use crate::wire::descriptors;
use crate::wire::reason::{not_decoded, not_encoded};

/// An actor inside of a message.
#[derive(Debug, Serialize, Deserialize)]
struct Travelling {
    name: String,
    id: u64,
    pid: u32,
    is_thread: bool,
    link: LinkKind,
    stop_timeout: Duration,
    kills_at_timeout: bool,
    door: u32,
    pidfd: u32,
}

/// Writes an actor into the message that is being encoded.
pub(crate) fn serialize<S: Serializer>(lives: &Lives, serializer: S) -> Result<S::Ok, S::Error> {
    let attach = |descriptor: BorrowedFd<'_>| {
        let owned = with_descriptors(|| descriptor.try_clone_to_owned()).map_err(not_encoded)?;
        descriptors::attach(owned).map_err(not_encoded)
    };
    lives.with_current(|life| {
        let given = life.body.give().map_err(not_encoded)?;
        let travelling = Travelling {
            name: given.name,
            id: given.id,
            pid: given.pid,
            is_thread: given.is_thread,
            link: life.body.link_kind(),
            stop_timeout: given.stop_timeout,
            kills_at_timeout: lives.on_timeout == OnTimeout::Kill,
            door: attach(given.door.as_fd())?,
            pidfd: attach(given.pidfd.as_fd())?,
        };
        travelling.serialize(serializer)
    })
}

/// Takes an actor out of the message that is being decoded, and connects to it.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lives, D::Error> {
    let travelling = Travelling::deserialize(deserializer)?;
    let detach = |number| descriptors::detach(number).map_err(not_decoded::<D::Error>);
    let (door, pidfd) = (detach(travelling.door)?, detach(travelling.pidfd)?);
    connect(travelling, door, PidFd::from(pidfd)).map_err(not_decoded)
}

fn connect(travelling: Travelling, door: OwnedFd, pidfd: PidFd) -> io::Result<Lives> {
    let (beside, far_end) = with_descriptors(Beside::pair)?;
    let beside = Arc::new(beside);
    let link = with_descriptors(|| link::create(travelling.link, Arc::clone(&beside)))?;
    let NewLink { kind, mut ours, theirs } = link;
    // What its builder said of that is the spawner's; without, it is this.
    ours.incoming.limit(limits::half_of_all_memory_bytes());
    ours.number = identity::new();
    newcomers::knock(door.as_fd(), kind, identity::holder(), ours.number, &far_end, &theirs)?;
    // The backend has its ends, or is gone; held here too, its end would not show.
    drop((far_end, theirs, beside));
    let door = Arc::new(Beside::from(door));
    let held = Held::new(ours.descriptors().into_iter().chain([door.as_fd()]));
    let given = Given {
        name: travelling.name,
        id: travelling.id,
        pid: travelling.pid,
        pidfd,
        door,
        stop_timeout: travelling.stop_timeout,
        is_thread: travelling.is_thread,
    };
    let body = Arc::new(Body::elsewhere(given, ours.number, Herald::of(&ours), held));
    let watched = Arc::clone(&body);
    let client = Client::new(
        ours,
        body.target(),
        Box::new(move |ending, deadline| watched.find_death(ending, deadline)),
    );
    let on_timeout = if travelling.kills_at_timeout { OnTimeout::Kill } else { OnTimeout::Abandon };
    Lives::new(Arc::new(Life { client: Arc::new(client), body }), on_timeout, None)
}
