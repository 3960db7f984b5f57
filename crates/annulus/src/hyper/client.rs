//! A client's connection.

use core::error::Error;
use std::io;
use std::net::SocketAddr;

use ::hyper::body::Body;
use ::hyper::client::conn::http1::{self, SendRequest};
use ::hyper::rt::{Read, Write};
use annulus_runtime::runtime::net::TcpStream;
use annulus_runtime::spawn_local;

use crate::polled::Polled;

/// Connects to a server, and has a task of this thread run the connection: what asks by it.
///
/// The connection ends when the sender and the bodies of its answers are dropped.
///
/// *Cancel and discard*: where its future is dropped the socket is closed.
///
/// # Errors
/// Those of [`TcpStream::connect`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use hyper::{Request, body::Bytes};
/// use std::io::{Read, Write};
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// let server = std::thread::spawn(move || {
///     let mut stream = listener.accept()?.0;
///     let n = stream.read(&mut [0; 1024])?;
///     stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
///     std::io::Result::Ok(n)
/// });
/// let status = annulus::run(async move {
///     let mut client = annulus::hyper::connect::<http_body_util::Empty<Bytes>>(to).await?;
///     let request = Request::get("/").header("host", "localhost").body(Default::default())?;
///     let answer = client.send_request(request).await?;
///     Ok::<_, Box<dyn std::error::Error>>(answer.status())
/// })??;
/// assert_eq!(status, 204);
/// assert!(server.join().unwrap()? > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn connect<B>(to: SocketAddr) -> io::Result<SendRequest<B>>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    handshake(Polled::new(stream)).await.map_err(io::Error::other)
}

/// The same over a connection that there is, such as one of TLS.
///
/// *Cancel and discard*: where its future is dropped the connection is closed.
///
/// # Errors
/// Those of [`http1::handshake`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus::{hyper::handshake, polled::Polled};
/// use annulus::net::TcpStream;
/// use hyper::body::Bytes;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// annulus::run(async move {
///     let stream = Polled::new(TcpStream::connect(to).await?);
///     let client = handshake::<_, http_body_util::Empty<Bytes>>(stream).await;
///     assert!(client.is_ok_and(|client| client.is_ready() || !client.is_closed()));
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn handshake<I, B>(io: I) -> ::hyper::Result<SendRequest<B>>
where
    I: Read + Write + Unpin + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let (sender, connection) = http1::handshake(io).await?;
    drop(spawn_local(async move {
        // Whoever asks is told of its error.
        let _ = connection.await;
    }));
    Ok(sender)
}
