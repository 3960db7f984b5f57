//! Files that are copied: by whatever way, with their permissions and their holes.

mod common;

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use annulus::Errno;
use annulus::fs::{self, Dir, File, PathError};
use common::tree::Tree;
use common::{on_runtime, skip};

#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, PathError>) -> Errno {
    result.expect_err("it must fail").errno().expect("the kernel's reason")
}

/// So many bytes, of which each place says which it is.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

#[test]
fn contents_of_each_length_are_copied() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (from, to) = (tree.at("from"), tree.at("to"));
        for bytes in [0, 1, 4095, 4096, 262_144, 262_145, 3 << 20] {
            let content = pattern(bytes);
            std::fs::write(&from, &content).unwrap();
            // Over what was there, which was longer at times.
            assert_eq!(fs::copy(&from, &to).await.unwrap(), bytes as u64);
            assert!(std::fs::read(&to).unwrap() == content, "{bytes}");
        }
        std::fs::write(&from, "short").unwrap();
        assert_eq!(fs::copy(&from, &to).await.unwrap(), 5);
        assert_eq!(std::fs::read(&to).unwrap(), b"short");
    });
}

#[test]
fn between_file_systems_the_ring_copies() {
    const NAME: &str = "between_file_systems_the_ring_copies";
    on_runtime(|| async {
        let here = Tree::new();
        let Ok(other) = std::panic::catch_unwind(|| Tree::under(Path::new("/dev/shm"))) else {
            return skip(NAME, "no /dev/shm");
        };
        for bytes in [1, 262_144, 262_145, (2 << 20) + 5] {
            let content = pattern(bytes);
            std::fs::write(here.at("from"), &content).unwrap();
            assert_eq!(fs::copy(here.at("from"), other.at("to")).await.unwrap(), bytes as u64);
            assert!(std::fs::read(other.at("to")).unwrap() == content, "{bytes}");
        }
        // Holes stay holes on this way too.
        let file = std::fs::File::create(here.at("sparse")).unwrap();
        file.write_all_at(&pattern(300_000), 5 << 20).unwrap();
        file.write_all_at(b"more", 9 << 20).unwrap();
        file.set_len(12 << 20).unwrap();
        assert_eq!(fs::copy(here.at("sparse"), other.at("to")).await.unwrap(), 12 << 20);
        let copied = std::fs::read(other.at("to")).unwrap();
        assert!(copied == std::fs::read(here.at("sparse")).unwrap());
        let blocks = std::fs::metadata(other.at("to")).unwrap().blocks();
        assert!(file.metadata().unwrap().blocks() * 512 >= 12 << 20 || blocks * 512 < 2 << 20);
    });
}

#[test]
fn permissions_go_with_it() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (from, to) = (tree.file("from", "x"), tree.file("to", "y"));
        for mode in [0o400, 0o640, 0o755, 0o4755, 0o2711] {
            std::fs::set_permissions(&from, std::fs::Permissions::from_mode(mode)).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            fs::copy(&from, &to).await.unwrap();
            assert_eq!(std::fs::metadata(&to).unwrap().mode() & 0o7777, mode, "{mode:o}");
            let new = tree.at("new");
            fs::copy(&from, &new).await.unwrap();
            assert_eq!(std::fs::metadata(&new).unwrap().mode() & 0o7777, mode, "{mode:o}");
            std::fs::remove_file(&new).unwrap();
        }
    });
}

#[test]
fn holes_stay_holes() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (from, to) = (tree.at("from"), tree.at("to"));
        let mut file = std::fs::File::create(&from).unwrap();
        file.write_all_at(b"data", 1 << 20).unwrap();
        file.write_all_at(b"more", 8 << 20).unwrap();
        file.set_len((16 << 20) + 3).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.flush().unwrap();
        let len = (16 << 20) + 3;
        assert_eq!(fs::copy(&from, &to).await.unwrap(), len);
        assert!(std::fs::read(&to).unwrap() == std::fs::read(&from).unwrap());
        let (ours, theirs) = (std::fs::metadata(&to).unwrap(), std::fs::metadata(&from).unwrap());
        assert_eq!(ours.len(), len);
        if theirs.blocks() * 512 < len {
            assert!(ours.blocks() <= theirs.blocks() + 64, "{} blocks", ours.blocks());
        }
        // Nothing but a hole.
        file.set_len(0).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(fs::copy(&from, &to).await.unwrap(), 1 << 20);
        assert_eq!(std::fs::read(&to).unwrap(), vec![0; 1 << 20]);
    });
}

#[test]
fn what_has_no_length_is_read_to_its_end() {
    on_runtime(|| async {
        let tree = Tree::new();
        let to = tree.at("to");
        assert_eq!(std::fs::metadata("/proc/self/limits").unwrap().len(), 0);
        let bytes = fs::copy("/proc/self/limits", &to).await.unwrap();
        let copied = std::fs::read_to_string(&to).unwrap();
        assert!(bytes > 100 && copied.len() as u64 == bytes);
        assert!(copied.starts_with("Limit") && copied.contains("Max open files"));
    });
}

#[test]
fn a_file_is_not_copied_onto_itself() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "precious");
        std::fs::hard_link(&path, tree.at("same")).unwrap();
        std::os::unix::fs::symlink("file", tree.at("link")).unwrap();
        for to in ["file", "same", "link"] {
            assert_eq!(errno(fs::copy(&path, tree.at(to)).await), Errno::EINVAL, "{to}");
            assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        }
    });
}

#[test]
fn what_cannot_be_copied_says_why() {
    on_runtime(|| async {
        let tree = Tree::new();
        let file = tree.file("file", "x");
        let dir = tree.dir("dir");
        let error = fs::copy(tree.at("none"), tree.at("to")).await.unwrap_err();
        assert_eq!((error.errno(), error.path()), (Some(Errno::ENOENT), &*tree.at("none")));
        assert!(!tree.at("to").exists(), "nothing was made");
        assert_eq!(errno(fs::copy(&dir, tree.at("to")).await), Errno::EISDIR);
        assert_eq!(errno(fs::copy(&file, &dir).await), Errno::EISDIR);
        assert_eq!(errno(fs::copy("/dev/zero", tree.at("to")).await), Errno::EINVAL);
        let full = fs::copy(&file, "/dev/full").await.unwrap_err();
        assert_eq!(full.errno(), Some(Errno::ENOSPC));
        assert_eq!((full.path(), full.second_path()), (&*file, Some(Path::new("/dev/full"))));
        assert!(full.to_string().starts_with("copy "), "{full}");
        // A device takes it, and keeps its permissions.
        let before = std::fs::metadata("/dev/null").unwrap().mode();
        assert_eq!(fs::copy(&file, "/dev/null").await.unwrap(), 1);
        assert_eq!(std::fs::metadata("/dev/null").unwrap().mode(), before);
    });
}

#[test]
fn beneath_a_directory_copies_stay_there() {
    on_runtime(|| async {
        let tree = Tree::new();
        tree.file("secret", "secret");
        let path = tree.dir("dir");
        std::fs::write(path.join("file"), "file").unwrap();
        let dir = Dir::open(&path).await.unwrap().beneath();
        assert_eq!(errno(dir.copy("../secret", &dir, "mine").await), Errno::EXDEV);
        assert_eq!(errno(dir.copy("file", &dir, "../out").await), Errno::EXDEV);
        assert_eq!(dir.copy("file", &dir, "copy").await.unwrap(), 4);
        assert_eq!(std::fs::read(path.join("copy")).unwrap(), b"file");
    });
}

#[test]
fn ranges_are_copied_within_the_kernel() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.at("file");
        std::fs::write(&path, pattern(1 << 20)).unwrap();
        let from = File::open(&path).await.unwrap();
        let to = File::create(tree.at("to")).await.unwrap();
        let mut at = 0;
        while at < 1 << 20 {
            let n = from.copy_to(at, &to, at, 300_000).await.unwrap();
            assert!(n > 0 && n <= 300_000);
            at += n;
        }
        assert_eq!(from.copy_to(at, &to, at, 1).await.unwrap(), 0, "the end");
        assert!(std::fs::read(tree.at("to")).unwrap() == pattern(1 << 20));
        assert_eq!(to.copy_to(0, &from, 0, 1).await.unwrap_err().errno(), Some(Errno::EBADF));
        match to.reflink_from(&from).await.map_err(|error| error.errno()) {
            Ok(()) => assert_eq!(std::fs::read(tree.at("to")).unwrap(), pattern(1 << 20)),
            Err(errno) => assert_eq!(errno, Some(Errno::EOPNOTSUPP)),
        }
    });
}

#[test]
fn a_copy_that_is_dropped_can_be_done_again() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (from, to) = (tree.at("from"), tree.at("to"));
        std::fs::write(&from, pattern(4 << 20)).unwrap();
        for turns in 0..30 {
            let mut copying = Box::pin(fs::copy(&from, &to));
            for _ in 0..turns {
                if futures::future::poll_immediate(&mut copying).await.is_some() {
                    copying = Box::pin(fs::copy(&from, &to));
                }
                annulus::yield_now().await;
            }
        }
        common::settle().await;
        assert_eq!(fs::copy(&from, &to).await.unwrap(), 4 << 20);
        assert!(std::fs::read(&to).unwrap() == pattern(4 << 20));
    });
}
