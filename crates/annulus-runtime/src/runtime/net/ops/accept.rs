//! [`Accept`]: a connection of a listening socket.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use annulus_ring::abi::{SockAddr, SockFlags, Sqe};
use annulus_ring::op;

use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Accepting a connection, as `accept4(2)` with `SOCK_CLOEXEC`: its descriptor and the peer's
/// address.
///
/// A connection that nobody waits for is closed, which the peer sees:
/// [`TcpListener::accept`](super::super::TcpListener::accept) loses none.
///
/// # Errors
/// - `EMFILE`, `ENFILE`: no descriptor left, of the process or the system: close some. The
///   connection stays in the listener's queue.
/// - `ECONNABORTED`: the connection was gone again: accept the next.
/// - `EINVAL`: the socket does not listen, or was shut down meanwhile.
/// - `ENOTSOCK`, `EOPNOTSUPP` (not of streams), `EBADF`.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_ACCEPT`, Linux 5.5). See
/// [accept4(2)](https://man7.org/linux/man-pages/man2/accept4.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::Accept;
/// use std::{net::{TcpListener, TcpStream}, os::fd::OwnedFd, sync::Arc};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let listener = Arc::new(OwnedFd::from(listener));
/// let accepted = annulus_runtime::run(async move {
///     annulus_runtime::submit(Accept::new(listener)).await
/// })?;
/// let (fd, peer) = accepted?;
/// assert_eq!(peer.to_socket_addr(), Some(client.local_addr()?));
/// assert_eq!(TcpStream::from(fd).peer_addr()?, client.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_ACCEPT")]
#[derive(Debug)]
pub struct Accept {
    listener: Arc<OwnedFd>,
    peer: SockAddr,
}

impl Accept {
    /// One connection.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Accept};
    /// use std::{net::TcpListener, os::fd::OwnedFd, sync::Arc};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut accept = Accept::new(Arc::new(OwnedFd::from(listener)));
    /// assert_eq!(accept.entry().opcode, Op::ACCEPT);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(listener: Arc<OwnedFd>) -> Self {
        Self { listener, peer: SockAddr::empty() }
    }
}

/// Owns what the kernel accepted, or opened.
///
/// # Safety
/// - `raw` is the result of an entry that makes a descriptor, taken from its completion once.
pub(super) unsafe fn adopt(raw: u32) -> OwnedFd {
    // SAFETY: the descriptor was made for this completion: nobody else has it.
    unsafe { OwnedFd::from_raw_fd(raw as RawFd) }
}

// SAFETY: the entry points to the room for the address in `self`, which is not moved and not used
// until the completion. It names a socket that is kept open here.
unsafe impl Operation for Accept {
    type Output = Result<(OwnedFd, SockAddr), Error>;

    fn entry(&mut self) -> Sqe {
        // Where it is submitted again the length stands there that was written the last time.
        self.peer = SockAddr::empty();
        let (addr, len) = self.peer.as_mut_ptrs();
        let accept = op::Accept::new(self.listener.as_raw_fd());
        accept.address(addr, len).flags(SockFlags::CLOEXEC).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let raw = completion.outcome()?;
        // SAFETY: an accept's result, and this is the one call that takes it.
        Ok((unsafe { adopt(raw) }, self.peer))
    }

    fn reclaim(self, completion: Completion) {
        if let Ok(raw) = completion.result {
            // SAFETY: an accept's result, and this is the one call that takes it.
            let fd = unsafe { adopt(raw) };
            #[cfg(not(broken = "accepted_left_open"))]
            drop(fd);
            #[cfg(broken = "accepted_left_open")]
            // The tests must find this one.
            core::mem::forget(fd);
        }
    }
}
