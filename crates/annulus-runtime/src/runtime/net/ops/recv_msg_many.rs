//! [`RecvMsgMany`]: all datagrams that come on a socket, in buffers of a pool, one in each.

use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{CqeFlags, Msghdr, Sqe};
use annulus_ring::op;
use annulus_ring::op::RecvMsgOut;

use super::Message;
use crate::error::Error;
use crate::operation::places::{NOWHERE, Seal};
use crate::operation::{Completion, Multishot, WAITING_MAX};
use crate::runtime::net::pool::{Inner, PoolBuf};

/// Room for the sender's address: one of IPv6 is the longest.
const NAME_BYTES: usize = 28;
/// Room for what comes beside: the length of segments, and another or two that were asked for.
pub(in crate::runtime::net) const CONTROL_BYTES: usize = 64;
/// What lies in front of a datagram's bytes: lengths and flags, address, control data.
pub(in crate::runtime::net) const AHEAD_BYTES: usize = 16 + NAME_BYTES + CONTROL_BYTES;

/// Receiving datagrams by one entry, as `recvmsg(2)` over and over, each into a buffer of its own.
///
/// # Errors
/// Those of [`RecvMsg`](super::RecvMsg), and `ENOBUFS`: no buffer is free. After one it has ended,
/// and may be begun again.
///
/// By the ring (`IORING_OP_RECVMSG` with `IORING_RECV_MULTISHOT`, Linux 6.0).
pub(in crate::runtime::net) struct RecvMsgMany {
    socket: Arc<OwnedFd>,
    pool: Rc<Inner>,
    /// Where the bytes lie of the completion that is taken next.
    at: u32,
    header: Msghdr,
    waiting_max: usize,
}

/// The lengths that each buffer is laid out by.
fn header() -> Msghdr {
    Msghdr { msg_namelen: NAME_BYTES as i32, msg_controllen: CONTROL_BYTES, ..Msghdr::empty() }
}

impl RecvMsgMany {
    pub(in crate::runtime::net) fn new(socket: Arc<OwnedFd>, pool: Rc<Inner>) -> Self {
        // Half of the pool at most: others have a share too.
        let waiting_max = (pool.buffers_count() / 2).clamp(1, WAITING_MAX);
        Self { socket, pool, at: NOWHERE, header: header(), waiting_max }
    }
}

/// What is known of the datagram in a buffer, whose bytes begin behind [`AHEAD_BYTES`]. None of one
/// that is too short.
///
/// # Safety
/// - The kernel has laid it out for a [`RecvMsgMany`], and this is the one call for it.
pub(in crate::runtime::net) unsafe fn read(filled: &[u8]) -> Option<Message> {
    let out = RecvMsgOut::parse(filled, &header())?;
    let control = &filled[16 + NAME_BYTES..AHEAD_BYTES];
    let written = control.len().min(out.header().controllen as usize);
    // SAFETY: the caller's promise.
    Some(unsafe { Message::of(out.name(), out.header().flags, &control[..written]) })
}

// SAFETY: the entry points to the header in `self`, which is not moved and not changed until the
// last result, and names a socket that is kept open here. The group's buffers are the pool's, which
// the runtime keeps until all of its operations are over.
unsafe impl Multishot for RecvMsgMany {
    /// None where the kernel has taken no buffer: it was ended.
    type Item = Result<Option<PoolBuf>, Error>;

    fn entry(&mut self) -> Sqe {
        let group = self.pool.group();
        let recv = op::RecvMsg::with_group(self.socket.as_raw_fd(), &raw mut self.header, group);
        recv.multishot().build()
    }

    fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    fn item(&mut self, shot: Completion) -> Self::Item {
        // SAFETY: it is a completion of this operation's, noted when it came; each is given to
        // this or to `reclaim`, once, with its place (`Several`).
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
