//! [`UnixDatagram`]: datagrams within this machine, of which a dropped receive loses none.

use core::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use annulus_ring::abi::{AddressFamily, SockAddr, SocketType};

use super::super::datagram::{Datagrams, Sender, Wants};
use super::super::half::clones;
use super::super::ops::Message;
use super::super::{Options, at_once};
use super::{addr_of, name_of, path_name};
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut};
use crate::error::Error;

/// A Unix socket of datagrams, on the ring of the runtime on this thread. None is lost or out of
/// its order on the way: a sender waits where the receiver's queue is full.
///
/// Receiving borrows it mutably, since it keeps what a dropped receive has begun; sending does not,
/// and is [`sender`](Self::sender)'s too.
///
/// # When it is dropped
/// It is closed when its senders are gone too. The receive under way is cancelled; a datagram that
/// it brought is thrown away, and descriptors closed. The file of its path stays.
///
/// ```
/// use annulus_runtime::runtime::net::UnixDatagram;
/// let path = std::env::temp_dir().join(format!("annulus-datagram-{}", std::process::id()));
/// annulus_runtime::run(async {
///     let mut here = UnixDatagram::bind(&path).await?;
///     let there = UnixDatagram::unbound()?;
///     there.send_to("ring", &path).await?;
///     let ((n, from), buf) = here.recv_from(vec![0; 64]).await?;
///     assert!(&buf[..n] == b"ring" && from.is_unnamed());
///     std::io::Result::Ok(())
/// })??;
/// std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram {
    datagrams: Datagrams,
}

/// The side of a [`UnixDatagram`] that sends.
///
/// ```
/// use annulus_runtime::{runtime::net::UnixDatagram, spawn_local};
/// annulus_runtime::run(async {
///     let (here, mut there) = UnixDatagram::pair()?;
///     let sender = here.sender();
///     let sends = spawn_local(async move { sender.send("ring").await.map(|(n, _)| n) });
///     assert_eq!(there.recv(vec![0; 16]).await?.0, 4);
///     assert_eq!(sends.await.expect("no panic")?, 4);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct UnixSender {
    sender: Sender,
}

impl UnixDatagram {
    /// Takes a path, where a file is made for it.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed; the file may be
    /// there.
    ///
    /// # Errors
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Panics
    /// Outside of a runtime.
    pub async fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_name(path_name(path.as_ref())?).await
    }

    /// Takes an address, which may be an abstract name.
    ///
    /// *Cancel and discard*, as [`bind`](Self::bind).
    ///
    /// With an address that has no name the kernel gives one that is free (`unix(7)`, autobind):
    /// [`local_addr`](Self::local_addr) tells it.
    ///
    /// # Errors
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// annulus_runtime::run(async {
    ///     let name = format!("annulus-to-{}", std::process::id());
    ///     let addr = SocketAddr::from_abstract_name(name)?;
    ///     let mut here = UnixDatagram::bind_addr(&addr).await?;
    ///     UnixDatagram::unbound()?.send_to_addr("ring", &addr).await?;
    ///     assert_eq!(here.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_name(name_of(addr)?).await
    }

    async fn bind_name(name: SockAddr) -> io::Result<Self> {
        let socket = Self::unbound()?;
        socket.datagrams.bind(name).await?;
        Ok(socket)
    }

    /// One without an address, to send or to connect.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptor left.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let socket = UnixDatagram::unbound()?;
    ///     assert!(socket.local_addr()?.is_unnamed() && socket.peer_addr().is_err());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        let socket = at_once::open(AddressFamily::UNIX, SocketType::DGRAM)?;
        Ok(Self { datagrams: Datagrams::new(socket) })
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptors left.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     here.send("one").await?;
    ///     here.send("two").await?;
    ///     assert_eq!(there.recv(vec![0; 16]).await?.0, 3); // one at a time
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let [here, there] = at_once::pair(SocketType::DGRAM)?;
        let of = |socket| Self { datagrams: Datagrams::new(socket) };
        Ok((of(here), of(there)))
    }

    /// A socket of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, there) = std::os::unix::net::UnixDatagram::pair()?;
    ///     let mut here = UnixDatagram::from_std(here);
    ///     there.send(b"ring")?;
    ///     assert_eq!(here.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> Self {
        Self { datagrams: Datagrams::new(OwnedFd::from(socket)) }
    }

    /// The socket of the standard library again; and the datagram that was taken out of it for a
    /// receive that was dropped, if one was.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed, if it has no
    /// [senders](Self::sender).
    ///
    /// # Errors
    /// What a dropped receive has failed with; `EMFILE`, where there is a sender and no descriptor
    /// left for this. The socket is closed.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     here.send("ring").await?;
    ///     let (std, early) = there.into_std().await?;
    ///     assert!(early.is_none()); // no receive was dropped
    ///     assert_eq!(std.recv(&mut [0; 16])?, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(self) -> io::Result<(net::UnixDatagram, Option<(Vec<u8>, Message)>)> {
        let (fd, early) = self.datagrams.into_parts().await?;
        // Without a pool it is one at most.
        Ok((fd.into(), early.into_iter().next()))
    }

    /// Takes datagrams from the socket at this path only from now on, and sends there by
    /// [`send`](Self::send).
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`UnixStream::connect`](super::UnixStream::connect).
    pub async fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.datagrams.connect(path_name(path.as_ref())?).await
    }

    /// The same with an address, which may be an abstract name. *Cancel and discard*.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// annulus_runtime::run(async {
    ///     let name = format!("annulus-connected-{}", std::process::id());
    ///     let addr = SocketAddr::from_abstract_name(name)?;
    ///     let mut here = UnixDatagram::bind_addr(&addr).await?;
    ///     let there = UnixDatagram::unbound()?;
    ///     there.connect_addr(&addr).await?;
    ///     there.send("ring").await?;
    ///     assert_eq!(here.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.datagrams.connect(name_of(addr)?).await
    }

    /// This side's address.
    ///
    /// # Errors
    /// None in ordinary use.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr_of(&at_once::local_name(self)?)
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// `ENOTCONN`: to none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addr_of(&at_once::peer_name(self)?)
    }

    /// A handle that sends, for other tasks or while this receives.
    pub fn sender(&self) -> UnixSender {
        UnixSender { sender: self.datagrams.sender.clone() }
    }

    /// Receives a datagram: how many bytes, and the buffer. What does not fit is lost, and so are
    /// descriptors.
    ///
    /// *Resumable*: see [`UdpSocket::recv`](super::super::UdpSocket::recv).
    ///
    /// # Errors
    /// [Those of every operation](crate::engine::File#errors-of-every-operation). Each gives the
    /// buffer back.
    ///
    /// By the ring (`IORING_OP_RECVMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     here.send("ring").await?;
    ///     let (n, buf) = there.recv(vec![0; 16]).await?;
    ///     assert_eq!(&buf[..n], b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let ((count, _), buf) = self.recv_with_fds(buf, 0).await?;
        Ok((count, buf))
    }

    /// Receives a datagram: how many bytes, who sent it, and the buffer. *Resumable*, as
    /// [`recv`](Self::recv).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     here.send("ring").await?;
    ///     let ((n, from), _) = there.recv_from(vec![0; 16]).await?;
    ///     assert!(n == 4 && from.is_unnamed());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv_from<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, SocketAddr), B> {
        let ((count, message), buf) = self.recv_with_fds(buf, 0).await?;
        named(count, message.from(), buf)
    }

    /// Receives a datagram with what is known of it: who sent it, whether it [was cut
    /// off](Message::is_truncated), and its sender's [credentials](Message::credentials), where
    /// [asked for](Options::set_pass_credentials). The kernel vouches for those: they are those of
    /// the process that sent it, whoever made the socket.
    ///
    /// *Resumable*, as [`recv`](Self::recv): where the datagram was received by one of those, it
    /// has no credentials.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     there.options().set_pass_credentials(true)?;
    ///     here.send("ring").await?;
    ///     let ((n, message), _) = there.recv_message(vec![0; 64]).await?;
    ///     let from = message.credentials().expect("they were asked for");
    ///     assert_eq!((n, from.pid), (4, std::process::id()));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_CREDENTIALS")]
    pub async fn recv_message<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, Message), B> {
        self.datagrams.recv(buf, Wants { credentials: true, ..Wants::default() }).await
    }

    /// Receives a datagram, and takes the descriptors that come with it, at most so many: how many
    /// bytes, what came with them, and the buffer.
    ///
    /// *Resumable*: where its future is dropped the receive goes on, and the next call takes what
    /// it brings; the descriptors too if it is one to this.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     let file = std::fs::File::open("Cargo.toml")?;
    ///     here.send_with_fds("two", &[&file, &file]).await?;
    ///     let ((n, message), _) = there.recv_with_fds(vec![0; 64], 1).await?;
    ///     // There was room for one: the other is closed.
    ///     assert_eq!((n, message.descriptors().len()), (3, 1));
    ///     assert!(message.is_control_truncated());
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
        let wants = Wants { descriptors: fds_max, ..Wants::default() };
        self.datagrams.recv(buf, wants).await
    }

    /// The next datagram, which stays: how many bytes, who sent it, and the buffer. *Resumable*:
    /// see [`UdpSocket::peek_from`](super::super::UdpSocket::peek_from).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     here.send("ring").await?;
    ///     assert_eq!(there.peek_from(vec![0; 16]).await?.0.0, 4);
    ///     assert_eq!(there.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn peek_from<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, SocketAddr), B> {
        let ((count, from), buf) = self.datagrams.peek(buf).await?;
        named(count, &from, buf)
    }

    /// Cancels what a dropped receive has begun, and waits until that is over: what it has brought
    /// is the next call's. *Resumable*.
    ///
    /// # Errors
    /// What it has failed with.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixDatagram;
    /// use futures::future::poll_immediate;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixDatagram::pair()?;
    ///     assert!(poll_immediate(there.recv(vec![0; 16])).await.is_none());
    ///     there.settle().await?; // nothing is under way
    ///     here.send("ring").await?;
    ///     assert_eq!(there.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.datagrams.settle().await
    }

    /// Sends a datagram to the address that this is connected to: see [`UnixSender::send`].
    pub async fn send<B: IoBuf>(&self, buf: B) -> BufResult<usize, B> {
        self.datagrams.sender.send(buf, None, |send| send).await
    }

    /// Sends a datagram to a path: see [`UnixSender::send_to`].
    pub async fn send_to<B: IoBuf>(&self, buf: B, path: impl AsRef<Path>) -> BufResult<usize, B> {
        self.sender().send_to(buf, path).await
    }

    /// Sends a datagram to an address: see [`UnixSender::send_to_addr`].
    pub async fn send_to_addr<B: IoBuf>(&self, buf: B, addr: &SocketAddr) -> BufResult<usize, B> {
        self.sender().send_to_addr(buf, addr).await
    }

    /// Sends a datagram, and descriptors with it: see [`UnixSender::send_with_fds`].
    pub async fn send_with_fds<B: IoBuf, F: AsFd>(&self, buf: B, fds: &[F]) -> BufResult<usize, B> {
        self.sender().send_with_fds(buf, fds).await
    }

    /// What can be set and asked.
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }
}

/// A datagram's result, with the sender's address.
fn named<B>(count: usize, from: &SockAddr, buf: B) -> BufResult<(usize, SocketAddr), B> {
    match addr_of(from) {
        Ok(from) => Ok(((count, from), buf)),
        Err(_) => Err(BufError::new(annulus_ring::Errno::EINVAL, buf)),
    }
}

/// # Sending
///
/// They wait where the receiver's queue is full. *Cancel and discard*, all of them: of a future
/// that is dropped nobody is told whether it went.
///
/// # Errors
/// Each gives the buffer back.
/// - `EMSGSIZE`: longer than the queue ([`Options::set_send_buffer_bytes`]).
/// - `ECONNREFUSED`: nobody has that address any more. `ENOENT`: nobody ever had.
/// - `ENOTCONN`: no address, and not connected. `EPIPE`: the other side reads no more.
/// - `EACCES`: the file may not be written to. `EINVAL`: no path, or one over 107 bytes.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
impl UnixSender {
    /// Sends a datagram to the address that the socket is connected to: how many bytes, and the
    /// buffer.
    ///
    /// By the ring (`IORING_OP_SENDMSG`, Linux 5.3).
    pub async fn send<B: IoBuf>(&self, buf: B) -> BufResult<usize, B> {
        self.sender.send(buf, None, |send| send).await
    }

    /// Sends a datagram to the socket at a path.
    pub async fn send_to<B: IoBuf>(&self, buf: B, path: impl AsRef<Path>) -> BufResult<usize, B> {
        self.send_name(buf, path_name(path.as_ref())).await
    }

    /// Sends a datagram to an address, which may be an abstract name.
    pub async fn send_to_addr<B: IoBuf>(&self, buf: B, addr: &SocketAddr) -> BufResult<usize, B> {
        self.send_name(buf, name_of(addr)).await
    }

    async fn send_name<B: IoBuf>(&self, buf: B, to: io::Result<SockAddr>) -> BufResult<usize, B> {
        match to {
            Ok(to) => self.sender.send(buf, Some(to), |send| send).await,
            Err(_) => Err(BufError::new(annulus_ring::Errno::EINVAL, buf)),
        }
    }

    /// Sends a datagram to the address that the socket is connected to, and descriptors with it:
    /// see [`UnixStream::send_with_fds`](super::UnixStream::send_with_fds), of errors too.
    #[doc(alias = "SCM_RIGHTS")]
    pub async fn send_with_fds<B: IoBuf, F: AsFd>(&self, buf: B, fds: &[F]) -> BufResult<usize, B> {
        match clones(fds) {
            Ok(fds) => self.sender.send(buf, None, |send| send.descriptors(fds)).await,
            Err(error) => Err(BufError::with(error, buf)),
        }
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.datagrams.sender.socket.as_fd()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram").field("datagrams", &self.datagrams).finish()
    }
}

impl fmt::Debug for UnixSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSender").field("fd", &self.sender.socket).finish_non_exhaustive()
    }
}
