//! [`AsyncReadAt`] and [`AsyncWriteAt`]: what has offsets.

use core::future::Future;

use annulus_runtime::buffer::{BufError, BufResult, IoBuf, IoBufMut, Slice};

/// Something that bytes are read from at any offset: many at once, since no position moves.
///
/// ```
/// use annulus::io::AsyncReadAt;
/// async fn tail(from: &impl AsyncReadAt, end: u64) -> std::io::Result<Vec<u8>> {
///     Ok(from.read_exact_at(vec![0; 4], end - 4).await?.1)
/// }
/// assert_eq!(annulus::run(tail(&b"shared ring".to_vec(), 11))??, b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait AsyncReadAt {
    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer. 0 is the end, or a buffer
    /// without room.
    ///
    /// *Cancel and discard*, which loses nothing: read again.
    ///
    /// # Errors
    /// Each gives the buffer back. Which ones: see the type.
    ///
    /// ```
    /// use annulus::io::AsyncReadAt;
    /// let (n, buf) = annulus::run(async { (&b"ring"[..]).read_at(vec![0; 8], 1).await })??;
    /// assert_eq!(&buf[..n], b"ing");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pread")]
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>>;

    /// Reads at `offset` until the buffer is full.
    ///
    /// *Cancel and discard*, which loses nothing: read again.
    ///
    /// # Errors
    /// - [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): the end came first, after
    ///   [`done`](BufError::done) bytes.
    /// - Those of [`read_at`](Self::read_at), also after a part.
    ///
    /// ```
    /// use annulus::io::AsyncReadAt;
    /// let read = annulus::run(async { (&b"ring"[..]).read_exact_at(vec![0; 8], 1).await })?;
    /// assert_eq!(read.unwrap_err().done(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn read_exact_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        async move {
            let (mut buf, mut done) = (buf, 0);
            let total = buf.bytes_total();
            while done < total {
                let at = offset.saturating_add(done as u64);
                match self.read_at(buf.slice(done..total), at).await {
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
}

/// Something that bytes are written to at any offset.
///
/// ```
/// use annulus::io::{AsyncReadAt, AsyncWriteAt};
/// use annulus::fs::File;
/// let path = std::env::temp_dir().join(format!("annulus-at-{}", std::process::id()));
/// let std = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
/// annulus::run(async {
///     let mut file = File::from(std);
///     AsyncWriteAt::write_all_at(&mut file, "ring", 4096).await?;
///     assert_eq!(AsyncReadAt::read_exact_at(&file, vec![0; 2], 4098).await?.1, b"ng");
///     std::io::Result::Ok(())
/// })??;
/// std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait AsyncWriteAt {
    /// Writes at `offset`, as `pwrite(2)`: how many bytes, and the buffer.
    ///
    /// *Cancel and discard*: the bytes are there, a part of them or none. The same write again
    /// makes it good.
    ///
    /// # Errors
    /// Each gives the buffer back. Which ones: see the type.
    ///
    /// ```
    /// use annulus::io::AsyncWriteAt;
    /// let mut bytes = b"ring".to_vec();
    /// annulus::run(async { bytes.write_at("kin", 1).await.map(drop) })??;
    /// assert_eq!(bytes, b"rkin");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    fn write_at<B: IoBuf>(
        &mut self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>>;

    /// Writes all of the buffer at `offset`.
    ///
    /// *Cancel and discard*, as [`write_at`](Self::write_at).
    ///
    /// # Errors
    /// - [`WriteZero`](std::io::ErrorKind::WriteZero): it takes no more, and says no reason.
    /// - Those of [`write_at`](Self::write_at), also after a part: [`done`](BufError::done) says
    ///   how much was written.
    ///
    /// ```
    /// use annulus::io::AsyncWriteAt;
    /// let mut bytes = Vec::new();
    /// annulus::run(async { bytes.write_all_at("ring", 2).await.map(drop) })??;
    /// assert_eq!(bytes, b"\0\0ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn write_all_at<B: IoBuf>(
        &mut self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        async move {
            let (mut buf, mut done) = (buf, 0);
            let total = buf.bytes_init();
            while done < total {
                let at = offset.saturating_add(done as u64);
                match self.write_at(buf.slice(done..total), at).await {
                    Ok((0, part)) => return Err(BufError::write_zero(done, part.into_inner())),
                    Ok((n, part)) => (buf, done) = (part.into_inner(), done + n),
                    Err(error) => return Err(error.map(Slice::into_inner).after(done)),
                }
            }
            Ok((done, buf))
        }
    }
}
