//! Receiving datagrams into a [`RecvPool`]: one operation for all that come, [`ManyDatagrams`];
//! [`Datagram`], one of them.

use core::fmt;
use core::ops::Deref;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::Errno;

use super::UdpSocket;
use super::internet;
use super::ops::recv_msg_many::{AHEAD_BYTES, read};
use super::ops::{Message, RecvMsgMany};
use super::pool::{PoolBuf, RecvPool};
use crate::error::Error;
use crate::runtime::core::Core;
use crate::runtime::{Shot, Shots};

/// A datagram that came, in a buffer of a pool or in one of its own.
#[derive(Debug)]
pub(super) struct Came {
    place: Place,
    message: Message,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Place {
    Pool(PoolBuf),
    Own(Vec<u8>),
}

impl Came {
    pub(super) fn own(bytes: Vec<u8>, message: Message) -> Self {
        Self { place: Place::Own(bytes), message }
    }

    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    pub(super) fn into_parts(self) -> (Place, Message) {
        (self.place, self.message)
    }

    /// The one in a buffer, which was laid out for this.
    ///
    /// # Safety
    /// - A [`RecvMsgMany`] has brought it, and this is the one call for it.
    unsafe fn of(buf: PoolBuf) -> Result<Self, Error> {
        // SAFETY: the caller's promise.
        let message = unsafe { read(&buf) }.ok_or_else(|| Error::os(Errno::EIO))?;
        Ok(Self { place: Place::Pool(buf), message })
    }
}

impl Deref for Came {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.place
    }
}

impl Deref for Place {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            // So many are in front: it was read.
            Self::Pool(buf) => &buf[AHEAD_BYTES..],
            Self::Own(bytes) => bytes,
        }
    }
}

/// A socket's pool, and the operation that receives into it.
pub(super) struct ManyDatagrams {
    core: Rc<Core>,
    socket: Arc<OwnedFd>,
    pool: RecvPool,
    shots: Option<Shots<RecvMsgMany>>,
}

impl ManyDatagrams {
    /// # Errors
    /// `EINVAL`: the pool's buffers may be lent in parts, of which the last may be too short.
    pub(super) fn new(core: &Rc<Core>, socket: &Arc<OwnedFd>, pool: &RecvPool) -> io::Result<Self> {
        if pool.inner.is_piecewise() || (pool.inner.buffer_bytes() as usize) < AHEAD_BYTES {
            return Err(io::Error::from_raw_os_error(Errno::EINVAL.raw()));
        }
        let (core, socket) = (Rc::clone(core), Arc::clone(socket));
        Ok(Self { core, socket, pool: pool.clone(), shots: None })
    }

    /// How long a datagram may be.
    pub(super) fn datagram_bytes(&self) -> usize {
        self.pool.inner.buffer_bytes() as usize - AHEAD_BYTES
    }

    /// The next one. None where the pool has no buffer for it: it is in the socket still.
    ///
    /// Where too many waited to be taken, or the kernel ended the operation, it is begun anew.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Came>, Error>> {
        loop {
            let shots = self.shots.get_or_insert_with(|| {
                let many = RecvMsgMany::new(Arc::clone(&self.socket), Rc::clone(&self.pool.inner));
                Shots::on(Rc::clone(&self.core), many)
            });
            let item = match ready!(shots.poll_next(cx)) {
                Shot::Item(item) => item,
                Shot::Last(ended) => {
                    self.shots = None;
                    if ended.was_full() {
                        continue;
                    }
                    ended.into_item().1
                }
            };
            return Poll::Ready(match item {
                // SAFETY: it is a result of that operation, and taken here alone.
                Ok(Some(buf)) => unsafe { Came::of(buf) }.map(Some),
                Ok(None) => Ok(None),
                Err(error) if error.errno() == Some(Errno::ENOBUFS) => Ok(None),
                // By who would drain it, and was dropped.
                Err(error) if error.is_cancelled() => continue,
                Err(error) => Err(error),
            });
        }
    }

    /// Asks the kernel to end what is under way.
    pub(super) fn cancel(&mut self) {
        if let Some(shots) = &mut self.shots {
            shots.cancel();
        }
    }

    /// Waits for the end of what was [cancelled](Self::cancel); what came until then goes to
    /// `keep`, datagram by datagram.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        mut keep: impl FnMut(Came),
    ) -> Poll<Result<(), Error>> {
        while let Some(shots) = &mut self.shots {
            let item = match ready!(shots.poll_next(cx)) {
                Shot::Item(item) => item,
                Shot::Last(ended) => {
                    self.shots = None;
                    if ended.was_full() {
                        break;
                    }
                    ended.into_item().1
                }
            };
            match item {
                // SAFETY: it is a result of that operation, and taken here alone.
                Ok(Some(buf)) => keep(unsafe { Came::of(buf) }?),
                Ok(None) => {}
                Err(error) if error.errno() == Some(Errno::ENOBUFS) || error.is_cancelled() => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ManyDatagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyDatagrams").field("shots", &self.shots).finish_non_exhaustive()
    }
}

/// A datagram that [`UdpSocket::receive`] gives: its bytes, which it derefs to, and what is known
/// of it. If it [is of the pool](Self::is_of_pool), that has the buffer back when this is dropped.
#[derive(Debug)]
pub struct Datagram {
    came: Came,
    from: SocketAddr,
}

impl Datagram {
    fn new(came: Came) -> Result<Self, Error> {
        let from = internet(came.message().from())?;
        Ok(Self { came, from })
    }

    /// Who sent it.
    pub fn from(&self) -> SocketAddr {
        self.from
    }

    /// Whether it was longer than the buffer: the rest is lost. Give the pool [longer
    /// ones](RecvPool::of_datagrams).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{RecvPool, UdpSocket};
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.receive_from(&RecvPool::of_datagrams(4, 8)?)?;
    ///     socket.send_to(vec![7; 100], socket.local_addr()?).await?;
    ///     assert!(socket.receive().await?.is_truncated());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "MSG_TRUNC")]
    pub fn is_truncated(&self) -> bool {
        self.came.message().is_truncated()
    }

    /// What came with it: the length of [segments](Message::segment_bytes), and [control
    /// messages](Message::control), for which there are 64 bytes of room.
    pub fn message(&self) -> &Message {
        self.came.message()
    }

    /// The datagrams that it is, where they were [put together](UdpSocket::set_gro): else itself.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{RecvPool, UdpSocket};
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_gro(true)?;
    ///     socket.receive_from(&RecvPool::of_datagrams(4, 65_535)?)?;
    ///     let to = socket.local_addr()?;
    ///     socket.sender().send_segments(vec![7; 2500], 1000, Some(to)).await?;
    ///     let received = socket.receive().await?;
    ///     let lengths: Vec<usize> = received.segments().map(<[u8]>::len).collect();
    ///     assert_eq!(lengths, [1000, 1000, 500]);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "UDP_GRO")]
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        let segment = self.came.message().segment_bytes().filter(|bytes| *bytes > 0);
        let bytes = segment.map_or(self.len(), |bytes| bytes as usize);
        // One without a byte is one too.
        let empty = self.is_empty().then_some(&self[..]);
        empty.into_iter().chain(self.chunks(bytes.max(1)))
    }

    /// Whether it lies in a buffer of the pool: else that had none left.
    pub fn is_of_pool(&self) -> bool {
        matches!(self.came.place, Place::Pool(_))
    }
}

impl Deref for Datagram {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.came
    }
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl UdpSocket {
    /// Receives into buffers of a pool from now on, by one operation for all that comes:
    /// [`receive`](Self::receive) lends them, and the other ways to receive copy from there. The
    /// pool of an earlier call stays.
    ///
    /// # Errors
    /// `EINVAL`: not a pool [of datagrams](RecvPool::of_datagrams).
    ///
    /// # Panics
    /// For a pool of another runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{RecvPool, UdpSocket};
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let pool = RecvPool::of_datagrams(64, 1500)?;
    ///     socket.receive_from(&pool)?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     for n in 0..100_u8 {
    ///         other.send_to(vec![n], socket.local_addr()?).await?;
    ///         let datagram = socket.receive().await?;
    ///         assert_eq!((&datagram[..], datagram.from()), (&[n][..], other.local_addr()?));
    ///     }
    ///     assert_eq!(pool.free_count(), 64);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_RECV_MULTISHOT")]
    #[track_caller]
    pub fn receive_from(&mut self, pool: &RecvPool) -> io::Result<()> {
        self.datagrams.receive_from(pool)
    }

    /// Receives a datagram into a buffer of the [pool](Self::receive_from), or into one of its own
    /// if that has none left, or there is no pool.
    ///
    /// *Resumable*: where its future is dropped the operation goes on, and the next call, to this
    /// or to another way to receive, gives what came. Up to half of the pool's buffers wait so, 64
    /// at most; then the kernel is asked to stop until they are taken, and what comes meanwhile
    /// waits in the socket: so nobody drains a pool that several sockets share.
    ///
    /// # Errors
    /// - `ECONNREFUSED`: connected, and an earlier datagram found nobody there.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_RECVMSG` with `IORING_RECV_MULTISHOT`, Linux 6.0). See
    /// [`receive_from`](Self::receive_from) for an example.
    pub async fn receive(&mut self) -> Result<Datagram, Error> {
        let wants = self.wants();
        Datagram::new(self.datagrams.receive(wants).await?)
    }
}
