//! Streams that are polled, with their buffers apart: for adaptors to traits whose methods are
//! polls, where no future can be kept that borrows the stream.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::MsgFlags;
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::op;

use super::ops::{Recv, Send};
use super::{ReadHalf, Reading, TcpStream, UnixStream, WriteHalf};
use crate::buffer::{BufResult, IoBuf, IoBufMut, io_len};
use crate::error::Error;
use crate::runtime::LocalOp;

/// # Polled
///
/// For adaptors to traits whose methods are polls. In each direction there is one at a time, of one
/// type of buffer.
impl TcpStream {
    /// As [`read`](Self::read): with a buffer it begins a receive, which has the buffer from then
    /// on; without one it goes on with what was begun. Where the buffer is still there afterwards,
    /// nothing was begun, since an earlier one is not over.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// # Panics
    /// Without a buffer, where nothing of this type of buffer was begun.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::{future::poll_fn, io::Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let mut buf = Some(vec![0; 16]);
    ///     let begun = poll_immediate(poll_fn(|cx| stream.poll_read(cx, &mut buf))).await;
    ///     assert!(begun.is_none());
    ///     assert!(buf.is_none()); // the kernel has it
    ///     server.write_all(b"ring")?;
    ///     let (n, buf) = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?;
    ///     assert_eq!(&buf[..n], b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_read<B: IoBufMut>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Option<B>,
    ) -> Poll<BufResult<usize, B>> {
        self.read.poll_read(cx, buf)
    }

    /// Begins to write all of a buffer, and waits for nothing: [`poll_write`](Self::poll_write)
    /// does. The buffer comes back where something else is under way.
    ///
    /// The kernel is asked to go on until all is sent (`MSG_WAITALL`, Linux 5.19); before, and
    /// where it fails behind its beginning, a part may be.
    ///
    /// Where the stream is dropped the write goes on, as far as the peer takes it, until the
    /// runtime ends: its socket is closed then.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::{future::poll_fn, io::Read};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.start_write("ri").unwrap();
    ///     assert_eq!(stream.start_write("ng"), Err("ng"));
    ///     assert_eq!(poll_fn(|cx| stream.poll_write::<&str>(cx)).await?, (2, "ri"));
    ///     stream.start_write("ng").unwrap(); // and it is dropped
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn start_write<B: IoBuf>(&mut self, buf: B) -> Result<(), B> {
        self.write.start_write(buf)
    }

    /// Writes as many of `bytes` as there is room for at once, on this thread, without a buffer of
    /// their own: how many. For many bytes that are somebody else's a call costs less than a copy.
    ///
    /// `more` says that others follow soon, so that a segment that they do not fill may wait.
    ///
    /// # Errors
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): there is no room, or something else is under
    ///   way.
    /// - Those of [`write`](Self::write).
    ///
    /// By `send(2)` with `MSG_DONTWAIT`.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::{ErrorKind, Read};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert_eq!(stream.try_write(b"ri", true)?, 2);
    ///     assert_eq!(stream.try_write(b"ng", false)?, 2);
    ///     stream.start_write("s").unwrap();
    ///     assert_eq!(stream.try_write(b"!", false).unwrap_err().kind(), ErrorKind::WouldBlock);
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut text = String::new();
    /// server.read_to_string(&mut text)?;
    /// assert_eq!(text, "rings");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "MSG_DONTWAIT")]
    pub fn try_write(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
        self.write.try_write(bytes, more)
    }

    /// Waits for what [`start_write`](Self::start_write) has begun: how many bytes that were, and
    /// the buffer.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), where nothing was sent; else the next write is told.
    ///
    /// # Panics
    /// Where nothing of this type of buffer was begun.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::{future::poll_fn, net::Shutdown};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.shutdown(Shutdown::Write)?;
    ///     stream.start_write("ring").unwrap();
    ///     let error = poll_fn(|cx| stream.poll_write::<&str>(cx)).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_write<B: IoBuf>(&mut self, cx: &mut Context<'_>) -> Poll<BufResult<usize, B>> {
        self.write.poll_write(cx)
    }

    /// Waits until nothing is under way that was begun by a write which is gone, as one must before
    /// [`start_write`](Self::start_write) can be sure to begin.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::future::poll_fn;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     // More than there is room for: begun, and dropped.
    ///     assert!(poll_immediate(stream.write_all(vec![7; 16 << 20])).await.is_none());
    ///     assert!(stream.start_write("ring").is_err());
    ///     poll_fn(|cx| stream.poll_idle(cx)).await;
    ///     assert!(stream.start_write("ring").is_ok());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.write.poll_idle(cx)
    }
}

impl ReadHalf {
    /// See [`TcpStream::poll_read`].
    #[inline]
    pub(super) fn poll_read<B: IoBufMut>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Option<B>,
    ) -> Poll<BufResult<usize, B>> {
        match buf.take() {
            None => self.incoming.kept.poll::<Recv<B>>(cx),
            Some(own) if self.incoming.is_idle() && own.bytes_total() > 0 => {
                let recv = Recv::new(Arc::clone(&self.socket), own);
                self.incoming.kept.begin(LocalOp::new(Rc::clone(&self.core), recv), cx)
            }
            Some(own) => self.poll_read_late(cx, own, buf),
        }
    }

    /// A read of what was received early, or behind an earlier one.
    #[cold]
    fn poll_read_late<B: IoBufMut>(
        &mut self,
        cx: &mut Context<'_>,
        own: B,
        buf: &mut Option<B>,
    ) -> Poll<BufResult<usize, B>> {
        let mut reading = Reading::new(self, own);
        let polled = Pin::new(&mut reading).poll(cx);
        *buf = reading.take_buf();
        polled
    }
}

impl WriteHalf {
    /// See [`TcpStream::start_write`].
    #[inline]
    pub(super) fn start_write<B: IoBuf>(&mut self, buf: B) -> Result<(), B> {
        if !self.outgoing.is_empty() {
            return Err(buf);
        }
        let send = Send::new(Arc::clone(&self.socket), buf).flags(MsgFlags::WAITALL);
        self.outgoing.start(LocalOp::new(Rc::clone(&self.core), send));
        Ok(())
    }

    /// See [`TcpStream::try_write`].
    pub(super) fn try_write(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
        if !self.outgoing.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let flags = if more { MsgFlags::NOSIGNAL | MsgFlags::MORE } else { MsgFlags::NOSIGNAL };
        let (fd, len) = (self.socket.as_raw_fd(), io_len(bytes.len()));
        let send = op::Send::new(fd, bytes.as_ptr(), len).flags(flags).build();
        // SAFETY: so many bytes are borrowed for the length of the call, which does not keep them;
        // the socket is open as long as `self`.
        let sent = unsafe { Process.call(&send) };
        Ok(sent.map_err(Error::os)? as usize)
    }

    /// See [`TcpStream::poll_write`].
    #[inline]
    pub(super) fn poll_write<B: IoBuf>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<BufResult<usize, B>> {
        self.outgoing.poll::<Send<B>>(cx)
    }

    /// See [`TcpStream::poll_idle`].
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_outgoing(cx)
    }
}

/// # Polled
///
/// As [of a TCP stream](TcpStream#polled).
impl UnixStream {
    /// See [`TcpStream::poll_read`].
    #[inline]
    pub fn poll_read<B: IoBufMut>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Option<B>,
    ) -> Poll<BufResult<usize, B>> {
        self.split().0.poll_read(cx, buf)
    }

    /// See [`TcpStream::start_write`].
    ///
    /// # Errors
    /// The buffer: a write before it is not over.
    #[inline]
    pub fn start_write<B: IoBuf>(&mut self, buf: B) -> Result<(), B> {
        self.split().1.start_write(buf)
    }

    /// See [`TcpStream::try_write`]. There is nothing that `more` would hold back.
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "MSG_DONTWAIT")]
    pub fn try_write(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
        self.split().1.try_write(bytes, more)
    }

    /// See [`TcpStream::poll_write`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// use std::future::poll_fn;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.start_write("ring").expect("it is the first");
    ///     let (n, text) = poll_fn(|cx| here.poll_write(cx)).await?;
    ///     assert_eq!((n, text), (4, "ring"));
    ///     let mut buf = Some(vec![0; 16]);
    ///     assert_eq!(poll_fn(|cx| there.poll_read(cx, &mut buf)).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn poll_write<B: IoBuf>(&mut self, cx: &mut Context<'_>) -> Poll<BufResult<usize, B>> {
        self.split().1.poll_write(cx)
    }

    /// See [`TcpStream::poll_idle`].
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.split().1.poll_idle(cx)
    }
}
