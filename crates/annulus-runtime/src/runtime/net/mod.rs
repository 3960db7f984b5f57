//! Sockets of the runtime on this thread, which lose neither a connection nor a byte when a future
//! is dropped.
//!
//! What must not be lost is owned by the object, not by the future: a [`TcpListener`] keeps its
//! pending accept, a [`TcpStream`] its pending receive. So they may stand in a `select!`, or under
//! a time limit, as often as one likes.
//!
//! | method | when its future is dropped | |
//! | --- | --- | --- |
//! | [`TcpListener::accept`] | *resumable* | the next call takes the connection |
//! | [`Incoming::next`] | *resumable* | the next call takes the connection |
//! | [`TcpStream::read`] | *resumable* | the next call takes the bytes, into its own buffer |
//! | [`TcpStream::settle`] | *resumable* | nothing is lost; what was asked to end ends |
//! | [`TcpStream::write`], [`write_all`] | *cancel and discard* | a part went, nobody says how much |
//! | [`Reading::cancel`], [`Writing::cancel`] | *cancel and return the buffer* | when awaited |
//! | [`TcpStream::connect`] | *cancel and discard* | the socket is closed |
//! | [`TcpListener::into_std`], [`Incoming::into_listener`] | *cancel and discard* | the listener is closed |
//! | [`TcpStream::into_std`] | *cancel and discard* | the socket is closed |
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
//! - Who looks past the object, at its descriptor ([`AsFd`]), does not see them: `peek`,
//!   `FIONREAD`, `poll(2)`, another process that the descriptor was passed to.
//! - [`TcpStream::settle`] puts an end to that: afterwards nothing is under way, [`early`] has all
//!   that was taken, and everything else is in the socket still. So to peek: settle, look at
//!   [`early`], and behind that at the socket. To pass the descriptor on: settle, and pass
//!   [`early`] along.
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
//! [`write_all`]: TcpStream::write_all

mod addrs;
mod at_once;
mod early;
mod incoming;
mod kept;
mod listener;
pub mod ops;
mod options;
mod race;
mod read;
mod stream;
mod write;

pub use addrs::{ToSocketAddrs, lookup_host};
pub use options::{Credentials, Options};
pub use incoming::Incoming;
pub use listener::{Accepting, TcpListener};
pub use read::Reading;
pub use stream::TcpStream;
pub use write::Writing;

#[doc(hidden)]
pub use addrs::Target;

use core::mem::ManuallyDrop;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::Errno;

use crate::buffer::BufError;
use crate::operation::{Completion, Origin};

/// Calls `f` with the socket of a descriptor as the standard library has it.
fn as_std<T: FromRawFd, R>(fd: &OwnedFd, f: impl FnOnce(&T) -> R) -> R {
    // SAFETY: it is open as long as `fd` is borrowed, and is not closed by what is made here.
    let socket = ManuallyDrop::new(unsafe { T::from_raw_fd(fd.as_raw_fd()) });
    f(&socket)
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
