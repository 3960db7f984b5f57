//! [`Writing`]: a write that is cancelled when it is dropped.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::Errno;

use super::ops::{Send, send_at_once};
use super::{WriteHalf, cancelled};
use crate::buffer::{BufError, BufResult, IoBuf};
use crate::operation::Completion;
use crate::runtime::LocalOp;

/// The future of [`write`](WriteHalf::write) and [`write_all`](WriteHalf::write_all) of a stream.
///
/// # When it is dropped
/// What it has begun is cancelled; the stream waits for the end of it before it begins another. So
/// nothing of it goes behind the first byte of the next, but how much went before is not told: a
/// protocol is out of step then, unless the peer counts. [`cancel`](Self::cancel) and await it to
/// know. A forgotten one goes on to its end, if it was begun: not so where it waited for another.
///
/// # Panics
/// When polled again after its result was given.
///
/// ```
/// use annulus_runtime::runtime::net::TcpStream;
/// use std::io::Read;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let mut stream = TcpStream::from_std(client);
///     drop(stream.write_all("never begun"));
///     stream.write_all("ring").await?;
///     std::io::Result::Ok(())
/// })??;
/// let mut text = String::new();
/// server.read_to_string(&mut text)?;
/// assert_eq!(text, "ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "nothing is written until it is awaited"]
pub struct Writing<'a, B: IoBuf> {
    half: &'a mut WriteHalf,
    /// Until the send is begun, which has it then.
    buf: Option<B>,
    is_exact: bool,
    is_begun: bool,
    is_cancelled: bool,
}

impl<'a, B: IoBuf> Writing<'a, B> {
    #[inline]
    pub(super) fn new(half: &'a mut WriteHalf, buf: B, is_exact: bool) -> Self {
        Self { half, buf: Some(buf), is_exact, is_begun: false, is_cancelled: false }
    }

    /// Ends it: await it for the buffer, with what went first: *cancel and return the buffer*. Of
    /// an error of which [`is_cancelled`](crate::buffer::BufError::is_cancelled) says that this
    /// ended it, [`done`](crate::buffer::BufError::done) says how many bytes went.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let sent = annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     // More than fits in the queues of both sockets, and nobody reads.
    ///     let mut write = stream.write_all(vec![7; 64 << 20]);
    ///     assert!(poll_immediate(&mut write).await.is_none());
    ///     write.cancel();
    ///     let error = write.await.unwrap_err();
    ///     assert!(error.is_cancelled());
    ///     error.done()
    /// })?;
    /// assert_eq!(server.read_to_end(&mut Vec::new())?, sent);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        if self.is_begun {
            self.half.outgoing.cancel();
        } else {
            self.is_cancelled = true;
        }
    }

    /// The first polls: as long as this has begun nothing of its own.
    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>, buf: B) -> Poll<BufResult<usize, B>> {
        if self.is_cancelled {
            return Poll::Ready(Err(cancelled(buf)));
        }
        let half = &mut *self.half;
        if !half.outgoing.is_empty() && half.poll_outgoing(cx).is_pending() {
            self.buf = Some(buf);
            return Poll::Pending;
        }
        // Where there was no room the last time, the ring is asked, which waits for some.
        let is_worth_it = !core::mem::take(&mut half.is_crowded) && half.core.may_call();
        let mut done = 0;
        if is_worth_it {
            let total = buf.bytes_init();
            match send_at_once(&half.socket, &buf) {
                Ok(count) if count == total || count > 0 && !self.is_exact => {
                    return Poll::Ready(Ok((count, buf)));
                }
                Ok(count) => (done, half.is_crowded) = (count, true),
                Err(errno) => return Poll::Ready(Err(failed(errno, buf))),
            }
        }
        let send = Send::new(Arc::clone(&half.socket), buf).behind(done);
        let send = if self.is_exact { send.exact() } else { send };
        self.is_begun = true;
        half.outgoing.begin(LocalOp::new(Rc::clone(&half.core), send), cx)
    }
}

/// Nothing was sent.
#[cold]
fn failed<B>(errno: Errno, buf: B) -> BufError<B> {
    BufError::of(&Completion::new(Err(errno)), errno, buf)
}

impl<B: IoBuf> Future for Writing<'_, B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.buf.take() {
            Some(buf) => this.begin(cx, buf),
            None => this.half.outgoing.poll::<Send<B>>(cx),
        }
    }
}

impl<B: IoBuf> Drop for Writing<'_, B> {
    #[inline]
    fn drop(&mut self) {
        // Where the result was given nothing is there.
        if self.is_begun && !self.half.outgoing.is_empty() {
            self.half.outgoing.cancel();
        }
    }
}

impl<B: IoBuf> fmt::Debug for Writing<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").field("begun", &self.is_begun).finish_non_exhaustive()
    }
}
