//! Opening: what is opened, and how that fails.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use annulus_ring::Errno;
use annulus_ring::abi::{OpenFlags, ResolveFlags};
use annulus_runtime::Engine;
use annulus_runtime::engine::{OpenOptions, PathError};
use futures::executor::block_on;

use crate::common::{LIMIT, limit, skip};
use crate::tree::Tree;
use crate::{assert_refused, engine, errno};

fn options(set: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions) -> OpenOptions {
    let mut options = OpenOptions::new();
    set(&mut options);
    options
}

#[test]
fn a_file_is_opened_and_read() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("a", "content");
        let file = block_on(engine.open(&path)).unwrap();
        let (n, buf) = block_on(file.read_at(vec![0; 16], 0)).unwrap();
        assert_eq!(&buf[..n], b"content");
        let error = block_on(file.write_at(&b"x"[..], 0)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EBADF), "it was opened for reading only");
    });
}

#[test]
fn a_file_is_made_and_truncated() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.at("a");
        for content in ["first, and long", "second"] {
            let file = block_on(engine.create(&path)).unwrap();
            block_on(file.write_all_at(content, 0)).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    });
}

#[test]
fn options_mean_what_they_do_in_std() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.at("a");
        let new = options(|o| o.write(true).create_new(true).mode(0o640));
        block_on(new.open(&engine, &path)).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & !0o640, 0, "{mode:o}");
        assert_eq!(mode & 0o600, 0o600, "{mode:o}");
        assert_eq!(errno(block_on(new.open(&engine, &path))), Errno::EEXIST);

        std::fs::write(&path, "begun").unwrap();
        let append = options(|o| o.append(true));
        let file = block_on(append.open(&engine, &path)).unwrap();
        block_on(file.write(&b", ended"[..])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "begun, ended");

        let both = options(|o| o.read(true).write(true).truncate(true));
        let file = block_on(both.open(&engine, &path)).unwrap();
        block_on(file.write_all_at(&b"new"[..], 0)).unwrap();
        let (n, _) = block_on(file.read_at(vec![0; 16], 0)).unwrap();
        assert_eq!(n, 3);
    });
}

#[test]
fn contradictions_are_found_before_the_kernel_is_asked() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.at("a");
        let wrong = [
            options(|o| o),
            options(|o| o.read(true).create(true)),
            options(|o| o.read(true).truncate(true)),
            options(|o| o.append(true).truncate(true)),
        ];
        for options in wrong {
            let error = block_on(options.open(&engine, &path)).unwrap_err();
            assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, None));
        }
        assert_eq!(engine.metrics().shipped, 0);
        assert!(!path.exists());
    });
}

#[test]
fn a_descriptor_is_closed_at_execve() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("a", "");
        let flags_of = |options: &OpenOptions| {
            let _file = block_on(options.open(&engine, &path)).unwrap();
            // Its number is not told: it is found by what it is open on.
            let found = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .flatten()
                .find(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path));
            let number = found.expect("it is open").file_name();
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", number.display()));
            let info = info.unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            u32::from_str_radix(flags.trim(), 8).unwrap()
        };
        let resolve = |o: &mut OpenOptions| {
            o.read(true).resolve(ResolveFlags::NO_MAGICLINKS);
        };
        let mut by_openat2 = OpenOptions::new();
        resolve(&mut by_openat2);
        for options in [options(|o| o.read(true)), options(|o| o.append(true)), by_openat2] {
            let flags = OpenFlags(flags_of(&options));
            assert!(flags.contains(OpenFlags::CLOEXEC), "{flags:?}");
        }
        let direct = options(|o| o.read(true).sync(true).custom_flags(OpenFlags::NOATIME));
        assert!(OpenFlags(flags_of(&direct)).contains(OpenFlags::NOATIME));
        let sync = options(|o| o.write(true).sync(true));
        assert!(OpenFlags(flags_of(&sync)).contains(OpenFlags::SYNC));
        let data_sync = options(|o| o.write(true).data_sync(true));
        let flags = OpenFlags(flags_of(&data_sync));
        assert!(flags.contains(OpenFlags::DSYNC) && !flags.contains(OpenFlags::SYNC));
    });
}

#[test]
fn failures_keep_the_errno_and_name_the_path() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let (file, dir) = (tree.file("file", ""), tree.dir("dir"));
        let open = |path: &std::path::Path| errno(block_on(engine.open(path)));
        assert_eq!(open(&tree.at("none")), Errno::ENOENT);
        assert_eq!(open(&tree.at("none/below")), Errno::ENOENT);
        assert_eq!(open(std::path::Path::new("")), Errno::ENOENT);
        assert_eq!(open(&file.join("below")), Errno::ENOTDIR);
        assert_eq!(errno(block_on(engine.create(&dir))), Errno::EISDIR);
        assert_eq!(open(&tree.at(&"n".repeat(256))), Errno::ENAMETOOLONG);
        assert_eq!(open(std::path::Path::new(&"d/".repeat(2048))), Errno::ENAMETOOLONG);
        std::os::unix::fs::symlink("loop", tree.at("loop")).unwrap();
        assert_eq!(open(&tree.at("loop")), Errno::ELOOP);
        std::os::unix::fs::symlink("file", tree.at("link")).unwrap();
        let nofollow = options(|o| o.read(true).custom_flags(OpenFlags::NOFOLLOW));
        assert_eq!(errno(block_on(nofollow.open(&engine, tree.at("link")))), Errno::ELOOP);
        let error = block_on(engine.open(tree.at("none"))).unwrap_err();
        assert_eq!(error.path(), tree.at("none"));
        assert!(error.to_string().starts_with("open \""), "{error}");
        assert!(error.to_string().contains("/none\": No such file"), "{error}");
        let named = error.named();
        assert_eq!(named.kind(), ErrorKind::NotFound);
        assert!(named.get_ref().unwrap().downcast_ref::<PathError>().is_some());
    });
}

#[test]
fn what_is_not_allowed_is_refused() {
    const NAME: &str = "what_is_not_allowed_is_refused";
    limit(LIMIT, || {
        let engine = engine();
        // Root may do most things, but nobody may write what has nothing to be written.
        let path = "/sys/kernel/notes";
        if !std::path::Path::new(path).exists() {
            return skip(NAME, "no /sys/kernel/notes");
        }
        let opened = block_on(options(|o| o.write(true)).open(&engine, path));
        let errno = errno(opened);
        assert!(matches!(errno, Errno::EACCES | Errno::EROFS | Errno::EPERM), "{errno:?}");
    });
}

#[test]
fn an_immutable_file_is_not_written() {
    const NAME: &str = "an_immutable_file_is_not_written";
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let path = tree.file("a", "");
        let set = |how: &str| {
            let chattr = std::process::Command::new("chattr").arg(how).arg(&path).output();
            chattr.is_ok_and(|done| done.status.success())
        };
        if !set("+i") {
            return skip(NAME, "chattr +i is not possible here");
        }
        let opened = block_on(options(|o| o.write(true)).open(&engine, &path));
        let removed = block_on(engine.remove_file(&path));
        let renamed = block_on(engine.rename(&path, tree.at("b")));
        let linked = block_on(engine.hard_link(&path, tree.at("b")));
        assert!(set("-i"));
        assert_eq!(errno(opened), Errno::EPERM);
        assert_eq!(errno(removed), Errno::EPERM);
        assert_eq!(errno(renamed), Errno::EPERM);
        assert_eq!(errno(linked), Errno::EPERM);
    });
}

#[test]
fn a_zero_byte_is_refused() {
    limit(LIMIT, || {
        let engine = engine();
        let opened = block_on(engine.open("a\0b"));
        assert_eq!(opened.as_ref().unwrap_err().path(), std::path::Path::new("a\0b"));
        assert_refused(&engine, opened);
        assert_refused(&engine, block_on(engine.create("a\0b")));
    });
}

#[test]
fn a_path_is_kept_in_its_directory() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        tree.dir("jail");
        tree.file("jail/inside", "");
        tree.file("outside", "");
        std::os::unix::fs::symlink("../outside", tree.at("jail/link")).unwrap();
        std::os::unix::fs::symlink("inside", tree.at("jail/inner")).unwrap();
        let jail = block_on(engine.open_dir(tree.at("jail"))).unwrap();
        let beneath = options(|o| o.read(true).resolve(ResolveFlags::BENEATH));
        block_on(beneath.open_at(&jail, "inside")).unwrap();
        block_on(beneath.open_at(&jail, "inner")).unwrap();
        for escape in ["../outside", "link", "/etc/passwd", "inside/../../outside"] {
            let errno = errno(block_on(beneath.open_at(&jail, escape)));
            assert!(matches!(errno, Errno::EXDEV | Errno::ENOTDIR), "{escape}: {errno:?}");
        }
        // Without it nothing keeps it there.
        block_on(jail.open("../outside")).unwrap();
        block_on(jail.open("link")).unwrap();
        let no_links = options(|o| o.read(true).resolve(ResolveFlags::NO_SYMLINKS));
        assert_eq!(errno(block_on(no_links.open_at(&jail, "inner"))), Errno::ELOOP);
        let in_root = options(|o| o.read(true).resolve(ResolveFlags::IN_ROOT));
        assert_eq!(errno(block_on(in_root.open_at(&jail, "../outside"))), Errno::ENOENT);
        block_on(in_root.open_at(&jail, "/inside")).unwrap();
        let unknown = options(|o| o.read(true).resolve(ResolveFlags(1 << 60)));
        assert_eq!(errno(block_on(unknown.open_at(&jail, "inside"))), Errno::EINVAL);
        let makes =
            options(|o| o.write(true).create_new(true).mode(0o600).resolve(ResolveFlags::BENEATH));
        block_on(makes.open_at(&jail, "made")).unwrap();
        let made = std::fs::metadata(tree.at("jail/made")).unwrap();
        assert_eq!(made.mode() & 0o777, 0o600);
    });
}

#[test]
fn a_file_without_a_name_is_made() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let nameless =
            options(|o| o.read(true).write(true).custom_flags(OpenFlags::TMPFILE).mode(0o600));
        let file = match block_on(nameless.open(&engine, tree.path())) {
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                return skip("a_file_without_a_name_is_made", "the file system has none");
            }
            opened => opened.unwrap(),
        };
        block_on(file.write_all_at(&b"ring"[..], 0)).unwrap();
        assert_eq!(std::fs::read_dir(tree.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_closed_engine_opens_nothing() {
    limit(LIMIT, || {
        let (engine, tree) = (engine(), Tree::new());
        let opening = engine.create(tree.at("a"));
        assert!(engine.shutdown(LIMIT));
        let error = block_on(opening).unwrap_err();
        assert!(error.error().is_closed(), "{error}");
        assert!(!tree.at("a").exists());
    });
}

#[test]
fn an_opening_keeps_its_engine() {
    limit(LIMIT, || {
        let tree = Tree::new();
        let path = tree.file("a", "content");
        let engine: Engine = engine();
        let opening = engine.open(&path);
        drop(engine);
        let file = block_on(opening).unwrap();
        assert_eq!(block_on(file.read_at(vec![0; 16], 0)).unwrap().0, 7);
    });
}

#[test]
fn futures_go_to_any_thread() {
    fn is_send<T: Send + 'static>(_: &T) {}
    let engine = engine();
    let opening = engine.open("Cargo.toml");
    is_send(&opening);
    is_send(&engine.open_dir("src"));
    is_send(&engine.read_all("Cargo.toml"));
    is_send(&engine.create_dir_all("src"));
    let read = engine.write_all("target", vec![0]);
    is_send(&read);
    let file = std::thread::spawn(move || block_on(opening)).join().unwrap().unwrap();
    assert!(block_on(file.read_at(vec![0; 9], 0)).unwrap().0 == 9);
}
