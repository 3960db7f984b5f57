//! [`Lines`] and [`SplitBy`]: what a stream has, piece by piece.

use std::io;

use super::buf_reader::BufReader;
use super::traits::AsyncReadOwned;

/// The lines of a stream: see [`BufReader::lines`].
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
}

/// The pieces of a stream between delimiters: see [`BufReader::split`].
#[derive(Debug)]
pub struct SplitBy<R> {
    reader: BufReader<R>,
    delimiter: u8,
}

impl<R> Lines<R> {
    pub(super) fn new(reader: BufReader<R>) -> Self {
        Self { reader }
    }

    /// The reader, for what is not lines: it stands behind the last line that was given.
    ///
    /// ```
    /// use annulus::io::{AsyncReadOwned, BufReader};
    /// annulus::run(async {
    ///     let mut lines = BufReader::new(&b"head\nbody"[..]).lines();
    ///     lines.next().await?;
    ///     assert_eq!(lines.into_inner().read_to_string().await?, "body");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(self) -> BufReader<R> {
        self.reader
    }
}

impl<R: AsyncReadOwned> Lines<R> {
    /// The next line, without its end, be that `\n` or `\r\n`; `None` at the end of the stream.
    ///
    /// *Resumable*: where its future is dropped nothing is lost, the beginning of a line neither.
    ///
    /// # Errors
    /// Those of [`BufReader::read_line`].
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut lines = BufReader::new(&b"one"[..]).lines();
    ///     assert_eq!(lines.next().await?.as_deref(), Some("one"));
    ///     assert_eq!(lines.next().await?, None);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "next_line")]
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line.ends_with('\n') {
            line.pop();
            if line.ends_with('\r') {
                line.pop();
            }
        }
        Ok(Some(line))
    }
}

impl<R> SplitBy<R> {
    pub(super) fn new(reader: BufReader<R>, delimiter: u8) -> Self {
        Self { reader, delimiter }
    }

    /// The reader: it stands behind the last piece that was given.
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// let pieces = BufReader::new(&b"a,b"[..]).split(b',');
    /// assert_eq!(*pieces.into_inner().get_ref(), b"a,b");
    /// ```
    pub fn into_inner(self) -> BufReader<R> {
        self.reader
    }
}

impl<R: AsyncReadOwned> SplitBy<R> {
    /// The next piece, without its delimiter; `None` at the end of the stream.
    ///
    /// *Resumable*, as [`Lines::next`].
    ///
    /// # Errors
    /// Those of [`BufReader::read_until`].
    ///
    /// ```
    /// use annulus::io::BufReader;
    /// annulus::run(async {
    ///     let mut pieces = BufReader::new(&b"a,,b"[..]).split(b',');
    ///     assert_eq!(pieces.next().await?, Some(b"a".to_vec()));
    ///     assert_eq!(pieces.next().await?, Some(Vec::new()));
    ///     assert_eq!(pieces.next().await?, Some(b"b".to_vec()));
    ///     assert_eq!(pieces.next().await?, None);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        if self.reader.read_until(self.delimiter, &mut piece).await? == 0 {
            return Ok(None);
        }
        if piece.last() == Some(&self.delimiter) {
            piece.pop();
        }
        Ok(Some(piece))
    }
}
