//! [`BufWriter`]: small writes are collected to large ones.

use std::io;

use annulus_ring::Errno;

use super::traits::AsyncWriteOwned;
use annulus_runtime::buffer::{BufError, BufResult, IoBuf, as_bytes};

/// How much is collected where nobody says otherwise.
const CAPACITY_BYTES: usize = 16 << 10;

/// A stream with a buffer, in which small writes are collected.
///
/// What does not fit is written; what is as large as the buffer is written past it, without a copy.
///
/// # When it is dropped
/// **Nothing is written**: a drop cannot wait, and what fails there nobody is told. So
/// [`flush`](AsyncWriteOwned::flush) or [`shutdown`](AsyncWriteOwned::shutdown) it; what is in
/// [`buffer`](Self::buffer) else is gone with it. [`into_inner`](Self::into_inner) gives it back.
///
/// # When a future is dropped
/// *Cancel and discard*. A write that finds room waits for nothing, and is done when it was polled.
/// One that had to write, or a flush, may have written a part of the buffer, and nobody says how
/// much: what would be written behind that is out of step. So from then on each call ends with
/// `ECANCELED`, and nothing is written any more.
///
/// ```
/// use annulus::io::{AsyncWriteOwned, BufWriter};
/// annulus::run(async {
///     let mut to = BufWriter::new(Vec::new());
///     to.write_all("shared ").await?;
///     to.write_all("ring").await?;
///     assert!(to.get_ref().is_empty());
///     to.flush().await?;
///     assert_eq!(to.get_ref(), b"shared ring");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BufWriter<W> {
    inner: W,
    buf: Vec<u8>,
    capacity: usize,
    /// A write of the buffer was begun; where nobody waits for it any more, it was given up.
    is_writing: bool,
}

impl<W> BufWriter<W> {
    /// One that collects 16 KiB.
    ///
    /// ```
    /// assert!(annulus::io::BufWriter::new(Vec::<u8>::new()).buffer().is_empty());
    /// ```
    pub fn new(inner: W) -> Self {
        Self::with_capacity(CAPACITY_BYTES, inner)
    }

    /// One that collects so many bytes.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, BufWriter};
    /// annulus::run(async {
    ///     let mut to = BufWriter::with_capacity(4, Vec::new());
    ///     to.write_all("ring").await?; // as large as the buffer: written past it
    ///     to.write_all("s").await?;
    ///     assert_eq!((to.buffer(), &to.get_ref()[..]), (&b"s"[..], &b"ring"[..]));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self { inner, buf: Vec::with_capacity(capacity), capacity, is_writing: false }
    }

    /// What was collected and not written.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, BufWriter};
    /// annulus::run(async {
    ///     let mut to = BufWriter::new(Vec::new());
    ///     to.write_all("ring").await?;
    ///     assert_eq!(to.buffer(), b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buf
    }

    /// The stream in it. What is written to it past this goes before what is collected here.
    ///
    /// ```
    /// assert!(annulus::io::BufWriter::new(Vec::<u8>::new()).get_ref().is_empty());
    /// ```
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The same, to be changed: to read from a socket.
    ///
    /// ```
    /// let mut to = annulus::io::BufWriter::new(Vec::new());
    /// to.get_mut().push(7);
    /// assert_eq!(to.get_ref(), &[7]);
    /// ```
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The stream, and what was not written to it.
    ///
    /// ```
    /// use annulus::io::{AsyncWriteOwned, BufWriter};
    /// annulus::run(async {
    ///     let mut to = BufWriter::new(Vec::new());
    ///     to.write_all("ring").await?;
    ///     assert_eq!(to.into_inner(), (Vec::new(), b"ring".to_vec()));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> (W, Vec<u8>) {
        (self.inner, self.buf)
    }
}

impl<W: AsyncWriteOwned> BufWriter<W> {
    /// Writes what was collected.
    async fn write_out(&mut self) -> Result<(), BufError<()>> {
        self.begin()?;
        if self.buf.is_empty() {
            self.is_writing = false;
            return Ok(());
        }
        let buf = core::mem::take(&mut self.buf);
        let written = self.inner.write_all(buf).await;
        self.is_writing = false;
        let (ended, done, buf) = match written {
            Ok((done, buf)) => (Ok(()), done, buf),
            Err(error) => {
                let done = error.done();
                let mut buf = None;
                let error = error.map(|whole| buf = Some(whole));
                (Err(error), done, buf.unwrap_or_default())
            }
        };
        // What an error has left is for the next try.
        self.buf = buf;
        self.buf.drain(..done);
        ended
    }

    /// Notes that a write begins; or an earlier one was given up.
    fn begin(&mut self) -> Result<(), BufError<()>> {
        if core::mem::replace(&mut self.is_writing, true) {
            return Err(BufError::new(Errno::ECANCELED, ()));
        }
        Ok(())
    }
}

impl<W: AsyncWriteOwned> AsyncWriteOwned for BufWriter<W> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        let count = buf.bytes_init();
        let has_room = count <= self.capacity - self.buf.len().min(self.capacity);
        if (!has_room || self.is_writing)
            && let Err(error) = self.write_out().await
        {
            // What was written was others'.
            return Err(error.map(|()| buf).after(0));
        }
        if count < self.capacity {
            self.buf.extend_from_slice(as_bytes(&buf));
            return Ok((count, buf));
        }
        if let Err(error) = self.begin() {
            return Err(error.map(|()| buf));
        }
        let written = self.inner.write(buf).await;
        self.is_writing = false;
        written
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.write_out().await?;
        self.inner.flush().await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.write_out().await?;
        self.inner.shutdown().await
    }
}
