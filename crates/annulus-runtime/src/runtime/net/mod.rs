//! Sockets of the runtime on this thread, which lose neither a connection nor a byte when a future
//! is dropped.
//!
//! What must not be lost is owned by the object, not by the future: a [`TcpListener`] keeps its
//! pending accept, a [`TcpStream`] its pending receive, a [`UdpSocket`] too. So they may stand in a
//! `select!`, or under a time limit, as often as one likes.
//!
//! | method | when its future is dropped | |
//! | --- | --- | --- |
//! | `accept`, [`Incoming::next`] | *resumable* | the next call takes the connection |
//! | `read`, `read_vectored` | *resumable* | the next call takes the bytes, into its own buffer |
//! | `read_exact` | *resumable* | it ends, and the next call takes the bytes it had |
//! | `recv`, `recv_from`, `recv_message`, `receive` | *resumable* | the next call takes the datagram |
//! | `recv_with_fds` | *resumable* | the next call to it takes the descriptors too |
//! | `peek`, `peek_from`, `settle` | *resumable* | nothing is lost |
//! | `write`, `write_all`, vectored, `send_file` | *cancel and discard* | a part went, nobody says how much |
//! | `send_zc` and the like | *cancel and discard* | the same; the buffer is kept until it is free |
//! | `send` and the like | *cancel and discard* | it went or not |
//! | `connect`, `bind`, `into_std`, `into_listener` | *cancel and discard* | the socket is closed |
//!
//! Awaited after [`Reading::cancel`], [`ReadingExact::cancel`] or [`Writing::cancel`], those give
//! the buffer back: *cancel and return the buffer*.
//!
//! Names are looked up by a thread of the pool ([`lookup_host`]). What is [set](Options) and asked
//! of a socket, and its making and its end, is done at once, on this thread.
//!
//! # Which way bytes go
//!
//! - A write that finds room in the socket is done on the spot, by a call that does not wait; what
//!   does not fit is the ring's, which waits for room. A task may do so some hundred times between
//!   two turns of the runtime, and goes by the ring then, so that others have theirs.
//! - A read is a receive of the ring's into the caller's buffer. Where that is [asked
//!   for](TcpStream::set_auto_pool), a TCP stream turns after three in a row of at most 16 KiB to
//!   one receive for all that comes, into a pool of the runtime's, from where reads copy. By the
//!   processor's time neither is better (`bench/run.py echo`: they differ by less than its rounds);
//!   in a pool an idle connection has no buffer of its own.
//!
//! # What is taken early
//!
//! The price is that a connection or bytes may be out of the kernel before anybody asks for them
//! again:
//!
//! ```text
//! read(a) ── begun ── dropped ──▶ the receive goes on, into `a`, which the stream keeps
//!                                       │ bytes come
//! read(b) ──────────────────────────────┴──▶ copied to `b`; what does not fit is kept
//! ```
//!
//! A stream with a [pool](TcpStream::receive_from) receives ahead too, all the time.
//!
//! - Who looks past the object, at its descriptor ([`AsFd`]), does not see them: `peek`,
//!   `FIONREAD`, `poll(2)`, another process that the descriptor was passed to.
//! - [`TcpStream::settle`] puts an end to that: afterwards nothing is under way, [`early`] has all
//!   that was taken, and everything else is in the socket still. So to pass the descriptor on:
//!   settle, and pass [`early`] along. [`TcpStream::peek`] sees to it itself.
//! - `into_std` does so, and gives back what was taken early beside the socket.
//! - A dropped object throws it away, as closing a socket does with what nobody has read. A
//!   connection that the kernel had accepted is closed then, and its client sees that.
//!
//! They stay on the thread of their runtime, as its ring does:
//!
//! ```compile_fail,E0277
//! fn send<T: Send>() {}
//! send::<annulus_runtime::runtime::net::TcpStream>();
//! ```
//!
//! [`AsFd`]: std::os::fd::AsFd
//! [`early`]: TcpStream::early

mod acceptor;
mod addrs;
mod at_once;
mod connections;
mod datagram;
mod early;
mod half;
mod incoming;
mod kept;
mod listener;
mod listeners;
mod many_datagrams;
pub mod ops;
mod options;
mod polled;
pub(super) mod pool;
mod pooled;
mod race;
mod read;
mod reads;
mod send_file;
mod stream;
mod tcp_socket;
mod udp;
mod unix;
mod write;
mod zero_copy;

pub use addrs::{ToSocketAddrs, lookup_host};
pub use connections::Incoming;
pub use half::{ReadHalf, WriteHalf};
pub use listener::{Accepting, TcpListener};
pub use listeners::TcpListeners;
pub use many_datagrams::Datagram;
pub use ops::Message;
pub use options::{Credentials, Options};
pub use pool::{PoolBuf, RecvPool};
pub use pooled::Received;
pub use read::{Reading, ReadingExact};
pub use reads::Reads;
pub use send_file::SendingFile;
pub use stream::TcpStream;
pub use tcp_socket::TcpSocket;
pub use udp::{UdpSender, UdpSocket};
pub use unix::{UnixDatagram, UnixListener, UnixSender, UnixStream};
pub use write::Writing;
pub use zero_copy::{LentZc, SendingZc, SentZc};

#[doc(hidden)]
pub use addrs::Target;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::SockAddr;

use crate::buffer::BufError;
use crate::error::Error;
use crate::operation::{Completion, Origin};

/// The address of a socket of the internet.
fn internet(addr: &SockAddr) -> Result<SocketAddr, Error> {
    // Of a socket that is none.
    addr.to_socket_addr().ok_or(Error::os(Errno::EINVAL))
}

/// What becomes of a buffer whose operation was cancelled before it was begun.
fn cancelled<B>(buf: B) -> BufError<B> {
    BufError::of(&Completion::refused(Origin::Cancelled), Errno::ECANCELED, buf)
}

/// The descriptor that operations were made for, all of which are over.
fn unshare(fd: Arc<OwnedFd>) -> io::Result<OwnedFd> {
    // Where one is not, since its runtime ended before the kernel let go of it, another number for
    // the same socket is as good.
    Arc::try_unwrap(fd).or_else(|fd| fd.try_clone())
}
