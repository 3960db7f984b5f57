//! [`AsyncReadOwned`] and [`AsyncWriteOwned`]: streams that are given a buffer and give it back.

use core::future::Future;
use std::io;

use super::limit::Take;
use annulus_runtime::buffer::{
    BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, Slice, gather, scatter,
};

/// As much of several buffers as goes through one buffer of its own, where a stream has no
/// operation for several.
const THROUGH_BYTES: usize = 64 << 10;

/// How much room a vector has at least for each read to its end.
const TO_END_BYTES: usize = 4 << 10;

/// Something that bytes are read from, one after the other.
///
/// Write [`read`](Self::read); everything else has a body, to be written again where there is
/// something better. Where a type has a method of the same name itself, that one is called, and
/// promises at least as much.
///
/// ```
/// use annulus::io::AsyncReadOwned;
/// async fn head(mut from: impl AsyncReadOwned) -> std::io::Result<Vec<u8>> {
///     let (_, head) = from.read_exact(vec![0; 4]).await?;
///     Ok(head)
/// }
/// assert_eq!(annulus::run(head(&b"ring of buffers"[..]))??, b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "AsyncReadRent")]
#[doc(alias = "AsyncRead")]
pub trait AsyncReadOwned {
    /// Reads what comes next into `buf`, from its first byte on: how many bytes, and the buffer. 0
    /// is the end, or a buffer without room.
    ///
    /// When its future is dropped: that is its type's to say. *Resumable* are a `TcpStream`,
    /// [`Stdin`](super::Stdin), a child's [`stdout`](crate::process::ChildStdout), and what is
    /// memory. A `File` on a pipe is *cancel and discard*: bytes that the kernel had taken out are
    /// lost.
    ///
    /// # Errors
    /// Each gives the buffer back. Which ones: see the type.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// annulus::run(async {
    ///     let mut from = &b"ring"[..];
    ///     let (n, buf) = from.read(Vec::with_capacity(3)).await?;
    ///     assert_eq!((n, &buf[..]), (3, &b"rin"[..]));
    ///     assert_eq!(from.read(buf).await?.0, 1);
    ///     assert_eq!(from.read(vec![0; 3]).await?.0, 0); // the end
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// Reads what comes next into several buffers, each filled before the next.
    ///
    /// As [`read`](Self::read). Where the type has no such operation, it goes through one buffer of
    /// at most 64 KiB, which is lost with the future: then it is *cancel and discard*.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// annulus::run(async {
    ///     let bufs = (vec![0; 2], Vec::with_capacity(8));
    ///     let (n, bufs) = (&b"ring"[..]).read_vectored(bufs).await?;
    ///     assert_eq!((n, bufs), (4, (b"ri".to_vec(), b"ng".to_vec())));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_vectored<V: IoVecBufMut>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<usize, V>> {
        async move {
            let mut bufs = bufs;
            let room = (0..bufs.piece_count()).map(|i| bufs.piece_mut(i).1);
            let room = room.fold(0, usize::saturating_add);
            let room = room.min(THROUGH_BYTES);
            // A vector may have more room than it was asked for.
            match self.read(Vec::with_capacity(room).slice(..room)).await {
                Ok((n, through)) => Ok((scatter(&mut bufs, &through[..n]), bufs)),
                Err(error) => Err(error.map(|_| bufs)),
            }
        }
    }

    /// Reads until the buffer is full: how many bytes that were, and the buffer.
    ///
    /// *Cancel and discard*: what was read until then is lost with the buffer.
    ///
    /// # Errors
    /// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the end came first. What there was is at
    ///   the beginning of the buffer: [`done`](BufError::done) says how much.
    /// - Those of [`read`](Self::read), also after a part.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// annulus::run(async {
    ///     let mut from = &b"shared ring"[..];
    ///     assert_eq!(from.read_exact(vec![0; 6]).await?.1, b"shared");
    ///     let short = from.read_exact(vec![0; 6]).await.unwrap_err();
    ///     assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
    ///     assert_eq!((short.done(), &short.buf()[..5]), (5, &b" ring"[..]));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        async move {
            let (mut buf, mut done) = (buf, 0);
            let total = buf.bytes_total();
            while done < total {
                match self.read(buf.slice(done..total)).await {
                    Ok((0, part)) => {
                        return Err(BufError::unexpected_eof(done, part.into_inner()));
                    }
                    Ok((n, part)) => (buf, done) = (part.into_inner(), done + n),
                    Err(error) => return Err(error.map(Slice::into_inner).after(done)),
                }
            }
            Ok((done, buf))
        }
    }

    /// Reads to the end, behind what the vector has already: how many bytes came, and the vector.
    ///
    /// There is no limit to what it grows to: [`take`](Self::take) sets one.
    ///
    /// *Cancel and discard*: what was read until then is lost with the vector.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); the vector has what came before, and
    /// [`done`](BufError::done) says how much.
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// annulus::run(async {
    ///     let (n, all) = (&b"ring"[..]).read_to_end(b"shared ".to_vec()).await?;
    ///     assert_eq!((n, &all[..]), (4, &b"shared ring"[..]));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_to_end(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        async move {
            let (mut buf, mut done) = (buf, 0);
            loop {
                let begin = buf.len();
                if buf.capacity() - begin < TO_END_BYTES {
                    // At least twice as much each time, so that the bytes are moved seldom.
                    buf.reserve(TO_END_BYTES.max(begin));
                }
                match self.read(buf.slice(begin..)).await {
                    Ok((0, part)) => return Ok((done, part.into_inner())),
                    Ok((n, part)) => {
                        buf = part.into_inner();
                        buf.truncate(begin + n);
                        done += n;
                    }
                    Err(error) => return Err(error.map(Slice::into_inner).after(done)),
                }
            }
        }
    }

    /// Reads to the end, which must be UTF-8.
    ///
    /// *Cancel and discard*, as [`read_to_end`](Self::read_to_end), which gives what was read also
    /// with an error.
    ///
    /// # Errors
    /// - [`InvalidData`](io::ErrorKind::InvalidData): it is not UTF-8.
    /// - Those of [`read`](Self::read).
    ///
    /// ```
    /// use annulus::io::AsyncReadOwned;
    /// let text = annulus::run(async { (&b"ring"[..]).read_to_string().await })??;
    /// assert_eq!(text, "ring");
    /// let why = annulus::run(async { (&[0xff][..]).read_to_string().await })?.unwrap_err();
    /// assert_eq!(why.kind(), std::io::ErrorKind::InvalidData);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_to_string(&mut self) -> impl Future<Output = io::Result<String>> {
        async move {
            let (_, bytes) = self.read_to_end(Vec::new()).await?;
            String::from_utf8(bytes).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
        }
    }

    /// The same, with an end after `limit` bytes at most.
    ///
    /// ```
    /// use annulus::io::{AsyncReadOwned, repeat};
    /// let text = annulus::run(async { repeat(b'x').take(3).read_to_string().await })??;
    /// assert_eq!(text, "xxx");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

/// Something that bytes are written to, one after the other.
///
/// Write [`write`](Self::write) and [`shutdown`](Self::shutdown); everything else has a body.
///
/// ```
/// use annulus::io::AsyncWriteOwned;
/// async fn greet(mut to: impl AsyncWriteOwned, name: String) -> std::io::Result<()> {
///     to.write_all("hello ").await?;
///     to.write_all(name).await?;
///     to.flush().await
/// }
/// let mut text = Vec::new();
/// annulus::run(greet(&mut text, "ring".to_owned()))??;
/// assert_eq!(text, b"hello ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "AsyncWriteRent")]
#[doc(alias = "AsyncWrite")]
pub trait AsyncWriteOwned {
    /// Writes what there is room for: how many bytes, and the buffer. 0 is a full device, or an
    /// empty buffer.
    ///
    /// *Cancel and discard*: a part may have gone, and nobody says how much. The types here see to
    /// it that the next write goes behind it, and not in between.
    ///
    /// # Errors
    /// Each gives the buffer back. Which ones: see the type.
    ///
    /// ```
    /// use annulus::io::AsyncWriteOwned;
    /// annulus::run(async {
    ///     let mut text = Vec::new();
    ///     assert_eq!(text.write("ring").await?, (4, "ring"));
    ///     assert_eq!(text, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// Sees to it that all that was written has left the program: what is kept in buffers of this
    /// type is written. What is not buffered has nothing to do.
    ///
    /// It is not made durable: for that a file has `sync_all`.
    ///
    /// When its future is dropped: as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, BufWriter};
    /// annulus::run(async {
    ///     let mut text = Vec::new();
    ///     let mut to = BufWriter::new(&mut text);
    ///     to.write_all("ring").await?;
    ///     to.flush().await?;
    ///     assert_eq!(text, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        core::future::ready(Ok(()))
    }

    /// Flushes, and says the reader that this is the end: a socket's direction is shut down, a pipe
    /// is closed. Whatever is written afterwards is an error. Files and memory only flush.
    ///
    /// When its future is dropped: as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush). `ENOTCONN`: a socket that is not connected any more.
    ///
    /// ```
    /// use annulus::io::AsyncWriteOwned;
    /// annulus::run(async { Vec::new().shutdown().await })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "close")]
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Writes several buffers, one behind the other: how many bytes went.
    ///
    /// As [`write`](Self::write). Where the type has no such operation, at most 64 KiB of them are
    /// copied to one buffer.
    ///
    /// ```
    /// use annulus::io::AsyncWriteOwned;
    /// annulus::run(async {
    ///     let mut text = Vec::new();
    ///     assert_eq!(text.write_vectored(["shared ", "ring"]).await?.0, 11);
    ///     assert_eq!(text, b"shared ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<usize, V>> {
        async move {
            match self.write(gather(&bufs, THROUGH_BYTES)).await {
                Ok((n, _)) => Ok((n, bufs)),
                Err(error) => Err(error.map(|_| bufs)),
            }
        }
    }

    /// Writes all of the buffer: how many bytes that were, and the buffer.
    ///
    /// *Cancel and discard*: a part may have gone.
    ///
    /// # Errors
    /// - [`WriteZero`](io::ErrorKind::WriteZero): it takes no more, and says no reason.
    /// - Those of [`write`](Self::write), also after a part: [`done`](BufError::done) says how much
    ///   was written.
    ///
    /// ```
    /// use annulus::io::AsyncWriteOwned;
    /// annulus::run(async {
    ///     let mut to = std::io::Cursor::new(vec![0; 8].into_boxed_slice());
    ///     assert_eq!(to.write_all("shared").await?.0, 6);
    ///     let full = to.write_all("ring").await.unwrap_err();
    ///     assert_eq!((full.kind(), full.done()), (std::io::ErrorKind::WriteZero, 2));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        async move {
            let (mut buf, mut done) = (buf, 0);
            let total = buf.bytes_init();
            while done < total {
                match self.write(buf.slice(done..total)).await {
                    Ok((0, part)) => return Err(BufError::write_zero(done, part.into_inner())),
                    Ok((n, part)) => (buf, done) = (part.into_inner(), done + n),
                    Err(error) => return Err(error.map(Slice::into_inner).after(done)),
                }
            }
            Ok((done, buf))
        }
    }
}
