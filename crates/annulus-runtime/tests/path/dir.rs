//! Paths that begin at an open directory.

use std::io::ErrorKind;

use annulus_ring::Errno;
use annulus_ring::abi::{AtFlags, OpenFlags, RenameFlags, StatxMask};
use annulus_runtime::engine::{Dir, OpenOptions};
use futures::executor::block_on;

use crate::common::{LIMIT, limit};
use crate::tree::Tree;
use crate::{engine, errno};

#[test]
fn everything_works_in_a_directory() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        tree.dir("one");
        tree.dir("two");
        let one = block_on(engine.open_dir(tree.at("one"))).unwrap();
        let two = block_on(engine.open_dir(tree.at("two"))).unwrap();
        let file = block_on(one.create("file")).unwrap();
        block_on(file.write_all_at(&b"content"[..], 0)).unwrap();
        assert_eq!(block_on(one.metadata("file")).unwrap().len(), 7);
        let size = one.statx("file", AtFlags::empty(), StatxMask::SIZE);
        assert_eq!(block_on(size).unwrap().len(), 7);
        block_on(one.rename("file", &two, "moved")).unwrap();
        assert!(!block_on(one.exists("file")).unwrap());
        let file = block_on(two.open("moved")).unwrap();
        assert_eq!(block_on(file.read_at(vec![0; 16], 0)).unwrap().0, 7);
        block_on(two.hard_link("moved", &one, "back")).unwrap();
        assert_eq!(block_on(one.metadata("back")).unwrap().nlink(), 2);
        let spare = two.rename_with("moved", &one, "back", RenameFlags::NOREPLACE);
        assert_eq!(errno(block_on(spare)), Errno::EEXIST);
        block_on(one.symlink("back", "link")).unwrap();
        assert!(block_on(one.symlink_metadata("link")).unwrap().is_symlink());
        assert!(block_on(one.metadata("link")).unwrap().is_file());
        block_on(one.create_dir("sub")).unwrap();
        let sub = block_on(one.open_dir("sub")).unwrap();
        assert!(block_on(sub.metadata("")).unwrap().is_dir());
        assert_eq!(errno(block_on(one.remove_file("sub"))), Errno::EISDIR);
        block_on(one.remove_dir("sub")).unwrap();
        for name in ["back", "link"] {
            block_on(one.remove_file(name)).unwrap();
        }
        assert_eq!(std::fs::read_dir(tree.at("one")).unwrap().count(), 0);
    });
}

#[test]
fn a_directory_is_meant_whatever_its_name() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        tree.dir("one");
        tree.file("one/file", "content");
        let dir = block_on(engine.open_dir(tree.at("one"))).unwrap();
        std::fs::rename(tree.at("one"), tree.at("other")).unwrap();
        tree.dir("one");
        assert!(block_on(dir.exists("file")).unwrap());
        // An operation keeps it open, whoever drops it.
        let opening = dir.open("file");
        drop(dir);
        block_on(opening).unwrap();
    });
}

#[test]
fn a_name_only_is_enough() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        tree.file("file", "content");
        let mut by_name = OpenOptions::new();
        by_name.custom_flags(OpenFlags::PATH | OpenFlags::DIRECTORY);
        let dir = Dir::new(block_on(by_name.open(&engine, tree.path())).unwrap());
        let file = block_on(dir.open("file")).unwrap();
        assert_eq!(block_on(file.read_at(vec![0; 16], 0)).unwrap().0, 7);
    });
}

#[test]
fn what_is_no_directory_is_refused() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "");
        assert_eq!(errno(block_on(engine.open_dir(&path))), Errno::ENOTDIR);
        let dir = Dir::new(block_on(engine.open(&path)).unwrap());
        assert_eq!(errno(block_on(dir.open("any"))), Errno::ENOTDIR);
        assert_eq!(errno(block_on(dir.remove_file("any"))), Errno::ENOTDIR);
        // An absolute path begins elsewhere.
        block_on(dir.open(&path)).unwrap();
    });
}

#[test]
fn a_zero_byte_is_not_the_directory_itself() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let dir = block_on(engine.open_dir(tree.path())).unwrap();
        let error = block_on(dir.metadata("\0")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (made, found) = block_on(dir.create_dir("sub").then(dir.metadata("\0")));
        assert_eq!(errno(made), Errno::ECANCELED);
        assert_eq!(found.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}
