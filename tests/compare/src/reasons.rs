//! What bounds each figure: told wherever a goal is missed, or somebody else is ahead.
//! Not here: the figures (`rows`).
//! Layer: bottom.

/// By what the name of a figure begins with; the first that fits counts.
const REASONS: [(&str, &str); 24] = [
    (
        "call, 8 B, busy",
        "two lines of memory change processors, as with bare spinning; on top come the instructions of a call and one fence a side",
    ),
    (
        "call, 8 B, after",
        "a wake-up each way, two system calls a side, which the bare primitives that sleep need too; who polls does not sleep, and has a processor \
         to itself all the while",
    ),
    ("call, 8 B, pinned to one", "two switches between processes; whoever polls does not take part"),
    (
        "call, 8 B, pinned to two",
        "bare spinning is two transfers of a line and nothing else; to encode and decode two values, to find the method and to keep \
         others out (three locked instructions) takes 35 ns a side, which counts where the transfers take 0.1 us, and hardly where the \
         host has put the two processors further apart",
    ),
    ("request of 1 KiB", "as a call of 8 B, and a kibibyte is copied"),
    (
        "request of 64 KiB, after",
        "a wake-up each way, and a payload that lies in the cache of the other processor; who polls has no wake-up, and a processor to itself",
    ),
    (
        "request of 1 MiB, after",
        "as of 64 KiB: a wake-up each way on top of the copy; who polls has none, and a processor to itself",
    ),
    (
        "request of 16 MiB, after",
        "the copy, out of memory that no cache holds, and a wake-up each way; who polls has none, and a processor to itself",
    ),
    ("request of", "one copy into shared memory, which the bare pair makes too: the speed of memory"),
    (
        "echo of 1 KiB",
        "a frontend copies what comes back, because its backend could still change it; the bare pair believes its other half",
    ),
    (
        "echo of",
        "four copies of it: in, the method's own `to_vec`, from there into the link, and out of the link, since a frontend does not trust memory \
         that its backend can still write; `bare, a Vec on each side` makes as many, the other bare pairs three, and iceoryx2 two, whose client \
         reads in place",
    ),
    (
        "one-way messages",
        "encoding and a line or two of cache each; a bare ring of fixed slots encodes nothing",
    ),
    (
        "calls of 8 B by 1",
        "a caller that waits for each reply gets as many as the latency of a call allows; a peer that locks is as quick as its own",
    ),
    (
        "calls of 8 B by 8",
        "eight threads on the processors there are: one of them leads and takes in the replies of all, and each of the others has to be woken, \
         where one lock around a bare pair keeps seven asleep and lets the eighth run on",
    ),
    ("values of 32 B", "a send and a receive are a system call each, as with a bare pair of message sockets"),
    (
        "memory of its own",
        "14 pages that a fork of a small server writes: four of its stack, one of which is the title, and two each of the heap, the thread's own \
         data, the statics of the program, the C library and the loader; a fork that only reads and writes a pipe writes five of them",
    ),
    (
        "proportional memory",
        "what is not its own is shared, and counted in parts: here 350 pages of code and constants, which the kernel maps sixteen around each that \
         is touched, among four processes and more, and 40 pages that the loader has relocated, among three; the fewer actors there are, the \
         more falls to each, which the rows of `scale` tell; a small program has fewer pages to be shared",
    ),
    (
        "256 frames",
        "one copy in, and one read, at one time: the speed of memory; a reader that is faster than its writer sleeps until the next frame and has to \
         be woken, where the subscriber of iceoryx2 and the bare pair look again and again",
    ),
    ("16 frames", "as for many frames, and the first of them find their pages new"),
    (
        "spawn to the first reply, alone",
        "a fork on order: wake-ups of the fork server, of the new process and of the program, and some forty page faults that a fork which \
         does nothing and ends has not; one that follows another within 250 ms is forked ahead",
    ),
    (
        "spawn to the first reply, now and then",
        "it is forked ahead; but it sleeps, so it has to be woken, and so has the program twice, each on a processor that sleeps too, while the bare \
         pair is woken once",
    ),
    (
        "spawn to the first reply, with",
        "what the program holds is not forked, so both do the same; the fork of the next spare lies in the stop or in the spawn behind \
         it, as the end of a process comes before it or not, and so it is now one of the two that waits for it, now the other",
    ),
    (
        "spawn to the first reply",
        "a fork of a small process, its page faults, and the wake-ups until its reply: two where it was forked ahead (the process and the program), \
         three where it is forked on order (the fork server too)",
    ),
    (
        "stop, until reaped",
        "a wake-up of the backend, the end of its process in the kernel, a wake-up of the fork server that reaps it, and one of the program; \
         where spawns follow each other the next process is forked meanwhile, which a free processor does, or this one",
    ),
];

pub fn reason(figure: &str) -> Option<&'static str> {
    REASONS.iter().find(|(start, _)| figure.starts_with(start)).map(|(_, why)| *why)
}
