//! TLS by [rustls](https://docs.rs/rustls), in both roles, over the connections of this crate.
//!
//! The protocol is rustls's own, the streams are tokio-rustls's over
//! [`Polled`]. Which cryptography is used says who makes the configuration:
//! a feature of rustls (`ring`, `aws_lc_rs`) or a provider.
//!
//! Bytes are copied once more each way than without TLS: rustls has buffers of its own. Of those
//! that wait to be sent [the same is true](crate::polled#what-a-write-says): flush.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::sync::Arc;

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, CommonState, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::polled::{Polled, Transport};

pub use tokio_rustls::rustls;

/// The server's role: makes TLS of connections that were accepted.
///
/// ```
/// use annulus::tls::{Acceptor, Connector, rustls};
/// use annulus::net::{TcpListener, TcpStream};
/// use rustls::pki_types::{CertificateDer, PrivateKeyDer};
/// use std::sync::Arc;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # let certificate =
/// #     include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/eco/localhost.der"));
/// # let key = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/eco/localhost.key.der"));
/// let certificate = CertificateDer::from(&certificate[..]);
/// let key = PrivateKeyDer::try_from(&key[..])?;
/// let mut roots = rustls::RootCertStore::empty();
/// roots.add(certificate.clone())?;
/// let server = rustls::ServerConfig::builder()
///     .with_no_client_auth()
///     .with_single_cert(vec![certificate], key)?;
/// let client = rustls::ClientConfig::builder()
///     .with_root_certificates(roots)
///     .with_no_client_auth();
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// annulus::run(async move {
///     let echo = annulus::spawn_local(async move {
///         let (stream, _) = TcpListener::from_std(listener).accept().await?;
///         let mut stream = Acceptor::new(Arc::new(server)).accept(stream).await?;
///         let mut buf = [0; 4];
///         stream.read_exact(&mut buf).await?;
///         stream.write_all(&buf).await?;
///         stream.shutdown().await
///     });
///     let connector = Connector::new(Arc::new(client));
///     let stream = TcpStream::connect(to).await?;
///     let mut stream = connector.connect("localhost".try_into()?, stream).await?;
///     stream.write_all(b"ring").await?;
///     stream.flush().await?;
///     let mut text = String::new();
///     stream.read_to_string(&mut text).await?;
///     assert_eq!(text, "ring");
///     echo.await??;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
}

impl Acceptor {
    /// One with this configuration.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { acceptor: config.into() }
    }

    /// Shakes hands with a client.
    ///
    /// *Cancel and discard*: where its future is dropped the connection is closed.
    ///
    /// # Errors
    /// The connection is closed.
    /// - [`InvalidData`](io::ErrorKind::InvalidData): the client does not speak TLS, or not as the
    ///   configuration wants it; what is in it is rustls's own error.
    /// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), and those of the connection.
    pub async fn accept<S: Transport>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let stream = self.acceptor.accept(Polled::new(stream)).await?;
        Ok(TlsStream { stream: stream.into() })
    }
}

/// The client's role: see [`Acceptor`] for an example of both.
#[derive(Clone)]
pub struct Connector {
    connector: TlsConnector,
}

impl Connector {
    /// One with this configuration.
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self { connector: config.into() }
    }

    /// Shakes hands with a server, whose certificate must be for `name`.
    ///
    /// *Cancel and discard*: where its future is dropped the connection is closed.
    ///
    /// # Errors
    /// As [`Acceptor::accept`]: also where the certificate is not trusted, or for another name.
    pub async fn connect<S: Transport>(
        &self,
        name: ServerName<'static>,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let stream = self.connector.connect(name, Polled::new(stream)).await?;
        Ok(TlsStream { stream: stream.into() })
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// A connection with TLS, of either role: a stream of `tokio::io`, and one of hyper's with the
/// feature `hyper`.
///
/// A stream that ends without TLS's own end gives
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): somebody may have cut it off.
pub struct TlsStream<S: Transport> {
    stream: tokio_rustls::TlsStream<Polled<S>>,
}

impl<S: Transport> TlsStream<S> {
    /// The connection below, and what was agreed on: the version, the cipher, the protocol (ALPN).
    pub fn get_ref(&self) -> (&S, &CommonState) {
        let (stream, state) = self.stream.get_ref();
        (stream.get_ref(), state)
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut tokio_rustls::TlsStream<Polled<S>>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl<S: Transport> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl<S: Transport> AsyncBufRead for TlsStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.stream().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.stream().consume(count);
    }
}

impl<S: Transport> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl<S: Transport> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("version", &self.get_ref().1.protocol_version()).finish()
    }
}
