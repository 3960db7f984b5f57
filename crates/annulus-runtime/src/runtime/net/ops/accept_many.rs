//! [`AcceptMany`]: the connections of a listening socket, one after the other.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{SockFlags, Sqe};
use annulus_ring::op;

use super::accept::adopt;
use crate::error::Error;
use crate::operation::{Completion, Multishot, WAITING_MAX};

/// Accepting connections by one entry, as `accept4(2)` with `SOCK_CLOEXEC` over and over: their
/// descriptors. Who the peers are is for `getpeername(2)` to say.
///
/// A connection that nobody takes is closed, which its peer sees.
///
/// # Errors
/// Those of [`Accept`](super::Accept). After one it has ended, and may be begun again.
///
/// By the ring (`IORING_OP_ACCEPT` with `IORING_ACCEPT_MULTISHOT`, Linux 5.19). See
/// [io_uring_prep_multishot_accept(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_accept.3.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::AcceptMany;
/// use annulus_runtime::runtime::{Shot, shots};
/// use std::{net::{TcpListener, TcpStream}, os::fd::OwnedFd, sync::Arc};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// annulus_runtime::run(async {
///     let mut connections = shots(AcceptMany::new(Arc::new(OwnedFd::from(listener))));
///     for _ in 0..2 {
///         let client = TcpStream::connect(to)?; // it need not wait: the kernel has a queue
///         let Shot::Item(Ok(fd)) = connections.next().await else { panic!("it goes on") };
///         assert_eq!(TcpStream::from(fd).peer_addr()?, client.local_addr()?);
///     }
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_ACCEPT_MULTISHOT")]
#[derive(Debug)]
pub struct AcceptMany {
    listener: Arc<OwnedFd>,
    waiting_max: usize,
}

impl AcceptMany {
    /// All that come.
    pub fn new(listener: Arc<OwnedFd>) -> Self {
        Self { listener, waiting_max: WAITING_MAX }
    }

    /// How many may wait to be taken (64): where as many do, those that come stay in the kernel's
    /// queue until it is begun again.
    ///
    /// ```
    /// use annulus_runtime::{operation::Multishot, runtime::net::ops::AcceptMany};
    /// use std::{net::TcpListener, os::fd::OwnedFd, sync::Arc};
    /// let listener = Arc::new(OwnedFd::from(TcpListener::bind("127.0.0.1:0")?));
    /// assert_eq!(AcceptMany::new(listener).waiting_max_of(8).waiting_max(), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn waiting_max_of(mut self, connections: usize) -> Self {
        self.waiting_max = connections;
        self
    }
}

// SAFETY: the entry points to nothing, and names a socket that is kept open here.
unsafe impl Multishot for AcceptMany {
    type Item = Result<OwnedFd, Error>;

    fn entry(&mut self) -> Sqe {
        op::Accept::new(self.listener.as_raw_fd()).multishot().flags(SockFlags::CLOEXEC).build()
    }

    fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    fn item(&mut self, shot: Completion) -> Self::Item {
        // SAFETY: an accept's result. Each is given to this or to `reclaim`, once (`Several`).
        shot.outcome().map(|raw| unsafe { adopt(raw) })
    }

    fn reclaim(&mut self, shot: Completion) {
        let accepted = self.item(shot);
        #[cfg(not(broken = "accepted_left_open"))]
        drop(accepted);
        #[cfg(broken = "accepted_left_open")]
        // The tests must find this one.
        core::mem::forget(accepted);
    }
}
