//! A directory of a test's own, removed when the test is over.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// See above.
pub struct Tree(PathBuf);

impl Tree {
    pub fn new() -> Self {
        Self::under(&std::env::temp_dir())
    }

    pub fn under(parent: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: pairs with nothing: only that each number is another one counts.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("annulus-path-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory of the test's own");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, content).expect("a file of the test's own");
        path
    }

    /// A directory in it.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir(&path).expect("a directory of the test's own");
        path
    }

    /// A FIFO in it.
    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo(1)");
        assert!(made.success());
        path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        if !std::thread::panicking() {
            removed.expect("nothing of it is in use");
        }
    }
}
