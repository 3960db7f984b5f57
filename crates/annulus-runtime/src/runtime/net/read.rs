//! [`Reading`]: a read whose bytes stay with the stream when it is dropped.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::rc::Rc;
use std::sync::Arc;

use super::kept::Kept;
use super::ops::Recv;
use super::{TcpStream, cancelled};
use crate::buffer::{BufError, BufResult, IoBufMut};
use crate::error::Error;
use crate::runtime::LocalOp;

/// What a stream has of bytes that come.
#[derive(Debug)]
pub(super) struct Incoming {
    /// A receive under way: of the read that borrows the stream, or of one that was dropped.
    pub(super) kept: Kept,
    /// Bytes that a dropped read had received.
    early: Vec<u8>,
    /// How many of them were read, fewer than there are, or none.
    taken: usize,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self { kept: Kept::nothing(), early: Vec::new(), taken: 0 }
    }

    /// Whether a read is to begin a receive.
    #[inline]
    fn is_idle(&self) -> bool {
        self.kept.is_empty() && self.early.is_empty()
    }

    /// What was received for others, if anything was.
    pub(super) fn early(&self) -> &[u8] {
        &self.early[self.taken..]
    }

    /// Waits for what a dropped read has begun, and gives its bytes to `take`, which says how many
    /// it took. How many came is told too: none is the end. Nothing is told of what was cancelled.
    pub(super) fn poll_early(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<Option<Result<usize, Error>>> {
        if !self.early.is_empty() {
            let left = self.early.len() - self.taken;
            let count = take(self.early());
            self.taken += count;
            if count == left {
                (self.early, self.taken) = (Vec::new(), 0);
            }
            return Poll::Ready(Some(Ok(left)));
        }
        let early = &mut self.early;
        let mut sink = |bytes: &[u8]| early.extend_from_slice(&bytes[take(bytes)..]);
        match ready!(self.kept.poll_end(cx, &mut sink)) {
            Some(Err(error)) if error.is_cancelled() => Poll::Ready(None),
            ended => Poll::Ready(ended),
        }
    }
}

/// Puts as many of `bytes` into a buffer as fit: how many.
fn fill<B: IoBufMut>(buf: &mut B, bytes: &[u8]) -> usize {
    let count = bytes.len().min(buf.bytes_total());
    // SAFETY: so many bytes of the buffer may be written, and nobody else uses them (`IoBufMut`).
    unsafe { buf.stable_mut_ptr().copy_from_nonoverlapping(bytes.as_ptr(), count) };
    // SAFETY: they were written.
    unsafe { buf.set_init(count) };
    count
}

/// The future of [`TcpStream::read`], which may be dropped, or forgotten, at any time: what it has
/// begun stays with the stream.
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
    stream: &'a mut TcpStream,
    /// Until the receive is begun, which has it then.
    buf: Option<B>,
    is_cancelled: bool,
}

impl<'a, B: IoBufMut> Reading<'a, B> {
    #[inline]
    pub(super) fn new(stream: &'a mut TcpStream, buf: B) -> Self {
        Self { stream, buf: Some(buf), is_cancelled: false }
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
            self.stream.incoming.kept.cancel();
        }
    }

    /// The first polls: as long as this has begun nothing of its own.
    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>, buf: B) -> Poll<BufResult<usize, B>> {
        let is_plain = self.stream.incoming.is_idle() && !self.is_cancelled;
        let buf = if is_plain && buf.bytes_total() > 0 {
            buf
        } else {
            match ready!(self.begin_late(cx, buf)) {
                Ok(buf) => buf,
                Err(result) => return Poll::Ready(result),
            }
        };
        let stream = &mut *self.stream;
        let recv = Recv::new(Arc::clone(&stream.socket), buf);
        stream.incoming.kept.begin(LocalOp::new(Rc::clone(&stream.core), recv), cx)
    }

    /// Looks first at what there is already. The buffer, if a receive is to be begun for it; else
    /// what became of the read.
    #[cold]
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
        let polled = self.stream.incoming.poll_early(cx, |bytes| {
            filled = fill(&mut buf, bytes);
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
        self.stream.incoming.kept = Kept::nothing();
    }
}

impl<B: IoBufMut> Future for Reading<'_, B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.buf.take() {
            Some(buf) => this.begin(cx, buf),
            None => this.stream.incoming.kept.poll::<Recv<B>>(cx),
        }
    }
}

impl<B: IoBufMut> fmt::Debug for Reading<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("begun", &self.buf.is_none()).finish_non_exhaustive()
    }
}
