//! Renaming, removing, making directories and links.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use annulus_ring::Errno;
use annulus_ring::abi::RenameFlags;
use futures::executor::block_on;

use crate::common::{LIMIT, limit, skip};
use crate::tree::Tree;
use crate::{assert_refused, engine, errno};

#[test]
fn a_rename_replaces() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (old, new) = (tree.file("old", "new content"), tree.file("new", "old content"));
        block_on(engine.rename(&old, &new)).unwrap();
        assert!(!old.exists());
        assert_eq!(std::fs::read_to_string(&new).unwrap(), "new content");
    });
}

#[test]
fn a_rename_spares_or_exchanges_if_asked() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (a, b) = (tree.file("a", "A"), tree.file("b", "B"));
        let spare = engine.rename_with(&a, &b, RenameFlags::NOREPLACE);
        let error = block_on(spare).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST));
        assert_eq!((error.path(), error.second_path()), (&*a, Some(&*b)));
        assert_eq!(std::fs::read_to_string(&b).unwrap(), "B");
        block_on(engine.rename_with(&a, &b, RenameFlags::EXCHANGE)).unwrap();
        assert_eq!(std::fs::read_to_string(&a).unwrap(), "B");
        assert_eq!(std::fs::read_to_string(&b).unwrap(), "A");
        let none = engine.rename_with(&a, tree.at("none"), RenameFlags::EXCHANGE);
        let error = block_on(none).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOENT));
        assert!(error.to_string().starts_with("exchange "), "{error}");
        let both = RenameFlags::EXCHANGE | RenameFlags::NOREPLACE;
        assert_eq!(errno(block_on(engine.rename_with(&a, &b, both))), Errno::EINVAL);
    });
}

#[test]
fn a_rename_fails() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (file, dir, full) = (tree.file("file", ""), tree.dir("dir"), tree.dir("full"));
        tree.file("full/file", "");
        let rename = |old: &Path, new: &Path| errno(block_on(engine.rename(old, new)));
        assert_eq!(rename(&tree.at("none"), &file), Errno::ENOENT);
        assert_eq!(rename(&file, &tree.at("none/file")), Errno::ENOENT);
        assert_eq!(rename(&file, &dir), Errno::EISDIR);
        assert_eq!(rename(&dir, &file), Errno::ENOTDIR);
        assert_eq!(rename(&file, &file.join("below")), Errno::ENOTDIR);
        assert_eq!(rename(&dir, &full), Errno::ENOTEMPTY);
        assert_eq!(rename(&full, &full.join("below")), Errno::EINVAL);
        assert_eq!(rename(&file, &tree.at(&"n".repeat(256))), Errno::ENAMETOOLONG);
        let error = block_on(engine.rename(tree.at("none"), &file)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/none\" to \"") && text.contains("/file\":"), "{text}");
    });
}

#[test]
fn nothing_is_renamed_or_linked_across_file_systems() {
    const NAME: &str = "nothing_is_renamed_or_linked_across_file_systems";
    limit(LIMIT, || {
        let (engine, here) = (engine(), Tree::new());
        let shm = Path::new("/dev/shm");
        let dev = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
        if dev(shm).is_none() || dev(shm) == dev(here.path()) {
            return skip(NAME, "no second file system at /dev/shm");
        }
        let there = Tree::under(shm);
        let file = here.file("file", "");
        assert_eq!(errno(block_on(engine.rename(&file, there.at("file")))), Errno::EXDEV);
        assert_eq!(errno(block_on(engine.hard_link(&file, there.at("file")))), Errno::EXDEV);
    });
}

#[test]
fn files_and_directories_are_removed() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (file, dir) = (tree.file("file", ""), tree.dir("dir"));
        let inner = tree.file("dir/inner", "");
        assert_eq!(errno(block_on(engine.remove_file(&dir))), Errno::EISDIR);
        assert_eq!(errno(block_on(engine.remove_dir(&file))), Errno::ENOTDIR);
        assert_eq!(errno(block_on(engine.remove_dir(&dir))), Errno::ENOTEMPTY);
        assert_eq!(errno(block_on(engine.remove_file(tree.at("none")))), Errno::ENOENT);
        assert_eq!(errno(block_on(engine.remove_dir(tree.at("none")))), Errno::ENOENT);
        assert_eq!(errno(block_on(engine.remove_file(file.join("below")))), Errno::ENOTDIR);
        assert_eq!(errno(block_on(engine.remove_dir(dir.join(".")))), Errno::EINVAL);
        for path in [&file, &inner] {
            block_on(engine.remove_file(path)).unwrap();
        }
        block_on(engine.remove_dir(&dir)).unwrap();
        assert_eq!(std::fs::read_dir(tree.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_removed_file_lives_while_it_is_open() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("file", "content");
        let file = block_on(engine.open(&path)).unwrap();
        block_on(engine.remove_file(&path)).unwrap();
        assert_eq!(block_on(file.read_at(vec![0; 16], 0)).unwrap().0, 7);
    });
}

#[test]
fn directories_are_made() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let dir = tree.at("dir");
        block_on(engine.create_dir(&dir)).unwrap();
        assert!(dir.is_dir());
        assert_eq!(errno(block_on(engine.create_dir(&dir))), Errno::EEXIST);
        assert_eq!(errno(block_on(engine.create_dir(tree.at("a/b")))), Errno::ENOENT);
        let below_file = tree.file("file", "").join("below");
        assert_eq!(errno(block_on(engine.create_dir(below_file))), Errno::ENOTDIR);
        block_on(engine.create_dir_with(tree.at("own"), 0o700)).unwrap();
        assert_eq!(std::fs::metadata(tree.at("own")).unwrap().mode() & 0o777, 0o700);
    });
}

#[test]
fn the_system_makes_its_own_directories_only() {
    const NAME: &str = "the_system_makes_its_own_directories_only";
    limit(LIMIT, || {
        let engine = engine();
        if !Path::new("/sys/kernel").is_dir() {
            return skip(NAME, "no /sys");
        }
        let errno = errno(block_on(engine.create_dir("/sys/kernel/annulus")));
        assert!(matches!(errno, Errno::EPERM | Errno::EACCES | Errno::EROFS), "{errno:?}");
    });
}

#[test]
fn links_are_made() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let file = tree.file("file", "content");
        block_on(engine.hard_link(&file, tree.at("second"))).unwrap();
        let (one, two) =
            (std::fs::metadata(&file).unwrap(), std::fs::metadata(tree.at("second")).unwrap());
        assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
        assert_eq!(errno(block_on(engine.hard_link(&file, &file))), Errno::EEXIST);
        let none = engine.hard_link(tree.at("none"), tree.at("third"));
        assert_eq!(errno(block_on(none)), Errno::ENOENT);
        let dir = engine.hard_link(tree.path(), tree.at("third"));
        assert_eq!(errno(block_on(dir)), Errno::EPERM);

        block_on(engine.symlink("any/where", tree.at("link"))).unwrap();
        assert_eq!(std::fs::read_link(tree.at("link")).unwrap(), Path::new("any/where"));
        let error = block_on(engine.symlink("other", tree.at("link"))).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST));
        assert_eq!(error.path(), tree.at("link"));
        assert_eq!(error.second_path(), Some(Path::new("other")));
        assert_eq!(errno(block_on(engine.symlink("", tree.at("empty")))), Errno::ENOENT);
        let long = "n".repeat(4096);
        assert_eq!(errno(block_on(engine.symlink(long, tree.at("long")))), Errno::ENAMETOOLONG);
    });
}

#[test]
fn a_zero_byte_in_any_name_is_refused() {
    limit(LIMIT, || {
        let engine = engine();
        assert_refused(&engine, block_on(engine.rename("a\0", "b")));
        assert_refused(&engine, block_on(engine.rename("a", "b\0")));
        assert_refused(&engine, block_on(engine.hard_link("a", "b\0")));
        assert_refused(&engine, block_on(engine.symlink("a\0", "b")));
        assert_refused(&engine, block_on(engine.symlink("a", "b\0")));
        assert_refused(&engine, block_on(engine.remove_file("a\0")));
        assert_refused(&engine, block_on(engine.remove_dir("a\0")));
        assert_refused(&engine, block_on(engine.create_dir("a\0")));
        assert_refused(&engine, block_on(engine.create_dir_all("a\0")));
    });
}

#[test]
fn a_chain_writes_and_renames() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (temporary, path) = (tree.at("a.tmp"), tree.file("a", "old"));
        let file = block_on(engine.create(&temporary)).unwrap();
        let chain = file.write_all_at("new", 0).then(engine.rename(&temporary, &path));
        let (written, renamed) = block_on(chain);
        assert_eq!(written.unwrap().0, 3);
        renamed.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        // What is no name ends a chain before anything of it is done.
        let dir = tree.at("dir");
        let (made, renamed) = block_on(engine.create_dir(&dir).then(engine.rename(&path, "a\0b")));
        assert_eq!(errno(made), Errno::ECANCELED);
        assert_eq!(renamed.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        assert!(path.exists() && !dir.exists());
    });
}
