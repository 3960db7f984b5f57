//! What was written and is not sent.

use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use super::transport::Transport;

/// From how many bytes on a piece is sent at once, if it can be, rather than copied.
const DIRECT_BYTES: usize = 16 << 10;

/// Bytes that wait to be sent, and those that are being sent.
pub(super) struct Outgoing {
    waiting: Vec<u8>,
    /// For those that come while the others are sent. Empty.
    spare: Vec<u8>,
    bytes_max: usize,
    is_sending: bool,
    /// Whether somebody waits for the send, and so knows of its end.
    is_awaited: bool,
    is_closed: bool,
    /// Of a send whose end a read has found.
    failed: Option<io::Error>,
}

impl Outgoing {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            waiting: Vec::new(),
            spare: Vec::new(),
            bytes_max: bytes_max.max(1),
            is_sending: false,
            is_awaited: false,
            is_closed: false,
            failed: None,
        }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Waits until there is room: for how much, at least a byte.
    #[inline]
    fn poll_room<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = self.bytes_max - self.waiting.len();
        if room > 0 && self.failed.is_none() && !self.is_closed {
            return Poll::Ready(Ok(room));
        }
        self.poll_room_late(stream, cx)
    }

    #[cold]
    fn poll_room_late<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.tell()?;
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_send(stream, cx))?;
        Poll::Ready(Ok(self.bytes_max))
    }

    /// Takes as many bytes as there is room for: how many.
    #[inline]
    fn take(&mut self, bytes: &[u8], room: usize) -> usize {
        let count = bytes.len().min(room);
        self.waiting.extend_from_slice(&bytes[..count]);
        count
    }

    /// Writes as many of `bytes` as can be: how many, at least one.
    #[inline]
    pub(super) fn poll_write<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(stream, cx))?;
        if bytes.len() >= DIRECT_BYTES
            && let Some(sent) = self.send_direct(stream, cx, bytes)
        {
            return Poll::Ready(sent);
        }
        Poll::Ready(Ok(self.take(bytes, room)))
    }

    /// The same of several pieces, in their order.
    #[inline]
    pub(super) fn poll_write_vectored<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for piece in pieces {
            if piece.is_empty() {
                continue;
            }
            match self.poll_write(stream, cx, piece) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    if count < piece.len() {
                        break;
                    }
                }
                // What was written before it comes first.
                Poll::Pending if written > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(written))
    }

    /// Sends what waits, and behind it `bytes`, without a copy, as far as that can be at once: how
    /// many of them. Nothing where it cannot.
    #[cold]
    fn send_direct<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<io::Result<usize>> {
        match self.poll_sent(stream, cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Some(Err(error)),
            Poll::Pending => {
                // This call does not wait for it.
                self.is_awaited = false;
                return None;
            }
        }
        if !self.waiting.is_empty() {
            match stream.try_send(&self.waiting, true) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) => return failed(error),
            }
            if !self.waiting.is_empty() {
                return None;
            }
        }
        stream.try_send(bytes, false).map_or_else(failed, |count| Some(Ok(count)))
    }

    /// Has all be sent that waits, when the send before is over.
    #[inline]
    pub(super) fn poll_send<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            self.tell()?;
        }
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_sent(stream, cx))?;
        ready!(self.poll_start(stream, cx));
        Poll::Ready(self.tell())
    }

    /// Waits until nothing waits, and nothing is being sent.
    pub(super) fn poll_flush<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.tell()?;
            ready!(self.poll_sent(stream, cx))?;
            if self.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_start(stream, cx));
        }
    }

    /// The same, for bytes that are sent past this behind it: by a call, where that can be at once.
    pub(super) fn poll_push<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.tell()?;
        ready!(self.poll_sent(stream, cx))?;
        if !self.waiting.is_empty() {
            match stream.try_send(&self.waiting, true) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.poll_flush(stream, cx)
    }

    pub(super) fn poll_close<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_flush(stream, cx))?;
        ready!(stream.poll_end(cx))?;
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }

    /// Has what waits be sent, if that can be at once: for who waits for something else. Where a
    /// send is under way for which nobody waits, that is who is woken at its end.
    #[inline]
    pub(super) fn push<S: Transport>(&mut self, stream: &mut S, cx: &mut Context<'_>) {
        if !self.waiting.is_empty() && !self.is_awaited {
            self.push_late(stream, cx);
        }
    }

    #[cold]
    fn push_late<S: Transport>(&mut self, stream: &mut S, cx: &mut Context<'_>) {
        match self.poll_sent(stream, cx) {
            Poll::Ready(Ok(())) => drop(self.poll_start(stream, cx)),
            Poll::Ready(Err(error)) => self.failed = Some(error),
            // The one who reads is woken for it, and another who waits for it later in its place.
            Poll::Pending => self.is_awaited = false,
        }
    }

    /// Waits until nothing is being sent. After an error nothing waits any more either: it would
    /// follow on bytes that never went.
    #[inline]
    fn poll_sent<S: Transport>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_sending {
            return Poll::Ready(Ok(()));
        }
        loop {
            let Poll::Ready((mut memory, sent)) = stream.poll_sent(cx) else {
                self.is_awaited = true;
                return Poll::Pending;
            };
            self.is_awaited = false;
            if let Ok(count @ 1..) = sent
                && count < memory.len()
            {
                // An old kernel, or one that met an error: the rest is told.
                memory.drain(..count);
                if stream.start_send(memory).is_ok() {
                    continue;
                }
                unreachable!("nothing is under way");
            }
            self.is_sending = false;
            memory.clear();
            self.spare = memory;
            if sent.is_err() {
                self.waiting.clear();
            }
            return Poll::Ready(sent.map(drop));
        }
    }

    /// Sends what waits, where nothing is being sent: at once if there is room for it, and else it
    /// is begun.
    #[inline]
    fn poll_start<S: Transport>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        match stream.try_send(&self.waiting, false) {
            Ok(count) if count == self.waiting.len() => {
                self.waiting.clear();
                return Poll::Ready(());
            }
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                // A socket tells it once.
                self.failed = Some(error);
                self.waiting.clear();
                return Poll::Ready(());
            }
        }
        loop {
            let memory = core::mem::take(&mut self.waiting);
            match stream.start_send(memory) {
                Ok(()) => {
                    self.is_sending = true;
                    self.waiting = core::mem::take(&mut self.spare);
                    return Poll::Ready(());
                }
                Err(memory) => self.waiting = memory,
            }
            // What was begun before all this.
            ready!(stream.poll_idle(cx));
        }
    }

    /// The error that nobody was told of.
    fn tell(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// What has become of a send that was tried: nothing is told where it only has to wait.
fn failed<T>(error: io::Error) -> Option<io::Result<T>> {
    (error.kind() != io::ErrorKind::WouldBlock).then_some(Err(error))
}
