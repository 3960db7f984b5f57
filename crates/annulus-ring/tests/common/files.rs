//! What the tests of operations on files share: a directory of their own, and running entries.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use annulus_ring::abi::{Cqe, RegisterOp, Sqe};
use annulus_ring::{Errno, LocalRing};

/// A directory of one test, removed when the test ends.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Pairs with nothing: only its being different each time matters.
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("annulus-op-file-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The path of `name` in it, as the kernel takes it; the directory itself for "".
    pub fn c_path(&self, name: &str) -> CString {
        CString::new(self.path(name).as_os_str().as_bytes()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// A file with `content` in it, open for both, at position 0.
    pub fn file(&self, name: &str, content: &[u8]) -> File {
        let path = self.path(name);
        File::create(&path).unwrap().write_all(content).unwrap();
        File::options().read(true).write(true).open(path).unwrap()
    }

    /// The directory, open, to begin paths at.
    pub fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

pub fn ring() -> LocalRing {
    LocalRing::new(16).unwrap()
}

/// Runs one entry to its end, on a ring with nothing else under way.
pub fn run(ring: &mut LocalRing, sqe: impl Into<Sqe>) -> Result<u32, Errno> {
    run_cqe(ring, sqe).result()
}

/// As [`run`], with the whole completion.
pub fn run_cqe(ring: &mut LocalRing, sqe: impl Into<Sqe>) -> Cqe {
    let sqe = sqe.into().user_data(0x5eed);
    // SAFETY: what the entry points to is in the caller's frame or beyond: it outlives this call,
    // which ends after the completion.
    unsafe { ring.push(sqe) }.unwrap();
    assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
    let cqe = ring.completions().unwrap().next().expect("one completion");
    assert_eq!(cqe.user_data, 0x5eed);
    cqe
}

/// Runs entries, each with one completion, to their ends; the results in the entries' order.
pub fn run_all<const N: usize>(ring: &mut LocalRing, sqes: [Sqe; N]) -> [Result<u32, Errno>; N] {
    let mut sqes = sqes;
    for (n, sqe) in sqes.iter_mut().enumerate() {
        *sqe = sqe.user_data(n as u64);
    }
    // SAFETY: as in `run_cqe`.
    unsafe { ring.push_all(&sqes) }.unwrap();
    let mut results = [None; N];
    let mut missing = N as u32;
    assert_eq!(ring.submit_and_wait(missing).unwrap(), missing);
    while missing > 0 {
        for cqe in ring.completions().unwrap() {
            let slot = &mut results[cqe.user_data as usize];
            assert!(slot.replace(cqe.result()).is_none(), "two completions of one entry");
            missing -= 1;
        }
        if missing > 0 {
            ring.submit_and_wait(1).unwrap();
        }
    }
    results.map(Option::unwrap)
}

/// A registration by its number: these tests are of operations, not of the typed registrations.
pub fn register<T>(ring: &LocalRing, op: u32, args: &mut [T]) -> annulus_ring::Result<u32> {
    let count = args.len() as u32;
    // What takes no argument wants a null pointer.
    let pointer = if args.is_empty() { core::ptr::null_mut() } else { args.as_mut_ptr() };
    // SAFETY: `args` are what `op` takes; the kernel copies them, and what buffers they name
    // outlive the ring in every test.
    unsafe { ring.register().raw(RegisterOp(op), pointer.cast(), count) }
}

/// Registers a file table with `slots` empty slots (`IORING_REGISTER_FILES`).
pub fn register_empty_files(ring: &LocalRing, slots: usize) {
    register(ring, 2, &mut vec![-1i32; slots]).unwrap();
}
