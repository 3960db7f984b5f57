//! [`UnixStream`]: keeps what is under way in both directions.

use core::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{AddressFamily, SockAddr, SocketType};

use super::super::half::{ReadHalf, WriteHalf, halves};
use super::super::ops::{Connect, Message};
use super::super::options::Credentials;
use super::super::read::{Reading, ReadingExact};
use super::super::write::Writing;
use super::super::{Options, at_once, unshare};
use super::{addr_of, name_of, path_name};
use crate::buffer::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::error::Error;
use crate::runtime::context;
use crate::runtime::core::Core;
use crate::runtime::op::submit;

/// A connection within this machine, on the ring of the runtime on this thread.
///
/// All that [`TcpStream`](super::super::TcpStream) says of reads, writes and what is under way
/// holds for it; and descriptors may go along with bytes.
///
/// # When it is dropped
/// It is closed, when the kernel has let go of what was under way, which is cancelled. Bytes that
/// nobody has read are thrown away, and descriptors closed.
///
/// ```
/// use annulus_runtime::runtime::net::UnixStream;
/// annulus_runtime::run(async {
///     let (mut here, mut there) = UnixStream::pair()?;
///     here.write_all("ring").await?;
///     let (n, buf) = there.read(vec![0; 16]).await?;
///     assert_eq!(&buf[..n], b"ring");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream {
    read: ReadHalf,
    write: WriteHalf,
}

impl UnixStream {
    pub(super) fn new(core: Rc<Core>, socket: OwnedFd) -> Self {
        let (read, write) = halves(core, Arc::new(socket), false);
        Self { read, write }
    }

    /// Connects to the listener at a path.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// - `ENOENT`: there is no such file. `ECONNREFUSED`: nobody listens there.
    /// - `EACCES`: the file may not be written to. `EPROTOTYPE` (91): a socket of another kind.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): a path of none or over 107 bytes.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let error = UnixStream::connect("/nowhere/x.sock").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_name(path_name(path.as_ref())?).await
    }

    /// The same at an address, which may be an abstract name: see
    /// [`UnixListener::bind_addr`](super::UnixListener::bind_addr).
    ///
    /// *Cancel and discard*, as [`connect`](Self::connect).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{UnixListener, UnixStream};
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// annulus_runtime::run(async {
    ///     let name = format!("annulus-connect-{}", std::process::id());
    ///     let addr = SocketAddr::from_abstract_name(name)?;
    ///     assert!(UnixStream::connect_addr(&addr).await.is_err()); // nobody listens
    ///     let _listener = UnixListener::bind_addr(&addr).await?;
    ///     assert!(UnixStream::connect_addr(&addr).await.is_ok());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::connect_name(name_of(addr)?).await
    }

    async fn connect_name(name: SockAddr) -> io::Result<Self> {
        let socket = Arc::new(at_once::open(AddressFamily::UNIX, SocketType::STREAM)?);
        submit(Connect::new(Arc::clone(&socket), name)).await?;
        let (read, write) = context::with(|core| halves(Rc::clone(core), socket, false));
        Ok(Self { read, write })
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptors left.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// See [socketpair(2)](https://man7.org/linux/man-pages/man2/socketpair.2.html).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, there) = UnixStream::pair()?;
    ///     assert!(here.peer_addr()?.is_unnamed() && there.local_addr()?.is_unnamed());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "socketpair")]
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let [here, there] = at_once::pair(SocketType::STREAM)?;
        let core = || context::with(Rc::clone);
        Ok((Self::new(core(), here), Self::new(core(), there)))
    }

    /// A stream of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, there) = std::os::unix::net::UnixStream::pair()?;
    ///     let [mut here, mut there] = [here, there].map(UnixStream::from_std);
    ///     here.write_all("ring").await?;
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> Self {
        Self::new(context::with(Rc::clone), stream.into())
    }

    /// The stream of the standard library again; and the bytes that come before those which it will
    /// read: see [`TcpStream::into_std`](super::super::TcpStream::into_std). Descriptors that came
    /// with them are closed.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// What a dropped read has failed with. The socket is closed.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// use std::io::Read;
    /// let mut std = annulus_runtime::run(async {
    ///     let (mut here, there) = UnixStream::pair()?;
    ///     here.write_all("ring").await?;
    ///     Ok::<_, std::io::Error>(there.into_std().await?.0)
    /// })??;
    /// assert_eq!(std.read(&mut [0; 16])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(mut self) -> io::Result<(net::UnixStream, Vec<u8>)> {
        self.settle().await?;
        let early = self.early().to_vec();
        drop(self.write);
        Ok((unshare(self.read.into_socket())?.into(), early))
    }

    /// Reads what comes next: see [`TcpStream::read`](super::super::TcpStream::read). Descriptors
    /// that come along are closed. *Resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_all("ring").await?;
    ///     let (n, buf) = there.read(vec![0; 16]).await?;
    ///     assert_eq!(&buf[..n], b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read<B: IoBufMut>(&mut self, buf: B) -> Reading<'_, B> {
        self.read.read(buf)
    }

    /// Reads until the buffer is full: see
    /// [`TcpStream::read_exact`](super::super::TcpStream::read_exact). *Resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_all("rings").await?;
    ///     assert_eq!(there.read_exact(vec![0; 4]).await?.1, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read_exact<B: IoBufMut>(&mut self, buf: B) -> ReadingExact<'_, B> {
        self.read.read_exact(buf)
    }

    /// Reads into several buffers: see
    /// [`TcpStream::read_vectored`](super::super::TcpStream::read_vectored). *Resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_all("rings").await?;
    ///     let (n, [a, b]) = there.read_vectored([vec![0; 4], vec![0; 4]]).await?;
    ///     assert_eq!((n, &a[..], b[0]), (5, &b"ring"[..], b's'));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_vectored<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.read.read_vectored(bufs).await
    }

    /// What comes next, which stays in the stream: see
    /// [`TcpStream::peek`](super::super::TcpStream::peek). *Resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_all("ring").await?;
    ///     assert_eq!(there.peek(vec![0; 16]).await?.0, 4);
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn peek<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        self.read.peek(buf).await
    }

    /// Reads what comes next, and takes the descriptors that come along, at most so many: how many
    /// bytes, what came with them, and the buffer.
    ///
    /// The descriptors are closed at an exec, and owned from the moment on when they come. A read
    /// does not go past bytes that descriptors came with, so those of two sends never mix.
    ///
    /// *Resumable*: where its future is dropped the receive goes on, and the next call takes what
    /// it brings, the descriptors too if it is one to this: a [`read`](Self::read) closes them, as
    /// it would have done itself. So do not mix the two where descriptors may come; nor does a
    /// dropped read leave them to this.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// By the ring (`IORING_OP_RECVMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// use std::io::Write;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     let (mut reader, writer) = std::io::pipe()?;
    ///     here.send_with_fds("take this", &[writer]).await?;
    ///     let ((n, mut message), buf) = there.recv_with_fds(vec![0; 16], 4).await?;
    ///     assert_eq!(&buf[..n], b"take this");
    ///     let writer = message.take_descriptors().pop().expect("one");
    ///     std::fs::File::from(writer).write_all(b"ring")?;
    ///     assert_eq!(std::io::read_to_string(&mut reader)?, "ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    pub async fn recv_with_fds<B: IoBufMut>(
        &mut self,
        buf: B,
        fds_max: usize,
    ) -> BufResult<(usize, Message), B> {
        self.read.recv_with_fds(buf, fds_max).await
    }

    /// Writes as much as there is room for: see
    /// [`TcpStream::write`](super::super::TcpStream::write). *Cancel and discard*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     assert_eq!(here.write("ring").await?, (4, "ring"));
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn write<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        self.write.write(buf)
    }

    /// Writes all: see [`TcpStream::write_all`](super::super::TcpStream::write_all). *Cancel and
    /// discard*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_all("ring").await?;
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn write_all<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        self.write.write_all(buf)
    }

    /// Writes several buffers: see
    /// [`TcpStream::write_vectored`](super::super::TcpStream::write_vectored). *Cancel and
    /// discard*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     assert_eq!(here.write_vectored(["ri", "ng"]).await?.0, 4);
    ///     assert_eq!(there.read_exact(vec![0; 4]).await?.1, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.write.write_vectored(bufs).await
    }

    /// Writes all of several buffers. *Cancel and discard*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     here.write_vectored_all(("ri", vec![b'n', b'g'])).await?;
    ///     assert_eq!(there.read_exact(vec![0; 4]).await?.1, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn write_vectored_all<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.write.write_vectored_all(bufs).await
    }

    /// Writes as much as there is room for, and passes descriptors along with the first byte: the
    /// other side gets its own of the same open files, and these stay the caller's.
    ///
    /// They are duplicated for as long as it takes, so that a close meanwhile, and another file
    /// under the same number, passes no stranger's file.
    ///
    /// *Cancel and discard*: where its future is dropped nobody is told whether they went.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), and
    /// - `EMFILE`: no descriptor left to duplicate them to.
    /// - `ETOOMANYREFS` (109): too many of this user are under way in sockets, unread.
    /// - `EINVAL`: over 253 of them.
    ///
    /// By the ring (`IORING_OP_SENDMSG`, Linux 5.3). See
    /// [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), and
    /// [`recv_with_fds`](Self::recv_with_fds) for an example.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     let file = std::fs::File::open("Cargo.toml")?;
    ///     here.send_with_fds("x", &[&file, &file]).await?;
    ///     let ((_, message), _) = there.recv_with_fds(vec![0; 16], 4).await?;
    ///     assert_eq!(message.descriptors().len(), 2);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    pub async fn send_with_fds<B: IoBuf, F: AsFd>(
        &mut self,
        buf: B,
        fds: &[F],
    ) -> BufResult<usize, B> {
        self.write.send_with_fds(buf, fds).await
    }

    /// Ends one direction, or both: see
    /// [`TcpStream::shutdown`](super::super::TcpStream::shutdown).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     here.shutdown(std::net::Shutdown::Write)?;
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 0);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        at_once::shutdown(self, how)
    }

    /// Cancels what dropped or forgotten futures have begun, and waits until that is over: see
    /// [`TcpStream::settle`](super::super::TcpStream::settle). *Resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// use futures::future::poll_immediate;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     assert!(poll_immediate(there.read(vec![0; 16])).await.is_none());
    ///     here.write_all("ring").await?;
    ///     there.settle().await?;
    ///     // In one place or the other.
    ///     assert!([0, 4].contains(&there.early().len()));
    ///     assert_eq!(there.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn settle(&mut self) -> Result<(), Error> {
        let settled = self.read.settle().await;
        self.write.settle().await;
        settled
    }

    /// The bytes that were taken out of the socket for a read that was dropped: see
    /// [`TcpStream::early`](super::super::TcpStream::early).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     assert!(here.early().is_empty()); // no read was dropped
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn early(&self) -> &[u8] {
        self.read.early()
    }

    /// Both directions, to be used at the same time in one task.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// use futures::future::join;
    /// annulus_runtime::run(async {
    ///     let (mut here, mut there) = UnixStream::pair()?;
    ///     let (reads, writes) = here.split();
    ///     let (read, sent) = join(reads.read(vec![0; 16]), async {
    ///         writes.write_all("ring").await?;
    ///         there.write_all("rings").await
    ///     })
    ///     .await;
    ///     assert_eq!((read?.0, sent?.0), (5, 5));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.read, &mut self.write)
    }

    /// Both directions, for two tasks of this thread: see [`ReadHalf`] for an example.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (mut reads, mut writes) = here.into_split();
    ///     writes.write_all("ring").await?;
    ///     there.write_all("rings").await?;
    ///     assert_eq!(reads.read(vec![0; 16]).await?.0, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// This side's address, which mostly has no name.
    ///
    /// # Errors
    /// None in ordinary use.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr_of(&at_once::local_name(self)?)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// `ENOTCONN`: it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addr_of(&at_once::peer_name(self)?)
    }

    /// Who is on the other side: the process that connected, or listened, or made the pair, as it
    /// was then (`SO_PEERCRED`).
    ///
    /// # Errors
    /// None in ordinary use.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     assert_eq!(here.peer_cred()?.pid, std::process::id());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        self.options().peer_cred()
    }

    /// The error that is pending: see [`Options::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.options().take_error()
    }

    /// What can be set and asked.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     here.options().set_send_buffer_bytes(16384)?;
    ///     assert_eq!(here.options().send_buffer_bytes()?, 32768);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.socket.as_fd()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("fd", &self.read.socket)
            .field("incoming", &self.read.incoming)
            .field("outgoing", &self.write.outgoing)
            .finish_non_exhaustive()
    }
}
