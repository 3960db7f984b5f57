//! [`Datagrams`]: a socket of datagrams, with the receive that is under way.
//!
//! ```text
//! recv(a) ── begun ── dropped ──▶ the receive goes on, into `a`, which the socket keeps
//!                                       │ a datagram comes
//! recv(b) ──────────────────────────────┴──▶ copied to `b`; what does not fit is lost, as always
//! ```

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{Op, SockAddr};

use super::incoming::fill;
use super::kept::Kept;
use super::many_datagrams::{Came, ManyDatagrams};
use super::ops::recv_msg_many::CONTROL_BYTES;
use super::ops::{Bind, Connect, Message, RecvMsg, SendMsg, SendZc};
use super::pool::RecvPool;
use super::zero_copy::{SentZc, send_alone};
use super::{at_once, unshare};
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::error::Error;
use crate::runtime::LocalOp;
use crate::runtime::context;
use crate::runtime::core::Core;
use crate::runtime::op::submit;

/// How long a datagram may be that is received without a pool.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What a receive is to make room for, beside bytes and the sender's address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) descriptors: usize,
    pub(super) segments: bool,
    pub(super) credentials: bool,
}

/// A socket of datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    // Before the socket: what is under way is given up first.
    kept: Kept,
    /// What [`settle`](Self::settle) has found, in its order.
    early: VecDeque<Came>,
    many: Option<Box<ManyDatagrams>>,
    pub(super) sender: Sender,
}

/// The side of it that sends, of which there may be several.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) socket: Arc<OwnedFd>,
    core: Rc<Core>,
}

impl Datagrams {
    /// On the runtime that this thread is inside of.
    #[track_caller]
    pub(super) fn new(socket: OwnedFd) -> Self {
        let socket = Arc::new(socket);
        let sender = context::with(|core| Sender { socket, core: Rc::clone(core) });
        Self { kept: Kept::nothing(), early: VecDeque::new(), many: None, sender }
    }

    /// Gives the socket an address: by the ring where that can.
    pub(super) async fn bind(&self, to: SockAddr) -> io::Result<()> {
        let Sender { socket, core } = &self.sender;
        if core.engine().has(Op::BIND) {
            submit(Bind::new(Arc::clone(socket), to)).await?;
            return Ok(());
        }
        at_once::bind(socket, &to)
    }

    /// From whom datagrams are taken from now on, and to whom they go.
    pub(super) async fn connect(&self, to: SockAddr) -> io::Result<()> {
        Ok(submit(Connect::new(Arc::clone(&self.sender.socket), to)).await?)
    }

    /// The next datagram, or the one that was received before.
    pub(super) async fn recv<B: IoBufMut>(
        &mut self,
        mut buf: B,
        wants: Wants,
    ) -> BufResult<(usize, Message), B> {
        if let Some(early) = self.early.pop_front() {
            let (bytes, message) = early.into_parts();
            return Ok((hand_over(&bytes, message, &mut buf, wants), buf));
        }
        let mut found = None;
        let ended = poll_fn(|cx| {
            self.kept.poll_end(cx, &mut |bytes, message| {
                found = Some(hand_over(bytes, message, &mut buf, wants));
            })
        });
        match ended.await {
            Some(Err(error)) if !error.is_cancelled() => return Err(BufError::with(error, buf)),
            _ => {}
        }
        if let Some(received) = found {
            return Ok((received, buf));
        }
        match self.next_of_many().await {
            Ok(Some(came)) => {
                let (bytes, message) = came.into_parts();
                return Ok((hand_over(&bytes, message, &mut buf, wants), buf));
            }
            Ok(None) => {}
            Err(error) => return Err(BufError::with(error, buf)),
        }
        let recv = self.operation(buf, wants);
        match self.kept.run(LocalOp::new(Rc::clone(&self.sender.core), recv)).await {
            Ok((received, [buf])) => Ok((received, buf)),
            Err(error) => Err(error.map(|[buf]| buf)),
        }
    }

    fn operation<B: IoBufMut>(&self, buf: B, wants: Wants) -> RecvMsg<[B; 1]> {
        let mut recv = RecvMsg::new(Arc::clone(&self.sender.socket), [buf]).named();
        if wants.segments {
            recv = recv.segments();
        }
        if wants.credentials {
            recv = recv.credentials();
        }
        recv.descriptors_max(wants.descriptors)
    }

    /// The next datagram, which stays.
    pub(super) async fn peek<B: IoBufMut>(
        &mut self,
        mut buf: B,
    ) -> BufResult<(usize, SockAddr), B> {
        if let Err(error) = self.settle().await {
            return Err(BufError::with(error, buf));
        }
        if let Some(early) = self.early.front() {
            let count = fill(&mut buf, 0, early);
            return Ok(((count, *early.message().from()), buf));
        }
        // It takes nothing: it need not be kept.
        let peek = self.operation(buf, Wants::default()).peek();
        match LocalOp::new(Rc::clone(&self.sender.core), peek).await {
            Ok(((count, message), [buf])) => Ok(((count, *message.from()), buf)),
            Err(error) => Err(error.map(|[buf]| buf)),
        }
    }

    /// Ends what a dropped receive has begun: a datagram that it brought is kept for the next.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        let Self { kept, early, many, .. } = self;
        kept.cancel();
        let ended = poll_fn(|cx| {
            kept.poll_end(cx, &mut |bytes, message| {
                early.push_back(Came::own(bytes.to_vec(), message));
            })
        });
        match ended.await {
            Some(Err(error)) if !error.is_cancelled() => return Err(error),
            _ => {}
        }
        match many {
            Some(many) => {
                many.cancel();
                poll_fn(|cx| many.poll_drain(cx, |came| early.push_back(came))).await
            }
            None => Ok(()),
        }
    }

    /// Receives into a pool from now on.
    #[track_caller]
    pub(super) fn receive_from(&mut self, pool: &RecvPool) -> io::Result<()> {
        let Sender { socket, core } = &self.sender;
        assert!(core.has_pool(&pool.inner), "a pool is of the runtime that it was made in");
        if self.many.is_none() {
            self.many = Some(Box::new(ManyDatagrams::new(core, socket, pool)?));
        }
        Ok(())
    }

    /// The next datagram in a buffer of the pool. None without a pool, or where that has none left.
    async fn next_of_many(&mut self) -> Result<Option<Came>, Error> {
        match &mut self.many {
            Some(many) => poll_fn(|cx| many.poll_next(cx)).await,
            None => Ok(None),
        }
    }

    /// Receives a datagram into a buffer of the pool, or, without one, into its own.
    pub(super) async fn receive(&mut self, wants: Wants) -> Result<Came, Error> {
        if let Some(early) = self.early.pop_front() {
            return Ok(early);
        }
        let mut found = None;
        let ended = poll_fn(|cx| {
            self.kept.poll_end(cx, &mut |bytes, message| {
                found = Some(Came::own(bytes.to_vec(), message));
            })
        });
        match ended.await {
            Some(Err(error)) if !error.is_cancelled() => return Err(error),
            _ => {}
        }
        if let Some(came) = found {
            return Ok(came);
        }
        if let Some(came) = self.next_of_many().await? {
            return Ok(came);
        }
        let bytes = self.many.as_ref().map_or(DATAGRAM_BYTES_MAX, |many| many.datagram_bytes());
        let recv = self.operation(Vec::with_capacity(bytes), wants).control_bytes(CONTROL_BYTES);
        match self.kept.run(LocalOp::new(Rc::clone(&self.sender.core), recv)).await {
            Ok(((count, message), [mut bytes])) => {
                bytes.truncate(count);
                Ok(Came::own(bytes, message))
            }
            Err(error) => Err(error.ended()),
        }
    }

    /// The socket, and the datagram that was taken out of it and given to nobody.
    pub(super) async fn into_parts(mut self) -> io::Result<(OwnedFd, Vec<(Vec<u8>, Message)>)> {
        self.settle().await?;
        let early = self.early.drain(..).map(Came::into_parts);
        let early = early.map(|(bytes, message)| (bytes.to_vec(), message)).collect();
        drop((self.kept, self.many));
        Ok((unshare(self.sender.socket)?, early))
    }
}

/// Gives a datagram to another than whom it was received for.
fn hand_over<B: IoBufMut>(
    bytes: &[u8],
    mut message: Message,
    buf: &mut B,
    wants: Wants,
) -> (usize, Message) {
    let count = fill(buf, 0, bytes);
    if count < bytes.len() {
        message.cut();
    }
    let descriptors = message.take_descriptors();
    message.put_descriptors(descriptors, wants.descriptors);
    (count, message)
}

impl Sender {
    /// Sends one datagram of one buffer.
    pub(super) async fn send<B: IoBuf>(
        &self,
        buf: B,
        to: Option<SockAddr>,
        with: impl FnOnce(SendMsg<[B; 1]>) -> SendMsg<[B; 1]>,
    ) -> BufResult<usize, B> {
        match self.begin([buf], to, with).await {
            Ok((count, [buf])) => Ok((count, buf)),
            Err(error) => Err(error.map(|[buf]| buf)),
        }
    }

    /// One datagram.
    pub(super) fn begin<V: IoVecBuf>(
        &self,
        bufs: V,
        to: Option<SockAddr>,
        with: impl FnOnce(SendMsg<V>) -> SendMsg<V>,
    ) -> LocalOp<SendMsg<V>> {
        let send = SendMsg::new(Arc::clone(&self.socket), bufs);
        let send = match to {
            Some(to) => send.to(to),
            None => send,
        };
        LocalOp::new(Rc::clone(&self.core), with(send))
    }

    /// Sends a datagram without copying it.
    pub(super) async fn send_zc<B: IoBuf>(
        &self,
        buf: B,
        to: Option<SockAddr>,
    ) -> BufResult<SentZc, B> {
        let send = SendZc::new(Arc::clone(&self.socket), buf);
        let send = match to {
            Some(to) => send.to(to),
            None => send,
        };
        send_alone(&self.core, &self.socket, send).await
    }

    /// Several datagrams, which are shown to the kernel at once: what became of each.
    pub(super) async fn send_batch<B: IoBuf>(
        &self,
        batch: impl IntoIterator<Item = (B, Option<SockAddr>)>,
    ) -> Vec<BufResult<usize, B>> {
        let begin = |(buf, to)| Sent::Waits(self.begin([buf], to, |send| send));
        let mut all: Vec<_> = batch.into_iter().map(begin).collect();
        poll_fn(|cx| {
            // Each is looked at, also behind one that waits: all are begun in the first round.
            let waiting = all.iter_mut().map(|sent| usize::from(!sent.is_done(cx)));
            if waiting.sum::<usize>() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        all.into_iter().filter_map(Sent::outcome).collect()
    }
}

/// One of a batch.
enum Sent<B: IoBuf> {
    Waits(LocalOp<SendMsg<[B; 1]>>),
    Done(BufResult<usize, [B; 1]>),
}

impl<B: IoBuf> Sent<B> {
    fn is_done(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Waits(op) = self
            && let Poll::Ready(result) = Pin::new(op).poll(cx)
        {
            *self = Self::Done(result);
        }
        matches!(self, Self::Done(_))
    }

    fn outcome(self) -> Option<BufResult<usize, B>> {
        match self {
            Self::Done(Ok((count, [buf]))) => Some(Ok((count, buf))),
            Self::Done(Err(error)) => Some(Err(error.map(|[buf]| buf))),
            // All are done.
            Self::Waits(_) => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("fd", &self.socket).finish_non_exhaustive()
    }
}
