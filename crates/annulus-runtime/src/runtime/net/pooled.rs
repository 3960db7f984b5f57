//! Receiving from a [`RecvPool`]: one operation for all that comes on a stream.

use core::fmt;
use core::future::poll_fn;
use core::ops::Deref;
use core::task::{Context, Poll, ready};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::Errno;

use super::ops::{Recv, RecvMany};
use super::pool::{PoolBuf, RecvPool};
use super::{ReadHalf, TcpStream};
use crate::error::Error;
use crate::operation::Origin;
use crate::runtime::core::Core;
use crate::runtime::{Shot, Shots};
use crate::slot::Bytes;

/// How long a buffer is that stands in for one of a pool which has none left.
const OWN_BYTES: usize = 4096;

/// What a stream has of a pool.
pub(super) struct Pooled {
    core: Rc<Core>,
    socket: Arc<OwnedFd>,
    pool: RecvPool,
    /// None until it is asked for something, and after it has ended.
    shots: Option<Shots<RecvMany>>,
    /// What a read had no room for: from there on.
    held: Option<(PoolBuf, usize)>,
}

/// What came.
pub(super) enum Came {
    /// Bytes, one at least.
    Bytes(PoolBuf),
    /// The end of the stream.
    End,
    /// Nothing: the pool has no buffer. Nothing is under way.
    NoBuffer,
}

impl Pooled {
    fn new(half: &ReadHalf, pool: &RecvPool) -> Self {
        let (core, socket) = (Rc::clone(&half.core), Arc::clone(&half.socket));
        Self { core, socket, pool: pool.clone(), shots: None, held: None }
    }

    /// What a read had no room for.
    #[inline]
    pub(super) fn held(&self) -> &[u8] {
        self.held.as_ref().map_or(&[], |(buf, taken)| &buf[*taken..])
    }

    /// The next that comes, what is held apart.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Came, Error>> {
        let Self { core, socket, pool, shots, .. } = self;
        loop {
            let under_way = shots.get_or_insert_with(|| {
                let many = RecvMany::new(Arc::clone(socket), Rc::clone(&pool.inner));
                Shots::on(Rc::clone(core), many)
            });
            let item = match ready!(under_way.poll_next(cx)) {
                Shot::Item(item) => item,
                Shot::Last(ended) => {
                    *shots = None;
                    if ended.was_full() {
                        continue;
                    }
                    ended.into_item().1
                }
            };
            return Poll::Ready(match item {
                Ok(Some(buf)) if !buf.is_empty() => Ok(Came::Bytes(buf)),
                Ok(_) => Ok(Came::End),
                Err(error) if is_empty(&error) => Ok(Came::NoBuffer),
                // By who would settle it, and was dropped.
                Err(error) if error.is_cancelled() => continue,
                Err(error) => Err(error),
            });
        }
    }

    /// Gives the next bytes to `take`, which says how many it took; the others are held. How many
    /// came is told: none is the end. Nothing is told where the pool has no buffer.
    #[inline(always)]
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Option<Result<usize, Error>>> {
        if self.held.is_none()
            && let Some(shots) = &mut self.shots
        {
            match shots.poll_bytes(cx) {
                Bytes::None => return Poll::Pending,
                Bytes::Other => {}
                Bytes::Some(came, flags, many) => {
                    let Some(buf) = many.lend(came, flags) else {
                        return Poll::Ready(Some(Err(Errno::EIO.into())));
                    };
                    self.take_held((buf, 0), take);
                    return Poll::Ready(Some(Ok(came as usize)));
                }
            }
        }
        self.poll_take_late(cx, take)
    }

    /// The same where something is held, an end or an error is next, or nothing is under way.
    #[cold]
    fn poll_take_late(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Option<Result<usize, Error>>> {
        let held = match self.held.take() {
            Some(held) => held,
            None => match ready!(self.poll_next(cx)) {
                Ok(Came::Bytes(buf)) => (buf, 0),
                Ok(Came::End) => return Poll::Ready(Some(Ok(0))),
                Ok(Came::NoBuffer) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        let left = held.0.len() - held.1;
        self.take_held(held, take);
        Poll::Ready(Some(Ok(left)))
    }

    /// Gives bytes to `take`, which says how many it took. They are held meanwhile, so that none is
    /// lost where it panics.
    #[inline(always)]
    fn take_held(&mut self, held: (PoolBuf, usize), take: impl FnOnce(&[u8]) -> usize) {
        let (buf, taken) = self.held.insert(held);
        *taken += take(&buf[*taken..]);
        if *taken >= buf.len() {
            self.held = None;
        }
    }

    /// Asks the kernel to end what is under way.
    pub(super) fn cancel(&mut self) {
        if let Some(shots) = &mut self.shots {
            shots.cancel();
        }
    }

    /// Waits for the end of what was cancelled, and gives all bytes that came to `keep`.
    pub(super) async fn drain(&mut self, mut keep: impl FnMut(&[u8])) -> Result<(), Error> {
        keep(self.held());
        self.held = None;
        while let Some(shots) = &mut self.shots {
            let item = match poll_fn(|cx| shots.poll_next(cx)).await {
                Shot::Item(item) => item,
                Shot::Last(ended) => {
                    self.shots = None;
                    let stopped = ended.completion().origin == Origin::Cancelled;
                    if stopped || ended.was_full() {
                        return Ok(());
                    }
                    ended.into_item().1
                }
            };
            match item {
                // The end of the stream is told again by the next receive.
                Ok(buf) => keep(buf.as_deref().unwrap_or_default()),
                Err(error) if is_empty(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether a pool had no buffer left.
fn is_empty(error: &Error) -> bool {
    error.errno() == Some(Errno::ENOBUFS)
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("shots", &self.shots).finish_non_exhaustive()
    }
}

/// Bytes that were received: in a buffer of a [`RecvPool`], which has it back when this is dropped;
/// or in one of their own, where the pool had none left, or where they were taken before.
///
/// ```
/// use annulus_runtime::runtime::net::{RecvPool, TcpStream};
/// use std::io::Write;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let pool = RecvPool::with_buffers(1, 16)?;
///     let mut stream = TcpStream::from_std(client);
///     stream.receive_from(&pool);
///     server.write_all(b"sixteen bytes!!!more")?;
///     let first = stream.receive().await?.expect("not the end");
///     let second = stream.receive().await?.expect("not the end"); // the first is still here
///     assert_eq!((&first[..], &second[..]), (&b"sixteen bytes!!!"[..], &b"more"[..]));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Received(Place);

enum Place {
    Pool(PoolBuf),
    Own(Vec<u8>),
}

impl Received {
    /// A part of a pool's buffer.
    pub(super) fn lent(buf: PoolBuf) -> Self {
        Self(Place::Pool(buf))
    }

    pub(super) fn own(bytes: Vec<u8>) -> Self {
        Self(Place::Own(bytes))
    }

    /// Whether it keeps a part of a pool's buffer.
    pub fn is_of_pool(&self) -> bool {
        matches!(self.0, Place::Pool(_))
    }
}

impl Deref for Received {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Pool(buf) => buf,
            Place::Own(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("bytes", &self.len())
            .field("is_of_pool", &self.is_of_pool())
            .finish_non_exhaustive()
    }
}

/// # Receiving from a pool
impl ReadHalf {
    /// Has what comes received into buffers of `pool`: see
    /// [`TcpStream::receive_from`](super::TcpStream::receive_from).
    ///
    /// Descriptors that the peer of a Unix stream passes are closed, as by any read: what comes
    /// with them is for [`UnixStream::recv_with_fds`](super::UnixStream::recv_with_fds) on a stream
    /// without a pool.
    ///
    /// # Panics
    /// Where the pool is another runtime's.
    #[track_caller]
    pub fn receive_from(&mut self, pool: &RecvPool) {
        assert!(self.core.has_pool(&pool.inner), "a pool is of the runtime that it was made in");
        self.incoming.set_auto_pool(false);
        if self.incoming.pooled.is_none() {
            self.incoming.pooled = Some(Box::new(Pooled::new(self, pool)));
        }
    }

    /// The same with the pool of the runtime's own, if it can have one.
    #[cold]
    pub(super) fn turn_to_pool(&mut self) {
        if let Some(pool) = self.core.own_pool() {
            self.receive_from(&pool);
        }
    }

    /// What comes next, where it lies; nothing at the end of the stream: see
    /// [`TcpStream::receive`](super::TcpStream::receive). *Resumable*.
    ///
    /// # Errors
    /// As there.
    pub async fn receive(&mut self) -> Result<Option<Received>, Error> {
        let room = || Vec::with_capacity(OWN_BYTES);
        let read = if self.incoming.has_left_nothing()
            && let Some(pooled) = &mut self.incoming.pooled
        {
            let came = match pooled.held.take() {
                Some((buf, 0)) => Came::Bytes(buf),
                Some((buf, taken)) => return Ok(Some(Received::own(buf[taken..].to_vec()))),
                None => poll_fn(|cx| pooled.poll_next(cx)).await?,
            };
            match came {
                Came::Bytes(buf) => return Ok(Some(Received(Place::Pool(buf)))),
                Came::End => return Ok(None),
                Came::NoBuffer => {
                    let recv = Recv::new(Arc::clone(&self.socket), room());
                    self.run(recv).await
                }
            }
        } else {
            self.read(room()).await
        };
        let (count, mut bytes) = read.map_err(|error| error.ended())?;
        bytes.truncate(count);
        Ok(if count == 0 { None } else { Some(Received::own(bytes)) })
    }
}

/// # Receiving from a pool
impl TcpStream {
    /// Has what comes received into buffers of `pool`, by one operation: [`read`](Self::read)
    /// copies from there, and [`receive`](Self::receive) lends them.
    ///
    /// For many connections with messages shorter than some 16 KiB. Beyond that a read into the
    /// caller's own buffer saves the copy. Where more than some pieces wait here, the kernel is
    /// asked for no more until they are taken; where the pool has no buffer left, a read goes into
    /// its own.
    ///
    /// A stream can do so [by itself](Self::set_auto_pool), with a pool of its runtime's.
    ///
    /// # Panics
    /// Where the pool is another runtime's.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{RecvPool, TcpStream};
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.receive_from(&RecvPool::new()?);
    ///     for text in ["one", "two"] {
    ///         server.write_all(text.as_bytes())?;
    ///         let (n, buf) = stream.read(vec![0; 16]).await?;
    ///         assert_eq!(&buf[..n], text.as_bytes());
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn receive_from(&mut self, pool: &RecvPool) {
        self.read.receive_from(pool);
    }

    /// Whether the stream turns by itself to a [pool](Self::receive_from) that its runtime has for
    /// all of them, of 2 MiB, after three reads in a row of at most 16 KiB. It does not, unless
    /// this or [its runtime's builder] says so: it saves the memory of connections that are idle
    /// for long, and hardly any time. A stream that has turned stays with it.
    ///
    /// From then on what comes is [taken early](super#what-is-taken-early), up to eight pieces,
    /// also where no read was dropped.
    ///
    /// [its runtime's builder]: crate::runtime::RuntimeBuilder::auto_pool
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.set_auto_pool(true);
    ///     for byte in 0..9_u8 {
    ///         server.write_all(&[byte])?;
    ///         assert_eq!(stream.read(vec![0; 16]).await?.1[0], byte);
    ///     }
    ///     assert_eq!(annulus_runtime::runtime::ops().len(), 1); // it waits for more by itself
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_auto_pool(&mut self, on: bool) {
        self.read.incoming.set_auto_pool(on);
    }

    /// What comes next, where it lies; nothing at the end of the stream. Without a
    /// [pool](Self::receive_from) it is as a read of 4 KiB.
    ///
    /// *Resumable*: where its future is dropped nothing is lost, and the next call gives what came.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{RecvPool, TcpStream};
    /// use futures::FutureExt;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.receive_from(&RecvPool::new()?);
    ///     assert!(stream.receive().now_or_never().is_none()); // begun, and dropped
    ///     server.write_all(b"ring")?;
    ///     assert_eq!(&stream.receive().await?.expect("not the end")[..], b"ring");
    ///     drop(server);
    ///     assert!(stream.receive().await?.is_none());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn receive(&mut self) -> Result<Option<Received>, Error> {
        self.read.receive().await
    }
}
