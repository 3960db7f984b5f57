//! Names: renaming, removing, making, and what is found by them; directories.

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::Errno;
use annulus::fs::{self, Dir, File, PathError, Rename};
use common::tree::Tree;
use common::{on_runtime, skip};

/// The number of an error.
#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, PathError>) -> Errno {
    result.expect_err("it must fail").errno().expect("the kernel's reason")
}

#[test]
fn names_are_changed_and_taken_away() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (a, b) = (tree.file("a", "a"), tree.file("b", "b"));
        assert_eq!(errno(fs::rename_with(&a, &b, Rename::NoReplace).await), Errno::EEXIST);
        fs::rename_with(&a, &b, Rename::Exchange).await.unwrap();
        assert_eq!(fs::read(&a).await.unwrap(), b"b");
        fs::rename(&a, &b).await.unwrap();
        assert_eq!(
            (fs::read(&b).await.unwrap(), fs::try_exists(&a).await.unwrap()),
            (b"b".to_vec(), false)
        );
        let gone = fs::rename(&a, &b).await.unwrap_err();
        assert_eq!((gone.errno(), gone.path()), (Some(Errno::ENOENT), &*a));
        assert_eq!(gone.second_path(), Some(&*b));
        fs::hard_link(&b, &a).await.unwrap();
        assert_eq!(fs::metadata(&a).await.unwrap().nlink(), 2);
        assert_eq!(errno(fs::hard_link(&b, &a).await), Errno::EEXIST);
        fs::remove_file(&a).await.unwrap();
        assert_eq!(errno(fs::remove_file(&a).await), Errno::ENOENT);
        fs::symlink("b", tree.at("link")).await.unwrap();
        assert!(fs::symlink_metadata(tree.at("link")).await.unwrap().is_symlink());
        assert_eq!(fs::read(tree.at("link")).await.unwrap(), b"b");
        assert_eq!(errno(fs::symlink("b", tree.at("link")).await), Errno::EEXIST);
        fs::create_dir(tree.at("dir")).await.unwrap();
        assert_eq!(errno(fs::create_dir(tree.at("dir")).await), Errno::EEXIST);
        assert_eq!(errno(fs::remove_file(tree.at("dir")).await), Errno::EISDIR);
        assert_eq!(errno(fs::remove_dir(&b).await), Errno::ENOTDIR);
        fs::write(tree.at("dir/file"), "x").await.unwrap();
        assert_eq!(errno(fs::remove_dir(tree.at("dir")).await), Errno::ENOTEMPTY);
        fs::remove_file(tree.at("dir/file")).await.unwrap();
        fs::remove_dir(tree.at("dir")).await.unwrap();
        assert!(!fs::try_exists(tree.at("dir")).await.unwrap());
        assert_eq!(errno(fs::try_exists(b.join("below")).await), Errno::ENOTDIR);
    });
}

#[test]
fn directories_are_made_with_their_parents() {
    on_runtime(|| async {
        let tree = Tree::new();
        fs::create_dir_all(tree.at("a/b/c")).await.unwrap();
        fs::create_dir_all(tree.at("a/b/c/")).await.unwrap();
        assert!(fs::metadata(tree.at("a/b/c")).await.unwrap().is_dir());
        tree.file("file", "");
        assert_eq!(errno(fs::create_dir_all(tree.at("file")).await), Errno::EEXIST);
        assert_eq!(errno(fs::create_dir_all(tree.at("file/x")).await), Errno::ENOTDIR);
        fs::create_dir_all("").await.unwrap();
        let dir = Dir::open(tree.path()).await.unwrap();
        dir.create_dir_all("x/y/z").await.unwrap();
        assert!(tree.at("x/y/z").is_dir());
        dir.beneath().create_dir_all("p/q/r").await.unwrap();
        assert!(tree.at("p/q/r").is_dir());
    });
}

#[test]
fn other_file_systems_are_far_away() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "ring");
        let Ok(other) = std::panic::catch_unwind(|| Tree::under(Path::new("/dev/shm"))) else {
            return skip("other_file_systems_are_far_away", "no /dev/shm");
        };
        let there = other.at("file");
        if fs::metadata(tree.path()).await.unwrap().dev()
            == fs::metadata(other.path()).await.unwrap().dev()
        {
            return skip("other_file_systems_are_far_away", "all is on one file system");
        }
        assert_eq!(errno(fs::rename(&path, &there).await), Errno::EXDEV);
        assert_eq!(errno(fs::hard_link(&path, &there).await), Errno::EXDEV);
        let kind = fs::rename(&path, &there).await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::CrossesDevices);
    });
}

#[test]
fn a_read_only_file_system_takes_nothing() {
    const NAME: &str = "a_read_only_file_system_takes_nothing";
    on_runtime(|| async {
        let tree = Tree::new();
        let dir = tree.dir("mount");
        let Some(_mount) = Mount::tmpfs(&dir, "ro,size=64k") else {
            return skip(NAME, "mounting needs root");
        };
        assert_eq!(errno(File::create(dir.join("file")).await), Errno::EROFS);
        assert_eq!(errno(fs::create_dir(dir.join("dir")).await), Errno::EROFS);
        assert_eq!(errno(fs::symlink("x", dir.join("link")).await), Errno::EROFS);
        fs::create_dir_all(&dir).await.unwrap(); // it is there
    });
}

#[test]
fn a_full_file_system_says_how_much_it_took() {
    const NAME: &str = "a_full_file_system_says_how_much_it_took";
    on_runtime(|| async {
        let tree = Tree::new();
        let (dir, other) = (tree.dir("mount"), tree.dir("other"));
        let Some(_mount) = Mount::tmpfs(&dir, "size=64k") else {
            return skip(NAME, "mounting needs root");
        };
        let path = dir.join("file");
        let Err(error) = fs::write(&path, vec![7; 1 << 20]).await else { panic!("there was room") };
        assert_eq!(error.error().errno(), Some(Errno::ENOSPC), "{error}");
        assert_eq!(error.error().path(), path);
        let done = error.done();
        assert!(done > 0 && done <= 65_536, "{done}");
        assert_eq!(error.into_buf().len(), 1 << 20);
        assert_eq!(fs::metadata(&path).await.unwrap().len(), done as u64);
        // At the file's own position, too: the rest is not written over the part. In a file system
        // of its own: a thread of the kernel that wrote may have the file, and so its space, for
        // some time after it said that it is done.
        let _other = Mount::tmpfs(&other, "size=64k").unwrap();
        let file = File::create_new(other.join("file")).await.unwrap();
        file.write_all("beginning").await.unwrap();
        let Err(error) = file.write_all(vec![7; 1 << 20]).await else { panic!("there was room") };
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::WriteZero | ErrorKind::StorageFull), "{error}");
        assert_eq!(error.done() as u64 + 9, file.metadata().await.unwrap().len());
        assert_eq!(file.read_exact_at(vec![0; 9], 0).await.unwrap().1, b"beginning");
    });
}

/// A file system of a test's own, gone with this.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(at: &'a Path, options: &str) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "annulus-test"]).arg(at);
        let done = mount.stderr(std::process::Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let done = std::process::Command::new("umount").arg("-l").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "what was mounted is unmounted");
    }
}

#[test]
fn a_directory_is_the_same_whatever_its_name() {
    on_runtime(|| async {
        let tree = Tree::new();
        let dir = Dir::open(tree.dir("dir")).await.unwrap();
        fs::rename(tree.at("dir"), tree.at("moved")).await.unwrap();
        tree.dir("dir");
        dir.write("file", "here").await.unwrap();
        assert_eq!(std::fs::read(tree.at("moved/file")).unwrap(), b"here");
        assert_eq!(dir.read_to_string("file").await.unwrap(), "here");
        dir.rename("file", &dir, "other").await.unwrap();
        dir.hard_link("other", &dir, "second").await.unwrap();
        dir.symlink("other", "link").await.unwrap();
        assert_eq!(dir.metadata("link").await.unwrap().nlink(), 2);
        assert!(dir.symlink_metadata("link").await.unwrap().is_symlink());
        let other = Dir::open(tree.at("dir")).await.unwrap();
        dir.rename("other", &other, "file").await.unwrap();
        assert!(!dir.try_exists("link").await.unwrap(), "it leads nowhere now");
        dir.create_dir("sub").await.unwrap();
        let sub = dir.open_dir("sub").await.unwrap();
        sub.replace("file", "replaced").await.unwrap();
        dir.replace("sub/file", "again").await.unwrap();
        assert_eq!(sub.read("file").await.unwrap(), b"again");
        sub.remove_file("file").await.unwrap();
        dir.remove_dir("sub").await.unwrap();
        dir.sync_all().await.unwrap();
        assert!(Dir::open(tree.at("dir/file")).await.is_err());
        assert_eq!(std::fs::read_dir(tree.at("moved")).unwrap().count(), 2);
    });
}

#[test]
fn beneath_a_directory_up_leads_though_others_rename() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.dir("in");
        std::fs::create_dir(path.join("sub")).unwrap();
        std::fs::write(path.join("file"), "file").unwrap();
        let (one, other) = (tree.file("one", ""), tree.at("other"));
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let renaming = std::thread::spawn(move || {
            let mut count = 0;
            // Relaxed: pairs with the store below, which only ends the loop.
            while !is_over.load(Ordering::Relaxed) {
                std::fs::rename(&one, &other).unwrap();
                std::fs::rename(&other, &one).unwrap();
                count += 1;
            }
            count
        });
        let dir = Dir::open(&path).await.unwrap().beneath();
        for _ in 0..2_000 {
            dir.open_file("sub/../sub/../sub/../file").await.unwrap();
        }
        // Relaxed: pairs with the load above.
        over.store(true, Ordering::Relaxed);
        let renamed = renaming.join().unwrap();
        assert!(renamed > 0);
    });
}

#[test]
fn beneath_a_directory_nothing_leads_out() {
    on_runtime(|| async {
        let tree = Tree::new();
        let (path, secret) = (tree.dir("in"), tree.file("secret", "secret"));
        std::fs::create_dir(path.join("sub")).unwrap();
        std::os::unix::fs::symlink("..", path.join("up")).unwrap();
        std::os::unix::fs::symlink(&secret, path.join("leads_out")).unwrap();
        std::fs::write(path.join("file"), "file").unwrap();
        let dir = Dir::open(&path).await.unwrap().beneath();
        let out = Errno::EXDEV;
        for bad in ["../secret", "sub/../../secret", "up/secret", secret.to_str().unwrap()] {
            assert_eq!(errno(dir.read(bad).await), out, "{bad}");
            assert_eq!(errno(dir.metadata(bad).await), out, "{bad}");
            assert_eq!(errno(dir.symlink_metadata(bad).await), out, "{bad}");
            assert_eq!(errno(dir.try_exists(bad).await), out, "{bad}");
            assert_eq!(errno(dir.remove_file(bad).await), out, "{bad}");
            assert_eq!(errno(dir.create_dir(bad).await), out, "{bad}");
            assert_eq!(errno(dir.rename("file", &dir, bad).await), out, "{bad}");
            assert_eq!(errno(dir.rename(bad, &dir, "mine").await), out, "{bad}");
            assert_eq!(errno(dir.hard_link(bad, &dir, "mine").await), out, "{bad}");
            assert_eq!(errno(dir.symlink("x", bad).await), out, "{bad}");
            assert_eq!(dir.write(bad, "x").await.unwrap_err().error().errno(), Some(out), "{bad}");
            assert_eq!(
                dir.replace(bad, "x").await.unwrap_err().error().errno(),
                Some(out),
                "{bad}"
            );
            assert!(errno(dir.open_dir(bad).await) == out, "{bad}");
        }
        assert_eq!(errno(dir.read("leads_out").await), out);
        assert_eq!(errno(dir.remove_dir("..").await), Errno::EINVAL);
        assert!(dir.symlink_metadata("leads_out").await.unwrap().is_symlink());
        assert_eq!(errno(dir.open_dir("sub").await.unwrap().read("../file").await), out);
        let error = dir.remove_file("up/secret").await.unwrap_err();
        assert_eq!(error.path(), Path::new("up"), "the part that leads out");
        // What stays inside is done.
        dir.write("sub/new", "new").await.unwrap();
        dir.rename("sub/new", &dir, "sub/../file").await.unwrap();
        assert_eq!(dir.read("./file").await.unwrap(), b"new");
        assert!(dir.metadata("sub").await.unwrap().is_dir());
        assert!(dir.metadata("").await.unwrap().is_dir());
        dir.remove_file("leads_out").await.unwrap();
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        let missing = dir.remove_file("sub/none").await.unwrap_err();
        assert_eq!(missing.path(), Path::new("sub/none"), "as it was given");
    });
}
