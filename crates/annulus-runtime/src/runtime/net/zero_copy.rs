//! Sends that do not copy: [`SendingZc`], [`LentZc`], and what became of one, [`SentZc`].
//!
//! ```text
//! send_zc(buf) ──▶ in the socket's queue ──▶ gone, and acknowledged: the buffer is free
//!                      │ `queued`                │ `await`
//!                      ▼                         ▼
//!                  LentZc: others are sent   SentZc, and the buffer
//! ```

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, NotifUsage};

use super::ops::{SendMsgZc, SendZc, ZeroCopy};
use super::{TcpStream, WriteHalf, cancelled};
use crate::buffer::{BufError, BufResult, IoBuf, IoVecBuf};
use crate::operation::{Completion, Origin};
use crate::runtime::core::Core;
use crate::runtime::{LocalOp, Shot, Shots};
use crate::slot::Several;

/// What became of a send that was not to copy: see [`TcpStream::send_zc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentZc {
    bytes: usize,
    is_copied: Option<bool>,
}

impl SentZc {
    /// How many bytes were sent, from the first on.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether bytes were copied after all, at least some: on the way to this machine itself, for a
    /// device that cannot gather them, for a packet filter. Where that is so each time, a plain
    /// [`write`](TcpStream::write) costs less. None where the kernel does not say (before Linux
    /// 6.2), or nothing was sent.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let _server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let (sent, _) = stream.send_zc_all(vec![7; 16 << 10]).await?;
    ///     // To this machine it always is.
    ///     assert_ne!(sent.is_copied(), Some(false));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_NOTIF_USAGE_ZC_COPIED")]
    pub fn is_copied(&self) -> Option<bool> {
        self.is_copied
    }
}

/// What the last completion of a send reports. None where it is no such report.
fn report(last: &Completion) -> Option<NotifUsage> {
    let is_report = last.flags.contains(CqeFlags::NOTIF);
    last.result.ok().filter(|_| is_report).map(NotifUsage)
}

/// A send, step by step.
struct Steps<S: ZeroCopy> {
    /// Where the kernel has nothing of it.
    send: Option<S>,
    core: Rc<Core>,
    is_exact: bool,
    reports: bool,
    is_cancelled: bool,
    /// What the sends before this one have moved.
    done: usize,
    total: usize,
    /// The first result of the one under way.
    first: Option<Completion>,
    is_copied: Option<bool>,
}

impl<S: ZeroCopy> Steps<S> {
    fn new(core: Rc<Core>, mut send: S, is_exact: bool) -> Self {
        if is_exact {
            send.set_exact();
        }
        send.set_pool(core.ports().fixed.as_ref().map(|pool| pool.id()));
        let total = send.bytes_total();
        Self {
            send: Some(send),
            core,
            is_exact,
            reports: true,
            is_cancelled: false,
            done: 0,
            total,
            first: None,
            is_copied: None,
        }
    }

    /// How many bytes are in the socket's queue, once all of them are that are to be.
    fn queued(&self) -> Option<usize> {
        let count = self.first?.result.ok()? as usize;
        let done = self.done + count;
        (!self.is_exact || done >= self.total).then_some(done)
    }

    fn take(&mut self) -> S {
        self.send.take().expect("a send was polled after its result was given")
    }

    /// Takes note of the last result: the end, or None where it is to be begun again.
    fn over(
        &mut self,
        send: S,
        last: Completion,
        socket: &Arc<OwnedFd>,
    ) -> Option<BufResult<SentZc, S::Buf>> {
        let usage = report(&last);
        // Where there was but one, it says what became of it.
        let mut first = self.first.take().unwrap_or(last);
        if self.is_cancelled && matches!(first.result, Err(Errno::ECANCELED | Errno::EINTR)) {
            first.origin = Origin::Cancelled;
        }
        let count = match first.result {
            Ok(count) => count as usize,
            Err(Errno::EINVAL) if usage.is_none() && self.reports => {
                // Perhaps it does not know what a report is.
                let mut send = send;
                self.reports = false;
                send.stop_reporting();
                send.go_on(Arc::clone(socket), self.done);
                self.send = Some(send);
                return None;
            }
            Err(errno) => {
                let error = BufError::of(&first, errno, send.into_buf());
                return Some(Err(error.after(self.done)));
            }
        };
        self.done += count;
        if count > 0 && self.reports {
            let copied = usage.is_some_and(|usage| usage.contains(NotifUsage::ZC_COPIED));
            self.is_copied = Some(copied || self.is_copied == Some(true));
        }
        if !self.is_exact || self.done >= self.total {
            let sent = SentZc { bytes: self.done, is_copied: self.is_copied };
            return Some(Ok((sent, send.into_buf())));
        }
        if self.is_cancelled {
            return Some(Err(cancelled(send.into_buf()).after(self.done)));
        }
        if count == 0 {
            return Some(Err(BufError::write_zero(self.done, send.into_buf())));
        }
        let mut send = send;
        send.go_on(Arc::clone(socket), self.done);
        self.send = Some(send);
        None
    }
}

/// Sends without a copy where nothing else need wait for it: datagrams.
pub(super) async fn send_alone<S: ZeroCopy>(
    core: &Rc<Core>,
    socket: &Arc<OwnedFd>,
    send: S,
) -> BufResult<SentZc, S::Buf> {
    let mut steps = Steps::new(Rc::clone(core), send, false);
    loop {
        let mut shots = Shots::on(Rc::clone(core), steps.take());
        let (send, last) = loop {
            match shots.next().await {
                Shot::Item(first) => steps.first = Some(first),
                Shot::Last(ended) => {
                    let last = *ended.completion();
                    break (ended.into_operation(), last);
                }
            }
        };
        if let Some(ended) = steps.over(send, last, socket) {
            return ended;
        }
    }
}

/// The future of [`send_zc`](WriteHalf::send_zc) and the like: awaited, it gives the buffer back
/// when the kernel has done with it.
///
/// # When it is dropped
/// What it has begun is cancelled, and how much went is not told: see [`Writing`](super::Writing).
/// The buffer is kept until the kernel has done with it; the same if this is forgotten.
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
///     drop(stream.send_zc("never begun"));
///     let (sent, buf) = stream.send_zc("ring").await?;
///     assert_eq!((sent.bytes(), buf), (4, "ring"));
///     std::io::Result::Ok(())
/// })??;
/// let mut text = String::new();
/// server.read_to_string(&mut text)?;
/// assert_eq!(text, "ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct SendingZc<'a, S: ZeroCopy> {
    half: &'a mut WriteHalf,
    steps: Steps<S>,
    /// The half keeps what was begun here.
    is_begun: bool,
}

impl<'a, S: ZeroCopy> SendingZc<'a, S> {
    fn new(half: &'a mut WriteHalf, send: S, is_exact: bool) -> Self {
        let core = Rc::clone(&half.core);
        Self { half, steps: Steps::new(core, send, is_exact), is_begun: false }
    }

    /// Ends it: await it for the buffer, with what went first: *cancel and return the buffer*. Of
    /// an error of which [`is_cancelled`](BufError::is_cancelled) says that this ended it,
    /// [`done`](BufError::done) says how many bytes went.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// // It reads, so that what was sent is acknowledged, and the buffer free.
    /// let reader = std::thread::spawn(move || server.read_to_end(&mut Vec::new()));
    /// let sent = annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let mut send = stream.send_zc_all(vec![7; 64 << 20]);
    ///     assert!(poll_immediate(&mut send).await.is_none());
    ///     send.cancel();
    ///     match send.await {
    ///         Ok((sent, _)) => sent.bytes(), // it was faster
    ///         Err(error) => error.done(),
    ///     }
    /// })?;
    /// assert_eq!(reader.join().unwrap()?, sent);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        self.steps.is_cancelled = true;
        if self.is_begun && self.steps.first.is_none() {
            self.half.outgoing.cancel();
        }
    }

    /// Waits until the bytes are in the socket's queue, and no longer: others may be sent behind
    /// them while the kernel has the buffer, which [`LentZc`] gives back.
    ///
    /// As with [`Writing`](super::Writing), a part may have gone where its future is dropped:
    /// *cancel and discard*.
    ///
    /// # Errors
    /// Those of [`WriteHalf::send_zc`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let first = stream.send_zc_all("one ").queued().await?;
    ///     let second = stream.send_zc_all("ring").queued().await?;
    ///     assert_eq!((first.bytes(), second.bytes()), (4, 4));
    ///     server.read_exact(&mut [0; 8])?;
    ///     assert_eq!((first.await.1, second.await.1), ("one ", "ring"));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn queued(mut self) -> Result<LentZc<S>, BufError<S::Buf>> {
        match poll_fn(|cx| self.poll_steps(cx, true)).await {
            Some(Err(error)) => Err(error),
            Some(Ok((sent, buf))) => {
                Ok(LentZc { bytes: sent.bytes, of: Of::Free(Some((sent, buf))) })
            }
            None => {
                self.is_begun = false;
                let bytes = self.steps.queued().unwrap_or_default();
                let op = self.half.outgoing.take::<Several<S>>();
                let (reports, copied) = (self.steps.reports, self.steps.is_copied);
                Ok(LentZc { bytes, of: Of::Kernel { op: Some(op), reports, copied } })
            }
        }
    }

    /// Takes as many steps as there are to take: to the end, or, where that is said, until all is
    /// in the queue: None then.
    fn poll_steps(
        &mut self,
        cx: &mut Context<'_>,
        until_queued: bool,
    ) -> Poll<Option<BufResult<SentZc, S::Buf>>> {
        loop {
            let (send, last) = if self.is_begun {
                if until_queued && self.steps.queued().is_some() {
                    return Poll::Ready(None);
                }
                match ready!(self.half.outgoing.poll_shot::<S>(cx)) {
                    Shot::Item(first) => {
                        self.steps.first = Some(first);
                        continue;
                    }
                    Shot::Last(ended) => {
                        let last = *ended.completion();
                        (ended.into_operation(), last)
                    }
                }
            } else {
                match ready!(self.poll_begin(cx)) {
                    Ok(refused) => refused,
                    Err(buf) => {
                        return Poll::Ready(Some(Err(cancelled(buf).after(self.steps.done))));
                    }
                }
            };
            self.is_begun = false;
            if let Some(ended) = self.steps.over(send, last, &self.half.socket) {
                return Poll::Ready(Some(ended));
            }
        }
    }

    /// Begins it, and waits for what becomes of that; or gives what was refused. Or the buffer,
    /// where it was cancelled before.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S, Completion), S::Buf>> {
        if self.steps.is_cancelled {
            return Poll::Ready(Err(self.steps.take().into_buf()));
        }
        ready!(self.half.poll_outgoing(cx));
        let op = LocalOp::several(Rc::clone(&self.steps.core), self.steps.take());
        match self.half.outgoing.begin(op, cx) {
            Poll::Pending => {
                self.is_begun = true;
                Poll::Pending
            }
            Poll::Ready((several, completion)) => {
                Poll::Ready(Ok((several.into_parts().0, completion)))
            }
        }
    }
}

impl<S: ZeroCopy> Unpin for SendingZc<'_, S> {}

impl<S: ZeroCopy> Future for SendingZc<'_, S> {
    type Output = BufResult<SentZc, S::Buf>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.poll_steps(cx, false));
        Poll::Ready(ended.expect("it goes on to the end"))
    }
}

impl<S: ZeroCopy> Drop for SendingZc<'_, S> {
    fn drop(&mut self) {
        if !self.is_begun || self.half.outgoing.is_empty() {
            return;
        }
        if self.steps.first.is_some() {
            // What is left of it holds up nobody.
            self.half.outgoing.take::<Several<S>>().detach();
        } else {
            self.half.outgoing.cancel();
        }
    }
}

impl<S: ZeroCopy> fmt::Debug for SendingZc<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingZc").field("begun", &self.is_begun).finish_non_exhaustive()
    }
}

/// A buffer whose bytes are in a socket's queue, and which the kernel still has: awaited, it gives
/// it back, when the other side has acknowledged them. See [`SendingZc::queued`] for an example.
///
/// # When it is dropped
/// The buffer is freed when the kernel has done with it. The bytes are sent all the same.
///
/// # Panics
/// When polled again after it was ready.
#[must_use = "it gives the buffer back when it is awaited"]
pub struct LentZc<S: ZeroCopy> {
    bytes: usize,
    of: Of<S>,
}

/// Who has the buffer.
enum Of<S: ZeroCopy> {
    Kernel {
        /// None once it was given.
        op: Option<LocalOp<Several<S>>>,
        reports: bool,
        /// Whether an earlier part was copied.
        copied: Option<bool>,
    },
    Free(Option<(SentZc, S::Buf)>),
}

impl<S: ZeroCopy> LentZc<S> {
    /// How many of its bytes are in the queue, from the first on.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

// Nothing in it is pinned.
impl<S: ZeroCopy> Unpin for LentZc<S> {}

impl<S: ZeroCopy> Future for LentZc<S> {
    type Output = (SentZc, S::Buf);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (place, reports, before) = match &mut this.of {
            Of::Free(free) => return Poll::Ready(free.take().expect("it was given once")),
            Of::Kernel { op, reports, copied } => (op, *reports, *copied),
        };
        let op = place.as_mut().expect("it was given once");
        loop {
            // That there is another before the last means nothing.
            let Shot::Last(ended) = ready!(op.poll_shot(cx)) else { continue };
            *place = None;
            let copied = report(ended.completion())
                .filter(|_| reports)
                .map(|usage| usage.contains(NotifUsage::ZC_COPIED) || before == Some(true));
            let sent = SentZc { bytes: this.bytes, is_copied: copied };
            return Poll::Ready((sent, ended.into_operation().into_buf()));
        }
    }
}

impl<S: ZeroCopy> Drop for LentZc<S> {
    fn drop(&mut self) {
        if let Of::Kernel { op, .. } = &mut self.of
            && let Some(op) = op.take()
        {
            op.detach();
        }
    }
}

impl<S: ZeroCopy> fmt::Debug for LentZc<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentZc").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// # Sending without a copy
///
/// What [`write`](Self::write) copies into the socket's queue, these leave where it is: the device
/// reads it there. The price is that the buffer comes back only when the other side has
/// acknowledged the bytes, a round trip later, and that its pages are pinned for so long. It pays
/// from some 10 KiB on, for a connection that goes by a network card; towards this machine itself
/// everything is copied all the same, and [said to be](SentZc::is_copied). A [fixed
/// buffer](crate::runtime::fixed_pool) of the runtime is pinned once, and named by its index.
///
/// To send on meanwhile, await [`queued`](SendingZc::queued) in place of the send itself.
impl WriteHalf {
    /// Sends bytes without copying them: how many, whether they were copied after all, and the
    /// buffer, once the kernel has done with it.
    ///
    /// *Cancel and discard*: where its future is dropped a part may have gone; the buffer is kept
    /// until it is free. [`SendingZc::cancel`] gives it back.
    ///
    /// # Errors
    /// Each gives the buffer back, when it is free.
    /// - Those of [`write`](Self::write).
    /// - `ENOBUFS`, `ENOMEM`: more memory would be pinned than `RLIMIT_MEMLOCK` allows: raise that,
    ///   send less at a time, or from fixed buffers.
    /// - `EOPNOTSUPP`: a connection that cannot: a Unix stream, or TLS by the kernel (`kTLS`). Use
    ///   [`write`](Self::write).
    /// - `EINVAL`: the kernel has no such send (before Linux 6.0).
    ///
    /// By the ring (`IORING_OP_SEND_ZC`, Linux 6.0). See
    /// [io_uring_prep_send_zc(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_send_zc.3.html).
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::{fixed_pool, net::TcpStream}};
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let runtime = Runtime::builder().fixed_buffers(4, 4096).build()?;
    /// runtime.block_on(async {
    ///     let mut buf = fixed_pool().expect("it was asked for").take().await;
    ///     buf.extend_from_slice(b"ring");
    ///     let (_, mut writes) = TcpStream::from_std(client).into_split();
    ///     let (sent, buf) = writes.send_zc(buf).await?;
    ///     assert_eq!((sent.bytes(), &buf[..]), (4, &b"ring"[..]));
    ///     std::io::Result::Ok(())
    /// })?;
    /// server.read_exact(&mut [0; 4])?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_SEND_ZC")]
    #[doc(alias = "MSG_ZEROCOPY")]
    pub fn send_zc<B: IoBuf>(&mut self, buf: B) -> SendingZc<'_, SendZc<B>> {
        let send = SendZc::new(Arc::clone(&self.socket), buf);
        SendingZc::new(self, send, false)
    }

    /// Sends all of a buffer without copying it: see [`send_zc`](Self::send_zc), of errors too, of
    /// which [`done`](BufError::done) says how many bytes went before.
    pub fn send_zc_all<B: IoBuf>(&mut self, buf: B) -> SendingZc<'_, SendZc<B>> {
        let send = SendZc::new(Arc::clone(&self.socket), buf);
        SendingZc::new(self, send, true)
    }

    /// Sends several buffers, one after the other, without copying them, up to 1,024 of them: see
    /// [`send_zc`](Self::send_zc).
    ///
    /// By the ring (`IORING_OP_SENDMSG_ZC`, Linux 6.1).
    #[doc(alias = "IORING_OP_SENDMSG_ZC")]
    #[doc(alias = "sendmsg_zc")]
    pub fn send_zc_vectored<V: IoVecBuf>(&mut self, bufs: V) -> SendingZc<'_, SendMsgZc<V>> {
        let send = SendMsgZc::new(Arc::clone(&self.socket), bufs);
        SendingZc::new(self, send, false)
    }

    /// Sends all of several buffers without copying them: see
    /// [`send_zc_all`](Self::send_zc_all).
    ///
    /// By the ring (`IORING_OP_SENDMSG_ZC`, Linux 6.1).
    pub fn send_zc_vectored_all<V: IoVecBuf>(&mut self, bufs: V) -> SendingZc<'_, SendMsgZc<V>> {
        let send = SendMsgZc::new(Arc::clone(&self.socket), bufs);
        SendingZc::new(self, send, true)
    }
}

impl TcpStream {
    /// Sends bytes without copying them: see [`WriteHalf::send_zc`].
    ///
    /// *Cancel and discard*, and the buffer is kept until it is free; or *cancel and return the
    /// buffer*, by [`SendingZc::cancel`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let (sent, buf) = TcpStream::from_std(client).send_zc(vec![7; 4096]).await?;
    ///     assert_eq!((sent.bytes(), buf.len()), (4096, 4096));
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(server.read_to_end(&mut Vec::new())?, 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_SEND_ZC")]
    #[doc(alias = "MSG_ZEROCOPY")]
    pub fn send_zc<B: IoBuf>(&mut self, buf: B) -> SendingZc<'_, SendZc<B>> {
        self.write.send_zc(buf)
    }

    /// Sends all of a buffer without copying it: see [`WriteHalf::send_zc_all`].
    ///
    /// *Cancel and discard*, or *cancel and return the buffer*: as [`send_zc`](Self::send_zc).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let reader = std::thread::spawn(move || server.read_to_end(&mut Vec::new()));
    /// annulus_runtime::run(async move {
    ///     let (sent, _) = TcpStream::from_std(client).send_zc_all(vec![7; 8 << 20]).await?;
    ///     assert_eq!(sent.bytes(), 8 << 20);
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(reader.join().unwrap()?, 8 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_zc_all<B: IoBuf>(&mut self, buf: B) -> SendingZc<'_, SendZc<B>> {
        self.write.send_zc_all(buf)
    }

    /// Sends several buffers, one after the other, without copying them: see
    /// [`WriteHalf::send_zc_vectored`].
    ///
    /// *Cancel and discard*, or *cancel and return the buffer*: as [`send_zc`](Self::send_zc).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let (sent, _) = stream.send_zc_vectored(["head, ", "body"]).await?;
    ///     assert_eq!(sent.bytes(), 10);
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "head, body");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendmsg_zc")]
    pub fn send_zc_vectored<V: IoVecBuf>(&mut self, bufs: V) -> SendingZc<'_, SendMsgZc<V>> {
        self.write.send_zc_vectored(bufs)
    }

    /// Sends all of several buffers without copying them: see
    /// [`WriteHalf::send_zc_vectored_all`].
    ///
    /// *Cancel and discard*, or *cancel and return the buffer*: as [`send_zc`](Self::send_zc).
    pub fn send_zc_vectored_all<V: IoVecBuf>(&mut self, bufs: V) -> SendingZc<'_, SendMsgZc<V>> {
        self.write.send_zc_vectored_all(bufs)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use annulus_ring::abi::RecvSendFlags;

    use super::*;
    use crate::operation::Multishot;
    use crate::runtime::context;

    fn steps(is_exact: bool) -> (Steps<SendZc<Vec<u8>>>, Arc<OwnedFd>) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let socket = Arc::new(OwnedFd::from(socket));
        let send = SendZc::new(Arc::clone(&socket), vec![7; 100]);
        (Steps::new(context::with(Rc::clone), send, is_exact), socket)
    }

    /// That a buffer is free, and whether it was copied.
    fn free(copied: bool) -> Completion {
        let mut free = Completion::new(Ok(if copied { 1 << 31 } else { 0 }));
        free.flags = CqeFlags::NOTIF;
        free
    }

    fn sent(bytes: usize, is_copied: Option<bool>) -> Option<SentZc> {
        Some(SentZc { bytes, is_copied })
    }

    #[test]
    fn a_kernel_without_reports_is_asked_for_none() {
        crate::run(async {
            let (mut steps, socket) = steps(false);
            let send = steps.take();
            let refused = Completion::new(Err(Errno::EINVAL));
            assert!(steps.over(send, refused, &socket).is_none());
            let mut send = steps.take();
            assert_eq!(send.entry().ioprio, 0);
            steps.first = Some(Completion::new(Ok(100)));
            let done = steps.over(send, free(false), &socket).map(|ended| ended.expect("sent").0);
            assert_eq!(done, sent(100, None));
        })
        .expect("a runtime");
    }

    #[test]
    fn what_is_invalid_without_a_report_too_is_told() {
        crate::run(async {
            let (mut steps, socket) = steps(false);
            let refused = Completion::new(Err(Errno::EINVAL));
            for is_last in [false, true] {
                let send = steps.take();
                let ended = steps.over(send, refused, &socket);
                assert_eq!(ended.is_some_and(|ended| ended.is_err()), is_last);
            }
        })
        .expect("a runtime");
    }

    #[test]
    fn one_that_came_short_goes_on_behind_that() {
        crate::run(async {
            let (mut steps, socket) = steps(true);
            for (count, copied) in [(30, true), (50, false)] {
                let mut send = steps.take();
                let entry = send.entry();
                assert_eq!(entry.len as usize, 100 - steps.done);
                assert_eq!(RecvSendFlags(entry.ioprio), RecvSendFlags::SEND_ZC_REPORT_USAGE);
                steps.first = Some(Completion::new(Ok(count)));
                assert!(steps.queued().is_none());
                assert!(steps.over(send, free(copied), &socket).is_none());
            }
            let send = steps.take();
            steps.first = Some(Completion::new(Ok(20)));
            assert_eq!(steps.queued(), Some(100));
            let done = steps.over(send, free(false), &socket).map(|ended| ended.expect("sent").0);
            assert_eq!(done, sent(100, Some(true)), "a part of it was copied");
        })
        .expect("a runtime");
    }

    #[test]
    fn what_was_sent_before_it_failed_is_told() {
        crate::run(async {
            let (mut steps, socket) = steps(true);
            let send = steps.take();
            steps.first = Some(Completion::new(Ok(30)));
            assert!(steps.over(send, free(true), &socket).is_none());
            let send = steps.take();
            steps.first = Some(Completion::new(Err(Errno::ECONNRESET)));
            let ended = steps.over(send, free(true), &socket).expect("it is over");
            let error = ended.expect_err("it failed");
            assert_eq!((error.errno(), error.done()), (Some(Errno::ECONNRESET), 30));
        })
        .expect("a runtime");
    }
}
