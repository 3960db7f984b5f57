//! [`Polled`]: a connection for code that polls.
//!
//! The ring's operations own their buffers until they complete; `futures-io`, `tokio::io` and
//! `hyper::rt` borrow theirs for one poll. Between the two lies a buffer for each direction:
//!
//! ```text
//!  kernel ──▶ received ── copied by poll_read ──▶ the caller's buffer
//!             (one receive of at most `read_bytes` at a time, begun when all before is consumed)
//!
//!  kernel ◀── being sent ◀── waiting ◀── copied by poll_write ── the caller's bytes
//!             (one send at a time)       (at most `write_bytes`)
//! ```
//!
//! Pieces of 16 KiB and more are not copied where the socket has room for them: they are sent at
//! once, by a call.
//!
//! No operation allocates: the buffers are used again. They begin small, and grow as they are
//! filled.
//!
//! # What a write says
//! A write is done when its bytes are copied, as with a
//! [`BufWriter`](std::io::BufWriter). They are sent by
//! [`poll_flush`](Polled::poll_flush) or [`poll_close`](Polled::poll_close), or when there are as
//! many as a buffer has room for; also by a read that has to wait, since who waits for an answer
//! has asked. So an error of a write may be told by a later call: the next write, flush or close
//! has it, once, and what waited then is thrown away.
//!
//! # When it is dropped
//! What waits to be sent is lost: flush first. What is being sent goes on, and the connection is
//! closed after it. Received bytes that nobody has read are thrown away.
//! [`into_inner`](Polled::into_inner) loses nothing.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `futures-io` | `futures_io::{AsyncRead, AsyncBufRead, AsyncWrite}` |
//! | `tokio-io` | `tokio::io::{AsyncRead, AsyncBufRead, AsyncWrite}` |
//! | `hyper` | `hyper::rt::{Read, Write}`; servers and clients in `annulus::hyper` |
//! | `axum` | `annulus::axum::serve` |
//! | `rustls` | `annulus::tls` |

#[cfg(feature = "futures-io")]
mod futures_io;
mod incoming;
mod outgoing;
#[cfg(feature = "tokio-io")]
mod tokio_io;
mod transport;

pub use incoming::Room;
pub use transport::Transport;

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use self::incoming::Incoming;
use self::outgoing::Outgoing;

/// A connection for code that polls: see [the module's page](self).
///
/// It stays on its thread, as the connection does.
///
/// ```
/// use annulus::polled::Polled;
/// use annulus::net::TcpStream;
/// use std::{future::poll_fn, io::{Read, Write}};
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut server = listener.accept()?.0;
/// annulus::run(async move {
///     let mut stream = Polled::new(TcpStream::from_std(client));
///     poll_fn(|cx| stream.poll_write(cx, b"ping")).await?;
///     poll_fn(|cx| stream.poll_flush(cx)).await?;
///     let mut asked = [0; 4];
///     server.read_exact(&mut asked)?;
///     server.write_all(b"pong")?;
///     let mut answer = [0; 16];
///     let n = poll_fn(|cx| stream.poll_read(cx, &mut answer)).await?;
///     assert_eq!((&asked, &answer[..n]), (b"ping", &b"pong"[..]));
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Polled<S: Transport> {
    stream: S,
    incoming: Incoming<S::Chunk>,
    outgoing: Outgoing,
}

/// How large the buffers of a [`Polled`] may become.
///
/// ```
/// use annulus::polled::Buffers;
/// let buffers = Buffers::default().read_bytes(16 << 10);
/// assert_eq!(buffers, Buffers { read_bytes: 16 << 10, write_bytes: 64 << 10 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// How much one receive may bring (64 KiB), at least 1. The first brings up to 4 KiB; one that
    /// fills its buffer has the next one's twice as large.
    pub read_bytes: usize,
    /// How much waits to be sent before a write waits (64 KiB), at least 1. As much again may be
    /// under way meanwhile.
    pub write_bytes: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read_bytes: 64 << 10, write_bytes: 64 << 10 }
    }
}

impl Buffers {
    /// With other buffers to read.
    ///
    /// ```
    /// use annulus::polled::Buffers;
    /// assert_eq!(Buffers::default().read_bytes(4096).read_bytes, 4096);
    /// ```
    pub fn read_bytes(self, read_bytes: usize) -> Self {
        Self { read_bytes, ..self }
    }

    /// With other buffers to write.
    ///
    /// ```
    /// use annulus::polled::Buffers;
    /// assert_eq!(Buffers::default().write_bytes(4096).write_bytes, 4096);
    /// ```
    pub fn write_bytes(self, write_bytes: usize) -> Self {
        Self { write_bytes, ..self }
    }
}

impl<S: Transport> Polled<S> {
    /// A connection, to be polled.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus::run(async move {
    ///     let stream = Polled::new(TcpStream::from_std(client));
    ///     assert_eq!(stream.get_ref().peer_addr()?, listener.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(stream: S) -> Self {
        Self::with_buffers(stream, Buffers::default())
    }

    /// The same, with buffers of other sizes.
    ///
    /// ```
    /// use annulus::polled::{Buffers, Polled};
    /// use annulus::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let _server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let small = Buffers::default().write_bytes(3);
    ///     let mut stream = Polled::with_buffers(TcpStream::from_std(client), small);
    ///     let n = std::future::poll_fn(|cx| stream.poll_write(cx, b"ring")).await?;
    ///     assert_eq!(n, 3);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_buffers(stream: S, buffers: Buffers) -> Self {
        Self {
            stream,
            incoming: Incoming::new(buffers.read_bytes),
            outgoing: Outgoing::new(buffers.write_bytes),
        }
    }

    /// The connection, to ask it for addresses and to set its options.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus::run(async move {
    ///     Polled::new(TcpStream::from_std(client)).get_ref().set_nodelay(true)
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The connection again, when all that was written is sent; and what was received that nobody
    /// has read, which comes before what it will read.
    ///
    /// *Cancel and discard*: where its future is dropped the connection is closed.
    ///
    /// # Errors
    /// Those of [`poll_flush`](Self::poll_flush). The connection is closed then.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     server.write_all(b"rings")?;
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     let n = poll_fn(|cx| stream.poll_read(cx, &mut [0; 4])).await?;
    ///     let (mut stream, rest) = stream.into_inner().await?;
    ///     assert_eq!((n, &rest[..]), (4, &b"s"[..]));
    ///     stream.write_all("plain again").await?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_inner(mut self) -> io::Result<(S, Vec<u8>)> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let rest = self.incoming.left().to_vec();
        Ok((self.stream, rest))
    }

    /// Waits until there are received bytes, and lends them: none at the end of the stream.
    /// [`consume`](Self::consume) says how many were taken.
    ///
    /// *Resumable*: nothing is lost where nobody polls again.
    ///
    /// # Errors
    /// Those of a read of the connection: `ECONNRESET`, `ETIMEDOUT`.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     server.write_all(b"ring")?;
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     let first = poll_fn(|cx| stream.poll_fill(cx).map_ok(|bytes| bytes[0])).await?;
    ///     stream.consume(1);
    ///     let rest = poll_fn(|cx| stream.poll_fill(cx).map_ok(<[u8]>::to_vec)).await?;
    ///     assert_eq!((first, &rest[..]), (b'r', &b"ing"[..]));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.incoming.is_empty() {
            // Who waits for an answer has asked.
            self.outgoing.push(&mut self.stream, cx);
            ready!(self.incoming.poll_receive(&mut self.stream, cx))?;
        }
        Poll::Ready(Ok(self.incoming.left()))
    }

    /// Takes so many bytes of those that [`poll_fill`](Self::poll_fill) lent, at most all.
    ///
    /// ```
    /// # // The example of `poll_fill`, which calls this.
    /// # use annulus::polled::Polled;
    /// # use annulus_runtime::runtime::net::TcpStream;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # annulus::run(async move {
    /// let mut stream = Polled::new(TcpStream::from_std(client));
    /// stream.consume(0); // nothing is there, and nothing is taken
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.incoming.consume::<S>(count);
    }

    /// Reads what there is into `buf`: how many bytes; 0 is the end of the stream.
    ///
    /// *Resumable*, as [`poll_fill`](Self::poll_fill).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     server.write_all(b"ring")?;
    ///     drop(server);
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     let mut buf = [0; 16];
    ///     assert_eq!(poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?, 4);
    ///     assert_eq!(poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?, 0);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let bytes = ready!(self.poll_fill(cx))?;
        let count = bytes.len().min(buf.len());
        buf[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }

    /// Takes as many of `bytes` as there is room for: how many, at least one if there are any.
    /// They are [sent later](self#what-a-write-says).
    ///
    /// # Errors
    /// What has become of an earlier write: `EPIPE`, `ECONNRESET`, `ETIMEDOUT`.
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe): it was closed here.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Read};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     assert_eq!(poll_fn(|cx| stream.poll_write(cx, b"ring")).await?, 4);
    ///     poll_fn(|cx| stream.poll_flush(cx)).await // without it nothing is sent
    /// })??;
    /// assert_eq!(server.read_to_string(&mut String::new())?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.outgoing.poll_write(&mut self.stream, cx, bytes)
    }

    /// The same of several pieces, in their order.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::{IoSlice, Read}};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     let pieces = [IoSlice::new(b"ri"), IoSlice::new(b"ng")];
    ///     assert_eq!(poll_fn(|cx| stream.poll_write_vectored(cx, &pieces)).await?, 4);
    ///     poll_fn(|cx| stream.poll_flush(cx)).await
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_write_vectored(&mut self.stream, cx, pieces)
    }

    /// Waits until all that was written is in the socket's queue.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    ///
    /// ```
    /// # // The example of `poll_write`, which calls this.
    /// # use annulus::polled::Polled;
    /// # use annulus_runtime::runtime::net::TcpStream;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # annulus::run(async move {
    /// let mut stream = Polled::new(TcpStream::from_std(client));
    /// std::future::poll_fn(|cx| stream.poll_flush(cx)).await // nothing was written
    /// # })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_flush(&mut self.stream, cx)
    }

    /// Has all that was written be sent, and waits only where an earlier send is not over. So
    /// nobody is woken for the end of a send that is nobody's concern: it costs a connection that
    /// answers requests one poll less for each. What is so begun goes on, whatever becomes of this.
    ///
    /// # Errors
    /// What has become of an earlier send, as [`poll_write`](Self::poll_write). What becomes of
    /// this one the next call says.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Read};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     poll_fn(|cx| stream.poll_write(cx, b"ring")).await?;
    ///     poll_fn(|cx| stream.poll_send(cx)).await // and it is dropped
    /// })??;
    /// assert_eq!(server.read_to_string(&mut String::new())?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_send(&mut self.stream, cx)
    }

    /// As [`poll_flush`](Self::poll_flush), for who sends something past this behind it, such as a
    /// file by `sendfile(2)`: what was written is sent at once, on this thread, where there is room
    /// for it, and a segment that it does not fill waits for what follows (`MSG_MORE`).
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::{future::poll_fn, io::{Read, Write}};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut past = client.try_clone()?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     poll_fn(|cx| stream.poll_write(cx, b"ri")).await?;
    ///     poll_fn(|cx| stream.poll_push(cx)).await?;
    ///     past.write_all(b"ng")
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_push(&mut self.stream, cx)
    }

    /// Flushes, and ends this direction: the peer reads to the end. The other direction goes on.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write). A connection that is gone is closed without one.
    ///
    /// ```
    /// use annulus::polled::Polled;
    /// use annulus::net::TcpStream;
    /// use std::{future::poll_fn, io::Read};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut stream = Polled::new(TcpStream::from_std(client));
    ///     poll_fn(|cx| stream.poll_write(cx, b"ring")).await?;
    ///     poll_fn(|cx| stream.poll_close(cx)).await?;
    ///     assert_eq!(server.read_to_end(&mut Vec::new())?, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_close(&mut self.stream, cx)
    }
}

impl<S: Transport + fmt::Debug> fmt::Debug for Polled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled")
            .field("stream", &self.stream)
            .field("received", &self.incoming.left().len())
            .field("waiting", &self.outgoing.waiting())
            .finish_non_exhaustive()
    }
}
