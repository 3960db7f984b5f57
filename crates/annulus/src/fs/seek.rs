//! The position of a [`File`], and where its data and its holes are.

use std::io::SeekFrom;

use annulus_runtime::engine::ops::{Seek, SeekData};
use annulus_runtime::{Error, LocalOp};

use super::File;

/// # Position
///
/// It is the kernel's, of the open file: clones share it, and so do others who have the file from
/// this one. io_uring has no operation for it. To a place, or from where it is, it is moved at
/// once, on this thread; the end, data and holes may be a disk's or a server's to know: a thread
/// asks.
impl File {
    /// Moves the position that [`read`](Self::read) and [`write`](Self::write) begin at, and says
    /// where it is then.
    ///
    /// *Cancel and discard*: moved or not.
    ///
    /// # Errors
    /// - `ESPIPE`: a pipe, a socket or a terminal has none.
    /// - `EINVAL`: before the beginning, or past 2⁶³ − 1.
    ///
    /// See [lseek(2)](https://man7.org/linux/man-pages/man2/lseek.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// use std::io::SeekFrom;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.seek(SeekFrom::Start(1)).await?, 1);
    ///     assert_eq!(file.read(vec![0; 7]).await?.1, b"package");
    ///     assert_eq!(file.seek(SeekFrom::End(0)).await?, file.metadata().await?.len());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "lseek")]
    pub fn seek(&self, to: SeekFrom) -> LocalOp<Seek> {
        self.file.seek(to)
    }

    /// Where the position is.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// - `ESPIPE`: a pipe, a socket or a terminal has none.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.read(vec![0; 7]).await?;
    ///     assert_eq!(file.stream_position().await?, 7);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "tell")]
    pub fn stream_position(&self) -> LocalOp<Seek> {
        self.seek(SeekFrom::Current(0))
    }

    /// Moves the position to the beginning.
    ///
    /// *Cancel and discard*: done or not; the same again makes it good.
    ///
    /// # Errors
    /// - `ESPIPE`: a pipe, a socket or a terminal has none.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let (_, first) = file.read(vec![0; 9]).await?;
    ///     file.rewind().await?;
    ///     assert_eq!(file.read(vec![0; 9]).await?.1, first);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn rewind(&self) -> Result<(), Error> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Where data begins, at `offset` or behind it; `None` where there is none behind. It moves the
    /// position.
    ///
    /// A file system that knows no holes says that all is data.
    ///
    /// *Cancel and discard*: the position may have moved.
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek). `EINVAL` also of a file system without (Linux 3.1).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.seek_data(1).await?, Some(1));
    ///     assert_eq!(file.seek_data(1 << 40).await?, None);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SEEK_DATA")]
    pub fn seek_data(&self, offset: u64) -> LocalOp<SeekData> {
        self.file.seek_data(offset)
    }

    /// Where a hole begins, at `offset` or behind it: the end of the file is one. `None` behind the
    /// end. It moves the position.
    ///
    /// *Cancel and discard*, as [`seek_data`](Self::seek_data).
    ///
    /// # Errors
    /// Those of [`seek_data`](Self::seek_data).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.seek_hole(0).await?, Some(file.metadata().await?.len()));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SEEK_HOLE")]
    pub fn seek_hole(&self, offset: u64) -> LocalOp<SeekData> {
        self.file.seek_hole(offset)
    }
}
