//! Sockets.

mod command;
mod connection;
mod plain;
mod transfer;

pub(super) use plain::{attempt as attempt_plain, is_plain_work};
pub(in crate::host) use plain::{is_plain, transfer as transfer_plain, what_is_left};

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{Op, PollEvents};

use super::HostWork;
use crate::host::machine::File;
use crate::host::sys;
use crate::world::Attempt;

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    let attempt = match work.sqe.opcode {
        Op::SEND | Op::SENDMSG => transfer::send(work),
        Op::SEND_ZC | Op::SENDMSG_ZC => transfer::send_zero_copy(work),
        Op::RECV | Op::RECVMSG => transfer::receive(work),
        Op::ACCEPT => connection::accept(work),
        Op::CONNECT => connection::connect(work),
        Op::SHUTDOWN => connection::shutdown(work).map(done),
        Op::SOCKET => connection::socket(work).map(done),
        Op::BIND => connection::bind(work).map(done),
        Op::LISTEN => connection::listen(work).map(done),
        Op::URING_CMD => command::attempt(work),
        _ => return None,
    };
    Some(attempt.unwrap_or_else(|errno| Attempt::Done(Err(errno))))
}

fn done(count: u32) -> Attempt {
    Attempt::Done(Ok(count))
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    Some(match work.sqe.opcode {
        Op::ACCEPT => connection::accept_one(work),
        Op::CONNECT => connection::connect_waiting(work),
        Op::URING_CMD => command::discard(work),
        _ => return None,
    })
}

/// How many bytes a stream has to receive.
pub(in crate::host) fn queued(file: &File) -> Option<u32> {
    let queued = || sys::net::queue_bytes(file.raw(), libc::FIONREAD).ok();
    file.is_stream().then(queued).flatten()
}

/// Whether there is something to read, or the end.
fn is_readable(fd: RawFd) -> bool {
    sys::poll(fd, PollEvents::IN.bits()).is_ok_and(|events| events != 0)
}
