//! Programs that once differed by whose turn it was: what goes on later, is cancelled meanwhile, or
//! is told behind others.

use super::*;

/// All of them.
pub fn all() -> Vec<Case> {
    let families = [pieces(), cancelled(), first(), bundles(), ends(), counts(), rounds()];
    let more = [shots(), full_queues(), threads(), threads_of_groups(), closes()];
    [families.concat(), more.concat(), bundles_of_provided()].concat()
}

/// A receive with a buffer of a group.
fn receive(group: u16, flags: RecvSendFlags, len: u32) -> Entry {
    let entry = Entry { memory: Memory::Plain(0), ..on(Op::RECV, SOCKET, len) };
    select(group, how(flags, entry))
}

fn by_name(user_data: u64) -> Entry {
    cancel(user_data, CancelFlags::empty())
}

/// What waits with the rest of a buffer takes no more than that of the next.
fn pieces() -> Vec<Case> {
    let takes = |slot| Entry { memory: Memory::Plain(0), ..on(Op::SEND, slot, 200) };
    let of = |name, waits| {
        let steps = [
            write(SOCKET + 1, 120),
            submit([receive(PIECEWISE, RecvSendFlags::empty(), 0)]),
            submit([waits]),
            submit([select(PIECEWISE, takes(SOCKET + 2))]),
            write(SOCKET + 1, 40),
            write(SOCKET + 1, 40),
        ];
        case_full(name, 4, steps)
    };
    let read = Entry { memory: Memory::Plain(0), ..on(Op::READ, SOCKET, 200) };
    let read_pieces = Entry { memory: Memory::Pieces(1), ..on(Op::READV, SOCKET, 1) };
    let multishot = RecvSendFlags::RECV_MULTISHOT;
    let header = message(Op::RECVMSG, SOCKET, 1, false);
    vec![
        of("a read with a rest", select(PIECEWISE, read)),
        of("a vectored read with a rest", select(PIECEWISE, read_pieces)),
        of("a receive with a rest", receive(PIECEWISE, RecvSendFlags::empty(), 200)),
        of("a multishot with a rest", receive(PIECEWISE, multishot, 0)),
        of("a bundle with a rest", receive(PIECEWISE, multishot | RecvSendFlags::BUNDLE, 200)),
        of("a message with a rest", select(PIECEWISE, header)),
    ]
}

fn cancelled() -> Vec<Case> {
    let any = cancel(0, CancelFlags::ANY);
    let multishot = Entry { off: u64::MAX, ..bare(Op::READ_MULTISHOT, SOCKET) };
    let poll = Entry { rw_flags: 1, ..bare(Op::POLL_ADD, PIPE_READ) };
    let remove = Entry { memory: Memory::Plain(1), ..plain(Op::POLL_REMOVE) };
    vec![
        case_full(
            "a multishot read that is cancelled after its first",
            2,
            [write(SOCKET + 1, 300), submit([select(PIECEWISE, multishot), any])],
        ),
        case(
            "a poll that is cancelled, and removed",
            [submit([poll.clone(), by_name(1), remove.clone()])],
        ),
        case(
            "a socket whose poll is removed",
            [
                submit([Entry { fd: Fd::Slot(SOCKET), ..poll }]),
                submit([remove, link(close(SOCKET)), on(Op::WRITE, SOCKET + 1, 64)]),
            ],
        ),
    ]
}

fn first() -> Vec<Case> {
    let first = RecvSendFlags::POLL_FIRST;
    let multishot = first | RecvSendFlags::RECV_MULTISHOT;
    vec![
        case(
            "what waits first, and need not, is cancelled",
            [write(SOCKET + 1, 30), submit([how(first, on(Op::RECV, SOCKET, 10)), by_name(1)])],
        ),
        case_full(
            "a multishot that waits first, and need not, is cancelled",
            4,
            [write(SOCKET + 1, 30), submit([receive(RING, multishot, 0), by_name(1)])],
        ),
        case(
            "what is behind one that waits first",
            [submit([
                link(how(first, on(Op::SEND, SOCKET, 8))),
                op_flags(NOWAIT, on(Op::READ, SOCKET + 3, 8)),
                link(nop()),
                link(nop()),
                on(Op::SEND, SOCKET + 2, 8),
            ])],
        ),
    ]
}

fn bundles() -> Vec<Case> {
    let bundle = RecvSendFlags::BUNDLE | RecvSendFlags::RECV_MULTISHOT;
    let of = |name, filled, bytes, entry| {
        case_full(name, filled, [write(SOCKET + 1, bytes), submit([entry])])
    };
    vec![
        of("a bundle of a length that empties its group", 2, 300, receive(RING, bundle, 10)),
        of("a bundle of no length that empties its group", 2, 300, receive(RING, bundle, 0)),
        of("a bundle that empties a group of pieces", 1, 300, receive(PIECEWISE, bundle, 0)),
        of("a bundle that leaves something of a piece", 1, 30, receive(PIECEWISE, bundle, 0)),
        case_full(
            "a bundle that waited, and had one buffer",
            2,
            [submit([
                receive(RING, bundle, 200),
                select(RING, Entry { memory: Memory::Plain(0), ..on(Op::SEND, SOCKET + 1, 0) }),
            ])],
        ),
        case_full(
            "a bundle that waited, and ended inside of a buffer",
            4,
            [
                submit([receive(RING, RecvSendFlags::BUNDLE, 200)]),
                submit([on(Op::SEND, SOCKET + 1, 600)]),
            ],
        ),
        case_full(
            "a bundle that waited, and had the last buffer",
            1,
            [submit([receive(RING, bundle, 200)]), write(SOCKET + 1, 8)],
        ),
        case_full(
            "a bundle that waited, and had two buffers",
            4,
            [submit([receive(RING, bundle, 256)]), write(SOCKET + 1, 100), write(SOCKET + 1, 300)],
        ),
    ]
}

/// Bundles of what was provided, two buffers at most at once.
fn bundles_of_provided() -> Vec<Case> {
    let bundle = RecvSendFlags::BUNDLE | RecvSendFlags::RECV_MULTISHOT;
    vec![
        case(
            "a bundle that is longer than the first of two that were provided",
            [
                submit([provide(), provide()]),
                write(SOCKET + 1, 300),
                submit([receive(PROVIDED, bundle, 200)]),
            ],
        ),
        case(
            "a bundle that waited for the first of two that were provided",
            [
                submit([provide(), provide()]),
                submit([receive(PROVIDED, bundle, 200)]),
                write(SOCKET + 1, 300),
            ],
        ),
        case(
            "a bundle that is longer than the first of many that were provided",
            [
                submit([provide(), provide(), provide(), provide(), provide()]),
                submit([receive(PROVIDED, bundle, 200)]),
                write(SOCKET + 1, 500),
                write(SOCKET + 1, 140),
            ],
        ),
        case(
            "bundles with a limit of their own, of what was provided",
            [
                submit([provide(), provide(), provide(), provide(), provide()]),
                submit([Entry { splice_fd_in: Fd::Number(300), ..receive(PROVIDED, bundle, 0) }]),
                write(SOCKET + 1, 600),
            ],
        ),
        case(
            "bundles with both limits, of what was provided",
            [
                submit([provide(), provide(), provide(), provide(), provide()]),
                submit([Entry {
                    splice_fd_in: Fd::Number(1000),
                    ..receive(PROVIDED, bundle, 200)
                }]),
                write(SOCKET + 1, 600),
            ],
        ),
    ]
}

fn ends() -> Vec<Case> {
    let multishot = RecvSendFlags::RECV_MULTISHOT;
    let last = || submit([on(Op::SEND, SOCKET + 1, 64), close(SOCKET + 1)]);
    vec![
        case_full(
            "the end of a stream behind what it brings",
            8,
            [submit([receive(RING, multishot, 0)]), last()],
        ),
        case_full(
            "the end of a stream behind a bundle",
            8,
            [submit([receive(PIECEWISE, multishot | RecvSendFlags::BUNDLE, 100)]), last()],
        ),
        case_full(
            "the end of a stream that was there",
            8,
            [last(), submit([receive(RING, multishot, 0), by_name(3)])],
        ),
        case_full(
            "the end of a stream that was there before it was waited for",
            8,
            [last(), submit([receive(RING, multishot | RecvSendFlags::POLL_FIRST, 0)])],
        ),
        case_full(
            "the end of a stream that was there before a thread waited for it",
            8,
            [last(), submit([with(SqeFlags::ASYNC, receive(RING, multishot, 0))])],
        ),
        case_full(
            "the end of a stream that comes when it is waited for",
            8,
            [
                submit([on(Op::SEND, SOCKET + 1, 64)]),
                submit([
                    receive(RING, multishot | RecvSendFlags::POLL_FIRST, 0),
                    close(SOCKET + 1),
                ]),
            ],
        ),
        case(
            "no end, where a connection was refused",
            [submit([
                link(close(INTERNET)),
                with(SqeFlags::IO_HARDLINK, connect(INTERNET + 1)),
                on(Op::RECV, INTERNET + 1, 64),
            ])],
        ),
        case(
            "no end, where a connection was reset",
            [
                Step::Happen(Event::Connect { slot: INTERNET + 1 }),
                write(INTERNET + 1, 8),
                Step::Happen(Event::Accept { slot: INTERNET }),
                submit([on(Op::RECV, INTERNET + 1, 64)]),
                submit([on(Op::RECV, INTERNET + 1, 64)]),
            ],
        ),
        case(
            "nothing to a place in a socket",
            [submit([Entry { off: 10, ..on(Op::WRITE, DATAGRAM, 0) }])],
        ),
    ]
}

fn counts() -> Vec<Case> {
    let change = Entry {
        memory: Memory::TimeBehind(2, Time::Long),
        rw_flags: (TimeoutFlags::UPDATE | TimeoutFlags::LINK_TIMEOUT_UPDATE).bits(),
        ..plain(Op::TIMEOUT_REMOVE)
    };
    let mut tagged = Setting { tagged: true, ..Setting::default() };
    tagged.table = vec![Fd::Slot(PIPE_WRITE); TABLE as usize];
    let install = fixed(7, plain(Op::FIXED_FD_INSTALL));
    let hard = |entry| with(SqeFlags::IO_HARDLINK, entry);
    vec![
        case_with(
            "a count behind what a thread of the host accepts",
            Setting { cq_entries: 4, ..Setting::default() },
            [
                Step::Happen(Event::Connect { slot: LOCAL + 1 }),
                submit([
                    link(accept(LOCAL, AcceptFlags::empty())),
                    nop(),
                    nop(),
                    hard(timeout(Time::Long, 2)),
                    nop(),
                ]),
            ],
        ),
        case_with(
            "a count behind links that find no room",
            Setting { cq_entries: 4, ..Setting::default() },
            [submit([
                nop(),
                nop(),
                nop(),
                link(nop()),
                link(nop()),
                link(nop()),
                timeout(Time::Long, 1),
            ])],
        ),
        case_full(
            "a link timeout of no slot",
            0,
            [submit([link(install), link_timeout(Time::Long), change])],
        ),
        case_with(
            "a tag that another holds counts when that is told",
            tagged.clone(),
            [submit([
                fixed(0, plain(Op::FIXED_FD_INSTALL)),
                files_update(0, &[Fd::NONE]),
                timeout(Time::Long, 3),
            ])],
        ),
        case_with(
            "what tags end counts at once",
            tagged,
            [submit([
                timeout(Time::Long, 2),
                files_update(0, &[Fd::Slot(PIPE_WRITE), Fd::NONE]),
                timeout(Time::Short, 3),
                pipe(7),
            ])],
        ),
    ]
}

fn rounds() -> Vec<Case> {
    let multishot = RecvSendFlags::RECV_MULTISHOT | RecvSendFlags::BUNDLE;
    let poll =
        Entry { len: PollFlags::ADD_MULTI.bits(), rw_flags: 1, ..bare(Op::POLL_ADD, SOCKET) };
    let change = Entry {
        memory: Memory::Plain(1),
        len: PollFlags::UPDATE_EVENTS.bits(),
        rw_flags: 4,
        ..plain(Op::POLL_REMOVE)
    };
    let hard = |entry| with(SqeFlags::IO_HARDLINK, entry);
    vec![
        case_full(
            "a long bundle that is not to wait",
            4,
            [write(SOCKET + 1, 600), submit([op_flags(DONTWAIT, receive(RING, multishot, 100))])],
        ),
        case(
            "what is behind a cancelled time, and what is behind another",
            [
                submit([hard(timeout(Time::Long, 0)), cancel(0, CancelFlags::ANY)]),
                submit([
                    hard(nop()),
                    hard(nop()),
                    timeout(Time::Long, 0),
                    cancel(0, CancelFlags::ANY),
                ]),
            ],
        ),
        case(
            "a second connection to nobody",
            [
                Step::Happen(Event::Close { slot: INTERNET }),
                submit([hard(connect(INTERNET + 1)), connect(INTERNET + 1)]),
            ],
        ),
        case(
            "a pipe whose reader is cancelled",
            [
                submit([on(Op::READ, SMALL_READ, 8)]),
                Step::Happen(Event::Close { slot: SMALL_READ }),
                submit([link(cancel(0, CancelFlags::ANY)), on(Op::WRITE, SMALL_WRITE, 8)]),
            ],
        ),
        case(
            "a number that was a socket",
            [
                submit([on(Op::READ, DATAGRAM, 0)]),
                Step::Happen(Event::Close { slot: DATAGRAM }),
                submit([op_flags(1 << 20, on(Op::WRITE, DATAGRAM, 8))]),
            ],
        ),
        case(
            "a poll that waits for something else",
            [submit([poll, change]), submit([on(Op::WRITE, SOCKET + 1, 8)])],
        ),
    ]
}

/// What is linked behind a CLOSE.
fn closes() -> Vec<Case> {
    let write = || on(Op::WRITE, PIPE_WRITE, 8);
    let one = Setting { table: vec![Fd::Slot(PIPE_READ)], ..Setting::default() };
    let slot = || files_update(0, &[Fd::NONE]);
    // Half of them find no room: the submit behind those looks for completions, too.
    let full = |entries: [Entry; 2]| {
        Step::Submit(std::iter::repeat_with(nop).take(8).chain(entries).collect())
    };
    let small = |setting: &Setting| Setting { cq_entries: 4, ..setting.clone() };
    vec![
        case(
            "a pipe that is closed before one looks",
            [submit([link(close(PIPE_READ)), link(nop()), write()])],
        ),
        case_with(
            "a pipe that is closed where the queue is full",
            small(&Setting::default()),
            [full([link(close(PIPE_READ)), write()])],
        ),
        case_with(
            "a listener that is closed where the queue is full",
            small(&Setting::default()),
            [full([link(close(LOCAL)), connect(LOCAL + 1)])],
        ),
        case_with(
            "a slot that is emptied where the queue is full",
            small(&one),
            [Step::Happen(Event::Close { slot: PIPE_READ }), full([link(slot()), write()])],
        ),
        case_with(
            "a slot that is emptied before one looks",
            one,
            [Step::Happen(Event::Close { slot: PIPE_READ }), submit([link(slot()), write()])],
        ),
    ]
}

/// Multishots among others.
fn shots() -> Vec<Case> {
    let read = Entry { off: u64::MAX, ..bare(Op::READ_MULTISHOT, SMALL_READ) };
    vec![
        case_full(
            "what is told before a multishot counts",
            4,
            [
                write(SMALL_WRITE, 1),
                submit([
                    nop(),
                    nop(),
                    select(PIECEWISE, read.clone()),
                    timeout(Time::Short, 3),
                    nop(),
                ]),
            ],
        ),
        case_full(
            "a buffer behind as many shots as come in one turn",
            4,
            [
                submit([receive(PIECEWISE, RecvSendFlags::RECV_MULTISHOT, 10)]),
                submit([
                    on(Op::SEND, SOCKET + 1, 4096),
                    select(PIECEWISE, message(Op::RECVMSG, DATAGRAM + 1, 1, false)),
                    on(Op::SEND, DATAGRAM, 40),
                ]),
            ],
        ),
        case_full(
            "a multishot that was ready before another read again",
            2,
            [
                submit([select(
                    RING,
                    Entry { off: u64::MAX, ..bare(Op::READ_MULTISHOT, PIPE_READ) },
                )]),
                submit([
                    on(Op::WRITE, SMALL_WRITE, 512),
                    on(Op::WRITE, PIPE_WRITE, 1),
                    select(RING, read),
                ]),
            ],
        ),
    ]
}

/// Multishots that find no room.
fn full_queues() -> Vec<Case> {
    let short = Setting {
        cq_entries: 2,
        table: vec![Fd::NONE; TABLE as usize],
        groups: true,
        filled: 4,
        ..Setting::default()
    };
    let multishot = RecvSendFlags::RECV_MULTISHOT;
    let read = || Entry { off: u64::MAX, ..bare(Op::READ_MULTISHOT, SMALL_READ) };
    let comes = || on(Op::SEND, SOCKET + 1, 64);
    vec![
        case_with(
            "a multishot receive behind a full queue",
            short.clone(),
            [submit([receive(RING, multishot, 0)]), submit([nop(), comes()])],
        ),
        case_with(
            "a multishot receive that fills a queue",
            short.clone(),
            [submit([receive(RING, multishot, 0)]), submit([comes()]), submit([nop(), comes()])],
        ),
        case_with(
            "a multishot read behind a full queue",
            short,
            [
                submit([select(PIECEWISE, read())]),
                submit([nop(), on(Op::WRITE, SMALL_WRITE, 8)]),
                submit([on(Op::WRITE, SMALL_WRITE, 8)]),
            ],
        ),
    ]
}

/// What threads wait in: a cancel of all finds it, and does not count it.
fn threads() -> Vec<Case> {
    let any = || cancel(0, CancelFlags::ANY);
    let recv = || {
        let entry = how(RecvSendFlags::POLL_FIRST, on(Op::RECV, SOCKET, 100));
        with(SqeFlags::ASYNC, op_flags(WAITALL, entry))
    };
    let accepts = with(SqeFlags::ASYNC, accept(LOCAL, AcceptFlags::MULTISHOT));
    let piece = with(SqeFlags::ASYNC, receive(PIECEWISE, RecvSendFlags::POLL_FIRST, 0));
    let part = || write(SOCKET + 1, 20);
    vec![
        case_full(
            "a piece, of a thread that need not wait first",
            2,
            [write(SOCKET + 1, 100), submit([piece])],
        ),
        case(
            "a part, of a thread that need not wait first",
            [part(), submit([recv()]), submit([any()])],
        ),
        case(
            "one part, of a thread that need not wait first",
            [part(), submit([recv()]), submit([by_name(1)])],
        ),
        case(
            "a time that limits a thread that need not wait first",
            [part(), submit([link(recv()), link_timeout(Time::Short)])],
        ),
        case(
            "a time that limits a multishot of a thread",
            [
                submit([link(accepts), link_timeout(Time::Soon)]),
                Step::Happen(Event::Connect { slot: LOCAL + 1 }),
            ],
        ),
        case("a part, of a thread that waits first", [submit([recv()]), part(), submit([any()])]),
        case(
            "a sum that an eventfd has no room for",
            [submit([on(Op::WRITE, COUNTER, 8), on(Op::WRITE, COUNTER, 8)])],
        ),
    ]
}

/// What threads pick of groups.
fn threads_of_groups() -> Vec<Case> {
    let bundle = RecvSendFlags::BUNDLE;
    let asks = |group, flags, len| with(SqeFlags::ASYNC, receive(group, bundle | flags, len));
    vec![
        case_full(
            "a bundle of whole buffers, of a thread",
            4,
            [
                submit([on(Op::WRITE, SOCKET + 1, 4096)]),
                submit([asks(RING, RecvSendFlags::empty(), 100)]),
            ],
        ),
        case_full(
            "a bundle of whole buffers, of a thread that waits",
            4,
            [submit([asks(RING, RecvSendFlags::empty(), 200)]), write(SOCKET + 1, 300)],
        ),
        case_full(
            "a bundle of a buffer and a part, of a thread that waits",
            4,
            [submit([asks(PIECEWISE, RecvSendFlags::empty(), 100)]), write(SOCKET + 1, 110)],
        ),
        case_full(
            "a bundle of pieces, of a thread that waits",
            4,
            [
                submit([asks(PIECEWISE, RecvSendFlags::empty(), 200)]),
                write(SOCKET + 1, 300),
                submit([receive(PIECEWISE, RecvSendFlags::empty(), 0)]),
            ],
        ),
        case_full(
            "a bundle of the last buffer, of a thread that waits",
            1,
            [submit([asks(RING, RecvSendFlags::empty(), 200)]), write(SOCKET + 1, 300)],
        ),
        case_full(
            "all of a bundle, of a thread that waits",
            4,
            [
                submit([op_flags(WAITALL, asks(RING, RecvSendFlags::empty(), 100))]),
                write(SOCKET + 1, 20),
                write(SOCKET + 1, 200),
            ],
        ),
        case(
            "a bundle of no group, of a thread that waits first",
            [
                submit([asks(RING, RecvSendFlags::POLL_FIRST, 10)]),
                Step::Happen(Event::ShutDown { slot: SOCKET + 1 }),
            ],
        ),
    ]
}
