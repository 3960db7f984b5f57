//! A file's position, and where its data and its holes are.

use std::io::SeekFrom;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;
use annulus_ring::abi::private::{self, SeekWhence};

use super::file::OpenFile;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Moving a file's position: see [`File::seek`].
#[derive(Debug)]
pub struct Seek {
    file: Arc<OpenFile>,
    offset: i64,
    whence: SeekWhence,
    position: u64,
}

impl Seek {
    fn new(file: Arc<OpenFile>, offset: u64, whence: SeekWhence) -> Self {
        Self { file, offset: offset.cast_signed(), whence, position: 0 }
    }
}

// SAFETY: the entry points to `position`, which lies here and stays in place, and names a
// descriptor that is kept open here.
unsafe impl Operation for Seek {
    type Output = Result<u64, Error>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the position outlives the call.
        unsafe { self.file.call_once(&entry) }
    }

    fn entry(&mut self) -> Sqe {
        private::lseek(self.file.raw(), self.offset, self.whence, &raw mut self.position)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(|_| self.position)
    }

    fn reclaim(self, _: Completion) {
        // The position is where it is.
    }
}

/// Finding data, or a hole: see [`File::seek_data`] and [`File::seek_hole`].
#[derive(Debug)]
pub struct SeekData(Seek);

// SAFETY: all of it is the other's, which is in `self`.
unsafe impl Operation for SeekData {
    type Output = Result<Option<u64>, Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.0.entry()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        if completion.result == Err(Errno::ENXIO) {
            return Ok(None);
        }
        self.0.complete(completion).map(Some)
    }

    fn reclaim(self, completion: Completion) {
        self.0.reclaim(completion);
    }
}

/// # Position
///
/// io_uring has no operation for it. To a position it is set at once, on this thread; the end, data
/// and holes may be a disk's or a server's to know, and a thread asks (see
/// [`IS_PRIVATE`](Operation::IS_PRIVATE)). In a chain ([`Op::then`]) these fail with `EINVAL`.
impl File {
    /// Moves the position that [`read`](Self::read) and [`write`](Self::write) begin at, and tells
    /// where it is then (`lseek(2)`). Clones of the handle share it. A directory is listed anew
    /// from 0 on.
    ///
    /// # Errors
    /// - `ESPIPE`: a pipe, socket or terminal has none.
    /// - `EINVAL`: before the beginning, or past 2⁶³ − 1.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [lseek(2)](https://man7.org/linux/man-pages/man2/lseek.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// use std::io::SeekFrom;
    /// let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(block_on(file.seek(SeekFrom::Start(1)))?, 1);
    /// assert_eq!(block_on(file.read(vec![0; 7]))?.1, b"package");
    /// assert_eq!(block_on(file.seek(SeekFrom::Current(-7)))?, 1);
    /// assert_eq!(block_on(file.seek(SeekFrom::End(0)))?, block_on(file.metadata())?.len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "lseek")]
    pub fn seek(&self, to: SeekFrom) -> Op<Seek> {
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (offset, SeekWhence::SET),
            SeekFrom::Current(offset) => (offset.cast_unsigned(), SeekWhence::CUR),
            SeekFrom::End(offset) => (offset.cast_unsigned(), SeekWhence::END),
        };
        self.op(Seek::new(self.open(), offset, whence))
    }

    /// Where data begins, at `offset` or behind it, and moves the position there; nothing if there
    /// is none up to the end (`lseek(2)` with `SEEK_DATA`, Linux 3.1). A file system that knows of
    /// no holes says that all is data.
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// use std::os::unix::fs::FileExt;
    /// # let path = std::env::temp_dir().join(format!("annulus-holes-{}", std::process::id()));
    /// let std = std::fs::File::create(&path)?;
    /// std.write_all_at(b"data", 1 << 20)?;
    /// std.set_len(2 << 20)?;
    /// let file = Engine::new()?.file(std);
    /// let data = block_on(file.seek_data(0))?.expect("there is some");
    /// let hole = block_on(file.seek_hole(data))?.expect("the end is one");
    /// assert!(data <= 1 << 20 && hole > 1 << 20 && hole <= 2 << 20);
    /// assert_eq!(block_on(file.seek_data(2 << 20))?, None);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SEEK_DATA")]
    pub fn seek_data(&self, offset: u64) -> Op<SeekData> {
        self.op(SeekData(Seek::new(self.open(), offset, SeekWhence::DATA)))
    }

    /// Where a hole begins, at `offset` or behind it, and moves the position there: the end of the
    /// file is one. Nothing if `offset` is at the end or behind it.
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let length = std::fs::metadata("Cargo.toml")?.len();
    /// assert_eq!(futures::executor::block_on(file.seek_hole(0))?, Some(length));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SEEK_HOLE")]
    pub fn seek_hole(&self, offset: u64) -> Op<SeekData> {
        self.op(SeekData(Seek::new(self.open(), offset, SeekWhence::HOLE)))
    }
}
