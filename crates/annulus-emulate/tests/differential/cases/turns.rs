//! Programs that once differed by whose turn it was: what goes on later, is cancelled meanwhile, or
//! leaves nothing for those behind it.

use super::*;

/// All of them.
pub fn all() -> Vec<Case> {
    let any = cancel(0, CancelFlags::ANY);
    let multishot = Entry { len: 0, memory: Memory::Plain(0), ..on(Op::READ_MULTISHOT, SOCKET, 0) };
    let poll = Entry { rw_flags: 1, ..bare(Op::POLL_ADD, PIPE_READ) };
    let remove = Entry { memory: Memory::Plain(1), ..plain(Op::POLL_REMOVE) };
    let bundle = RecvSendFlags::BUNDLE | RecvSendFlags::RECV_MULTISHOT;
    let bare_recv = |len| Entry { memory: Memory::Plain(0), ..on(Op::RECV, SOCKET, len) };
    vec![
        case_full(
            "a multishot read that is cancelled after its first",
            2,
            [
                write(SOCKET + 1, 300),
                submit([select(PIECEWISE, Entry { off: u64::MAX, ..multishot }), any]),
            ],
        ),
        case(
            "a poll that is cancelled, and removed",
            [submit([poll, cancel(1, CancelFlags::empty()), remove])],
        ),
        case_full(
            "a bundle of a length that empties its group",
            2,
            [write(SOCKET + 1, 300), submit([select(RING, how(bundle, bare_recv(10)))])],
        ),
        case_full(
            "a bundle of no length that empties its group",
            2,
            [write(SOCKET + 1, 300), submit([select(RING, how(bundle, bare_recv(0)))])],
        ),
        case_full(
            "a bundle that empties a group of pieces",
            1,
            [write(SOCKET + 1, 300), submit([select(PIECEWISE, how(bundle, bare_recv(0)))])],
        ),
        case_full(
            "a bundle that leaves something in a group of pieces",
            1,
            [write(SOCKET + 1, 30), submit([select(PIECEWISE, how(bundle, bare_recv(0)))])],
        ),
    ]
}

/// What threads wait in: a cancel of all finds it, and does not count it.
pub fn threads() -> Vec<Case> {
    let any = || cancel(0, CancelFlags::ANY);
    let recv = || {
        let entry = how(RecvSendFlags::POLL_FIRST, on(Op::RECV, SOCKET, 100));
        with(SqeFlags::ASYNC, op_flags(WAITALL, entry))
    };
    let piece = Entry { memory: Memory::Plain(0), len: 0, rw_flags: 0, ..recv() };
    vec![
        case_full(
            "a piece, of a thread that need not wait first",
            2,
            [write(SOCKET + 1, 100), submit([select(PIECEWISE, piece)])],
        ),
        case(
            "a part, of a thread that need not wait first",
            [write(SOCKET + 1, 20), submit([recv()]), submit([any()])],
        ),
        case(
            "one part, of a thread that need not wait first",
            [write(SOCKET + 1, 20), submit([recv()]), submit([cancel(1, CancelFlags::empty())])],
        ),
        case(
            "a time that limits a thread that need not wait first",
            [write(SOCKET + 1, 20), submit([link(recv()), link_timeout(Time::Short)])],
        ),
        case(
            "nothing to a place in a socket",
            [submit([Entry { off: 10, ..on(Op::WRITE, DATAGRAM, 0) }])],
        ),
        case(
            "a part, of a thread that waits first",
            [submit([recv()]), write(SOCKET + 1, 20), submit([any()])],
        ),
    ]
}
