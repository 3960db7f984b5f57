//! Whole files, and directories with their parents.

use std::io::ErrorKind;
use std::path::Path;

use annulus_ring::Errno;
use futures::executor::block_on;

use crate::common::{LIMIT, limit};
use crate::tree::Tree;
use crate::{engine, errno};

#[test]
fn a_file_is_read_to_its_end() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for len in [0, 1, 16_383, 16_384, 16_385, 1_000_000] {
            let content: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
            std::fs::write(tree.at("file"), &content).unwrap();
            let read = block_on(engine.read_all(tree.at("file"))).unwrap();
            assert!(read == content, "{len} bytes");
            assert_eq!(read.capacity(), read.len(), "{len} bytes");
        }
        // A file whose length says nothing.
        let read = block_on(engine.read_all("/proc/self/status")).unwrap();
        assert!(read.starts_with(b"Name:") && read.len() > 100);
    });
}

#[test]
fn a_read_of_all_fails_and_names_the_path() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let error = block_on(engine.read_all(tree.at("none"))).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOENT));
        let error = block_on(engine.read_all(tree.path())).unwrap_err();
        assert_eq!((error.errno(), error.path()), (Some(Errno::EISDIR), tree.path()));
        assert!(error.to_string().starts_with("read \""), "{error}");
        let error = block_on(engine.read_all("a\0")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_file_is_written_whole() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for content in [vec![7; 100_000], vec![], vec![8; 10]] {
            let written = engine.write_all(tree.at("file"), content.clone());
            let (n, buf) = block_on(written).unwrap();
            assert_eq!((n, &buf), (content.len(), &content));
            assert!(std::fs::read(tree.at("file")).unwrap() == content);
        }
        let error = block_on(engine.write_all(tree.path(), vec![9; 3])).unwrap_err();
        assert_eq!((error.errno(), error.done()), (Some(Errno::EISDIR), 0));
        assert_eq!(error.into_buf(), [9; 3]);
        if Path::new("/dev/full").exists() {
            let error = block_on(engine.write_all("/dev/full", vec![9; 3])).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::ENOSPC));
            assert_eq!(error.into_buf(), [9; 3]);
        }
    });
}

#[test]
fn directories_are_made_with_their_parents() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let deep = tree.at("a/b/c/d");
        block_on(engine.create_dir_all(&deep)).unwrap();
        assert!(deep.is_dir());
        block_on(engine.create_dir_all(&deep)).unwrap();
        block_on(engine.create_dir_all(tree.at("a/b/e/"))).unwrap();
        assert!(tree.at("a/b/e").is_dir());
        block_on(engine.create_dir_all("")).unwrap();
        block_on(engine.create_dir_all("/")).unwrap();
        std::os::unix::fs::symlink("a", tree.at("link")).unwrap();
        block_on(engine.create_dir_all(tree.at("link/f"))).unwrap();
        assert!(tree.at("a/f").is_dir());
        let file = tree.file("file", "");
        assert_eq!(errno(block_on(engine.create_dir_all(&file))), Errno::EEXIST);
        assert_eq!(errno(block_on(engine.create_dir_all(file.join("g")))), Errno::ENOTDIR);
        std::os::unix::fs::symlink("none", tree.at("dangling")).unwrap();
        let below = tree.at("dangling/h");
        assert_eq!(errno(block_on(engine.create_dir_all(below))), Errno::EEXIST);
    });
}

#[test]
fn many_make_the_same_directories() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        for round in 0..20 {
            let deep = tree.at(&format!("{round}/a/b/c"));
            let all = (0..8).map(|_| engine.create_dir_all(&deep));
            for made in block_on(futures::future::join_all(all)) {
                made.unwrap();
            }
            assert!(deep.is_dir());
        }
    });
}
