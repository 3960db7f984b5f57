//! [`Reading`] and [`ReadingExact`]: reads whose bytes stay with the stream when they are dropped.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::rc::Rc;
use std::sync::Arc;

use super::incoming::fill;
#[cfg(broken = "receive_not_kept")]
use super::kept::Kept;
use super::ops::Recv;
use super::{ReadHalf, cancelled};
use crate::buffer::{BufError, BufResult, IoBufMut};
use crate::runtime::LocalOp;

/// The future of [`TcpStream::read`](super::TcpStream::read), which may be dropped, or forgotten,
/// at any time: what it has begun stays with the stream.
///
/// # Panics
/// When polled again after its result was given.
///
/// ```
/// use annulus_runtime::runtime::net::TcpStream;
/// use futures::future::poll_immediate;
/// use std::io::Write;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let mut stream = TcpStream::from_std(client);
///     assert!(poll_immediate(stream.read(vec![0; 16])).await.is_none()); // begun, and dropped
///     server.write_all(b"ring")?;
///     let (n, buf) = stream.read(vec![0; 3]).await?;
///     assert_eq!(&buf[..n], b"rin"); // what the other has received, as much as fits
///     let (n, buf) = stream.read(vec![0; 3]).await?;
///     assert_eq!(&buf[..n], b"g");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "nothing is read until it is awaited"]
pub struct Reading<'a, B: IoBufMut> {
    half: &'a mut ReadHalf,
    /// Until the receive is begun, which has it then.
    buf: Option<B>,
    is_cancelled: bool,
}

impl<'a, B: IoBufMut> Reading<'a, B> {
    #[inline]
    pub(super) fn new(half: &'a mut ReadHalf, buf: B) -> Self {
        Self { half, buf: Some(buf), is_cancelled: false }
    }

    /// The buffer, as long as the receive is not begun.
    pub(super) fn take_buf(&mut self) -> Option<B> {
        self.buf.take()
    }

    /// Ends it: await it for the buffer, with the bytes that came first, or an error of which
    /// [`is_cancelled`](BufError::is_cancelled) says that none came: *cancel and return the
    /// buffer*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let mut read = stream.read(vec![7; 16]);
    ///     assert!(poll_immediate(&mut read).await.is_none()); // it is begun
    ///     read.cancel();
    ///     let error = read.await.unwrap_err();
    ///     assert!(error.is_cancelled());
    ///     assert_eq!(error.into_buf(), [7; 16]);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        if self.buf.is_some() {
            // An earlier one's bytes stay where they are.
            self.is_cancelled = true;
        } else {
            self.half.incoming.kept.cancel();
        }
    }

    /// The first polls: as long as this has begun nothing of its own.
    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>, buf: B) -> Poll<BufResult<usize, B>> {
        let is_plain = self.half.incoming.is_idle() && !self.is_cancelled;
        let buf = if is_plain && buf.bytes_total() > 0 {
            buf
        } else {
            match ready!(self.begin_late(cx, buf)) {
                Ok(buf) => buf,
                Err(result) => return Poll::Ready(result),
            }
        };
        self.begin_own(cx, buf)
    }

    /// Before the first poll of a read on a stream that may turn to a pool: has it do so, if this
    /// is one short read too many.
    fn settle_way(&mut self) {
        let Some(buf) = &self.buf else { return };
        let bytes = buf.bytes_total();
        let is_plain = self.half.incoming.is_idle() && !self.is_cancelled;
        if is_plain && bytes > 0 && self.half.incoming.turns_to_pool(bytes) {
            self.half.turn_to_pool();
        }
    }

    /// Begins a receive for this.
    #[inline(always)]
    fn begin_own(&mut self, cx: &mut Context<'_>, buf: B) -> Poll<BufResult<usize, B>> {
        let half = &mut *self.half;
        let recv = Recv::new(Arc::clone(&half.socket), buf);
        half.incoming.kept.begin(LocalOp::new(Rc::clone(&half.core), recv), cx)
    }

    /// A poll where all comes to a pool: nothing if it is not so.
    #[inline(always)]
    fn poll_pooled(&mut self, cx: &mut Context<'_>) -> Option<Poll<BufResult<usize, B>>> {
        let pooled = self.half.incoming.pooled_alone()?;
        let buf = self.buf.as_mut().filter(|buf| buf.bytes_total() > 0)?;
        if self.is_cancelled {
            return None;
        }
        let mut filled = 0;
        let polled = pooled.poll_take(cx, |bytes| {
            filled = fill(buf, 0, bytes);
            filled
        });
        let Poll::Ready(taken) = polled else { return Some(Poll::Pending) };
        let buf = self.buf.take()?;
        Some(match taken {
            Some(Ok(_)) => Poll::Ready(Ok((filled, buf))),
            Some(Err(error)) => Poll::Ready(Err(BufError::with(error, buf))),
            None => self.begin_own(cx, buf),
        })
    }

    /// Looks first at what there is already, or comes to a pool. The buffer, if a receive is to be
    /// begun for it; else what became of the read.
    fn begin_late(
        &mut self,
        cx: &mut Context<'_>,
        mut buf: B,
    ) -> Poll<Result<B, BufResult<usize, B>>> {
        if buf.bytes_total() == 0 {
            return Poll::Ready(Err(Ok((0, buf))));
        }
        if self.is_cancelled {
            return Poll::Ready(Err(Err(cancelled(buf))));
        }
        let mut filled = 0;
        let polled = self.half.incoming.poll_early(cx, |bytes, _| {
            filled = fill(&mut buf, 0, bytes);
            filled
        });
        match polled {
            Poll::Pending => {
                self.buf = Some(buf);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(Ok(buf)),
            Poll::Ready(Some(Ok(_))) => Poll::Ready(Err(Ok((filled, buf)))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(Err(BufError::with(error, buf)))),
        }
    }
}

#[cfg(broken = "receive_not_kept")]
impl<B: IoBufMut> Drop for Reading<'_, B> {
    fn drop(&mut self) {
        // The tests must find this one: the bytes that it brings are nobody's.
        self.half.incoming.kept = Kept::nothing();
    }
}

impl<B: IoBufMut> Future for Reading<'_, B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.half.incoming.may_turn() {
            this.settle_way();
        }
        if let Some(polled) = this.poll_pooled(cx) {
            return polled;
        }
        match this.buf.take() {
            Some(buf) => this.begin(cx, buf),
            None => this.half.incoming.kept.poll::<Recv<B>>(cx),
        }
    }
}

impl<B: IoBufMut> fmt::Debug for Reading<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("begun", &self.buf.is_none()).finish_non_exhaustive()
    }
}

/// The future of [`TcpStream::read_exact`](super::TcpStream::read_exact), which may be dropped, or
/// forgotten, at any time: dropped, it ends, and the bytes that it has stay with the stream, for
/// the next read. Forgotten, it goes on until its own buffer is full; where the stream receives
/// from a [pool](super::TcpStream::set_auto_pool), what it has taken is forgotten with it.
///
/// # Panics
/// When polled again after its result was given.
///
/// ```
/// use annulus_runtime::runtime::net::TcpStream;
/// use futures::future::poll_immediate;
/// use std::io::Write;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let mut stream = TcpStream::from_std(client);
///     server.write_all(b"ri")?;
///     assert!(poll_immediate(stream.read_exact(vec![0; 4])).await.is_none());
///     server.write_all(b"ng")?;
///     let (n, buf) = stream.read_exact(vec![0; 4]).await?;
///     assert_eq!((n, &buf[..]), (4, &b"ring"[..])); // no byte is lost
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "nothing is read until it is awaited"]
pub struct ReadingExact<'a, B: IoBufMut> {
    half: &'a mut ReadHalf,
    /// Until the receive is begun, which has it then.
    buf: Option<B>,
    /// How many bytes it has taken that were there, before it begins a receive.
    filled: usize,
    is_cancelled: bool,
    is_over: bool,
}

impl<'a, B: IoBufMut> ReadingExact<'a, B> {
    pub(super) fn new(half: &'a mut ReadHalf, buf: B) -> Self {
        Self { half, buf: Some(buf), filled: 0, is_cancelled: false, is_over: false }
    }

    /// Ends it: await it for the buffer. Of an error of which
    /// [`is_cancelled`](BufError::is_cancelled) says that this ended it,
    /// [`done`](BufError::done) says how many bytes are in the buffer, which are not in the stream
    /// any more: *cancel and return the buffer*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let mut read = stream.read_exact(vec![7; 16]);
    ///     assert!(poll_immediate(&mut read).await.is_none()); // it is begun
    ///     read.cancel();
    ///     let error = read.await.unwrap_err();
    ///     assert!(error.is_cancelled() && error.done() == 0);
    ///     assert_eq!(error.into_buf(), [7; 16]);
    /// })?;
    /// # drop(server);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        if self.buf.is_some() {
            self.is_cancelled = true;
        } else {
            self.half.incoming.kept.cancel();
        }
    }

    /// The first polls: takes what there is already, or comes to a pool, and then begins a receive
    /// for the rest.
    fn begin(&mut self, cx: &mut Context<'_>, mut buf: B) -> Poll<BufResult<usize, B>> {
        let (total, mut filled) = (buf.bytes_total(), self.filled);
        if self.is_cancelled {
            return Poll::Ready(Err(cancelled(buf).after(filled)));
        }
        while filled < total && !self.half.incoming.is_idle() {
            let polled = self.half.incoming.poll_early(cx, |bytes, _| {
                let count = fill(&mut buf, filled, bytes);
                filled += count;
                count
            });
            match polled {
                Poll::Pending => {
                    (self.buf, self.filled) = (Some(buf), filled);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(1..))) => {}
                // What was under way is over; or the pool is empty.
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(0))) => {
                    return Poll::Ready(Err(BufError::unexpected_eof(filled, buf)));
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(BufError::with(error, buf).after(filled)));
                }
            }
        }
        if filled == total {
            return Poll::Ready(Ok((total, buf)));
        }
        let half = &mut *self.half;
        let recv = Recv::new(Arc::clone(&half.socket), buf).behind(filled).exact();
        half.incoming.kept.begin(LocalOp::new(Rc::clone(&half.core), recv), cx)
    }
}

impl<B: IoBufMut> Future for ReadingExact<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = ready!(match this.buf.take() {
            Some(buf) => this.begin(cx, buf),
            None => this.half.incoming.kept.poll::<Recv<B>>(cx),
        });
        this.is_over = true;
        Poll::Ready(result)
    }
}

impl<B: IoBufMut> Drop for ReadingExact<'_, B> {
    fn drop(&mut self) {
        match self.buf.take() {
            Some(buf) if self.filled > 0 => {
                self.half.incoming.put_back(&buf.slice(..self.filled));
            }
            // It must not wait for more than the next one wants.
            None if !self.is_over => self.half.incoming.kept.cancel(),
            _ => {}
        }
    }
}

impl<B: IoBufMut> fmt::Debug for ReadingExact<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingExact").field("begun", &self.buf.is_none()).finish_non_exhaustive()
    }
}
