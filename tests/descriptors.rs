//! Values that carry more than bytes: files, sockets and pipes as arguments and results, over both links.
//! Not here: ends of channels (`channels`), and ends of rings of frames (`frames_flow`).
//! Layer: the public surface.

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use serde::{Deserialize, Serialize};
use support::{eventually, has_processes, processes, watchdog};
use worker_core::{Builder, CallError, Descriptor, Limits, Link, Restart, StartMethod, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Streams of a program, as a user's own type has them.
#[derive(Serialize, Deserialize)]
pub struct Streams {
    title: String,
    #[serde(with = "worker_core::descriptor")]
    output: PipeWriter,
    #[serde(with = "worker_core::descriptor")]
    errors: Option<PipeWriter>,
    #[serde(with = "worker_core::descriptor")]
    copies: Vec<OwnedFd>,
}

/// Opens, takes and lends whatever is a descriptor.
pub struct Porter {
    kept: Option<File>,
}

#[process_actor]
impl Porter {
    pub fn new() -> Self {
        Self { kept: None }
    }

    pub fn with_log(log: File) -> Self {
        Self { kept: Some(log) }
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    pub fn write_to(&self, mut file: File, text: &str) -> io::Result<()> {
        file.write_all(text.as_bytes())
    }

    pub fn write_lent(&self, mut file: &File, text: &str) -> io::Result<()> {
        file.write_all(text.as_bytes())
    }

    pub fn write_perhaps(&self, file: Option<&File>, text: &str) -> io::Result<bool> {
        file.map(|mut file| file.write_all(text.as_bytes())).transpose().map(|written| written.is_some())
    }

    pub fn write_each(&self, files: &[File], text: &str) -> io::Result<()> {
        files.iter().try_for_each(|mut file| file.write_all(text.as_bytes()))
    }

    pub fn write_raw(&self, descriptor: BorrowedFd<'_>, text: &str) -> io::Result<()> {
        File::from(descriptor.try_clone_to_owned()?).write_all(text.as_bytes())
    }

    pub fn log(&mut self, text: &str) -> io::Result<()> {
        self.kept.as_mut().expect("there is a log").write_all(text.as_bytes())
    }

    pub fn spread(&self, mut streams: Streams) -> io::Result<()> {
        streams.output.write_all(streams.title.as_bytes())?;
        if let Some(errors) = &mut streams.errors {
            errors.write_all(b"errors")?;
        }
        streams.copies.into_iter().try_for_each(|copy| File::from(copy).write_all(b"copy"))
    }

    pub fn pipe(&self) -> io::Result<(u32, Descriptor<PipeReader>)> {
        let (reader, mut writer) = pipe()?;
        writer.write_all(b"made over there")?;
        Ok((std::process::id(), reader.into()))
    }

    pub fn open(&self, path: &str) -> io::Result<File> {
        File::open(path)
    }

    pub fn perhaps(&self, wanted: bool) -> Option<OwnedFd> {
        wanted.then(|| File::open("/dev/null").unwrap().into())
    }

    pub fn many(&self, count: usize) -> Vec<File> {
        (0..count).map(|_| File::open("/dev/null").unwrap()).collect()
    }

    pub fn named(&self, files: BTreeMap<String, Descriptor<File>>) -> BTreeMap<String, Descriptor<File>> {
        files
    }

    pub fn count(&self, files: Vec<File>) -> usize {
        files.len()
    }

    pub fn accept(&self, listener: TcpListener) -> io::Result<TcpStream> {
        listener.accept().map(|(stream, _)| stream)
    }

    pub fn accept_unix(&self, listener: UnixListener) -> io::Result<UnixStream> {
        listener.accept().map(|(stream, _)| stream)
    }

    pub fn greet(&self, socket: UdpSocket, to: &str) -> io::Result<usize> {
        socket.send_to(b"hello", to)
    }

    pub fn greet_unix(&self, socket: UnixDatagram) -> io::Result<usize> {
        socket.send(b"hello")
    }

    pub fn echo(&self, mut stream: UnixStream) -> io::Result<()> {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)
    }
}

fn text_of(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

fn porters() -> impl Iterator<Item = PorterFrontend> {
    let builders = LINKS.into_iter().map(|link| Builder::new().link(link));
    let in_a_thread = Builder::new().start(StartMethod::Thread);
    builders.chain([in_a_thread]).map(|builder| PorterFrontend::spawn_with(&builder).unwrap())
}

#[test]
fn a_file_goes_there_and_another_comes_back() {
    let _watchdog = watchdog();
    for porter in porters() {
        let (reader, writer) = pipe().unwrap();
        porter.write_to(OwnedFd::from(writer).into(), "by value").unwrap();
        assert_eq!(text_of(reader), "by value", "and nobody else has the other end any more");
        let comm = text_of(porter.open("/proc/self/comm").unwrap());
        assert!(!comm.is_empty());
        let error = porter.open("/no/such/file").unwrap_err();
        assert!(matches!(error, CallError::Actor(error) if error.kind() == io::ErrorKind::NotFound));
        let (pid, reader) = porter.pipe().unwrap();
        assert_eq!((pid, text_of(reader.0).as_str()), (porter.pid().unwrap(), "made over there"));
        assert!(porter.perhaps(false).unwrap().is_none() && porter.perhaps(true).unwrap().is_some());
    }
}

#[test]
fn what_is_lent_is_a_duplicate_and_stays_here_too() {
    let _watchdog = watchdog();
    for porter in porters() {
        let (reader, writer) = pipe().unwrap();
        let file = File::from(OwnedFd::from(writer));
        porter.write_lent(&file, "lent ").unwrap();
        assert!(porter.write_perhaps(Some(&file), "perhaps ").unwrap());
        assert!(!porter.write_perhaps(None, "never").unwrap());
        let two = [file.try_clone().unwrap(), file.try_clone().unwrap()];
        porter.write_each(&two, "each ").unwrap();
        porter.write_raw(file.as_fd(), "raw").unwrap();
        (&file).write_all(b".").unwrap();
        drop((file, two));
        assert_eq!(text_of(reader), "lent perhaps each each raw.");
    }
}

#[test]
fn fields_of_own_types_and_of_maps_travel() {
    let _watchdog = watchdog();
    for porter in porters() {
        let (output, errors) = (pipe().unwrap(), pipe().unwrap());
        let copies = vec![output.1.try_clone().unwrap().into(), errors.1.try_clone().unwrap().into()];
        let streams = Streams { title: "title ".into(), output: output.1, errors: Some(errors.1), copies };
        porter.spread(streams).unwrap();
        assert_eq!((text_of(output.0), text_of(errors.0)), ("title copy".into(), "errorscopy".into()));
        let files = ["one", "two"].map(|name| (name.to_owned(), File::open("/dev/null").unwrap().into()));
        let back = porter.named(files.into_iter().collect()).unwrap();
        assert_eq!(back.keys().map(String::as_str).collect::<Vec<_>>(), ["one", "two"]);
    }
}

#[test]
fn every_sort_of_socket_travels() {
    let _watchdog = watchdog();
    for porter in porters() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut accepted = porter.accept(listener).unwrap();
        accepted.write_all(b"tcp").unwrap();
        drop(accepted);
        assert_eq!(text_of(&mut caller), "tcp");

        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        porter.greet(sender, &receiver.local_addr().unwrap().to_string()).unwrap();
        let mut bytes = [0; 16];
        assert_eq!(receiver.recv(&mut bytes).unwrap(), 5);

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        porter.greet_unix(theirs).unwrap();
        assert_eq!(ours.recv(&mut bytes).unwrap(), 5);

        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"ping").unwrap();
        porter.echo(theirs).unwrap();
        assert_eq!(text_of(ours), "ping");

        let path = support::scratch_file("listener");
        let listener = UnixListener::bind(&path).unwrap();
        let mut caller = UnixStream::connect(&path).unwrap();
        let mut accepted = porter.accept_unix(listener).unwrap();
        accepted.write_all(b"unix").unwrap();
        drop(accepted);
        assert_eq!(text_of(&mut caller), "unix");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_constructor_that_runs_again_gets_its_descriptors_again() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let (mut reader, writer) = pipe().unwrap();
        let builder = Builder::new().link(link).restart(Restart::on_crash());
        let log = File::from(OwnedFd::from(writer));
        let porter = PorterFrontend::spawn_with_log_with(&builder, log).unwrap();
        for life in ["first ", "second ", "third "] {
            porter.log(life).unwrap();
            porter.process().kill().unwrap();
            porter.process().wait();
        }
        assert_eq!(porter.process().restarts(), 2);
        porter.stop().unwrap();
        drop(porter);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "first second third ", "and with the frontend the last duplicate went");
    }
}

#[test]
fn too_many_in_one_message_is_an_error_with_the_number() {
    let _watchdog = watchdog();
    for porter in porters() {
        let null = File::open("/dev/null").unwrap();
        let files = |count| (0..count).map(|_| null.try_clone().unwrap()).collect::<Vec<_>>();
        assert_eq!(porter.count(files(253)).unwrap(), 253);
        let error = porter.count(files(254)).unwrap_err();
        assert!(matches!(error, CallError::Encode(_)), "{error:?}");
        assert!(error.to_string().contains("at most 253 descriptors"), "{error}");
        let error = porter.many(254).unwrap_err();
        assert!(error.to_string().contains("at most 253 descriptors"), "{error}");
        assert_eq!(porter.many(253).unwrap().len(), 253, "and the actor lives on");
    }
}

#[test]
fn a_backend_that_may_open_no_more_says_so_and_lives_on() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let builder = Builder::new().link(link).limits(Limits::new().open_files(40));
        let porter = PorterFrontend::spawn_with(&builder).unwrap();
        let null = File::open("/dev/null").unwrap();
        let files = (0..60).map(|_| null.try_clone().unwrap()).collect();
        let error = porter.count(files).unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
        assert!(error.to_string().contains("may open no more of them"), "{error}");
        // On its own side it is an error of the method, as anywhere.
        let error = porter.open("/dev/null").map(drop);
        assert!(error.is_ok(), "what had come was closed: {error:?}");
        assert_eq!(porter.count(vec![null]).unwrap(), 1);
    }
}

#[test]
fn nothing_stays_open_whatever_became_of_the_message() {
    let _watchdog = watchdog();
    for link in LINKS {
        let porter = PorterFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        let null = File::open("/dev/null").unwrap();
        porter.count(vec![null.try_clone().unwrap()]).unwrap();
        let opened = || processes::descriptors().iter().filter(|(_, target)| target == "/dev/null").count();
        let theirs = || {
            let pid = porter.process().pid();
            processes::descriptors_of(pid).iter().filter(|(_, target)| target == "/dev/null").count()
        };
        let before = (opened(), theirs());
        for _ in 0..20 {
            porter.count((0..20).map(|_| null.try_clone().unwrap()).collect()).unwrap();
            porter.count((0..254).map(|_| null.try_clone().unwrap()).collect()).unwrap_err();
            drop(porter.many(10).unwrap());
            drop(porter.many_async(10));
        }
        // The replies that nobody waited for are taken in by a call that comes later.
        assert_eq!(porter.count(Vec::new()).unwrap(), 0);
        // Other tests of this program open and close such descriptors too.
        eventually("every duplicate is closed", || (opened(), theirs()) <= before || !has_processes());
    }
}
