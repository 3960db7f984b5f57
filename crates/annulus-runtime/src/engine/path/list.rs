//! Listing a directory, some names at a time.

use core::fmt;
use core::iter::FusedIterator;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use annulus_ring::abi::Sqe;
use annulus_ring::abi::private::{self, DIRENT64_NAME_OFFSET, DirentType};

use super::{Dir, op_on};
use crate::buffer::BufError;
use crate::engine::Op;
use crate::engine::file::OpenFile;
use crate::operation::{Completion, Operation};

/// What a buffer holds by default: some thousand names.
const BYTES: usize = 32 * 1024;
/// One that is shorter may hold no name at all: the longest has 255 bytes.
const BYTES_MIN: usize = 512;

/// Names of a directory: a buffer, and what [`Dir::list`] has put there.
///
/// ```
/// use annulus_runtime::engine::DirEntries;
/// use futures::executor::block_on;
/// let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
/// let (mut entries, mut names) = (DirEntries::new(), Vec::new());
/// loop {
///     entries = block_on(dir.list(entries))?;
///     if entries.is_end() {
///         break;
///     }
///     names.extend(entries.iter().map(|entry| entry.name().to_owned()));
/// }
/// assert!(names.iter().any(|name| name == "lib.rs"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DirEntries {
    /// Words: each entry begins at a multiple of eight bytes.
    words: Vec<u64>,
    /// How many bytes of them are entries.
    bytes: usize,
    /// How many of those were taken out.
    taken: usize,
}

impl Default for DirEntries {
    fn default() -> Self {
        Self::new()
    }
}

impl DirEntries {
    /// Room for some thousand names, 32 KiB.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::engine::DirEntries::new().iter().count(), 0);
    /// ```
    pub fn new() -> Self {
        Self::with_capacity(BYTES)
    }

    /// Room of so many bytes, of which a name takes 24 to 280; of 512 at least.
    ///
    /// ```
    /// let room = annulus_runtime::engine::DirEntries::with_capacity(4096);
    /// assert!(room.is_end(), "there is nothing in it");
    /// ```
    pub fn with_capacity(bytes: usize) -> Self {
        let bytes = bytes.clamp(BYTES_MIN, u32::MAX as usize / 2);
        Self { words: vec![0; bytes.div_ceil(size_of::<u64>())], bytes: 0, taken: 0 }
    }

    /// Whether the directory had no more names.
    ///
    /// ```
    /// assert!(annulus_runtime::engine::DirEntries::new().is_end());
    /// ```
    pub fn is_end(&self) -> bool {
        self.bytes == 0
    }

    /// The names that are not [taken](Self::take) out, but for `.` and `..`: of these alone there
    /// may be none, before the end.
    ///
    /// ```
    /// assert!(annulus_runtime::engine::DirEntries::new().iter().next().is_none());
    /// ```
    pub fn iter(&self) -> DirIter<'_> {
        DirIter { rest: &self.as_bytes()[self.taken..] }
    }

    /// Takes out the next name: for who cannot borrow all of them for as long as they last.
    ///
    /// ```
    /// use annulus_runtime::engine::DirEntries;
    /// use futures::executor::block_on;
    /// let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
    /// let mut entries = block_on(dir.list(DirEntries::new()))?;
    /// let count = entries.iter().count();
    /// let first = entries.take().map(|entry| entry.name().to_owned());
    /// assert!(first.is_some() && entries.iter().count() == count - 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take(&mut self) -> Option<DirEntry<'_>> {
        let mut rest = self.iter();
        rest.next()?;
        let taken = self.bytes - rest.rest.len();
        let before = core::mem::replace(&mut self.taken, taken);
        DirIter { rest: &self.as_bytes()[before..] }.next()
    }

    fn as_bytes(&self) -> &[u8] {
        let at = self.words.as_ptr().cast::<u8>();
        // SAFETY: so many bytes of the words are entries, which are borrowed with this; words are
        // bytes, and all of them were written.
        unsafe { core::slice::from_raw_parts(at, self.bytes) }
    }

    /// As an entry's buffer.
    fn as_mut_ptr(&mut self) -> (*mut u8, u32) {
        let bytes = self.words.len() * size_of::<u64>();
        (self.words.as_mut_ptr().cast(), bytes as u32)
    }
}

impl fmt::Debug for DirEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a DirEntries {
    type Item = DirEntry<'a>;
    type IntoIter = DirIter<'a>;

    fn into_iter(self) -> DirIter<'a> {
        self.iter()
    }
}

/// The names in a [`DirEntries`]: see [`DirEntries::iter`].
#[derive(Clone, Debug)]
pub struct DirIter<'a> {
    rest: &'a [u8],
}

impl<'a> DirIter<'a> {
    /// The next, of whatever name. What is cut off, which no kernel does, is the end.
    fn next_of_all(&mut self) -> Option<DirEntry<'a>> {
        let entry = self.rest;
        let number = |at: usize| Some(u64::from_ne_bytes(*entry.get(at..)?.first_chunk()?));
        let length = usize::from(u16::from_ne_bytes(*entry.get(16..)?.first_chunk()?));
        let name = entry.get(DIRENT64_NAME_OFFSET..length)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let found = DirEntry {
            name: OsStr::from_bytes(&name[..end]),
            ino: number(0)?,
            kind: DirentType(*entry.get(18)?),
        };
        self.rest = &entry[length..];
        Some(found)
    }
}

impl<'a> Iterator for DirIter<'a> {
    type Item = DirEntry<'a>;

    fn next(&mut self) -> Option<DirEntry<'a>> {
        loop {
            let entry = self.next_of_all()?;
            if entry.name != "." && entry.name != ".." {
                return Some(entry);
            }
        }
    }
}

impl FusedIterator for DirIter<'_> {}

/// A name of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    name: &'a OsStr,
    ino: u64,
    kind: DirentType,
}

impl<'a> DirEntry<'a> {
    /// The name, in this directory.
    ///
    /// ```
    /// # use annulus_runtime::engine::DirEntries;
    /// # use futures::executor::block_on;
    /// # let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
    /// let entries = block_on(dir.list(DirEntries::new()))?;
    /// assert!(entries.iter().any(|entry| entry.name() == "lib.rs"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(&self) -> &'a OsStr {
        self.name
    }

    /// The number of its inode, in the directory's file system.
    ///
    /// ```
    /// # use annulus_runtime::engine::DirEntries;
    /// # use futures::executor::block_on;
    /// # let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
    /// let entries = block_on(dir.list(DirEntries::new()))?;
    /// assert!(entries.iter().all(|entry| entry.ino() > 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// What it is, as the directory says: [`UNKNOWN`](DirentType::UNKNOWN) where its file system
    /// does not. Then, and only then, ask for the [metadata](crate::engine::Dir::symlink_metadata).
    ///
    /// ```
    /// # use annulus_runtime::engine::DirEntries;
    /// # use futures::executor::block_on;
    /// use annulus_ring::abi::private::DirentType;
    /// # let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
    /// let entries = block_on(dir.list(DirEntries::new()))?;
    /// let engine = entries.iter().find(|entry| entry.name() == "engine").expect("a directory");
    /// assert!([DirentType::DIR, DirentType::UNKNOWN].contains(&engine.kind()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "d_type")]
    pub fn kind(&self) -> DirentType {
        self.kind
    }
}

/// Listing a directory: see [`Dir::list`].
#[derive(Debug)]
pub struct ListDir {
    dir: Arc<OpenFile>,
    entries: DirEntries,
}

// SAFETY: the entry points to the words, on the heap and owned here, and names a descriptor that is
// kept open here.
unsafe impl Operation for ListDir {
    type Output = Result<DirEntries, BufError<DirEntries>>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        let (at, bytes) = self.entries.as_mut_ptr();
        private::getdents64(self.dir.raw(), at, bytes)
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(bytes) => {
                self.entries.bytes = bytes as usize;
                Ok(self.entries)
            }
            Err(errno) => Err(BufError::of(&completion, errno, self.entries)),
        }
    }

    fn reclaim(self, _: Completion) {
        // What was listed goes with it.
    }
}

/// # Listing
impl Dir {
    /// The next names of the directory, as many as there is room for in `entries`, whose own are
    /// gone then (`getdents64(2)`, by a thread: see [`IS_PRIVATE`](Operation::IS_PRIVATE)). There
    /// are no more when [`is_end`](DirEntries::is_end) says so.
    ///
    /// Where it goes on is the open directory's own, which all clones of this share: open another
    /// to list it beside. To begin anew [`seek`](crate::engine::File::seek) its [file](Self::file)
    /// to the start. What is made or removed meanwhile may be listed or not.
    ///
    /// # Errors
    /// With `entries`:
    /// - `ENOTDIR`: this is no directory. `EBADF`: it was opened as a name only (`O_PATH`).
    /// - `ENOENT`: the directory was removed. `EIO`, `ESTALE` (116): the device, or the server,
    ///   failed.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// See [getdents(2)](https://man7.org/linux/man-pages/man2/getdents.2.html).
    ///
    /// ```
    /// use annulus_runtime::engine::DirEntries;
    /// use futures::executor::block_on;
    /// let dir = block_on(annulus_runtime::Engine::new()?.open_dir("src"))?;
    /// let entries = block_on(dir.list(DirEntries::new()))?;
    /// assert!(entries.iter().any(|entry| entry.name() == "lib.rs"));
    /// assert!(block_on(dir.list(entries))?.is_end());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getdents64")]
    #[doc(alias = "readdir")]
    pub fn list(&self, mut entries: DirEntries) -> Op<ListDir> {
        (entries.bytes, entries.taken) = (0, 0);
        op_on(self.engine(), ListDir { dir: self.file().open(), entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> DirEntries {
        let mut entries = DirEntries::with_capacity(bytes.len());
        for (word, piece) in entries.words.iter_mut().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..piece.len()].copy_from_slice(piece);
            *word = u64::from_ne_bytes(padded);
        }
        entries.bytes = bytes.len();
        entries
    }

    fn entry(ino: u64, kind: u8, name: &[u8]) -> Vec<u8> {
        let length = (DIRENT64_NAME_OFFSET + name.len() + 1).next_multiple_of(8);
        let mut bytes = ino.to_ne_bytes().to_vec();
        bytes.extend(0_u64.to_ne_bytes());
        bytes.extend((length as u16).to_ne_bytes());
        bytes.push(kind);
        bytes.extend(name);
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn names_are_found_without_the_directory_itself() {
        let all =
            [entry(1, 4, b"."), entry(7, 8, b"a name"), entry(2, 4, b".."), entry(8, 10, b"b")];
        let entries = of(&all.concat());
        let found: Vec<_> =
            entries.iter().map(|e| (e.name().to_owned(), e.ino(), e.kind())).collect();
        let expected = [("a name".into(), 7, DirentType::REG), ("b".into(), 8, DirentType::LNK)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_cut_off_is_the_end() {
        let whole = [entry(7, 8, b"a name"), entry(8, 8, b"another")].concat();
        for length in 0..whole.len() {
            let count = of(&whole[..length]).iter().count();
            assert_eq!(count, usize::from(length >= 32), "{length}");
        }
        let mut lies = entry(7, 8, b"x");
        lies[16..18].copy_from_slice(&3_u16.to_ne_bytes());
        assert_eq!(of(&lies).iter().count(), 0, "it ends before its name");
    }
}
