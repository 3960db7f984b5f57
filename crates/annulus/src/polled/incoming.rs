//! What was received, and memory for more.

use core::task::{Context, Poll, ready};
use std::io;

use super::transport::Transport;

/// How much the first receive may bring.
const FIRST_BYTES: usize = 4096;

/// What was received, as far as it is not consumed.
pub(super) struct Incoming<C> {
    chunk: Option<C>,
    /// How much of it is consumed: less than all.
    consumed: usize,
    room: Room,
    is_at_end: bool,
}

impl<C: AsRef<[u8]> + Unpin> Incoming<C> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { chunk: None, consumed: 0, room: Room::new(bytes_max), is_at_end: false }
    }

    /// What there is.
    #[inline]
    pub(super) fn left(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| &chunk.as_ref()[self.consumed..])
    }

    /// Whether a receive is needed to know more.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.chunk.is_none() && !self.is_at_end
    }

    /// Waits for more, where there is nothing.
    #[inline]
    pub(super) fn poll_receive<S: Transport<Chunk = C>>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(stream.poll_recv(cx, &mut self.room))?;
        if chunk.as_ref().is_empty() {
            self.is_at_end = true;
            S::recycle(chunk, &mut self.room);
        } else {
            self.chunk = Some(chunk);
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    pub(super) fn consume<S: Transport<Chunk = C>>(&mut self, count: usize) {
        self.consumed += count;
        let whole = self.chunk.as_ref().map_or(0, |chunk| chunk.as_ref().len());
        debug_assert!(self.consumed <= whole, "more than there is");
        if self.consumed >= whole {
            self.consumed = 0;
            if let Some(chunk) = self.chunk.take() {
                S::recycle(chunk, &mut self.room);
            }
        }
    }
}

/// Memory to receive into, of a [`Polled`](super::Polled): one buffer, which is here, lent, or full
/// of what was received.
#[doc(hidden)]
pub struct Room {
    spare: Vec<u8>,
    is_lent: bool,
    /// How large the next buffer is to be.
    bytes: usize,
    bytes_max: usize,
}

impl Room {
    fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(1);
        let bytes = FIRST_BYTES.min(bytes_max);
        Self { spare: Vec::new(), is_lent: false, bytes, bytes_max }
    }

    /// The buffer, empty, unless somebody has it.
    #[inline]
    pub(super) fn lend(&mut self) -> Option<Vec<u8>> {
        if self.is_lent {
            return None;
        }
        self.is_lent = true;
        if self.spare.capacity() < self.bytes {
            self.spare = Vec::with_capacity(self.bytes);
        }
        Some(core::mem::take(&mut self.spare))
    }

    /// Notes that the receive is over to which it was lent.
    #[inline]
    pub(super) fn filled(&mut self, buf: Vec<u8>) -> Vec<u8> {
        self.is_lent = false;
        if buf.len() == buf.capacity() {
            self.bytes = buf.capacity().saturating_mul(2).min(self.bytes_max);
        }
        buf
    }

    /// Takes it back.
    #[inline]
    pub(super) fn give_back(&mut self, mut buf: Vec<u8>) {
        buf.clear();
        self.spare = buf;
        self.is_lent = false;
    }
}
