//! [`ReadMany`]: all that a pipe or a terminal brings, in buffers of a pool.

use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{CqeFlags, Sqe};
use annulus_ring::op;

use crate::engine::file::OpenFile;
use crate::error::Error;
use crate::operation::places::{NOWHERE, Seal};
use crate::operation::{Completion, Multishot};
use crate::runtime::net::pool::{Inner, PoolBuf};

/// How many reads may wait to be taken: of one file, so that it does not empty the pool.
const WAITING_MAX: usize = 8;

/// Reading by one entry, into buffers that the kernel picks from a pool: each time the bytes, or
/// nothing at the end.
///
/// Bytes that nobody takes are lost with it. It is begun on the runtime of its pool alone, whose
/// group it names: so it is nobody's but this module's to make.
///
/// By the ring (`IORING_OP_READ_MULTISHOT`, Linux 6.7). See `io_uring_prep_read_multishot(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_read_multishot.3.html>.
pub(in crate::runtime::net) struct ReadMany {
    file: Arc<OpenFile>,
    pool: Rc<Inner>,
    /// Where the bytes lie of the completion that is taken next.
    at: u32,
}

impl ReadMany {
    /// All that comes.
    pub(in crate::runtime::net) fn new(file: Arc<OpenFile>, pool: Rc<Inner>) -> Self {
        Self { file, pool, at: NOWHERE }
    }
}

// SAFETY: the entry points to nothing, and names a file that is kept open here. The group's buffers
// are the pool's, which the runtime keeps until all of its operations are over.
unsafe impl Multishot for ReadMany {
    type Item = Result<Option<PoolBuf>, Error>;

    fn entry(&mut self) -> Sqe {
        op::ReadMultishot::new(self.file.raw(), self.pool.group()).build()
    }

    fn waiting_max(&self) -> usize {
        WAITING_MAX
    }

    #[inline]
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
