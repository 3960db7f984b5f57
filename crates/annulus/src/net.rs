//! Sockets: TCP, UDP and those of this machine, in the shapes of [`std::net`] and
//! [`std::os::unix::net`].
//!
//! ```
//! use annulus::net::{TcpListener, TcpStream};
//!
//! annulus::run(async {
//!     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     let echo = annulus::spawn_local(async move {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         let (n, mut buf) = stream.read(vec![0; 4096]).await?;
//!         buf.truncate(n);
//!         stream.write_all(buf).await.map_err(std::io::Error::from)
//!     });
//!
//!     let mut stream = TcpStream::connect(addr).await?;
//!     stream.write_all("ring").await?;
//!     let (_, buf) = stream.read_exact(vec![0; 4]).await?;
//!     assert_eq!(buf, b"ring");
//!     echo.await.expect("no panic")?;
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | | listens | connection | datagrams |
//! | --- | --- | --- | --- |
//! | of the internet | [`TcpListener`] | [`TcpStream`] | [`UdpSocket`] |
//! | of this machine | [`UnixListener`] | [`UnixStream`] | [`UnixDatagram`] |
//!
//! [`TcpSocket`] is one of TCP before it listens or connects, to be set up; [`Options`] are those
//! of all of them. [`ReadHalf`] and [`WriteHalf`] are the two directions of a stream.
//!
//! # Dropped futures
//!
//! An accept or a receive whose future is dropped, as the loser of a `select!` or by a time limit,
//! goes on: the next call takes what it brings, so no connection, no byte and no datagram is lost.
//! Each method says what holds for it: *resumable*, *cancel and discard* (nobody is told what was
//! done), or, of some, *cancel and return the buffer*.
//!
//! ```
//! use annulus::net::UdpSocket;
//! use annulus::time::timeout;
//! use std::time::Duration;
//!
//! annulus::run(async {
//!     let mut here = UdpSocket::bind("127.0.0.1:0").await?;
//!     let there = UdpSocket::bind("127.0.0.1:0").await?;
//!     for n in 0..10_u8 {
//!         // Given up, begun anew, given up: as often as one likes.
//!         let _ = timeout(Duration::ZERO, here.recv(vec![0; 16])).await;
//!         there.send_to(vec![n], here.local_addr()?).await?;
//!         let ((1, from), buf) = here.recv_from(vec![0; 16]).await? else { panic!("it is one") };
//!         assert_eq!((buf[0], from), (n, there.local_addr()?));
//!     }
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Buffers of a pool
//!
//! A receive that waits has a buffer that waits with it. Where many connections are idle, a
//! [`RecvPool`] has the buffers, of which the kernel picks one when something has come, and lends
//! what came: [`TcpStream::receive`], [`UdpSocket::receive`]. One operation receives all, and is
//! begun anew by itself when the kernel has ended it. It is stopped where what came is not taken,
//! so that one fast peer does not have all buffers; where none is left, a receive uses one of its
//! own.
//!
//! ```
//! use annulus::net::{RecvPool, TcpListener, TcpStream};
//!
//! annulus::run(async {
//!     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _) = listener.accept().await?;
//!     let pool = RecvPool::new()?;
//!     server.receive_from(&pool);
//!     for _ in 0..3 {
//!         client.write_all("ring").await?;
//!         let bytes = server.receive().await?.expect("not the end");
//!         assert_eq!(&bytes[..], b"ring");
//!         // Dropped, it goes back to the pool.
//!     }
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Of datagrams each has a buffer of its own, with who sent it and whether it was cut off:
//!
//! ```
//! use annulus::net::{RecvPool, UdpSocket};
//!
//! annulus::run(async {
//!     let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
//!     socket.receive_from(&RecvPool::of_datagrams(256, 1500)?)?;
//!     let other = UdpSocket::bind("127.0.0.1:0").await?;
//!     other.send_to("ring", socket.local_addr()?).await?;
//!     let datagram = socket.receive().await?;
//!     assert_eq!((&datagram[..], datagram.from()), (&b"ring"[..], other.local_addr()?));
//!     assert!(!datagram.is_truncated());
//!     std::io::Result::Ok(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Without a copy
//!
//! A write copies its bytes into the socket's queue, and so gives the buffer back at once. Large
//! ones may be left where they are, for the device to read: [`TcpStream::send_zc`] and the like,
//! [`UdpSocket::send_zc_to`]. The buffer comes back when the other side has them, and no sooner,
//! whatever becomes of the future; [`SendingZc::queued`] sends on meanwhile.
//!
//! ```
//! use annulus::net::TcpStream;
//! use std::io::Read;
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let addr = listener.local_addr()?;
//! let reader = std::thread::spawn(move || {
//!     let mut all = Vec::new();
//!     listener.accept()?.0.read_to_end(&mut all).map(|_| all)
//! });
//! annulus::run(async move {
//!     let mut stream = TcpStream::connect(addr).await?;
//!     let body = stream.send_zc_all(vec![7; 1 << 20]).queued().await?;
//!     stream.write_all("the end").await?;
//!     let (sent, buf) = body.await;
//!     assert_eq!((sent.bytes(), buf.len()), (1 << 20, 1 << 20));
//!     // Whether it was worth it: towards this machine itself all is copied.
//!     assert_ne!(sent.is_copied(), Some(false));
//!     std::io::Result::Ok(())
//! })??;
//! assert!(reader.join().unwrap()?.ends_with(b"the end"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # A listener for each core
//!
//! Runtimes share nothing. [`TcpListeners`] is an address at which each thread has a listener of
//! its own, and the kernel spreads connections over them. The servers of `annulus::hyper` and
//! `annulus::axum` take such a listener, and are started on each thread by `annulus::axum::start`.
//!
//! ```
//! use annulus::Runtime;
//! use annulus::net::{TcpListeners, TcpStream};
//! use std::time::Duration;
//!
//! let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
//! let addr = listeners.local_addr();
//! // Each thread stays on a core.
//! let threads = Runtime::builder().threads(2).start(move |_| {
//!     let listeners = listeners.clone();
//!     async move {
//!         let mut listener = listeners.listen()?;
//!         while let Ok((mut stream, _)) = listener.accept().await {
//!             stream.write_all("ring").await?;
//!         }
//!         std::io::Result::Ok(())
//!     }
//! })?;
//! annulus::run(async move {
//!     for _ in 0..10 {
//!         let mut stream = TcpStream::connect(addr).await?;
//!         assert_eq!(stream.read_exact(vec![0; 4]).await?.1, b"ring");
//!     }
//!     std::io::Result::Ok(())
//! })??;
//! drop(threads.stop(Duration::ZERO));
//! # Ok::<(), std::io::Error>(())
//! ```

pub use annulus_runtime::runtime::net::{
    Accepting, Credentials, Datagram, LentZc, Message, Options, PoolBuf, ReadHalf, Reading,
    ReadingExact, Received, RecvPool, SendingZc, SentZc, TcpListener, TcpListeners, TcpSocket,
    TcpStream, ToSocketAddrs, UdpSender, UdpSocket, UnixDatagram, UnixListener, UnixSender,
    UnixStream, WriteHalf, Writing, lookup_host,
};
