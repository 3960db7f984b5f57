//! Sockets.

mod command;
mod connection;
mod transfer;

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{Op, PollEvents};

use super::HostWork;
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

/// Whether a socket has TCP's or UDP's domain.
fn is_internet(fd: RawFd) -> bool {
    let domain = sys::net::option(fd, libc::SO_DOMAIN);
    matches!(domain, Ok(libc::AF_INET | libc::AF_INET6))
}

/// Whether a socket is a stream.
fn is_stream(fd: RawFd) -> bool {
    sys::net::option(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
}

/// How many bytes a stream has to receive.
pub(in crate::host) fn queued(fd: RawFd) -> Option<u32> {
    is_stream(fd).then(|| sys::net::queue_bytes(fd, libc::FIONREAD).ok()).flatten()
}

/// Whether there is something to read, or the end.
fn is_readable(fd: RawFd) -> bool {
    sys::poll(fd, PollEvents::IN.bits()).is_ok_and(|events| events != 0)
}
