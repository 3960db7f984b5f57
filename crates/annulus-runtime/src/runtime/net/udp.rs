//! [`UdpSocket`]: datagrams over IP, of which a dropped receive loses none.

use core::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use annulus_ring::abi::{AddressFamily, SockAddr, SocketType};

use super::addrs::{ToSocketAddrs, resolve};
use super::datagram::{Datagrams, Sender, Wants};
use super::ops::Message;
use super::zero_copy::SentZc;
use super::{Options, at_once, internet};
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut};
use crate::error::Error;

/// A socket of UDP, on the ring of the runtime on this thread.
///
/// Receiving borrows it mutably, since it keeps what a dropped receive has begun; sending does not,
/// and is [`sender`](Self::sender)'s too, of which other tasks may have as many as they like.
///
/// # When it is dropped
/// It is closed when its senders are gone too. The receive under way is cancelled; a datagram that
/// it brought is thrown away.
///
/// ```
/// use annulus_runtime::runtime::net::UdpSocket;
/// annulus_runtime::run(async {
///     let mut here = UdpSocket::bind("127.0.0.1:0").await?;
///     let mut there = UdpSocket::bind("127.0.0.1:0").await?;
///     here.send_to("ring", there.local_addr()?).await?;
///     let ((n, from), buf) = there.recv_from(vec![0; 2048]).await?;
///     assert_eq!((&buf[..n], from), (&b"ring"[..], here.local_addr()?));
///     there.send_to("rings", from).await?;
///     assert_eq!(here.recv_from(buf).await?.0.0, 5);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    pub(super) datagrams: Datagrams,
    /// Whether datagrams may come put together.
    merges: bool,
}

/// The side of a [`UdpSocket`] that sends: as many as one likes, in whichever tasks of the thread.
///
/// ```
/// use annulus_runtime::{runtime::net::UdpSocket, spawn_local};
/// annulus_runtime::run(async {
///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
///     let (sender, to) = (socket.sender(), socket.local_addr()?);
///     // To itself, while it receives.
///     let sends = spawn_local(async move { sender.send_to("ring", to).await.map(|(n, _)| n) });
///     assert_eq!(socket.recv_from(vec![0; 16]).await?.0, (4, to));
///     assert_eq!(sends.await.expect("no panic")?, 4);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct UdpSender {
    sender: Sender,
}

/// The address that a datagram came from.
fn from(message: &Message) -> Result<SocketAddr, Error> {
    internet(message.from())
}

impl UdpSocket {
    /// Takes an address; with port 0, one that is free. Of several addresses, the first that can be
    /// had.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// - `EADDRINUSE`: another socket has it. `EADDRNOTAVAIL`: no interface has the address.
    /// - `EACCES`: a port below 1024 to users. `EMFILE`, `ENFILE`: no descriptor left.
    /// - Those of [`lookup_host`](super::lookup_host).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let error = UdpSocket::bind(socket.local_addr()?).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for addr in resolve(addr).await? {
            match Self::bind_one(addr).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    async fn bind_one(addr: SocketAddr) -> io::Result<Self> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let datagrams = Datagrams::new(at_once::open(family, SocketType::DGRAM)?);
        datagrams.bind(addr.into()).await?;
        Ok(Self { datagrams, merges: false })
    }

    /// A socket of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let std = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let addr = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     assert_eq!(UdpSocket::from_std(std).local_addr()?, addr);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> Self {
        let merges = Options::new(&socket).udp_gro().unwrap_or(false);
        Self { datagrams: Datagrams::new(OwnedFd::from(socket)), merges }
    }

    /// The socket of the standard library again; and the datagrams that were taken out of it for
    /// receives that were dropped, in their order, with their senders. What is under way is
    /// cancelled and waited for.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed, if it has no
    /// [senders](Self::sender).
    ///
    /// # Errors
    /// What a dropped receive has failed with; `EMFILE`, where there is a sender and no descriptor
    /// left for this. The socket is closed.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// use futures::future::poll_immediate;
    /// let std = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let other = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// let (std, early) = annulus_runtime::run(async move {
    ///     let mut socket = UdpSocket::from_std(std);
    ///     assert!(poll_immediate(socket.recv_from(vec![0; 16])).await.is_none());
    ///     socket.into_std().await
    /// })??;
    /// assert!(early.is_empty()); // nothing came
    /// other.send_to(b"ring", to)?;
    /// assert_eq!(std.recv(&mut [0; 16])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(self) -> io::Result<(std::net::UdpSocket, Vec<(Vec<u8>, SocketAddr)>)> {
        let (fd, early) = self.datagrams.into_parts().await?;
        let early = early.into_iter().map(|(bytes, message)| Ok((bytes, from(&message)?)));
        let early = early.collect::<Result<_, Error>>()?;
        Ok((fd.into(), early))
    }

    /// Takes datagrams from this address only from now on, and sends there by
    /// [`send`](Self::send). Of several addresses, the first that can be.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// - `ENETUNREACH`: there is no way to it. `EAFNOSUPPORT` (97): an address of another family.
    /// - Those of [`lookup_host`](super::lookup_host).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let mut here = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let there = UdpSocket::bind("127.0.0.1:0").await?;
    ///     here.connect(there.local_addr()?).await?;
    ///     assert_eq!(here.peer_addr()?, there.local_addr()?);
    ///     here.send("ring").await?;
    ///     there.send_to("rings", here.local_addr()?).await?;
    ///     assert_eq!(here.recv(vec![0; 16]).await?.0, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let mut last = None;
        for addr in resolve(addr).await? {
            match self.datagrams.connect(addr.into()).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    /// This side's address.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::local_addr`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_ne!(socket.local_addr()?.port(), 0);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::local_name(self)?)?)
    }

    /// The address that it is [connected](Self::connect) to.
    ///
    /// # Errors
    /// `ENOTCONN`: to none.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.peer_addr().is_err());
    ///     socket.connect(socket.local_addr()?).await?;
    ///     assert_eq!(socket.peer_addr()?, socket.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::peer_name(self)?)?)
    }

    /// A handle that sends, for other tasks or while this receives.
    pub fn sender(&self) -> UdpSender {
        UdpSender { sender: self.datagrams.sender.clone() }
    }

    pub(super) fn wants(&self) -> Wants {
        Wants { segments: self.merges, ..Wants::default() }
    }

    /// Receives a datagram: how many bytes, and the buffer. What does not fit is lost.
    ///
    /// *Resumable*: where its future is dropped the receive goes on, into the buffer that it was
    /// given, and the next call takes what it brings. No datagram is lost, doubled or out of its
    /// order; but of one that is longer than that buffer, the rest is lost.
    ///
    /// # Errors
    /// Each gives the buffer back.
    /// - `ECONNREFUSED`: connected, and an earlier datagram found nobody there.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_RECVMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// use futures::future::poll_immediate;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(poll_immediate(socket.recv(vec![0; 16])).await.is_none()); // begun, and dropped
    ///     other.send_to("ring", socket.local_addr()?).await?;
    ///     let (n, buf) = socket.recv(vec![0; 16]).await?;
    ///     assert_eq!(&buf[..n], b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let ((count, _), buf) = self.recv_message(buf).await?;
        Ok((count, buf))
    }

    /// Receives a datagram: how many bytes, who sent it, and the buffer. See [`recv`](Self::recv),
    /// of errors and drops too: *resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     other.send_to("ring", socket.local_addr()?).await?;
    ///     let ((n, from), _) = socket.recv_from(vec![0; 16]).await?;
    ///     assert_eq!((n, from), (4, other.local_addr()?));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv_from<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, SocketAddr), B> {
        let ((count, message), buf) = self.recv_message(buf).await?;
        match from(&message) {
            Ok(from) => Ok(((count, from), buf)),
            Err(error) => Err(BufError::with(error, buf)),
        }
    }

    /// Receives a datagram with all that is known of it: whether it [was cut
    /// off](Message::is_truncated), and whether [it is several](Message::segment_bytes). See
    /// [`recv`](Self::recv), of errors and drops too: *resumable*.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     other.send_to("too long", socket.local_addr()?).await?;
    ///     let ((n, message), _) = socket.recv_message(vec![0; 3]).await?;
    ///     assert!(n == 3 && message.is_truncated());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv_message<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, Message), B> {
        let wants = self.wants();
        self.datagrams.recv(buf, wants).await
    }

    /// The next datagram, which stays: how many bytes, who sent it, and the buffer. What a dropped
    /// receive has begun is cancelled and waited for, and what it has taken is seen.
    ///
    /// *Resumable*: where its future is dropped nothing is lost.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     other.send_to("ring", socket.local_addr()?).await?;
    ///     assert_eq!(socket.peek_from(vec![0; 16]).await?.0, (4, other.local_addr()?));
    ///     assert_eq!(socket.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub async fn peek_from<B: IoBufMut>(&mut self, buf: B) -> BufResult<(usize, SocketAddr), B> {
        let ((count, from), buf) = self.datagrams.peek(buf).await?;
        match internet(&from) {
            Ok(from) => Ok(((count, from), buf)),
            Err(error) => Err(BufError::with(error, buf)),
        }
    }

    /// Cancels what a dropped receive has begun, and waits until that is over: what it has brought
    /// is the next call's; everything else is in the socket. *Resumable*.
    ///
    /// # Errors
    /// What it has failed with.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// use futures::future::poll_immediate;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(poll_immediate(socket.recv(vec![0; 16])).await.is_none());
    ///     socket.settle().await?; // nothing is under way
    ///     socket.send_to("ring", socket.local_addr()?).await?;
    ///     assert_eq!(socket.recv(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.datagrams.settle().await
    }

    /// Sends a datagram to the address that this is connected to: see
    /// [`UdpSender::send`].
    pub async fn send<B: IoBuf>(&self, buf: B) -> BufResult<usize, B> {
        self.datagrams.sender.send(buf, None, |send| send).await
    }

    /// Sends a datagram to an address: see [`UdpSender::send_to`].
    pub async fn send_to<B: IoBuf>(&self, buf: B, to: SocketAddr) -> BufResult<usize, B> {
        self.datagrams.sender.send(buf, Some(to.into()), |send| send).await
    }

    /// Sends a datagram to the address that this is connected to, without copying it: see
    /// [`UdpSender::send_zc`].
    pub async fn send_zc<B: IoBuf>(&self, buf: B) -> BufResult<SentZc, B> {
        self.datagrams.sender.send_zc(buf, None).await
    }

    /// Sends a datagram to an address, without copying it: see [`UdpSender::send_zc_to`].
    pub async fn send_zc_to<B: IoBuf>(&self, buf: B, to: SocketAddr) -> BufResult<SentZc, B> {
        self.datagrams.sender.send_zc(buf, Some(to.into())).await
    }

    /// Whether datagrams of one sender that follow one another may be received as one (`UDP_GRO`,
    /// Linux 5.0), up to 64 KiB of them: [`recv_message`](Self::recv_message) says
    /// [how long](Message::segment_bytes) each is, so take no other then.
    ///
    /// # Errors
    /// `ENOPROTOOPT` (92): an older kernel.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_gro(true)?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let to = socket.local_addr()?;
    ///     // Three datagrams, in one piece from end to end.
    ///     other.sender().send_segments(vec![7; 2500], 1000, Some(to)).await?;
    ///     let ((n, message), _) = socket.recv_message(vec![0; 65536]).await?;
    ///     assert_eq!((n, message.segment_bytes()), (2500, Some(1000)));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "UDP_GRO")]
    pub fn set_gro(&mut self, merges: bool) -> io::Result<()> {
        self.options().set_udp_gro(merges)?;
        // What was received before may still come so.
        self.merges |= merges;
        Ok(())
    }

    /// Takes part in a multicast group of IPv4, on the interface with the address `interface`, or
    /// on any that is fit where that is unspecified.
    ///
    /// # Errors
    /// - `ENODEV`: no interface is fit, or has that address. `EADDRINUSE`: it takes part already.
    /// - `EINVAL`: no address of a group. `ENOBUFS`: of too many (`net.ipv4.igmp_max_memberships`).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let group = Ipv4Addr::new(224, 0, 0, 123);
    ///     socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    ///     socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    ///     assert!(socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().membership_v4(group, interface, true)
    }

    /// Takes no part in it any more.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`: it did not.
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().membership_v4(group, interface, false)
    }

    /// Takes part in a multicast group of IPv6, on the interface with this number, or on any that
    /// is fit where that is 0.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().membership_v6(group, interface, true)
    }

    /// Takes no part in it any more.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`: it did not.
    #[doc(alias = "IPV6_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().membership_v6(group, interface, false)
    }

    /// Whether it may send to a broadcast address: see [`Options::set_broadcast`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_broadcast(true)?;
    ///     assert!(socket.options().broadcast()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.options().set_broadcast(broadcast)
    }

    /// The error that is pending: see [`Options::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.options().take_error()
    }

    /// All else that can be set and asked.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.options().set_ttl(9)?;
    ///     assert_eq!(socket.options().ttl()?, 9);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }
}

/// # Sending
///
/// *Cancel and discard*, all of them: of a future that is dropped nobody is told whether it went.
///
/// # Errors
/// Each gives the buffer back.
/// - `EMSGSIZE`: over 65,507 bytes (IPv6: 65,527), or than the path lets through unbroken where it
///   must be.
/// - `ECONNREFUSED`: connected, and an earlier datagram found nobody there: this one was not sent.
/// - `EDESTADDRREQ` (89): no address, and not connected. `EACCES`: a broadcast address, and [not
///   allowed](Options::set_broadcast). `EINVAL`: port 0.
/// - `ENETUNREACH`, `EHOSTUNREACH` (113): there is no way to it. `EPERM`: a firewall's rule.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
impl UdpSender {
    /// Sends a datagram to the address that the socket is connected to: how many bytes, and the
    /// buffer.
    ///
    /// By the ring (`IORING_OP_SENDMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// annulus_runtime::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let error = socket.sender().send("to whom?").await.unwrap_err();
    ///     assert_eq!(error.error().raw_os_error(), Some(89));
    ///     socket.connect(socket.local_addr()?).await?;
    ///     assert_eq!(socket.sender().send("me").await?, (2, "me"));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send<B: IoBuf>(&self, buf: B) -> BufResult<usize, B> {
        self.sender.send(buf, None, |send| send).await
    }

    /// Sends a datagram to an address: how many bytes, and the buffer.
    ///
    /// By the ring (`IORING_OP_SENDMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_eq!(socket.sender().send_to("ring", to).await?, (4, "ring"));
    ///     let error = socket.send_to(vec![0; 70_000], to).await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(annulus_ring::Errno::EMSGSIZE));
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(there.recv(&mut [0; 16])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_to<B: IoBuf>(&self, buf: B, to: SocketAddr) -> BufResult<usize, B> {
        self.sender.send(buf, Some(to.into()), |send| send).await
    }

    /// Sends a datagram to the address that the socket is connected to, without copying it: how
    /// many bytes, whether they were copied after all, and the buffer, once it has left this
    /// machine. It pays from some 10 KiB on, and not towards this machine itself.
    ///
    /// Where its future is dropped the buffer is kept until the kernel has done with it.
    ///
    /// # Errors
    /// `ENOBUFS`, `ENOMEM` too: more memory would be pinned than `RLIMIT_MEMLOCK` allows: raise
    /// that, or send from [fixed buffers](crate::runtime::fixed_pool). `EINVAL`: before Linux 6.0.
    ///
    /// By the ring (`IORING_OP_SEND_ZC`, Linux 6.0).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(to).await?;
    ///     let (sent, _) = socket.sender().send_zc(vec![7; 20_000]).await?;
    ///     assert_eq!(sent.bytes(), 20_000);
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(there.recv(&mut [0; 65536])?, 20_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_SEND_ZC")]
    #[doc(alias = "MSG_ZEROCOPY")]
    pub async fn send_zc<B: IoBuf>(&self, buf: B) -> BufResult<SentZc, B> {
        self.sender.send_zc(buf, None).await
    }

    /// Sends a datagram to an address, without copying it: see [`send_zc`](Self::send_zc).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let (sent, buf) = socket.sender().send_zc_to(vec![7; 20_000], to).await?;
    ///     assert_eq!((sent.bytes(), buf.len()), (20_000, 20_000));
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(there.recv(&mut [0; 65536])?, 20_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_zc_to<B: IoBuf>(&self, buf: B, to: SocketAddr) -> BufResult<SentZc, B> {
        self.sender.send_zc(buf, Some(to.into())).await
    }

    /// Sends a buffer as datagrams of `segment_bytes` bytes each, the last perhaps shorter, for
    /// little more than the price of one: the kernel, or the network card, cuts it (`UDP_SEGMENT`,
    /// Linux 4.18). At most 64 datagrams (128 since Linux 6.9) and 65,507 bytes.
    ///
    /// # Errors
    /// `EINVAL`: too many, or longer each than the interface lets through.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let (n, _) = socket.sender().send_segments(vec![7; 2500], 1000, Some(to)).await?;
    ///     assert_eq!(n, 2500);
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut buf = [0; 2048];
    /// let lengths = [there.recv(&mut buf)?, there.recv(&mut buf)?, there.recv(&mut buf)?];
    /// assert_eq!(lengths, [1000, 1000, 500]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "UDP_SEGMENT")]
    #[doc(alias = "GSO")]
    pub async fn send_segments<B: IoBuf>(
        &self,
        buf: B,
        segment_bytes: u16,
        to: Option<SocketAddr>,
    ) -> BufResult<usize, B> {
        let to = to.map(SockAddr::from);
        self.sender.send(buf, to, |send| send.segment_bytes(segment_bytes)).await
    }

    /// Sends several datagrams, which the kernel is shown together, as `sendmmsg(2)` does: what
    /// became of each, in their order. One that fails does not hold up the others.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UdpSocket;
    /// let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let batch = (0..100_u32).map(|n| (n.to_ne_bytes().to_vec(), Some(to)));
    ///     let sent = socket.sender().send_batch(batch).await;
    ///     assert!(sent.iter().all(|sent| matches!(sent, Ok((4, _)))));
    ///     std::io::Result::Ok(())
    /// })??;
    /// for n in 0..100_u32 {
    ///     let mut buf = [0; 4];
    ///     assert_eq!(there.recv(&mut buf)?, 4);
    ///     assert_eq!(buf, n.to_ne_bytes());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendmmsg")]
    pub async fn send_batch<B: IoBuf>(
        &self,
        batch: impl IntoIterator<Item = (B, Option<SocketAddr>)>,
    ) -> Vec<BufResult<usize, B>> {
        let batch = batch.into_iter().map(|(buf, to)| (buf, to.map(SockAddr::from)));
        self.sender.send_batch(batch).await
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.datagrams.sender.socket.as_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("datagrams", &self.datagrams).finish_non_exhaustive()
    }
}

impl fmt::Debug for UdpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSender").field("fd", &self.sender.socket).finish_non_exhaustive()
    }
}
