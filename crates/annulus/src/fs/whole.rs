//! Whole files: [`read`], [`read_to_string`], [`write()`].

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use annulus_ring::Errno;
use annulus_runtime::Error;
use annulus_runtime::buffer::{BufError, BufResult, IoBuf, Slice};

use super::{File, OpenOptions, PathError};

/// How much room is made, at least, where a file has more than its length said.
const MORE_BYTES: usize = 16 * 1024;

/// The whole content of a file: it is opened, read until its end, and closed.
///
/// *Resumable*: read again.
///
/// # Errors
/// Those of [`File::open`]; and `EISDIR`: a directory; `EIO`: the device, or the server, failed;
/// `ENOMEM`: memory cannot hold it.
///
/// ```
/// let text = annulus::run(annulus::fs::read("Cargo.toml"))??;
/// assert!(text.starts_with(b"[package]"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, PathError> {
    let path = path.as_ref();
    content(&File::open(path).await?, path).await
}

/// As [`read`], of text in UTF-8.
///
/// *Resumable*: read again.
///
/// # Errors
/// Those of [`read`]; of kind `InvalidData`, without a number: it is not UTF-8.
///
/// ```
/// let text = annulus::run(annulus::fs::read_to_string("Cargo.toml"))??;
/// assert!(text.contains("name = \"annulus\""));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> Result<String, PathError> {
    let path = path.as_ref();
    text(read(path).await?, path)
}

/// Makes a file of the buffer, or replaces the content of one: it is opened, truncated, written and
/// closed. Gives the buffer back.
///
/// Nothing of it is durable yet, and what fails or is dropped in between leaves a part:
/// [`replace`](super::replace) does it as one.
///
/// *Cancel and discard*: the file may be empty, or have a part; written again it is good.
///
/// # Errors
/// With the buffer: those of [`File::create`]; `ENOSPC`, `EDQUOT` (122): no room; `EFBIG`: beyond
/// the limit of the process or the file system; `EIO`. [`done`](WriteError::done) says how much was
/// written.
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-write-{}", std::process::id()));
/// annulus::run(async {
///     let buf = fs::write(&path, b"ring".to_vec()).await?;
///     assert_eq!(fs::read(&path).await?, buf);
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn write<B: IoBuf>(path: impl AsRef<Path>, buf: B) -> Result<B, WriteError<B>> {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).open(path).await;
    write_to(opened, path, buf).await
}

/// The content of an open file.
pub(super) async fn content(file: &File, path: &Path) -> Result<Vec<u8>, PathError> {
    match read_to_end(file, Vec::new(), None).await {
        Ok((_, content)) => Ok(content),
        Err(error) => Err(PathError::new(error.ended(), "read", path.to_owned())),
    }
}

/// The same as text.
pub(super) fn text(content: Vec<u8>, path: &Path) -> Result<String, PathError> {
    let text = String::from_utf8(content);
    text.map_err(|_| PathError::new(Error::not_utf8(), "read as text", path.to_owned()))
}

/// Writes all of the buffer to a file that was opened for it, and closes that.
pub(super) async fn write_to<B: IoBuf>(
    opened: Result<File, PathError>,
    path: &Path,
    buf: B,
) -> Result<B, WriteError<B>> {
    let file = match opened {
        Ok(file) => file,
        Err(error) => return Err(WriteError { error, done: 0, buf }),
    };
    let (n, buf) = match file.write_all_at(buf, 0).await {
        Ok(written) => written,
        Err(error) => {
            // Who gets the error may want to remove the file, or run it: it is not open any more.
            let _ = file.file.close().await;
            return Err(WriteError::of(error, path.to_owned()));
        }
    };
    // Some servers say only now that they have no room.
    match file.file.close().await {
        Ok(()) => Ok(buf),
        Err(error) => {
            let error = PathError::new(error, "close", path.to_owned());
            Err(WriteError { error, done: n, buf })
        }
    }
}

/// Reads to the end, from `offset` or from where the file is.
pub(super) async fn read_to_end(
    file: &File,
    mut buf: Vec<u8>,
    offset: Option<u64>,
) -> BufResult<usize, Vec<u8>> {
    let found = file.metadata().await.ok();
    let len = found.map_or(0, |found| found.len()).saturating_sub(offset.unwrap_or(0));
    let len = usize::try_from(len).unwrap_or(usize::MAX - 1);
    // A regular file that gives as much as its length said, and less than was asked for, is at its
    // end: what is made up while it is read, as in /proc, has no length that is right.
    let is_sure = found.is_some_and(|found| found.is_file()) && len > 0;
    let begin = buf.len();
    let mut more = len + 1;
    loop {
        let done = buf.len() - begin;
        if buf.len() == buf.capacity() || done == 0 {
            if buf.try_reserve(more).is_err() {
                return Err(BufError::new(Errno::ENOMEM, buf).after(done));
            }
            more = MORE_BYTES;
        }
        let room = buf.capacity() - buf.len();
        let end = buf.len();
        let read = match offset {
            Some(offset) => {
                file.read_at(buf.slice(end..), offset.saturating_add(done as u64)).await
            }
            None => file.read(buf.slice(end..)).await,
        };
        match read {
            Ok((n, slice)) => {
                buf = slice.into_inner();
                if n == 0 || (is_sure && n < room && done + n == len) {
                    return Ok((done + n, buf));
                }
            }
            Err(error) => return Err(error.map(Slice::into_inner).after(done)),
        }
    }
}

/// Why a file was not written, with the buffer.
///
/// ```
/// use annulus::{Errno, fs};
/// let error = annulus::run(fs::write("/dev/full", vec![7; 9]))?.unwrap_err();
/// assert_eq!((error.error().errno(), error.done()), (Some(Errno::ENOSPC), 0));
/// assert!(error.to_string().starts_with("write \"/dev/full\": No space left"));
/// assert_eq!(error.into_buf().len(), 9);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub struct WriteError<B> {
    error: PathError,
    done: usize,
    buf: B,
}

impl<B> WriteError<B> {
    fn of(error: BufError<B>, path: PathBuf) -> Self {
        let done = error.done();
        Self { error: PathError::new(error.ended(), "write", path), done, buf: error.into_buf() }
    }

    /// What failed, and why.
    ///
    /// ```
    /// use annulus::fs;
    /// let error = annulus::run(fs::write("/no/such/file", "ring"))?.unwrap_err();
    /// assert_eq!(error.error().kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn error(&self) -> &PathError {
        &self.error
    }

    /// How many bytes were written before it failed.
    ///
    /// ```
    /// let error = annulus::run(annulus::fs::write("/dev/full", "ring"))?.unwrap_err();
    /// assert_eq!(error.done(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn done(&self) -> usize {
        self.done
    }

    /// The buffer alone.
    ///
    /// ```
    /// let error = annulus::run(annulus::fs::write("/dev/full", "ring"))?.unwrap_err();
    /// assert_eq!(error.into_buf(), "ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_buf(self) -> B {
        self.buf
    }
}

impl<B> fmt::Display for WriteError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if self.done > 0 { write!(f, " (after {} bytes)", self.done) } else { Ok(()) }
    }
}

impl<B> fmt::Debug for WriteError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffer: its bytes may be many, or secret.
        let mut shown = f.debug_struct("WriteError");
        shown.field("error", &self.error).field("done", &self.done).finish_non_exhaustive()
    }
}

impl<B> std::error::Error for WriteError<B> {}

impl<B> From<WriteError<B>> for io::Error {
    fn from(error: WriteError<B>) -> Self {
        error.error.into()
    }
}
