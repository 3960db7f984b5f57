//! Directories that are listed: all of their names, whatever becomes of them meanwhile.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;

use annulus::Errno;
use annulus::fs::{self, Dir, ReadDir};
use common::tree::Tree;
use common::{on_runtime, skip};
use futures::future::poll_immediate;

/// All names that are left.
async fn names(mut entries: ReadDir) -> BTreeSet<OsString> {
    let mut names = BTreeSet::new();
    while let Some(entry) = entries.next_entry().await.expect("a name") {
        assert!(names.insert(entry.file_name()), "{entry:?} is there twice");
    }
    names
}

#[test]
fn each_kind_of_file_is_told() {
    on_runtime(|| async {
        let tree = Tree::new();
        tree.file("file", "content");
        tree.dir("dir");
        tree.fifo("fifo");
        std::os::unix::fs::symlink("file", tree.at("link")).unwrap();
        let _socket = UnixListener::bind(tree.at("socket")).unwrap();
        let mut entries = fs::read_dir(tree.path()).await.unwrap();
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let kind = entry.file_type().await.unwrap();
            let metadata = entry.metadata().await.unwrap();
            let theirs = std::fs::symlink_metadata(entry.path()).unwrap().file_type();
            assert_eq!((kind.is_dir(), kind.is_file()), (theirs.is_dir(), theirs.is_file()));
            assert_eq!(kind.is_symlink(), theirs.is_symlink(), "{entry:?}");
            assert_eq!((entry.ino(), metadata.is_dir()), (metadata.ino(), kind.is_dir()));
            assert_eq!(entry.path(), tree.path().join(entry.file_name_ref()));
            let special = (kind.is_fifo(), kind.is_socket());
            assert_eq!(special.0, entry.file_name() == "fifo");
            assert_eq!(special.1, entry.file_name() == "socket");
            found.push(entry.file_name());
        }
        found.sort();
        assert_eq!(found, ["dir", "fifo", "file", "link", "socket"]);
        assert!(entries.next_entry().await.unwrap().is_none(), "the end stays the end");
    });
}

#[test]
fn a_large_directory_is_listed_whole() {
    on_runtime(|| async {
        // Several buffers of 32 KiB: each name takes some hundred bytes.
        const COUNT: usize = 1000;
        let tree = Tree::new();
        let name = |n: usize| format!("{n:0>120}");
        for n in 0..COUNT {
            std::fs::write(tree.at(&name(n)), "").unwrap();
        }
        let expected: BTreeSet<OsString> = (0..COUNT).map(|n| name(n).into()).collect();
        assert_eq!(names(fs::read_dir(tree.path()).await.unwrap()).await, expected);
        // Removed while it is listed: those that were there all the time come once each.
        let mut entries = fs::read_dir(tree.path()).await.unwrap();
        let mut seen = BTreeSet::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            assert!(seen.insert(entry.file_name()));
            fs::remove_file(entry.path()).await.unwrap();
        }
        assert_eq!(seen, expected);
        assert_eq!(names(fs::read_dir(tree.path()).await.unwrap()).await.len(), 0);
    });
}

#[test]
fn two_listings_of_one_directory_do_not_meet() {
    on_runtime(|| async {
        let tree = Tree::new();
        for name in ["a", "b", "c"] {
            tree.file(name, "");
        }
        let dir = Dir::open(tree.path()).await.unwrap();
        let (mut one, mut other) = (dir.read_dir().await.unwrap(), dir.read_dir().await.unwrap());
        for _ in 0..3 {
            let first = one.next_entry().await.unwrap().unwrap();
            let second = other.next_entry().await.unwrap().unwrap();
            assert_eq!(first.path(), second.path());
            assert_eq!(
                first.path(),
                std::path::Path::new(first.file_name_ref()),
                "in the directory"
            );
        }
        assert!(one.next_entry().await.unwrap().is_none());
        let beneath = dir.beneath();
        assert_eq!(names(beneath.read_dir().await.unwrap()).await.len(), 3);
    });
}

#[test]
fn a_listing_that_is_given_up_goes_on() {
    on_runtime(|| async {
        let tree = Tree::new();
        for n in 0..50 {
            tree.file(&n.to_string(), "");
        }
        let mut entries = fs::read_dir(tree.path()).await.unwrap();
        let (mut seen, mut given_up) = (0, 0);
        loop {
            // Polled once, and dropped where it is not over.
            match poll_immediate(Box::pin(entries.next_entry())).await {
                Some(entry) if entry.as_ref().unwrap().is_none() => break,
                Some(_) => seen += 1,
                None => {
                    given_up += 1;
                    annulus::yield_now().await;
                }
            }
        }
        assert_eq!(seen, 50, "given up {given_up} times");
        assert!(given_up > 0);
    });
}

#[test]
fn a_directory_that_is_removed_is_at_its_end() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.dir("dir");
        std::fs::write(path.join("file"), "").unwrap();
        let mut entries = fs::read_dir(&path).await.unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert!(entries.next_entry().await.unwrap().is_none());
        // One that is removed between a name and what is asked of it.
        let path = tree.dir("dir");
        std::fs::write(path.join("file"), "").unwrap();
        let mut entries = fs::read_dir(&path).await.unwrap();
        let entry = entries.next_entry().await.unwrap().unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        let error = entry.metadata().await.unwrap_err();
        assert_eq!((error.errno(), error.path()), (Some(Errno::ENOENT), &*path.join("file")));
        assert!(entry.file_type().await.unwrap().is_file(), "that was told before");
        // One that is renamed is the same.
        let path = tree.dir("old");
        std::fs::write(path.join("file"), "four").unwrap();
        let mut entries = fs::read_dir(&path).await.unwrap();
        std::fs::rename(&path, tree.at("new")).unwrap();
        let entry = entries.next_entry().await.unwrap().unwrap();
        assert_eq!(entry.metadata().await.unwrap().len(), 4);
    });
}

#[test]
fn what_cannot_be_listed_says_why() {
    on_runtime(|| async {
        let tree = Tree::new();
        let file = tree.file("file", "");
        assert_eq!(fs::read_dir(&file).await.unwrap_err().errno(), Some(Errno::ENOTDIR));
        let missing = fs::read_dir(tree.at("none")).await.unwrap_err();
        assert_eq!((missing.errno(), missing.path()), (Some(Errno::ENOENT), &*tree.at("none")));
        // An empty one, and names that are no text.
        tree.dir("empty");
        assert!(names(fs::read_dir(tree.at("empty")).await.unwrap()).await.is_empty());
        let odd = OsString::from_vec(b"\xff\xfe".to_vec());
        if std::fs::write(tree.path().join(&odd), "").is_err() {
            return skip("what_cannot_be_listed_says_why", "no such names in this file system");
        }
        assert!(names(fs::read_dir(tree.path()).await.unwrap()).await.contains(&odd));
    });
}
