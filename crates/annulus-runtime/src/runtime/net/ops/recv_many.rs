//! [`RecvMany`]: all that comes on a socket, in buffers of a pool.

use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{CqeFlags, Sqe};
use annulus_ring::op;

use crate::error::Error;
use crate::operation::places::{NOWHERE, Seal};
use crate::operation::{Completion, Multishot};
use crate::runtime::net::pool::{Inner, PoolBuf};

/// How many receives may wait to be taken: of one connection, so that it does not empty the pool.
const WAITING_MAX: usize = 8;

/// Receiving by one entry, into buffers that the kernel picks from a pool: each time the bytes, or
/// nothing at the end of the stream.
///
/// Bytes that nobody takes are lost with it. It is begun on the runtime of its pool alone, whose
/// group it names: so it is nobody's but this module's to make.
///
/// By the ring (`IORING_OP_RECV` with `IORING_RECV_MULTISHOT`, Linux 6.0). See
/// [io_uring_prep_recv_multishot(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_recv.3.html).
pub(in crate::runtime::net) struct RecvMany {
    socket: Arc<OwnedFd>,
    pool: Rc<Inner>,
    /// Where the bytes lie of the completion that is taken next.
    at: u32,
}

impl RecvMany {
    /// All that comes.
    pub(in crate::runtime::net) fn new(socket: Arc<OwnedFd>, pool: Rc<Inner>) -> Self {
        Self { socket, pool, at: NOWHERE }
    }

    /// Lends bytes that came. Nothing if no buffer is named.
    #[inline(always)]
    pub(in crate::runtime::net) fn lend(&mut self, count: u32, flags: CqeFlags) -> Option<PoolBuf> {
        // SAFETY: it is a completion of this operation's, noted when it came; each is given to
        // this, to `item` or to `reclaim`, once, with its place (`Several`).
        unsafe { self.pool.lend(self.at, count, flags) }
    }
}

// SAFETY: the entry points to nothing, and names a socket that is kept open here. The group's
// buffers are the pool's, which the runtime keeps until all of its operations are over.
unsafe impl Multishot for RecvMany {
    type Item = Result<Option<PoolBuf>, Error>;

    fn entry(&mut self) -> Sqe {
        let recv = op::Recv::new(self.socket.as_raw_fd(), core::ptr::null_mut(), 0).multishot();
        recv.build().buffer_select(self.pool.group())
    }

    fn waiting_max(&self) -> usize {
        // Of a small pool half: others have a share too.
        (self.pool.buffers_count() / 2).clamp(1, WAITING_MAX)
    }

    #[inline]
    fn item(&mut self, shot: Completion) -> Self::Item {
        // SAFETY: as above.
        unsafe { self.pool.taken(self.at, shot) }
    }

    fn reclaim(&mut self, shot: Completion) {
        drop(self.item(shot));
    }

    const NOTES_PLACES: bool = true;

    #[inline]
    fn arrived(&mut self, bytes: u32, flags: CqeFlags, _: Seal) -> u32 {
        // SAFETY: it is a completion of this operation's, and given to this once, when it comes.
        unsafe { self.pool.note(bytes, flags) }
    }

    #[inline(always)]
    fn set_place(&mut self, at: u32, _: Seal) {
        self.at = at;
    }
}
