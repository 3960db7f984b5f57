//! Programs that once differed by what was known already: of files that were woken, of times that
//! were over, and of connections that were made, all within one submit.

use super::*;

/// All of them.
pub fn all() -> Vec<Case> {
    [polls(), woken(), at_once()].concat()
}

/// A poll that goes on.
fn poll(slot: i32, events: u32) -> Entry {
    Entry { len: PollFlags::ADD_MULTI.bits(), rw_flags: events, ..bare(Op::POLL_ADD, slot) }
}

/// Has the first entry, which is a poll, wait for room.
fn change() -> Entry {
    let flags = PollFlags::UPDATE_EVENTS | PollFlags::ADD_MULTI;
    Entry { len: flags.bits(), rw_flags: 4, ..remove() }
}

fn remove() -> Entry {
    Entry { memory: Memory::Plain(1), ..plain(Op::POLL_REMOVE) }
}

/// Polls that go on, and have told something.
fn polls() -> Vec<Case> {
    let rename = || {
        let flags = PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA;
        Entry { len: flags.bits(), off: 1001, ..change() }
    };
    vec![
        case(
            "a poll that has told, and is woken again",
            [
                submit([poll(PIPE_READ, 5)]),
                write(PIPE_WRITE, 300),
                submit([on(Op::WRITE, PIPE_WRITE, 4096), rename()]),
            ],
        ),
        case(
            "a poll that has told, and is not woken again",
            [submit([poll(PIPE_READ, 5)]), write(PIPE_WRITE, 300), submit([rename(), remove()])],
        ),
        case(
            "a change behind one that has a poll tell",
            [submit([poll(SOCKET, 1)]), submit([link(change()), remove()])],
        ),
        case(
            "a change beside one that has a poll tell",
            [submit([poll(SOCKET, 1)]), submit([change(), remove()])],
        ),
    ]
}

/// What looks at one that was woken before it in its chain.
fn woken() -> Vec<Case> {
    let comes = || link(on(Op::WRITE, SOCKET + 1, 8));
    let once = Entry { rw_flags: 1, ..bare(Op::POLL_ADD, SOCKET) };
    let of = |name, waits, looks| case(name, [submit([waits]), submit([comes(), looks])]);
    vec![
        of("a removal behind what wakes a poll that goes on", poll(SOCKET, 1), remove()),
        of("a removal behind what wakes a poll", once, remove()),
        of(
            "a cancel behind what wakes a receive",
            on(Op::RECV, SOCKET, 64),
            cancel(1, CancelFlags::empty()),
        ),
    ]
}

/// What is behind times that are over at once, and connections that are made at once.
fn at_once() -> Vec<Case> {
    let time = || {
        let flags = (TimeoutFlags::ETIME_SUCCESS | TimeoutFlags::REALTIME).bits();
        link(op_flags(flags, timeout(Time::Now, 0)))
    };
    let fills = || files_update(2, &[Fd::NONE, Fd::Slot(SOCKET), Fd::Slot(INTERNET + 2)]);
    let uses = || fixed(4, connect(INTERNET + 2));
    vec![
        case_full(
            "a time that is over before another chain goes on",
            0,
            [submit([time(), fills(), link(connect(INTERNET + 2)), uses()])],
        ),
        case_full(
            "a connection that another chain does not wait for",
            0,
            [submit([link(connect(INTERNET + 2)), uses(), link(nop()), fills()])],
        ),
    ]
}
