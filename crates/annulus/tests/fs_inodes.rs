//! What is set of files: permissions, owner, times, attributes; their locks and positions; links.

mod common;

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use annulus::Errno;
use annulus::fs::{
    self, Dir, DirBuilder, File, PathError, Permissions, Rename, SetXattr, Times, TryLockError,
};
use common::tree::Tree;
use common::{begin, on_runtime, skip};

#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, PathError>) -> Errno {
    result.expect_err("it must fail").errno().expect("the kernel's reason")
}

fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)
}

#[test]
fn permissions_are_set_by_path_by_file_and_in_a_directory() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "x");
        symlink("file", tree.at("link")).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().mode() & 0o7777;
        fs::set_permissions(&path, Permissions::from_mode(0o400)).await.unwrap();
        assert_eq!(mode(), 0o400);
        fs::set_permissions(tree.at("link"), Permissions::from_mode(0o640)).await.unwrap();
        assert_eq!(mode(), 0o640, "a link is followed");
        let file = File::open(&path).await.unwrap();
        file.set_permissions(Permissions::from_mode(0o4711)).await.unwrap();
        assert_eq!(mode(), 0o4711);
        let found = file.metadata().await.unwrap().permissions();
        assert_eq!((found.mode() & 0o7777, found.readonly()), (0o4711, false));
        let dir = Dir::open(tree.path()).await.unwrap();
        for dir in [dir.clone(), dir.beneath()] {
            dir.set_permissions("link", Permissions::from_mode(0o600)).await.unwrap();
            assert_eq!(mode(), 0o600);
            dir.set_permissions("file", Permissions::from_mode(0o644)).await.unwrap();
            assert_eq!(mode(), 0o644);
            let error =
                dir.set_permissions("none", Permissions::from_mode(0o000)).await.unwrap_err();
            assert_eq!((error.errno(), error.path()), (Some(Errno::ENOENT), Path::new("none")));
        }
        let missing = fs::set_permissions(tree.at("none"), Permissions::from_mode(0o000)).await;
        assert_eq!(errno(missing), Errno::ENOENT);
        let zero = fs::set_permissions("a\0b", Permissions::from_mode(0o000)).await.unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn owners_are_set() {
    const NAME: &str = "owners_are_set";
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "x");
        symlink("file", tree.at("link")).unwrap();
        match fs::chown(&path, Some(12), Some(34)).await {
            Ok(()) => {}
            Err(error) if error.errno() == Some(Errno::EPERM) => {
                return skip(NAME, "giving files away needs root");
            }
            Err(error) => panic!("{error}"),
        }
        let owner = |path: &Path| {
            let found = std::fs::symlink_metadata(path).unwrap();
            (found.uid(), found.gid())
        };
        assert_eq!(owner(&path), (12, 34));
        fs::lchown(tree.at("link"), Some(56), None).await.unwrap();
        assert_eq!(owner(&tree.at("link")).0, 56);
        assert_eq!(owner(&path), (12, 34), "the link alone");
        File::open(&path).await.unwrap().chown(None, Some(78)).await.unwrap();
        assert_eq!(owner(&path), (12, 78));
        let dir = Dir::open(tree.path()).await.unwrap();
        for (dir, id) in [(dir.clone(), 90), (dir.beneath(), 91)] {
            dir.chown("link", Some(id), None).await.unwrap();
            assert_eq!(owner(&path), (id, 78));
            dir.lchown("link", None, Some(id)).await.unwrap();
            assert_eq!(owner(&tree.at("link")), (56, id));
        }
    });
}

#[test]
fn times_are_set() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "x");
        symlink("file", tree.at("link")).unwrap();
        let old = then() - Duration::from_secs(1);
        fs::set_times(&path, Times::new().accessed(old).modified(then())).await.unwrap();
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!((found.accessed().unwrap(), found.modified().unwrap()), (old, then()));
        let file = File::open(&path).await.unwrap();
        file.set_modified(old).await.unwrap();
        let found = file.metadata().await.unwrap();
        assert_eq!((found.accessed(), found.modified()), (Some(old), Some(old)));
        file.set_times(Times::new().modified_now()).await.unwrap();
        assert!(file.metadata().await.unwrap().modified().unwrap() > then());
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        fs::set_times_nofollow(tree.at("link"), Times::new().modified(before)).await.unwrap();
        assert_eq!(std::fs::symlink_metadata(tree.at("link")).unwrap().modified().unwrap(), before);
        assert!(file.metadata().await.unwrap().modified().unwrap() > then(), "the link alone");
        let dir = Dir::open(tree.path()).await.unwrap().beneath();
        dir.set_times("link", Times::new().modified(old)).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().modified(), Some(old));
        dir.set_times_nofollow("link", Times::new().modified(then())).await.unwrap();
        let link = dir.symlink_metadata("link").await.unwrap();
        assert_eq!(link.modified(), Some(then()));
        assert_eq!(errno(dir.set_times("../none", Times::new()).await), Errno::EXDEV);
    });
}

#[test]
fn attributes_are_listed_and_removed() {
    const NAME: &str = "attributes_are_listed_and_removed";
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "x");
        let file = File::open(&path).await.unwrap();
        match fs::set_xattr(&path, "user.one", "1", SetXattr::New).await {
            Ok(()) => {}
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                return skip(NAME, "this file system has no attributes");
            }
            Err(error) => panic!("{error}"),
        }
        // More than the first question has room for.
        for n in 0..20 {
            file.set_xattr(format!("user.with a name of some length {n}"), "x", SetXattr::New)
                .await
                .unwrap();
        }
        let mut names = fs::list_xattr(&path).await.unwrap();
        names.retain(|name| name.to_str().unwrap().starts_with("user."));
        assert_eq!(names.len(), 21);
        let mut of_file = file.list_xattr().await.unwrap();
        of_file.retain(|name| name.to_str().unwrap().starts_with("user."));
        assert_eq!(of_file, names);
        file.remove_xattr("user.one").await.unwrap();
        assert_eq!(file.remove_xattr("user.one").await.unwrap_err().errno(), Some(Errno::ENODATA));
        assert_eq!(errno(fs::remove_xattr(&path, "user.one").await), Errno::ENODATA);
        for name in names.iter().filter(|name| *name != "user.one") {
            fs::remove_xattr(&path, name).await.unwrap();
        }
        assert!(
            !file
                .list_xattr()
                .await
                .unwrap()
                .iter()
                .any(|name| { name.to_str().unwrap().starts_with("user.") })
        );
        assert_eq!(errno(fs::list_xattr(tree.at("none")).await), Errno::ENOENT);
        let zero = fs::remove_xattr(&path, "user.\0").await.unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        assert_eq!(fs::list_xattr("a\0b").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_lock_is_had_by_one_or_shared() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "x");
        let (one, other) = (File::open(&path).await.unwrap(), File::open(&path).await.unwrap());
        let is_taken = |tried| matches!(tried, Err(TryLockError::WouldBlock));
        one.lock_shared().await.unwrap();
        assert!(other.try_lock_shared().await.is_ok());
        assert!(is_taken(other.try_lock().await));
        one.unlock().await.unwrap();
        assert!(other.try_lock().await.is_ok());
        assert!(is_taken(one.try_lock_shared().await));
        // Who waits has it when the other is done with it.
        let mut waits = one.lock();
        begin(&mut waits).await;
        other.unlock().await.unwrap();
        waits.await.unwrap();
        assert!(is_taken(other.try_lock().await));
        // Who gives up has none.
        let mut waits = other.lock();
        begin(&mut waits).await;
        drop(waits);
        common::settle().await;
        one.unlock().await.unwrap();
        assert!(one.try_lock().await.is_ok(), "nobody else has it");
        drop(one);
        assert!(other.try_lock().await.is_ok(), "it went with its file");
    });
}

#[test]
fn the_position_is_moved_and_data_is_found() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "0123456789");
        let file = File::open(&path).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Start(4)).await.unwrap(), 4);
        assert_eq!(file.read(vec![0; 2]).await.unwrap().1, b"45");
        assert_eq!(file.stream_position().await.unwrap(), 6);
        assert_eq!(file.clone().seek(SeekFrom::Current(-2)).await.unwrap(), 4);
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        assert_eq!(file.read_to_end(Vec::new()).await.unwrap().1, b"9");
        file.rewind().await.unwrap();
        assert_eq!(file.read(vec![0; 2]).await.unwrap().1, b"01");
        let before_it = file.seek(SeekFrom::Current(-9)).await.unwrap_err();
        assert_eq!(before_it.errno(), Some(Errno::EINVAL));
        let (reader, _writer) = fs::pipe().await.unwrap();
        assert_eq!(reader.stream_position().await.unwrap_err().errno(), Some(Errno::ESPIPE));
        let sparse = std::fs::File::create(tree.at("sparse")).unwrap();
        sparse.set_len(4 << 20).unwrap();
        sparse.write_all_at(b"data", 2 << 20).unwrap();
        let file = File::open(tree.at("sparse")).await.unwrap();
        let begin = file.seek_data(0).await.unwrap().expect("there is some");
        assert!(begin <= 2 << 20);
        let hole = file.seek_hole(begin).await.unwrap().expect("the end at least");
        assert!(hole > 2 << 20 && hole <= 4 << 20);
        assert_eq!(file.seek_data(4 << 20).await.unwrap(), None);
    });
}

#[test]
fn links_are_read_and_followed() {
    on_runtime(|| async {
        let tree = Tree::new();
        let top = std::fs::canonicalize(tree.path()).unwrap();
        tree.dir("dir");
        tree.file("dir/file", "x");
        symlink("dir", tree.at("link")).unwrap();
        symlink("loop", tree.at("loop")).unwrap();
        let long = format!("{}file", "./".repeat(1500));
        symlink(&long, tree.at("dir/long")).unwrap();
        assert_eq!(fs::read_link(tree.at("link")).await.unwrap(), Path::new("dir"));
        assert_eq!(fs::read_link(tree.at("dir/long")).await.unwrap(), Path::new(&long));
        assert_eq!(errno(fs::read_link(tree.at("dir")).await), Errno::EINVAL);
        for path in ["link/file", "dir/../link/./file", "dir/long", "link/long"] {
            let found = fs::canonicalize(tree.at(path)).await.unwrap();
            assert_eq!(found, top.join("dir/file"), "{path}");
        }
        assert_eq!(fs::canonicalize(tree.at("dir/..")).await.unwrap(), top);
        assert_eq!(fs::canonicalize("/").await.unwrap(), Path::new("/"));
        assert_eq!(fs::canonicalize(".").await.unwrap(), std::fs::canonicalize(".").unwrap());
        assert_eq!(errno(fs::canonicalize(tree.at("none")).await), Errno::ENOENT);
        assert_eq!(errno(fs::canonicalize(tree.at("dir/file/x")).await), Errno::ENOTDIR);
        assert_eq!(errno(fs::canonicalize(tree.at("loop")).await), Errno::ELOOP);
        assert_eq!(errno(fs::canonicalize("").await), Errno::ENOENT);
        let dir = Dir::open(tree.path()).await.unwrap();
        assert_eq!(dir.canonicalize("link").await.unwrap(), top.join("dir"));
        for dir in [dir.clone(), dir.clone().beneath()] {
            assert_eq!(dir.read_link("link").await.unwrap(), Path::new("dir"));
            assert_eq!(dir.canonicalize("link/file").await.unwrap(), top.join("dir/file"));
        }
        assert_eq!(errno(dir.beneath().canonicalize("..").await), Errno::EXDEV);
        // One that was removed, though it is open, is nowhere.
        let gone = Dir::open(tree.dir("gone")).await.unwrap();
        std::fs::remove_dir(tree.at("gone")).unwrap();
        assert_eq!(errno(gone.canonicalize("").await), Errno::ENOENT);
        // Not even where the kernel's note on that is another's name.
        tree.dir("gone (deleted)");
        assert_eq!(errno(gone.canonicalize("").await), Errno::ENOENT);
    });
}

#[test]
fn directories_are_made_as_a_builder_says() {
    on_runtime(|| async {
        let tree = Tree::new();
        let mode = |name: &str| std::fs::metadata(tree.at(name)).unwrap().mode() & 0o777;
        DirBuilder::new().mode(0o700).create(tree.at("one")).await.unwrap();
        assert_eq!(mode("one"), 0o700);
        assert_eq!(errno(DirBuilder::new().create(tree.at("one")).await), Errno::EEXIST);
        assert_eq!(errno(DirBuilder::new().create(tree.at("a/b")).await), Errno::ENOENT);
        let mut all = DirBuilder::new();
        all.mode(0o711).recursive(true);
        all.create(tree.at("a/b/c")).await.unwrap();
        assert_eq!([mode("a"), mode("a/b"), mode("a/b/c")], [0o711; 3]);
        let dir = Dir::open(tree.path()).await.unwrap().beneath();
        all.create_in(&dir, "x/y").await.unwrap();
        assert_eq!([mode("x"), mode("x/y")], [0o711; 2]);
        assert_eq!(errno(all.create_in(&dir, "../out").await), Errno::EXDEV);
        assert!(fs::exists(tree.at("x")).await.unwrap());
    });
}

#[test]
fn a_whiteout_takes_the_old_name() {
    const NAME: &str = "a_whiteout_takes_the_old_name";
    on_runtime(|| async {
        let tree = Tree::new();
        let (old, new) = (tree.file("old", "x"), tree.at("new"));
        match fs::rename_with(&old, &new, Rename::Whiteout).await {
            Ok(()) => {}
            Err(error) => {
                let cannot = [Some(Errno::EINVAL), Some(Errno::EPERM)];
                assert!(cannot.contains(&error.errno()), "{error}");
                return skip(NAME, "no whiteouts in this file system, or for this user");
            }
        }
        assert_eq!(std::fs::read(&new).unwrap(), b"x");
        let found = fs::symlink_metadata(&old).await.unwrap();
        assert_eq!((found.mode() & 0o170_000, found.rdev()), (0o020_000, (0, 0)));
    });
}

#[test]
fn a_file_system_is_made_durable() {
    on_runtime(|| async {
        // One that has nothing to write: others use this machine's.
        File::open("/proc/self/status").await.unwrap().sync_filesystem().await.unwrap();
        Dir::open("/proc").await.unwrap().sync_filesystem().await.unwrap();
    });
}
