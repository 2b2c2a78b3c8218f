//! iceoryx2, by request and response: polling, and waiting by its events.
//! Not here: its frames (`rows::frames`).
//! Layer: a peer.

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::*;
use nix::unistd::getpid;

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::Child;

const LARGEST: usize = 16 * MIB;
const ASK: u8 = 0;
const ECHO: u8 = 1;

type Calls = iceoryx2::service::port_factory::request_response::PortFactory<ipc::Service, [u8], u8, [u8], ()>;

fn calls(node: &Node<ipc::Service>, name: &str) -> Outcome<Calls> {
    let name: ServiceName = name.try_into()?;
    Ok(node
        .service_builder(&name)
        .request_response::<[u8], [u8]>()
        .request_user_header::<u8>()
        .open_or_create()?)
}

/// The two bells of one who waits.
struct Bells {
    wake: Notifier<ipc::Service>,
    woken: Listener<ipc::Service>,
}

impl Bells {
    fn new(node: &Node<ipc::Service>, wake: &str, woken: &str) -> Outcome<Self> {
        let (wake, woken): (ServiceName, ServiceName) = (wake.try_into()?, woken.try_into()?);
        let wake = node.service_builder(&wake).event().open_or_create()?.notifier_builder().create()?;
        let woken = node.service_builder(&woken).event().open_or_create()?.listener_builder().create()?;
        Ok(Self { wake, woken })
    }
}

fn serve(name: &str, waits: bool) -> Outcome<()> {
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let server = calls(&node, name)?.server_builder().initial_max_slice_len(LARGEST).create()?;
    let bells = if waits {
        Some(Bells::new(&node, &format!("{name}-back"), &format!("{name}-there"))?)
    } else {
        None
    };
    loop {
        let Some(request) = server.receive()? else {
            match &bells {
                Some(bells) => drop(bells.woken.blocking_wait(|_| {})?),
                None => std::hint::spin_loop(),
            }
            continue;
        };
        if *request.user_header() == ECHO {
            request.loan_slice_uninit(request.payload().len())?.write_from_slice(request.payload()).send()?;
        } else {
            request
                .loan_slice_uninit(8)?
                .write_from_slice(&digest(request.payload()).to_le_bytes())
                .send()?;
        }
        if let Some(bells) = &bells {
            bells.wake.notify()?;
        }
    }
}

struct Client {
    client: iceoryx2::port::client::Client<ipc::Service, [u8], u8, [u8], ()>,
    bells: Option<Bells>,
    _node: Node<ipc::Service>,
    _child: Child,
}

impl Client {
    #[inline]
    fn call(&mut self, kind: u8, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        let mut request = self.client.loan_slice_uninit(payload.len())?;
        *request.user_header_mut() = kind;
        let pending = request.write_from_slice(payload).send()?;
        if let Some(bells) = &self.bells {
            bells.wake.notify()?;
        }
        loop {
            if let Some(reply) = pending.receive()? {
                return check(reply.payload());
            }
            match &self.bells {
                Some(bells) => drop(bells.woken.blocking_wait(|_| {})?),
                None => std::hint::spin_loop(),
            }
        }
    }
}

impl Peer for Client {
    #[inline]
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        let mut number = 0;
        self.call(ASK, payload, &mut |reply| {
            number = u64::from_le_bytes(*reply.first_chunk().ok_or("no number")?);
            Ok(())
        })?;
        Ok(number)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        self.call(ECHO, payload, check)
    }
}

/// Takes away the files of the children, which were ended where they stood.
pub fn clean_up() -> Outcome<()> {
    let _ = NodeBuilder::new().create::<ipc::Service>()?.try_cleanup_dead_nodes();
    Ok(())
}

fn one(name: &'static str, waits: bool) -> Outcome<Contender> {
    let service = format!("compare-{}-{waits}", getpid());
    let child =
        Child::fork(|| serve(&service, waits).unwrap_or_else(|error| eprintln!("iceoryx2: {error}")))?;
    let pid = child.pid.as_raw();
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let client = calls(&node, &service)?.client_builder().initial_max_slice_len(LARGEST).create()?;
    let bells = if waits {
        Some(Bells::new(&node, &format!("{service}-there"), &format!("{service}-back"))?)
    } else {
        None
    };
    let peer = Client { client, bells, _node: node, _child: child };
    Ok(Contender {
        name,
        sort: Sort::Public,
        peer: Box::new(peer),
        pid: Some(pid),
        largest: LARGEST,
        polls: !waits,
    })
}

/// While this program has one thread; both children are forked before there is any node.
pub fn start() -> Outcome<[Contender; 2]> {
    // It would tell that it found no configuration, once a process.
    set_log_level(LogLevel::Error);
    Ok([one("iceoryx2, polling", false)?, one("iceoryx2, waiting", true)?])
}
