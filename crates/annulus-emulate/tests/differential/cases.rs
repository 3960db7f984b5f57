//! Programs that once differed, each as small as it became.

mod news;
mod turns;

use annulus_emulate::abi::{
    AcceptFlags, CancelFlags, FILE_INDEX_ALLOC, Op, PollFlags, RecvSendFlags, SqeFlags,
    TimeoutFlags,
};

use crate::program::{
    COUNTER, DATAGRAM, Entry, Event, Fd, INTERNET, LOCAL, Memory, PIECEWISE, PIPE_READ, PIPE_WRITE,
    PROVIDED, Program, RING, SLOTS, SMALL_READ, SMALL_WRITE, SOCKET, Setting, Step, TABLE, Time,
};

/// A name, and the program.
pub type Case = (&'static str, Program);

/// `RWF_NOWAIT`, `MSG_DONTWAIT`, `MSG_WAITALL`.
const NOWAIT: u32 = 8;
const DONTWAIT: u32 = 0x40;
const WAITALL: u32 = 0x100;
/// Files in memory.
const MEMORY: i32 = 2;

/// An entry on a file of the world, with its own buffer.
fn on(op: Op, slot: i32, len: u32) -> Entry {
    Entry { fd: Fd::Slot(slot), memory: Memory::Buffer, len, ..Entry::new(op, 0) }
}

fn plain(op: Op) -> Entry {
    Entry::new(op, 0)
}

/// An entry on a file of the world, without a buffer.
fn bare(op: Op, slot: i32) -> Entry {
    Entry { fd: Fd::Slot(slot), ..plain(op) }
}

fn with(flags: SqeFlags, entry: Entry) -> Entry {
    Entry { flags: entry.flags | flags, ..entry }
}

fn link(entry: Entry) -> Entry {
    with(SqeFlags::IO_LINK, entry)
}

fn op_flags(rw_flags: u32, entry: Entry) -> Entry {
    Entry { rw_flags, ..entry }
}

/// With flags of an operation on sockets.
fn how(flags: RecvSendFlags, entry: Entry) -> Entry {
    Entry { ioprio: flags.bits(), ..entry }
}

/// With a buffer of a group.
fn select(group: u16, entry: Entry) -> Entry {
    Entry { buf_index: group, ..with(SqeFlags::BUFFER_SELECT, entry) }
}

fn provide() -> Entry {
    Entry {
        fd: Fd::Number(1),
        memory: Memory::Group,
        len: 128,
        buf_index: PROVIDED,
        ..plain(Op::PROVIDE_BUFFERS)
    }
}

fn message(op: Op, slot: i32, pieces: u32, named: bool) -> Entry {
    Entry { memory: Memory::Message { pieces, named }, ..on(op, slot, 1) }
}

fn nop() -> Entry {
    plain(Op::NOP)
}

/// A timeout, or what it counts.
fn timeout(time: Time, count: u64) -> Entry {
    Entry { memory: Memory::Time(time), len: 1, off: count, ..plain(Op::TIMEOUT) }
}

fn link_timeout(time: Time) -> Entry {
    Entry { op: Op::LINK_TIMEOUT, ..timeout(time, 0) }
}

/// A cancel of the entry with this number.
fn cancel(user_data: u64, flags: CancelFlags) -> Entry {
    Entry { memory: Memory::Plain(user_data), rw_flags: flags.bits(), ..plain(Op::ASYNC_CANCEL) }
}

fn connect(slot: i32) -> Entry {
    let listener = if slot < INTERNET { LOCAL } else { INTERNET };
    Entry { fd: Fd::Slot(slot), memory: Memory::Address(listener), ..plain(Op::CONNECT) }
}

fn accept(slot: i32, flags: AcceptFlags) -> Entry {
    Entry { fd: Fd::Slot(slot), ioprio: flags.bits(), ..plain(Op::ACCEPT) }
}

/// Into a slot of the table.
fn into(slot: u32, entry: Entry) -> Entry {
    Entry { splice_fd_in: Fd::Number(slot as i32 + 1), ..entry }
}

/// On the file in a slot of the table.
fn fixed(slot: i32, entry: Entry) -> Entry {
    with(SqeFlags::FIXED_FILE, Entry { fd: Fd::Number(slot), ..entry })
}

fn pipe(slot: u32) -> Entry {
    into(slot, Entry { fd: Fd::Number(0), memory: Memory::Buffer, ..plain(Op::PIPE) })
}

fn files_update(first: u32, files: &[Fd]) -> Entry {
    Entry {
        fd: Fd::Number(0),
        off: first.into(),
        len: files.len() as u32,
        memory: Memory::Descriptors(files.to_vec()),
        ..plain(Op::FILES_UPDATE)
    }
}

fn close(slot: i32) -> Entry {
    Entry { fd: Fd::Slot(slot), ..plain(Op::CLOSE) }
}

fn write(slot: i32, bytes: u32) -> Step {
    Step::Happen(Event::Write { slot, bytes })
}

fn submit<const N: usize>(entries: [Entry; N]) -> Step {
    Step::Submit(entries.to_vec())
}

fn case<const N: usize>(name: &'static str, steps: [Step; N]) -> Case {
    case_with(name, Setting::default(), steps)
}

/// With an empty table of files, rings of buffers with so many.
fn case_full<const N: usize>(name: &'static str, filled: u32, steps: [Step; N]) -> Case {
    let table = vec![Fd::NONE; TABLE as usize];
    case_with(name, Setting { table, groups: true, filled, ..Setting::default() }, steps)
}

fn case_with<const N: usize>(name: &'static str, setting: Setting, steps: [Step; N]) -> Case {
    let mut program = Program { setting, steps: steps.to_vec() };
    let mut places = 0..;
    for step in &mut program.steps {
        let Step::Submit(entries) = step else { continue };
        for entry in entries {
            entry.place = places.next().expect("without an end");
            entry.user_data = entry.place as u64 + 1;
        }
    }
    (name, program)
}

/// All of them.
pub fn all() -> Vec<Case> {
    let families = [transfers(), sockets(), groups(), rings(), ring_reads(), connections()];
    let families = [families.concat(), tables()];
    [families.concat(), accepts(), times(), cancels(), news::all(), turns::all()].concat()
}

fn transfers() -> Vec<Case> {
    let nowait = |entry| op_flags(NOWAIT, entry);
    vec![
        case(
            "what cannot be written at once",
            [submit([
                nowait(on(Op::WRITE, MEMORY, 7)),
                nowait(on(Op::WRITE, MEMORY, 0)),
                nowait(on(Op::WRITE, 0, 7)),
                nowait(on(Op::WRITE, 0, 0)),
                nowait(on(Op::READ, MEMORY, 0)),
                nowait(on(Op::WRITE, COUNTER, 8)),
                nowait(on(Op::WRITE, COUNTER, 0)),
            ])],
        ),
        case(
            "a write at once on a thread",
            [submit([with(SqeFlags::ASYNC, nowait(on(Op::WRITE, MEMORY, 7)))])],
        ),
        case("nothing of an eventfd", [submit([on(Op::READ, COUNTER, 0)])]),
        case(
            "the priority of a multishot read",
            [submit([select(
                PROVIDED,
                Entry { ioprio: 0x7fff, ..bare(Op::READ_MULTISHOT, PIPE_READ) },
            )])],
        ),
        case(
            "a pipe that is closed when the submit is over",
            [
                submit([close(PIPE_READ), on(Op::WRITE, PIPE_WRITE, 8)]),
                submit([on(Op::WRITE, PIPE_WRITE, 8)]),
            ],
        ),
    ]
}

fn sockets() -> Vec<Case> {
    let first = RecvSendFlags::POLL_FIRST;
    let multishot = RecvSendFlags::RECV_MULTISHOT;
    vec![
        case(
            "to wait first, and not to wait",
            [submit([
                op_flags(DONTWAIT, how(first, on(Op::SEND, SOCKET, 8))),
                op_flags(DONTWAIT, how(first, message(Op::RECVMSG, SOCKET, 2, false))),
            ])],
        ),
        case("to wait first for a file", [submit([how(first, on(Op::RECV, 0, 8))])]),
        case(
            "to wait first for a pipe",
            [submit([how(first, message(Op::RECVMSG, SMALL_WRITE, 2, false))])],
        ),
        case(
            "a bundle for a file, on a thread",
            [submit([with(SqeFlags::ASYNC, how(RecvSendFlags::BUNDLE, on(Op::SEND, 1, 8)))])],
        ),
        case(
            "the header of a part of a message",
            [submit([
                on(Op::WRITE, SOCKET + 2, 80),
                op_flags(WAITALL, message(Op::RECVMSG, SOCKET + 3, 3, true)),
            ])],
        ),
        case_full(
            "the length of the first message",
            4,
            [
                submit([select(RING, how(multishot, message(Op::RECVMSG, SOCKET, 1, false)))]),
                write(SOCKET + 1, 64),
            ],
        ),
        case_full(
            "messages that are not waited for",
            4,
            [
                submit([on(Op::WRITE, SOCKET + 1, 8)]),
                submit([select(
                    RING,
                    op_flags(DONTWAIT, how(multishot, message(Op::RECVMSG, SOCKET, 1, false))),
                )]),
            ],
        ),
        case_full(
            "a multishot on a thread",
            0,
            [submit([
                with(SqeFlags::ASYNC, select(9, how(multishot, on(Op::RECV, SOCKET, 0)))),
                with(SqeFlags::ASYNC, select(9, bare(Op::READ_MULTISHOT, SOCKET + 2))),
                with(SqeFlags::ASYNC, how(RecvSendFlags::BUNDLE, on(Op::SEND, SOCKET + 3, 8))),
            ])],
        ),
        case(
            "an end of one's own",
            [
                submit([Entry { len: 2, ..bare(Op::SHUTDOWN, INTERNET + 1) }]),
                submit([how(first, on(Op::RECV, INTERNET + 1, 8))]),
            ],
        ),
    ]
}

fn groups() -> Vec<Case> {
    let bundle = RecvSendFlags::BUNDLE;
    vec![
        case("no group of no socket", [submit([select(9, on(Op::SEND, PIPE_WRITE, 8))])]),
        case(
            "two reads, one buffer",
            [submit([
                provide(),
                select(PROVIDED, on(Op::READ, PIPE_READ, 64)),
                select(PROVIDED, on(Op::READ, SMALL_READ, 64)),
                select(PROVIDED, on(Op::RECV, SOCKET, 64)),
            ])],
        ),
        case(
            "two receives, one buffer",
            [
                submit([
                    provide(),
                    select(PROVIDED, on(Op::RECV, SOCKET, 64)),
                    select(PROVIDED, on(Op::RECV, SOCKET + 2, 64)),
                ]),
                write(SOCKET + 3, 7),
            ],
        ),
        case(
            "sends of what was provided",
            [
                submit([provide(), provide(), provide()]),
                submit([
                    select(PROVIDED, on(Op::SEND, LOCAL + 1, 8)),
                    select(PROVIDED, on(Op::SEND, SOCKET, 8)),
                    select(PROVIDED, how(bundle, on(Op::SEND, SOCKET, 8))),
                ]),
            ],
        ),
    ]
}

fn rings() -> Vec<Case> {
    let bundle = RecvSendFlags::BUNDLE;
    let limited = how(bundle | RecvSendFlags::RECV_MULTISHOT, on(Op::RECV, DATAGRAM, 0));
    let limited = select(PIECEWISE, Entry { splice_fd_in: Fd::Number(100), ..limited });
    vec![
        case_full(
            "a whole buffer, and what is behind it",
            2,
            [submit([link(select(RING, on(Op::READ, MEMORY, 0))), on(Op::WRITE, PIPE_WRITE, 8)])],
        ),
        case_full(
            "a bundle that ends in the last buffer",
            2,
            [
                submit([limited.clone(), on(Op::SEND, DATAGRAM + 1, 120)]),
                submit([limited, on(Op::SEND, DATAGRAM + 1, 1)]),
            ],
        ),
        case_full(
            "a bundle that goes on in a buffer",
            4,
            [submit([
                select(PIECEWISE, how(bundle, on(Op::RECV, SOCKET, 64))),
                on(Op::WRITE, SOCKET + 1, 6000),
            ])],
        ),
        case(
            "a bundle of two that were provided",
            [
                submit([provide(), provide(), provide()]),
                submit([
                    select(PROVIDED, how(bundle, on(Op::RECV, SOCKET, 0))),
                    on(Op::WRITE, SOCKET + 1, 4096),
                ]),
            ],
        ),
        case_full(
            "a bundle that a thread has",
            4,
            [
                submit([on(Op::WRITE, SOCKET + 1, 4096)]),
                submit([with(
                    SqeFlags::ASYNC,
                    select(PIECEWISE, how(bundle, on(Op::RECV, SOCKET, 100))),
                )]),
            ],
        ),
        case_full(
            "all of a bundle",
            4,
            [
                submit([select(RING, op_flags(WAITALL, how(bundle, on(Op::RECV, SOCKET, 10))))]),
                write(SOCKET + 1, 1),
                write(SOCKET + 1, 50),
            ],
        ),
    ]
}

fn ring_reads() -> Vec<Case> {
    vec![
        case_full(
            "reads of all that there is",
            4,
            [submit([select(RING, bare(Op::READ_MULTISHOT, PIPE_READ))]), write(PIPE_WRITE, 512)],
        ),
        case_full(
            "reads that are not waited for",
            4,
            [
                submit([on(Op::WRITE, PIPE_WRITE, 500)]),
                submit([select(RING, op_flags(NOWAIT, bare(Op::READ_MULTISHOT, PIPE_READ)))]),
            ],
        ),
        case_full(
            "a thread's buffer",
            4,
            [submit([
                with(SqeFlags::ASYNC, select(RING, on(Op::READ, SOCKET, 64))),
                with(SqeFlags::ASYNC, select(RING, on(Op::RECV, PIPE_READ, 64))),
            ])],
        ),
    ]
}

fn connections() -> Vec<Case> {
    let both = AcceptFlags::MULTISHOT | AcceptFlags::DONTWAIT;
    let socket = |family| Entry { fd: Fd::Number(family), off: 1, ..plain(Op::SOCKET) };
    vec![
        case(
            "a connection that is there",
            [submit([connect(INTERNET + 1), cancel(1, CancelFlags::empty())])],
        ),
        case("a second connection", [submit([link(connect(INTERNET + 1)), connect(INTERNET + 1)])]),
        case_full(
            "connections that find no slot",
            0,
            [
                submit([connect(INTERNET + 1), connect(INTERNET + 2)]),
                submit([into(TABLE, accept(INTERNET, AcceptFlags::empty()))]),
            ],
        ),
        case(
            "a chain with a drain in it",
            [submit([
                with(SqeFlags::IO_HARDLINK, accept(LOCAL, both)),
                with(SqeFlags::IO_DRAIN, socket(77)),
            ])],
        ),
        case(
            "failures that break no chain",
            [submit([
                link(Entry { len: 7, ..bare(Op::SHUTDOWN, SOCKET) }),
                link(into(5, with(SqeFlags::CQE_SKIP_SUCCESS, socket(libc::AF_UNIX)))),
                nop(),
            ])],
        ),
    ]
}

fn accepts() -> Vec<Case> {
    let both = AcceptFlags::MULTISHOT | AcceptFlags::DONTWAIT;
    let listener = Setting { nonblocking: vec![INTERNET], ..Setting::default() };
    vec![case_with(
        "connections that are not waited for",
        listener,
        [submit([connect(INTERNET + 1)]), submit([accept(INTERNET, both)])],
    )]
}

fn tables() -> Vec<Case> {
    let mut tagged = Setting { tagged: true, ..Setting::default() };
    tagged.table = vec![Fd::Slot(PIPE_READ); TABLE as usize];
    vec![
        case_full(
            "a pipe that the table had",
            0,
            [
                submit([pipe(6)]),
                submit([
                    files_update(6, &[Fd::Slot(PIPE_READ)]),
                    fixed(7, op_flags(5, plain(Op::POLL_ADD))),
                ]),
                submit([fixed(7, op_flags(5, plain(Op::POLL_ADD)))]),
            ],
        ),
        case_full(
            "a slot that is not filled",
            0,
            [
                Step::Happen(Event::UpdateTable { first: 2, files: vec![Fd::Slot(PIPE_READ)] }),
                submit([files_update(2, &[Fd::Slot(SLOTS), Fd::NONE])]),
                submit([fixed(2, op_flags(NOWAIT, on(Op::READ, 0, 1)))]),
                submit([files_update(FILE_INDEX_ALLOC, &[Fd::Slot(PIPE_READ)])]),
            ],
        ),
        case_full(
            "a slot of a range",
            0,
            [
                Step::Happen(Event::PickIn { first: 4, count: 1 }),
                Step::Happen(Event::UpdateTable { first: 0, files: vec![Fd::Slot(PIPE_READ)] }),
                submit([files_update(FILE_INDEX_ALLOC, &[Fd::Slot(PIPE_READ)])]),
            ],
        ),
        case_with("tags count at once", tagged, [submit([pipe(5), timeout(Time::Short, 3)])]),
    ]
}

fn times() -> Vec<Case> {
    let update = TimeoutFlags::UPDATE | TimeoutFlags::LINK_TIMEOUT_UPDATE;
    let change = |of, time| Entry {
        memory: Memory::TimeBehind(of, time),
        rw_flags: update.bits(),
        ..plain(Op::TIMEOUT_REMOVE)
    };
    let remove = Entry { memory: Memory::Plain(1), ..plain(Op::TIMEOUT_REMOVE) };
    let message = Entry { fd: Fd::Ring, off: 2000, len: 7, ..plain(Op::MSG_RING) };
    vec![
        case(
            "a message to itself counts",
            [submit([message, link(nop()), timeout(Time::Short, 2)])],
        ),
        case_with(
            "what finds no room does not count",
            Setting { cq_entries: 2, ..Setting::default() },
            [submit([timeout(Time::Long, 3), nop(), nop(), nop(), nop(), remove])],
        ),
        case(
            "a link timeout of no file",
            [submit([
                link(on(Op::READ, SLOTS, 8)),
                link_timeout(Time::Long),
                change(2, Time::Long),
            ])],
        ),
        case(
            "a link timeout of what is over",
            [submit([
                link(on(Op::WRITE, LOCAL + 1, 8)),
                link_timeout(Time::Long),
                change(2, Time::Long),
            ])],
        ),
    ]
}

fn cancels() -> Vec<Case> {
    let by_op = Entry { len: u32::from(Op::RECV.0), ..cancel(1, CancelFlags::OP) };
    let poll = Entry {
        fd: Fd::Slot(LOCAL + 1),
        len: PollFlags::ADD_MULTI.bits(),
        rw_flags: 5,
        ..plain(Op::POLL_ADD)
    };
    let rename = Entry {
        memory: Memory::Plain(1),
        off: 1001,
        len: PollFlags::UPDATE_USER_DATA.bits(),
        ..plain(Op::POLL_REMOVE)
    };
    vec![
        case(
            "what is cancelled twice",
            [
                submit([on(Op::RECV, SOCKET, 8)]),
                submit([
                    op_flags((CancelFlags::OP | CancelFlags::MATCH_ALL).bits(), by_op),
                    cancel(1, CancelFlags::empty()),
                    cancel(1, CancelFlags::MATCH_ALL),
                ]),
            ],
        ),
        case(
            "a poll beside one that goes on",
            [
                submit([Entry { fd: Fd::Slot(PIPE_WRITE), rw_flags: 4, ..poll.clone() }]),
                submit([Entry { rw_flags: 1, ..bare(Op::POLL_ADD, PIPE_WRITE) }]),
            ],
        ),
        case("a poll that is about to tell", [submit([poll, rename.clone()])]),
        case(
            "a poll that something came for",
            [
                submit([Entry { rw_flags: 1, fd: Fd::Slot(SMALL_READ), ..plain(Op::POLL_ADD) }]),
                submit([on(Op::WRITE, SMALL_WRITE, 8), rename]),
            ],
        ),
    ]
}
