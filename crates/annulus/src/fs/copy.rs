//! [`copy`], and copies within the kernel of a [`File`].

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use annulus_ring::Errno;
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::engine::ops::{CloneRange, CopyFileRange};
use annulus_runtime::{Error, LocalOp};

use super::link::is_same;
use super::{Dir, File, Metadata, OpenOptions, PathError, Permissions};

/// How much one call of the kernel's copies: it is soon over when it is given up.
const CALL_BYTES: u64 = 64 * 1024 * 1024;
/// How much is read and written at once where the kernel cannot copy.
const CHUNK_BYTES: usize = 256 * 1024;
/// The unit of the blocks that metadata count.
const BLOCK_BYTES: u64 = 512;
/// The bits that let a file run as its owner or group: writing takes them away.
const SET_ID: u32 = 0o6000;

/// Copies a file: content and permissions. How many bytes long it is. A file at `to` is
/// overwritten; links are followed on both sides.
///
/// As far as they go, in this order: the two share their blocks (`ioctl(FICLONE)`: XFS, Btrfs); the
/// kernel copies (`copy_file_range(2)`); the ring reads and writes, a read ahead. Holes stay holes.
/// What has no length though it has content, as in `/proc`, is read to its end.
///
/// Nothing of it is durable yet: [`File::sync_all`].
///
/// *Cancel and discard*: `to` may have a part, or be empty; copied again it is good.
///
/// # Errors
/// With both paths:
/// - Those of [`File::open`] and [`File::create`]: `ENOENT`, `EACCES`, `EISDIR`, …
/// - `EINVAL`: `from` is no regular file, or the two are the same one. Nothing is changed.
/// - `ENOSPC`, `EDQUOT` (122): no room. `EFBIG`: beyond a limit. `EIO`: a device failed. What was
///   copied stays.
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-copy-{}", std::process::id()));
/// annulus::run(async {
///     let bytes = fs::copy("Cargo.toml", &path).await?;
///     assert_eq!(bytes, fs::metadata("Cargo.toml").await?.len());
///     assert_eq!(fs::read(&path).await?, fs::read("Cargo.toml").await?);
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "cp")]
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, PathError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let source = Source::of(File::open(from).await?, from, to).await?;
    let target = source.options().open(to).await?;
    source.copy_to(target, from, to).await
}

impl Dir {
    /// Copies a file in it to another in `to`, which may be this one: see [`copy`].
    ///
    /// *Cancel and discard*, as [`copy`].
    ///
    /// # Errors
    /// Those of [`copy`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let (here, there) = (Dir::open(".").await?, Dir::open(std::env::temp_dir()).await?);
    ///     let name = format!("annulus-dir-copy-{}", std::process::id());
    ///     here.copy("Cargo.toml", &there, &name).await?;
    ///     assert_eq!(there.read(&name).await?, here.read("Cargo.toml").await?);
    ///     there.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn copy(
        &self,
        from: impl AsRef<Path>,
        to: &Self,
        new: impl AsRef<Path>,
    ) -> Result<u64, PathError> {
        let (from, new) = (from.as_ref(), new.as_ref());
        let source = Source::of(self.open_file(from).await?, from, new).await?;
        let target = to.open_file_with(new, &source.options()).await?;
        source.copy_to(target, from, new).await
    }
}

/// # Copies within the kernel
///
/// io_uring has no operation for these, and a disk may be waited for: a thread makes the call.
/// [`copy`] does all of it.
impl File {
    /// Copies up to `bytes` bytes from `offset` of this file on to `to_offset` of `to`, without
    /// bringing them into the program. How many: 0 at the end, fewer than were asked for at any
    /// time.
    ///
    /// *Cancel and discard*: a part may be there; the same copy again makes it good.
    ///
    /// # Errors
    /// - `EXDEV`, `EOPNOTSUPP`, `EINVAL`: the two file systems cannot, or a file has no length that
    ///   is right (`/proc`), or the ranges of one file overlap: read and write.
    /// - `EBADF`: not open for reading, or `to` not for writing, or to append only.
    /// - `ENOSPC`, `EDQUOT` (122), `EFBIG`, `EIO`: as for [`write_at`](Self::write_at).
    ///
    /// `copy_file_range(2)`, Linux 4.5. See
    /// [copy_file_range(2)](https://man7.org/linux/man-pages/man2/copy_file_range.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File};
    /// let path = std::env::temp_dir().join(format!("annulus-copy-to-{}", std::process::id()));
    /// annulus::run(async {
    ///     fs::write(&path, "one ring").await?;
    ///     let file = File::options().read(true).write(true).open(&path).await?;
    ///     assert_eq!(file.copy_to(4, &file, 8, 4).await?, 4);
    ///     assert_eq!(fs::read(&path).await?, b"one ringring");
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "copy_file_range")]
    pub fn copy_to(
        &self,
        offset: u64,
        to: &Self,
        to_offset: u64,
        bytes: u64,
    ) -> LocalOp<CopyFileRange> {
        self.file.copy_to(offset, &to.file, to_offset, bytes)
    }

    /// Makes all of this file a copy of `from` that shares its blocks: it takes no time and no
    /// space until one of the two is changed.
    ///
    /// *Cancel and discard*: done or not; the same again makes it good.
    ///
    /// # Errors
    /// - `EOPNOTSUPP`, `EXDEV`: the file system cannot (ext4, tmpfs), or there are two: [`copy`].
    /// - `EINVAL`, `EISDIR`: one is no regular file. `EBADF`: not open for writing, or `from` not
    ///   for reading. `EPERM`: immutable. `ENOSPC`, `EDQUOT` (122): no room, even for that.
    ///
    /// `ioctl(FICLONE)`, Linux 4.5. See
    /// [ioctl_ficlone(2)](https://man7.org/linux/man-pages/man2/ioctl_ficlone.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::{self, File}};
    /// let path = std::env::temp_dir().join(format!("annulus-reflink-{}", std::process::id()));
    /// annulus::run(async {
    ///     let (from, to) = (File::open("Cargo.toml").await?, File::create(&path).await?);
    ///     match to.reflink_from(&from).await.map_err(|error| error.errno()) {
    ///         Ok(()) => assert_eq!(fs::read(&path).await?, fs::read("Cargo.toml").await?),
    ///         Err(errno) => assert!(matches!(errno, Some(Errno::EOPNOTSUPP | Errno::EXDEV))),
    ///     }
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FICLONE")]
    pub fn reflink_from(&self, from: &Self) -> LocalOp<CloneRange> {
        self.file.reflink_from(&from.file)
    }

    /// As [`reflink_from`](Self::reflink_from), of `bytes` bytes (0: to the end) from `from_offset`
    /// of `from` on, to `offset` of this file: whole blocks, but for an end at the end of the file.
    ///
    /// *Cancel and discard*, as [`reflink_from`](Self::reflink_from).
    ///
    /// # Errors
    /// Those of [`reflink_from`](Self::reflink_from); `EINVAL` also for ranges that overlap or are
    /// not of whole blocks.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert!(file.reflink_range_from(0, &file, 0, 0).await.is_err()); // not to be written
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FICLONERANGE")]
    pub fn reflink_range_from(
        &self,
        offset: u64,
        from: &Self,
        from_offset: u64,
        bytes: u64,
    ) -> LocalOp<CloneRange> {
        self.file.reflink_range_from(offset, &from.file, from_offset, bytes)
    }
}

/// A file that is copied.
struct Source {
    file: File,
    found: Metadata,
}

/// What failed, of which path.
fn failed(error: Error, from: &Path, to: &Path) -> PathError {
    PathError::new(error, "copy", from.to_owned()).at_both(from, to)
}

impl Source {
    async fn of(file: File, from: &Path, to: &Path) -> Result<Self, PathError> {
        let found = file.metadata().await.map_err(|error| failed(error, from, to))?;
        if !found.is_file() {
            let errno = if found.is_dir() { Errno::EISDIR } else { Errno::EINVAL };
            return Err(failed(errno.into(), from, to));
        }
        Ok(Self { file, found })
    }

    /// How the copy is opened. It is not truncated yet: it may be the same file.
    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(self.found.mode() & 0o777);
        options
    }

    async fn copy_to(self, target: File, from: &Path, to: &Path) -> Result<u64, PathError> {
        let of_both = |error| failed(error, from, to);
        let there = target.metadata().await.map_err(of_both)?;
        if is_same(&self.found, &there) {
            return Err(of_both(Errno::EINVAL.into()));
        }
        let copied = self.fill(&target, &there).await.map_err(of_both)?;
        // Some servers say only now that they have no room.
        target.file.close().await.map_err(of_both)?;
        Ok(copied)
    }

    async fn fill(&self, target: &File, there: &Metadata) -> Result<u64, Error> {
        // A pipe or a device has no length, and its permissions are its own.
        let is_file = there.is_file();
        let mode = self.found.mode() & 0o7777;
        if is_file {
            if there.len() > 0 {
                target.set_len(0).await?;
            }
            // Before the content, which is not for all.
            target.set_permissions(Permissions::from_mode(mode)).await?;
        }
        let copied = self.content(target, is_file).await?;
        if is_file && mode & SET_ID != 0 {
            target.set_permissions(Permissions::from_mode(mode)).await?;
        }
        Ok(copied)
    }

    /// The content, by the shortest way there is.
    async fn content(&self, target: &File, is_file: bool) -> Result<u64, Error> {
        let len = self.found.len();
        if is_file && len > 0 && target.reflink_from(&self.file).await.is_ok() {
            return Ok(target.metadata().await?.len());
        }
        let is_sparse = is_file && self.found.blocks() * BLOCK_BYTES < len;
        let mut way = if is_file && len > 0 { Way::Kernel } else { Way::Ring };
        if !is_sparse {
            return self.part(target, 0..u64::MAX, &mut way).await;
        }
        let mut at = 0;
        while let Some(begin) = self.data_from(at).await? {
            let end = self.file.seek_hole(begin).await?.unwrap_or(u64::MAX);
            at = self.part(target, begin..end, &mut way).await?;
            if at < end {
                return Ok(at); // it has become shorter
            }
        }
        if at < len {
            target.set_len(len).await?;
        }
        Ok(at.max(len))
    }

    /// Where data begins: all is data where nobody knows.
    async fn data_from(&self, at: u64) -> Result<Option<u64>, Error> {
        match self.file.seek_data(at).await {
            Err(error) if error.errno() == Some(Errno::EINVAL) && at == 0 => Ok(Some(0)),
            found => found,
        }
    }

    /// Copies a range, or what there is of it: where it ends.
    async fn part(
        &self,
        target: &File,
        range: core::ops::Range<u64>,
        way: &mut Way,
    ) -> Result<u64, Error> {
        let mut at = range.start;
        while *way == Way::Kernel && at < range.end {
            let before = at;
            let bytes = (range.end - at).min(CALL_BYTES);
            match self.file.copy_to(at, target, at, bytes).await {
                // The end at once: its length may be wrong, and a read knows.
                Ok(0) if at == range.start => break,
                Ok(n) => at += n,
                Err(error) if cannot(&error) => *way = Way::Ring,
                Err(error) => return Err(error),
            }
            if *way == Way::Kernel && (at >= self.found.len() || at == before) {
                return Ok(at);
            }
        }
        by_ring(&self.file, target, at..range.end).await
    }
}

/// Who copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Kernel,
    Ring,
}

/// Whether the kernel cannot copy what can be read and written.
fn cannot(error: &Error) -> bool {
    use Errno as E;
    let errnos = [E::EXDEV, E::EINVAL, E::EOPNOTSUPP, E::ENOSYS, E::EPERM, E::EBADF];
    error.errno().is_some_and(|errno| errnos.contains(&errno))
}

/// Reads and writes, the next read beside each write: where it ends.
async fn by_ring(from: &File, to: &File, range: core::ops::Range<u64>) -> Result<u64, Error> {
    let room = |at: u64, mut buf: Vec<u8>| {
        let bytes = (range.end - at).min(CHUNK_BYTES as u64) as usize;
        buf.resize(bytes, 0);
        buf
    };
    let mut at = range.start;
    if at >= range.end {
        return Ok(at);
    }
    let mut read = from.read_at(room(at, Vec::new()).slice(..), at);
    let mut spare = Vec::new();
    loop {
        let (n, part) = read.await.map_err(|error| error.ended())?;
        let buf = part.into_inner();
        if n == 0 {
            return Ok(at);
        }
        let next = at + n as u64;
        let mut ahead = (next < range.end).then(|| from.read_at(room(next, spare).slice(..), next));
        if let Some(ahead) = &mut ahead {
            ahead.begin();
        }
        let written = to.write_all_at(buf.slice(..n), at).await;
        spare = written.map_err(|error| error.ended())?.1.into_inner();
        at = next;
        match ahead {
            Some(ahead) => read = ahead,
            None => return Ok(at),
        }
    }
}
