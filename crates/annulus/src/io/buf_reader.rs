//! [`BufReader`]: bytes are read in large pieces, and given in small ones.

use std::io;

use super::lines::{Lines, SplitBy};
use super::search::find;
use super::traits::AsyncReadOwned;
use annulus_runtime::buffer::{BufResult, IoBufMut, copy_to};

/// How much is read at once where nobody says otherwise. More than the standard library's: each
/// read is a trip through the ring.
const CAPACITY_BYTES: usize = 16 << 10;

/// How long a line may be where nobody says otherwise.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A stream with a buffer: for lines, and for reads of a few bytes each.
///
/// It reads 16 KiB at a time, into a buffer that is lent to the kernel; what was read is kept in
/// another until somebody takes it. Both are reused.
///
/// # When a future is dropped
/// All of its methods are *resumable*, as far as the [read](AsyncReadOwned::read) of the stream in
/// it is: a line that was read in part stays here, and the next call goes on behind it. Of `Stdin`,
/// of a child's output, of a `TcpStream` nothing is lost, so they may stand in a `select!` or under
/// a time limit.
///
/// # Lines without end
/// A line is kept until its end has come. So a peer that sends none would have all the memory; at
/// [`line_max`](Self::line_max), 1 MiB if nothing else is set, the methods give
/// [`InvalidData`](io::ErrorKind::InvalidData) instead. Nothing is thrown away then: the next call
/// says the same, [`buffer`](Self::buffer) has the beginning, and [`consume`](Self::consume) passes
/// it over.
///
/// ```
/// use annulus::io::BufReader;
/// annulus::run(async {
///     let mut from = BufReader::new(&b"GET / HTTP/1.1\r\n\r\nbody"[..]);
///     let mut line = String::new();
///     assert_eq!(from.read_line(&mut line).await?, 16);
///     assert_eq!(line, "GET / HTTP/1.1\r\n");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
    /// What was read; it is never lent.
    held: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    /// What is lent for a read, unless one is under way that was given up.
    lent: Option<Vec<u8>>,
    capacity: usize,
    line_max: usize,
}

impl<R> BufReader<R> {
    /// One that reads 16 KiB at a time.
    ///
    /// ```
    /// assert!(annulus::io::BufReader::new(&b"ring"[..]).buffer().is_empty());
    /// ```
    pub fn new(inner: R) -> Self {
        Self::with_capacity(CAPACITY_BYTES, inner)
    }

    /// One that reads so many bytes at a time, at least one.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::with_capacity(2, &b"ring"[..]);
    ///     assert_eq!(from.fill_buf().await?, b"ri");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        let capacity = capacity.max(1);
        let (held, line_max) = (Vec::new(), LINE_BYTES_MAX);
        Self { inner, held, taken: 0, lent: None, capacity, line_max }
    }

    /// Refuses lines that are longer than so many bytes, their end included.
    ///
    /// ```
    /// use annulus::io::{BufReader, repeat};
    /// annulus::run(async {
    ///     let mut from = BufReader::new(repeat(b'x')).line_max(1000);
    ///     let why = from.read_line(&mut String::new()).await.unwrap_err();
    ///     assert_eq!(why.kind(), std::io::ErrorKind::InvalidData);
    ///     assert!(from.buffer().starts_with(b"xxx"));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn line_max(mut self, bytes: usize) -> Self {
        self.line_max = bytes;
        self
    }

    /// What was read and not taken.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::new(&b"ring"[..]);
    ///     from.fill_buf().await?;
    ///     assert_eq!(from.buffer(), b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.held[self.taken..]
    }

    /// Takes so many bytes of what was read.
    ///
    /// # Panics
    /// Where [`buffer`](Self::buffer) has not so many.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::new(&b"ring"[..]);
    ///     from.fill_buf().await?;
    ///     from.consume(3);
    ///     assert_eq!(from.buffer(), b"g");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.buffer().len(), "{count} of {} bytes", self.buffer().len());
        self.taken += count;
    }

    /// The stream in it. What is read from it past this is missing here.
    ///
    /// ```
    /// assert_eq!(*annulus::io::BufReader::new(&b"ring"[..]).get_ref(), b"ring");
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The same, to be changed: to write to a socket.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// assert_eq!(*BufReader::new(&b"ring"[..]).get_mut(), b"ring");
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The stream, and what was read from it and not taken.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::with_capacity(3, &b"ring"[..]);
    ///     from.fill_buf().await?;
    ///     assert_eq!(from.into_inner(), (&b"g"[..], b"rin".to_vec()));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(mut self) -> (R, Vec<u8>) {
        self.held.drain(..self.taken);
        (self.inner, self.held)
    }
}

impl<R: AsyncReadOwned> BufReader<R> {
    /// Reads more, behind what is held: how much. 0 is the end.
    async fn fill_more(&mut self) -> io::Result<usize> {
        let buf = match self.lent.take() {
            Some(buf) => buf,
            None => Vec::with_capacity(self.capacity),
        };
        let (n, mut buf) = match self.inner.read(buf).await {
            Ok(read) => read,
            Err(error) => {
                let (error, buf) = error.into_inner();
                self.lent = Some(buf);
                return Err(error);
            }
        };
        buf.truncate(n);
        if self.buffer().is_empty() {
            self.taken = 0;
            core::mem::swap(&mut self.held, &mut buf);
        } else {
            self.held.drain(..core::mem::take(&mut self.taken));
            self.held.extend_from_slice(&buf);
        }
        buf.clear();
        // What a long line has made large is not what is to be read at once from now on.
        self.lent = (buf.capacity() == self.capacity).then_some(buf);
        Ok(n)
    }

    /// What was read and not taken; where there is nothing, what comes next. Empty is the end.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of the stream's [`read`](AsyncReadOwned::read).
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::new(&b"ring"[..]);
    ///     assert_eq!(from.fill_buf().await?, b"ring");
    ///     from.consume(4);
    ///     assert_eq!(from.fill_buf().await?, b"");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer().is_empty() {
            self.fill_more().await?;
        }
        Ok(self.buffer())
    }

    /// How long the next piece is, which ends with `delimiter` or at the end of the stream, when
    /// all of it was read. Nothing is taken.
    pub(super) async fn next_piece(&mut self, delimiter: u8) -> io::Result<usize> {
        let mut searched = 0;
        loop {
            if let Some(found) = find(delimiter, &self.buffer()[searched..]) {
                let count = searched + found + 1;
                return if count <= self.line_max { Ok(count) } else { Err(self.too_long()) };
            }
            searched = self.buffer().len();
            if searched >= self.line_max {
                return Err(self.too_long());
            }
            if self.fill_more().await? == 0 {
                return Ok(searched);
            }
        }
    }

    fn too_long(&self) -> io::Error {
        let why = format!(
            "a line is longer than {} bytes: raise BufReader::line_max, or refuse the peer",
            self.line_max
        );
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Reads up to `delimiter`, which is given too, and puts what was read behind what `out` has:
    /// how many bytes. The last piece may be without one; 0 is the end.
    ///
    /// *Resumable*: where its future is dropped, what was read of the piece stays here, and the
    /// next call gives it whole. Nothing is put into `out` before.
    ///
    /// # Errors
    /// - [`InvalidData`](io::ErrorKind::InvalidData): it is longer than [the
    ///   limit](Self::line_max).
    /// - Those of the stream's [`read`](AsyncReadOwned::read).
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::new(&b"key=value"[..]);
    ///     let mut out = Vec::new();
    ///     assert_eq!(from.read_until(b'=', &mut out).await?, 4);
    ///     assert_eq!(from.read_until(b'=', &mut out).await?, 5);
    ///     assert_eq!(from.read_until(b'=', &mut out).await?, 0);
    ///     assert_eq!(out, b"key=value");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_until(&mut self, delimiter: u8, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = self.next_piece(delimiter).await?;
        out.extend_from_slice(&self.buffer()[..count]);
        self.consume(count);
        Ok(count)
    }

    /// Reads a line, with its end, and puts it behind what `out` has: how many bytes. The last may
    /// be without an end; 0 is the end of the stream.
    ///
    /// *Resumable*, as [`read_until`](Self::read_until).
    ///
    /// # Errors
    /// - [`InvalidData`](io::ErrorKind::InvalidData): it is not UTF-8: it is passed over, and `out`
    ///   is as it was. Or it is longer than [the limit](Self::line_max).
    /// - Those of the stream's [`read`](AsyncReadOwned::read).
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut from = BufReader::new(&b"one\n\xff\ntwo"[..]);
    ///     let mut out = String::new();
    ///     assert_eq!(from.read_line(&mut out).await?, 4);
    ///     let why = from.read_line(&mut out).await.unwrap_err();
    ///     assert_eq!(why.kind(), std::io::ErrorKind::InvalidData);
    ///     assert_eq!(from.read_line(&mut out).await?, 3);
    ///     assert_eq!(out, "one\ntwo");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_line(&mut self, out: &mut String) -> io::Result<usize> {
        let count = self.next_piece(b'\n').await?;
        let line = str::from_utf8(&self.buffer()[..count]).map(|line| out.push_str(line));
        self.consume(count);
        line.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        Ok(count)
    }

    /// The lines, without their ends.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut lines = BufReader::new(&b"one\r\n\ntwo"[..]).lines();
    ///     assert_eq!(lines.next().await?.as_deref(), Some("one"));
    ///     assert_eq!(lines.next().await?.as_deref(), Some(""));
    ///     assert_eq!(lines.next().await?.as_deref(), Some("two"));
    ///     assert_eq!(lines.next().await?, None);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lines(self) -> Lines<R> {
        Lines::new(self)
    }

    /// The pieces between one `delimiter` and the next, without them.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut names = BufReader::new(&b"a\0b\0"[..]).split(0);
    ///     assert_eq!(names.next().await?, Some(b"a".to_vec()));
    ///     assert_eq!(names.next().await?, Some(b"b".to_vec()));
    ///     assert_eq!(names.next().await?, None);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn split(self, delimiter: u8) -> SplitBy<R> {
        SplitBy::new(self, delimiter)
    }
}

/// What is held first. A buffer as large as this reader's own is given to the stream itself.
impl<R: AsyncReadOwned> AsyncReadOwned for BufReader<R> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        let total = buf.bytes_total();
        if total == 0 {
            return Ok((0, buf));
        }
        if self.buffer().is_empty() {
            if total >= self.capacity {
                return self.inner.read(buf).await;
            }
            let lent = self.lent.take().unwrap_or_else(|| Vec::with_capacity(self.capacity));
            match self.inner.read(lent).await {
                Ok((n, mut read)) => {
                    read.truncate(n);
                    core::mem::swap(&mut self.held, &mut read);
                    self.taken = 0;
                    read.clear();
                    self.lent = (read.capacity() == self.capacity).then_some(read);
                }
                Err(error) => return Err(error.map(|_| buf)),
            }
        }
        let n = copy_to(&mut buf, self.buffer());
        self.consume(n);
        Ok((n, buf))
    }
}
