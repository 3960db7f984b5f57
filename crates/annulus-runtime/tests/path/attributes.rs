//! Metadata and extended attributes.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use annulus_ring::abi::{AtFlags, StatxMask, XattrFlags};
use annulus_ring::{Errno, FdKind};
use annulus_runtime::Engine;
use futures::executor::block_on;

use crate::common::{LIMIT, limit, skip};
use crate::tree::Tree;
use crate::{assert_refused, engine, errno};

#[test]
fn metadata_is_that_of_std() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        tree.file("file", "content");
        tree.dir("dir");
        tree.fifo("fifo");
        std::os::unix::fs::symlink("file", tree.at("link")).unwrap();
        let mut kinds = Vec::new();
        for name in ["file", "dir", "fifo", "link"] {
            let path = tree.at(name);
            let ours = block_on(engine.symlink_metadata(&path)).unwrap();
            let theirs = std::fs::symlink_metadata(&path).unwrap();
            assert_eq!(ours.len(), theirs.len(), "{name}");
            assert_eq!(ours.mode(), theirs.mode(), "{name}");
            assert_eq!(ours.ino(), theirs.ino(), "{name}");
            assert_eq!((ours.uid(), ours.gid()), (theirs.uid(), theirs.gid()), "{name}");
            assert_eq!(u64::from(ours.nlink()), theirs.nlink(), "{name}");
            assert_eq!(ours.modified(), theirs.modified().ok(), "{name}");
            // The standard library does not ask with every C library.
            if let Ok(created) = theirs.created() {
                assert_eq!(ours.created(), Some(created), "{name}");
            }
            assert_eq!(ours.is_symlink(), theirs.is_symlink(), "{name}");
            assert_eq!((ours.is_dir(), ours.is_file()), (theirs.is_dir(), theirs.is_file()));
            kinds.push(ours.file_type());
        }
        assert_eq!(kinds, [FdKind::Regular, FdKind::Directory, FdKind::Pipe, FdKind::Other]);
        let followed = block_on(engine.metadata(tree.at("link"))).unwrap();
        assert!(followed.is_file() && followed.len() == 7);
    });
}

#[test]
fn only_what_is_asked_for_is_found() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "content");
        let found = block_on(engine.statx(&path, AtFlags::STATX_DONT_SYNC, StatxMask::SIZE));
        let found = found.unwrap();
        assert!(found.as_statx().stx_mask.contains(StatxMask::SIZE));
        assert_eq!(found.len(), 7);
        assert_eq!(found.created(), None, "it was not asked for");
        let both = AtFlags::STATX_DONT_SYNC | AtFlags::STATX_FORCE_SYNC;
        assert_eq!(errno(block_on(engine.statx(&path, both, StatxMask::SIZE))), Errno::EINVAL);
    });
}

#[test]
fn metadata_fails() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let file = tree.file("file", "");
        std::os::unix::fs::symlink("loop", tree.at("loop")).unwrap();
        let metadata = |path: &Path| errno(block_on(engine.metadata(path)));
        assert_eq!(metadata(&tree.at("none")), Errno::ENOENT);
        assert_eq!(metadata(Path::new("")), Errno::ENOENT);
        assert_eq!(metadata(&file.join("below")), Errno::ENOTDIR);
        assert_eq!(metadata(&tree.at("loop")), Errno::ELOOP);
        assert_eq!(metadata(&tree.at(&"n".repeat(256))), Errno::ENAMETOOLONG);
        block_on(engine.symlink_metadata(tree.at("loop"))).unwrap();
    });
}

#[test]
fn what_exists_is_found() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let file = tree.file("file", "");
        std::os::unix::fs::symlink("none", tree.at("dangling")).unwrap();
        assert!(block_on(engine.exists(&file)).unwrap());
        assert!(block_on(engine.exists(tree.path())).unwrap());
        assert!(!block_on(engine.exists(tree.at("none"))).unwrap());
        assert!(!block_on(engine.exists(tree.at("dangling"))).unwrap());
        assert_eq!(errno(block_on(engine.exists(file.join("below")))), Errno::ENOTDIR);
    });
}

#[test]
fn a_zero_byte_is_refused_by_attributes() {
    limit(LIMIT, || {
        let engine = engine();
        assert_refused(&engine, block_on(engine.metadata("a\0")));
        assert_refused(&engine, block_on(engine.symlink_metadata("a\0")));
        assert_refused(&engine, block_on(engine.exists("a\0")));
        assert_refused(&engine, block_on(engine.get_xattr("a\0", "user.a")));
        assert_refused(&engine, block_on(engine.get_xattr("a", "user.a\0")));
        assert_refused(&engine, block_on(engine.set_xattr("a", "b\0", "", XattrFlags::empty())));
        let file = engine.file(std::fs::File::open("Cargo.toml").unwrap());
        let error = block_on(file.get_xattr("user.a\0")).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, None));
        assert_eq!(engine.metrics().shipped, 0);
    });
}

/// Whether the file system of `path` has attributes of users.
fn has_xattrs(engine: &Engine, path: &Path) -> bool {
    let set = engine.set_xattr(path, "user.probe", "", XattrFlags::empty());
    match block_on(set) {
        Err(error) => {
            assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
            false
        }
        Ok(()) => true,
    }
}

#[test]
fn attributes_are_set_and_read() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "");
        if !has_xattrs(&engine, &path) {
            return skip("attributes_are_set_and_read", "no extended attributes here");
        }
        let file = block_on(engine.open(&path)).unwrap();
        // Short, as long as the first try has room for, and longer than that.
        for len in [0, 1, 255, 256, 257, 2000] {
            let value: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let set = engine.set_xattr(&path, "user.a", value.clone(), XattrFlags::empty());
            block_on(set).unwrap();
            let read = block_on(engine.get_xattr(&path, "user.a")).unwrap();
            assert_eq!(read.as_deref(), Some(&*value), "{len} bytes by path");
            let read = block_on(file.get_xattr("user.a")).unwrap();
            assert_eq!(read.as_deref(), Some(&*value), "{len} bytes by file");
        }
        block_on(file.set_xattr("user.b", *b"by file", XattrFlags::CREATE)).unwrap();
        let read = block_on(engine.get_xattr(&path, "user.b")).unwrap();
        assert_eq!(read.as_deref(), Some(&b"by file"[..]));
        assert_eq!(block_on(engine.get_xattr(&path, "user.none")).unwrap(), None);
        assert_eq!(block_on(file.get_xattr("user.none")).unwrap(), None);
    });
}

#[test]
fn attributes_fail() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "");
        if !has_xattrs(&engine, &path) {
            return skip("attributes_fail", "no extended attributes here");
        }
        let set = |name: &str, value: Vec<u8>, flags| {
            errno(block_on(engine.set_xattr(&path, name, value, flags)))
        };
        assert_eq!(set("user.probe", vec![], XattrFlags::CREATE), Errno::EEXIST);
        assert_eq!(set("user.none", vec![], XattrFlags::REPLACE), Errno::ENODATA);
        assert_eq!(set("user.long", vec![0; 65_537], XattrFlags::empty()), Errno::E2BIG);
        assert_eq!(set("nothing.known", vec![], XattrFlags::empty()), Errno::EOPNOTSUPP);
        assert_eq!(set("", vec![], XattrFlags::empty()), Errno::ERANGE);
        let long = format!("user.{}", "n".repeat(256));
        assert_eq!(errno(block_on(engine.get_xattr(&path, long))), Errno::ERANGE);
        assert_eq!(errno(block_on(engine.get_xattr(&path, ""))), Errno::ERANGE);
        let none = block_on(engine.get_xattr(tree.at("none"), "user.a")).unwrap_err();
        assert_eq!((none.errno(), none.path()), (Some(Errno::ENOENT), &*tree.at("none")));
        let fifo = tree.fifo("fifo");
        let set = engine.set_xattr(&fifo, "user.a", "", XattrFlags::empty());
        assert_eq!(errno(block_on(set)), Errno::EPERM);
    });
}

#[test]
fn attributes_are_listed_and_removed() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "");
        if !has_xattrs(&engine, &path) {
            return skip("attributes_are_listed_and_removed", "no extended attributes here");
        }
        let file = block_on(engine.open(&path)).unwrap();
        let of_users = |mut names: Vec<std::ffi::OsString>| {
            names.retain(|name| name.to_str().is_some_and(|name| name.starts_with("user.")));
            names.sort();
            names
        };
        assert_eq!(of_users(block_on(engine.list_xattr(&path)).unwrap()), ["user.probe"]);
        // More than the first try has room for.
        for n in 0..10 {
            let name = format!("user.{n}{}", "n".repeat(60));
            block_on(file.set_xattr(name, "x", XattrFlags::CREATE)).unwrap();
        }
        let names = of_users(block_on(file.list_xattr()).unwrap());
        assert_eq!(names.len(), 11);
        block_on(engine.remove_xattr(&path, &names[0])).unwrap();
        assert_eq!(errno(block_on(engine.remove_xattr(&path, &names[0]))), Errno::ENODATA);
        for name in &names[1..] {
            block_on(file.remove_xattr(name)).unwrap();
        }
        let gone = block_on(file.remove_xattr("user.probe")).unwrap_err();
        assert_eq!(gone.errno(), Some(Errno::ENODATA));
        assert!(of_users(block_on(engine.list_xattr(&path)).unwrap()).is_empty());
        let zero = block_on(engine.list_xattr("a\0b")).unwrap_err();
        assert_eq!((zero.kind(), zero.errno()), (ErrorKind::InvalidInput, None));
        let zero = block_on(file.remove_xattr("user.\0")).unwrap_err();
        assert_eq!((zero.kind(), zero.errno()), (ErrorKind::InvalidInput, None));
        let none = block_on(engine.remove_xattr(tree.at("none"), "user.a")).unwrap_err();
        assert_eq!((none.errno(), none.path()), (Some(Errno::ENOENT), &*tree.at("none")));
    });
}
