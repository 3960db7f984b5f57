//! [`Incoming`]: a listener's connections by one operation.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use super::acceptor::Acceptor;
use super::ops::AcceptMany;
use super::{TcpListener, TcpStream};
use crate::error::Error;
use crate::operation::WAITING_MAX;
use crate::runtime::{Shot, Shots};

/// The connections of a [`TcpListener`], which the kernel accepts as they come, by one operation:
/// for servers, where an entry for each would be half of what a connection costs.
///
/// Some wait here until they are taken, out of the kernel's queue: at most
/// [64](Self::waiting_max), and a few that came meanwhile. Then those that come stay in that queue
/// until all of these were taken.
///
/// # When it is dropped
/// The socket is closed, and so are the connections that nobody has taken, as the kernel closes
/// those of its queue: [`into_listener`](Self::into_listener) loses none.
///
/// ```
/// use annulus_runtime::runtime::net::TcpListener;
/// use std::io::Write;
/// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = std.local_addr()?;
/// annulus_runtime::run(async move {
///     let mut incoming = TcpListener::from_std(std).incoming();
///     for text in ["one", "two"] {
///         std::net::TcpStream::connect(to)?.write_all(text.as_bytes())?;
///         let mut stream = incoming.next().await?;
///         let (n, buf) = stream.read(vec![0; 16]).await?;
///         assert_eq!(&buf[..n], text.as_bytes());
///     }
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Incoming {
    // Before the listener's socket: what is under way is given up first.
    many: Option<Shots<AcceptMany>>,
    listener: TcpListener,
    waiting_max: usize,
}

impl TcpListener {
    /// Its connections, accepted as they come by one operation.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let mut incoming = TcpListener::from_std(std).incoming();
    ///     let client = std::net::TcpStream::connect(to)?;
    ///     assert_eq!(incoming.next().await?.peer_addr()?, client.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_ACCEPT_MULTISHOT")]
    pub fn incoming(self) -> Incoming {
        Incoming { many: None, listener: self, waiting_max: WAITING_MAX }
    }
}

impl Incoming {
    /// How many connections may wait to be taken (64), from the next time on that it begins.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// annulus_runtime::run(async move {
    ///     let _incoming = TcpListener::from_std(std).incoming().waiting_max(1);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn waiting_max(mut self, connections: usize) -> Self {
        self.waiting_max = connections;
        self
    }

    /// The next connection.
    ///
    /// *Resumable*: where its future is dropped nothing ends, and the next call takes what came.
    ///
    /// # Errors
    /// Those of [`Accept`](super::ops::Accept); after each of them one may go on.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// use futures::FutureExt;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let mut incoming = TcpListener::from_std(std).incoming();
    ///     assert!(incoming.next().now_or_never().is_none()); // begun, and dropped
    ///     let _client = std::net::TcpStream::connect(to)?;
    ///     incoming.next().await?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next(&mut self) -> Result<TcpStream, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for futures that are written by hand.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<TcpStream, Error>> {
        let accepted = ready!(self.poll_accept(cx));
        Poll::Ready(accepted.map(|fd| self.stream(fd)))
    }

    fn stream(&self, fd: OwnedFd) -> TcpStream {
        TcpStream::new(Rc::clone(&self.listener.acceptor.core), Arc::new(fd))
    }

    /// The next descriptor.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<OwnedFd, Error>> {
        if self.listener.acceptor.pending.is_some() {
            // An accept whose future was dropped, before there was this.
            return self.listener.acceptor.poll_accept(cx).map_ok(|(fd, _)| fd);
        }
        loop {
            let many = self.many.get_or_insert_with(|| {
                let Acceptor { socket, core, .. } = &self.listener.acceptor;
                let many = AcceptMany::new(Arc::clone(socket)).waiting_max_of(self.waiting_max);
                Shots::on(Rc::clone(core), many)
            });
            let ended = match ready!(many.poll_next(cx)) {
                Shot::Item(accepted) => return Poll::Ready(accepted),
                Shot::Last(ended) => ended,
            };
            self.many = None;
            if !ended.was_full() {
                // It may be a connection: the kernel ends where its queue is full.
                return Poll::Ready(ended.into_item().1);
            }
        }
    }

    /// The listener again, and the connections that were taken from the kernel's queue and not from
    /// here, in their order.
    ///
    /// *Cancel and discard*: where its future is dropped all of them are closed.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// use futures::FutureExt;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let mut incoming = TcpListener::from_std(std).incoming();
    ///     assert!(incoming.next().now_or_never().is_none());
    ///     let client = std::net::TcpStream::connect(to)?;
    ///     let (mut listener, early) = incoming.into_listener().await;
    ///     let peer = match early.first() {
    ///         Some(stream) => stream.peer_addr()?,
    ///         None => listener.accept().await?.1,
    ///     };
    ///     assert_eq!(peer, client.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_listener(mut self) -> (TcpListener, Vec<TcpStream>) {
        let mut early = Vec::new();
        if let Some(mut many) = self.many.take() {
            many.cancel();
            let last = loop {
                match many.next().await {
                    // An error leaves the connection in the queue, or there was none.
                    Shot::Item(accepted) => early.extend(accepted.ok()),
                    Shot::Last(ended) => break ended.into_item().1,
                }
            };
            early.extend(last.ok());
        }
        let early = early.into_iter().map(|fd| self.stream(fd)).collect();
        (self.listener, early)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("listener", &self.listener)
            .field("many", &self.many)
            .finish_non_exhaustive()
    }
}
