//! What a [`TcpStream`] has taken out of its socket before anybody asked for it again.

use std::io;

use super::{TcpStream, unshare};
use crate::error::Error;

/// # What was taken early
///
/// See [the module's page](super#what-is-taken-early).
impl TcpStream {
    /// Cancels what dropped or forgotten futures have begun, and waits until that is over: then
    /// nothing is under way, and what was taken out of the socket is in [`early`](Self::early).
    ///
    /// *Resumable*: where its future is dropped nothing is lost.
    ///
    /// # Errors
    /// What a dropped read has failed with, which the next would be told: `ECONNRESET`, and the
    /// others of [`read`](Self::read).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let socket = client.try_clone()?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert!(poll_immediate(stream.read(vec![0; 16])).await.is_none());
    ///     server.write_all(b"ring")?;
    ///     // To peek: what was taken early, or else what is in the socket.
    ///     stream.settle().await?;
    ///     let mut peeked = stream.early().to_vec();
    ///     if peeked.is_empty() {
    ///         peeked.resize(16, 0);
    ///         let n = socket.peek(&mut peeked)?;
    ///         peeked.truncate(n);
    ///     }
    ///     assert_eq!(peeked, b"ring");
    ///     let (n, buf) = stream.read(vec![0; 16]).await?;
    ///     assert_eq!(buf[..n], peeked);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.write.outgoing.cancel();
        let settled = self.read.settle().await;
        self.write.settle().await;
        settled
    }

    /// The bytes that were taken out of the socket for a read that was dropped, as far as that is
    /// known: what is under way may add to them. [`settle`](Self::settle) first to know all. The
    /// next read gives them, and then they are not here any more.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     assert!(TcpStream::from_std(std).early().is_empty()); // no read was dropped
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn early(&self) -> &[u8] {
        self.read.early()
    }

    /// The stream of the standard library again; and the bytes that come before those which it will
    /// read, since they were taken early. What is under way is [cancelled and waited
    /// for](Self::settle).
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// The socket is closed.
    /// - What a dropped read has failed with: `ECONNRESET`, and the others of [`read`](Self::read).
    ///   The standard library's stream would take it for the end.
    /// - `EMFILE`, where the runtime has ended before the kernel let go of an operation.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::{Read, Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let (mut std, mut bytes) = annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert!(poll_immediate(stream.read(vec![0; 3])).await.is_none());
    ///     server.write_all(b"rings")?;
    ///     stream.into_std().await
    /// })??;
    /// // What was taken early, and behind that what was not.
    /// std.read_to_end(&mut bytes)?;
    /// assert_eq!(bytes, b"rings");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(mut self) -> io::Result<(std::net::TcpStream, Vec<u8>)> {
        self.settle().await?;
        let early = self.early().to_vec();
        drop(self.write);
        Ok((unshare(self.read.into_socket())?.into(), early))
    }
}
