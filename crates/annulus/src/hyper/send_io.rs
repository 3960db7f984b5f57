//! [`SendIo`]: a connection for those parts of hyper that want `Send`.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::thread::LocalKey;

use ::hyper::rt::{Read, ReadBufCursor, Write};

use crate::bound::{Bound, Table, Tabled};

/// A connection that stays on its thread, behind a handle that is `Send`: what hyper wants of one
/// that may be upgraded, and of one in a pool. It costs a look into a table for each call.
///
/// On another thread every call is an error. Dropped there, the connection is closed by its own
/// runtime.
///
/// ```
/// use annulus::{hyper::SendIo, polled::Polled};
/// use annulus::net::TcpStream;
/// fn is_send<T: Send>(value: T) -> T {
///     value
/// }
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// annulus::run(async move {
///     let stream = Polled::new(TcpStream::from_std(client));
///     let io = is_send(SendIo::new(stream));
///     drop(io);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SendIo {
    io: Bound<Box<dyn Io>>,
    is_write_vectored: bool,
}

/// What it holds.
pub(crate) trait Io: Read + Write + Unpin + 'static {}
impl<I: Read + Write + Unpin + 'static> Io for I {}

impl Tabled for Box<dyn Io> {
    fn table() -> &'static LocalKey<Table<Self>> {
        thread_local! { static CONNECTIONS: Table<Box<dyn Io>> = Table::default(); }
        &CONNECTIONS
    }
}

impl SendIo {
    /// Binds a connection to this thread.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus::{hyper::SendIo, polled::Polled};
    /// use annulus::net::TcpStream;
    /// use hyper::rt::Write;
    /// use std::{future::poll_fn, io::Read, pin::Pin};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus::run(async move {
    ///     let mut io = SendIo::new(Polled::new(TcpStream::from_std(client)));
    ///     poll_fn(|cx| Pin::new(&mut io).poll_write(cx, b"ring")).await?;
    ///     poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await?;
    ///     assert_eq!(server.read_to_end(&mut Vec::new())?, 4);
    ///     // Elsewhere it is an error.
    ///     let there = std::thread::spawn(move || {
    ///         futures::executor::block_on(poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)))
    ///     });
    ///     assert!(there.join().unwrap().is_err());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn new<I: Read + Write + Unpin + 'static>(io: I) -> Self {
        let is_write_vectored = io.is_write_vectored();
        let io: Box<dyn Io> = Box::new(io);
        Self { io: Bound::new(io), is_write_vectored }
    }

    /// Has the connection polled, if this is its thread.
    #[inline]
    fn poll<T>(
        self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut dyn Io>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = self.get_mut().io.with(|io| poll(Pin::new(&mut **io)));
        polled.unwrap_or_else(|| Poll::Ready(Err(elsewhere())))
    }
}

#[cold]
fn elsewhere() -> io::Error {
    io::Error::other("a connection is used on the thread of its runtime: this is another")
}

impl Read for SendIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_read(cx, buf))
    }
}

impl Write for SendIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_write_vectored
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write_vectored(cx, pieces))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_shutdown(cx))
    }
}

impl fmt::Debug for SendIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendIo").finish_non_exhaustive()
    }
}
