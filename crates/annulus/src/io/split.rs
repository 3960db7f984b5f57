//! [`Split`]: both directions of a connection at once.

use annulus_runtime::runtime::net::{ReadHalf, TcpStream, UnixStream, WriteHalf};

use super::traits::{AsyncReadOwned, AsyncWriteOwned};

/// A connection whose two directions can be used at once, by one task or by two of a `join`.
///
/// ```
/// use annulus::io::{AsyncReadOwned, AsyncWriteOwned, Split};
/// use annulus::net::TcpStream;
/// use std::io::{Read, Write};
/// async fn answer(mut stream: impl Split) -> std::io::Result<()> {
///     let (mut from, mut to) = stream.split();
///     let (_, word) = from.read_exact(vec![0; 4]).await?;
///     to.write_all(word).await?;
///     to.shutdown().await
/// }
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let server = listener.accept()?.0;
/// client.write_all(b"ring")?;
/// annulus::run(async move { answer(TcpStream::from_std(server)).await })??;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert_eq!(text, "ring");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Split {
    /// What comes.
    type Reader<'a>: AsyncReadOwned
    where
        Self: 'a;

    /// What goes.
    type Writer<'a>: AsyncWriteOwned
    where
        Self: 'a;

    /// The two directions, for as long as it is borrowed.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, Split};
    /// use annulus::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus::run(async {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let (_from, mut to) = Split::split(&mut stream);
    ///     to.write_all("ring").await.map(drop)
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);
}

impl Split for TcpStream {
    type Reader<'a> = &'a mut ReadHalf;
    type Writer<'a> = &'a mut WriteHalf;

    fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        Self::split(self)
    }
}

impl Split for UnixStream {
    type Reader<'a> = &'a mut ReadHalf;
    type Writer<'a> = &'a mut WriteHalf;

    fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        Self::split(self)
    }
}

impl<S: Split> Split for &mut S {
    type Reader<'a>
        = S::Reader<'a>
    where
        Self: 'a;
    type Writer<'a>
        = S::Writer<'a>
    where
        Self: 'a;

    fn split(&mut self) -> (S::Reader<'_>, S::Writer<'_>) {
        (**self).split()
    }
}
