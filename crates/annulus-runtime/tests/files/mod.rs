//! What the tests of files share: a directory of their own, an engine, ways to open.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::fs::File as StdFile;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use annulus_ring::abi::OpenFlags;
use annulus_ring::{Errno, Fd};
use annulus_runtime::{Engine, File};
use futures::executor::block_on;
use futures::future::poll_immediate;

/// A directory of one test, removed when the test ends.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Among what is built: on a disk, where the system's place for such may be in memory, without
    /// direct I/O.
    pub fn new() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// In memory, if the machine has such a place.
    pub fn in_memory() -> Option<Self> {
        let shm = Path::new("/dev/shm");
        shm.is_dir().then(|| Self::below(shm))
    }

    fn below(place: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Pairs with nothing: only its being different each time matters.
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("annulus-file-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with `content` in it, open for both, at position 0.
    pub fn file(&self, name: &str, content: &[u8]) -> StdFile {
        let path = self.path(name);
        StdFile::create(&path).unwrap().write_all(content).unwrap();
        StdFile::options().read(true).write(true).open(path).unwrap()
    }

    /// As [`file`](Self::file), past the page cache; none where the file system cannot.
    pub fn direct(&self, name: &str, content: &[u8]) -> Option<StdFile> {
        self.file(name, content).sync_all().unwrap();
        let mut options = StdFile::options();
        options.read(true).write(true).custom_flags(OpenFlags::DIRECT.bits() as i32);
        match options.open(self.path(name)) {
            Ok(file) => Some(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::EINVAL.raw()));
                None
            }
        }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file whose file system is not known to have its attributes in memory, as that of control
/// groups; none where there is none.
pub fn file_of_unknown_kind() -> Option<StdFile> {
    let mut places = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).ok()?.flatten().take(20) {
            let kind = entry.file_type().ok()?;
            if kind.is_dir() && entry.path().components().count() < 6 {
                places.push(entry.path());
            } else if kind.is_file()
                && let Ok(file) = StdFile::open(entry.path())
                && !Fd::from(file.try_clone().ok()?).describe().ok()?.is_local
            {
                return Some(file);
            }
        }
    }
    None
}

pub fn engine() -> Engine {
    Engine::new().expect("an engine")
}

/// Both ends of a pipe, on the engine.
pub fn pipe(engine: &Engine) -> (File, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (engine.file(reader), engine.file(writer))
}

/// Bytes that tell their places.
pub fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i % 251) as u8).collect()
}

/// Polls once, and expects to wait.
pub fn begin<F: Future + Unpin>(future: &mut F) {
    assert!(block_on(poll_immediate(future)).is_none(), "there is nothing to wait for");
}
