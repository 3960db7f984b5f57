//! Temporary files whose every byte is known, for direct and for cached reads.
//!
//! ```text
//! let file = TempFile::patterned(64 << 20);
//! let Some(direct) = file.direct("the_tests_name") else { return };
//! // ... a read of `bytes` at `offset`:
//! assert_eq!(first_difference(offset, &bytes), None);
//! file.evict();   // The page cache has nothing of it; the next cached read goes to the device.
//! file.settle();  // Direct I/O under way to or from it, also whose ring is gone, is over.
//! ```
//!
//! They lie in the `tmp` folder of the build's target directory, which is on a disk where the
//! system's temporary folder often is memory, without direct I/O.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Advice, AtFlags, CWD, StatxFlags, fadvise, fstatfs, statx};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::param::page_size;

use super::skip;

/// How much is written at a time.
const PIECE: usize = 1 << 20;

/// A file that is removed with this.
pub struct TempFile {
    path: PathBuf,
    file: File,
    has_name: bool,
}

impl TempFile {
    /// An empty file.
    pub fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Pairs with nothing: only its being different each time matters.
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder().join(format!("annulus-{}-{n}", std::process::id()));
        let mut how = OpenOptions::new();
        let file = how.read(true).write(true).create_new(true).open(&path).expect("a file");
        Self { path, file, has_name: true }
    }

    /// A file of `len` bytes of the [`pattern`], on the disk and in the page cache.
    pub fn patterned(len: u64) -> Self {
        let this = Self::empty();
        let mut piece = vec![0; PIECE];
        for offset in (0..len).step_by(PIECE) {
            let bytes = &mut piece[..(len - offset).min(PIECE as u64) as usize];
            pattern(offset, bytes);
            this.file.write_all_at(bytes, offset).expect("room on the disk");
        }
        this.file.sync_all().expect("a disk that takes it");
        this
    }

    /// The same without a name: it is gone however the process ends, an abort included. Its path
    /// is then one of this process alone, below `/proc/self/fd`.
    pub fn unnamed(mut self) -> Self {
        std::fs::remove_file(&self.path).expect("it is there");
        self.path = format!("/proc/self/fd/{}", self.file.as_raw_fd()).into();
        self.has_name = false;
        self
    }

    /// Its path, to open it by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It, open for reading and writing, through the page cache; not at its position elsewhere.
    pub fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.path).expect("it is there")
    }

    /// It, open for direct I/O; `None`, with the test `name` skipped, where its file system has
    /// none. Offsets, lengths and addresses are then multiples of what `statx(2)` says; 4,096
    /// nearly always is.
    pub fn direct(&self, name: &str) -> Option<File> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).custom_flags(libc::O_DIRECT);
        match how.open(&self.path) {
            Ok(file) if has_direct(&file) => Some(file),
            _ => {
                skip(name, "a file system without direct I/O");
                None
            }
        }
    }

    /// Takes the whole of it out of the page cache, after writing it to the disk.
    pub fn evict(&self) {
        self.file.sync_all().expect("a disk that takes it");
        fadvise(&self.file, 0, None, Advice::DontNeed).expect("a file that is cached");
    }

    /// How many of its pages the page cache has, as `mincore(2)` says.
    pub fn cached_pages(&self) -> usize {
        let len = self.file.metadata().expect("it is there").len() as usize;
        if len == 0 {
            return 0;
        }
        // SAFETY: a new mapping where the kernel likes replaces none.
        let map =
            unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, &self.file, 0) };
        let map = map.expect("a file that can be mapped");
        let mut pages = vec![0_u8; len.div_ceil(page_size())];
        // SAFETY: the mapping is this function's, and the vector has a byte for each of its pages.
        let done = unsafe { libc::mincore(map, len, pages.as_mut_ptr()) };
        // SAFETY: nothing refers to the mapping.
        unsafe { munmap(map, len) }.expect("it is mapped");
        assert_eq!(done, 0, "mincore: {}", std::io::Error::last_os_error());
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    /// Waits until no direct I/O is under way on it, whoever began it, and whether its ring still
    /// is or not: cutting a file waits for that on ext4, XFS and btrfs. What a worker thread of
    /// io_uring has still to begin is not waited for. The file is longer by a byte for a moment.
    pub fn settle(&self) {
        let len = self.file.metadata().expect("it is there").len();
        self.file.set_len(len + 1).expect("it can grow");
        self.file.set_len(len).expect("it can shrink");
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.has_name {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Where the files are: beside the build, or where that is not on this machine the system's folder.
fn folder() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    match std::fs::create_dir_all(&beside) {
        Ok(()) => beside,
        Err(_) => std::env::temp_dir(),
    }
}

/// Whether direct I/O on it is direct: some file systems take the flag and copy.
pub fn has_direct(file: &File) -> bool {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(says) = statx(CWD, path, AtFlags::empty(), StatxFlags::DIOALIGN)
        && says.stx_mask & StatxFlags::DIOALIGN.bits() != 0
    {
        return says.stx_dio_offset_align != 0;
    }
    // A file system that does not say; those in memory have none.
    const TMPFS: u64 = 0x0102_1994;
    fstatfs(file).is_ok_and(|says| says.f_type as u64 != TMPFS)
}

/// The byte that the pattern has at `offset`: from an odd multiple of the word's number, so that no
/// two places of a file look alike.
fn word(offset: u64) -> [u8; 8] {
    (offset / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

/// Fills `bytes` with what a patterned file has at `offset`.
pub fn pattern(offset: u64, bytes: &mut [u8]) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let word = word(at);
        let from = (at % 8) as usize;
        let len = (8 - from).min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        now.copy_from_slice(&word[from..from + len]);
        at += len as u64;
        rest = later;
    }
}

/// Where `bytes` first differ from what a patterned file has at `offset`.
pub fn first_difference(offset: u64, bytes: &[u8]) -> Option<usize> {
    for (n, piece) in bytes.chunks(4096).enumerate() {
        let mut expected = [0; 4096];
        let expected = &mut expected[..piece.len()];
        pattern(offset + n as u64 * 4096, expected);
        if expected != piece {
            let at = piece.iter().zip(expected).position(|(is, should)| is != should);
            return at.map(|at| n * 4096 + at);
        }
    }
    None
}
