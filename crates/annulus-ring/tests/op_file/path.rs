//! RENAMEAT, UNLINKAT, MKDIRAT, SYMLINKAT, LINKAT.

use std::ffi::CStr;
use std::os::unix::fs::MetadataExt;

use annulus_ring::Errno;
use annulus_ring::abi::{AtFlags, RenameFlags};
use annulus_ring::op::{self, At};

use crate::common::{LIMIT, limit};
use crate::files::{TempDir, ring, run, run_all};

const ENOTEMPTY_OR_EEXIST: [Errno; 2] = [Errno::ENOTEMPTY, Errno::EEXIST];

#[test]
fn renaming() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop((dir.file("a", b"a"), dir.file("b", b"b")));
        let mut ring = ring();
        let rename = |old: &'static CStr, new: &'static CStr| {
            op::RenameAt::new(&at, old.as_ptr(), &at, new.as_ptr())
        };
        assert_eq!(run(&mut ring, rename(c"a", c"c")), Ok(0));
        assert!(!dir.path("a").exists());
        let keep = rename(c"c", c"b").flags(RenameFlags::NOREPLACE);
        assert_eq!(run(&mut ring, keep), Err(Errno::EEXIST));
        assert_eq!(run(&mut ring, rename(c"c", c"b").flags(RenameFlags::EXCHANGE)), Ok(0));
        assert_eq!(std::fs::read(dir.path("b")).unwrap(), b"a");
        assert_eq!(run(&mut ring, rename(c"c", c"b")), Ok(0));
        assert_eq!(std::fs::read(dir.path("b")).unwrap(), b"b");
    });
}

#[test]
fn errors_of_renaming() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop(dir.file("file", b""));
        std::fs::create_dir(dir.path("empty")).unwrap();
        std::fs::create_dir(dir.path("full")).unwrap();
        drop(dir.file("full/file", b""));
        let mut ring = ring();
        let rename = |old: &'static CStr, new: &'static CStr| {
            op::RenameAt::new(&at, old.as_ptr(), &at, new.as_ptr())
        };
        let null = core::ptr::null();
        let exchange = RenameFlags::EXCHANGE;
        let cases = [
            ("missing", rename(c"none", c"x"), Errno::ENOENT),
            ("file onto directory", rename(c"file", c"empty"), Errno::EISDIR),
            ("directory onto file", rename(c"empty", c"file"), Errno::ENOTDIR),
            ("into itself", rename(c"full", c"full/x"), Errno::EINVAL),
            ("across", rename(c"file", c"/proc/x"), Errno::EXDEV),
            ("nothing to swap", rename(c"file", c"x").flags(exchange), Errno::ENOENT),
            (
                "swap and keep",
                rename(c"file", c"empty").flags(exchange | RenameFlags::NOREPLACE),
                Errno::EINVAL,
            ),
            ("null", op::RenameAt::new(&at, null, &at, c"x".as_ptr()), Errno::EFAULT),
            ("null", op::RenameAt::new(&at, c"file".as_ptr(), &at, null), Errno::EFAULT),
            (
                "closed",
                op::RenameAt::new(&at, c"file".as_ptr(), i32::MAX, c"x".as_ptr()),
                Errno::EBADF,
            ),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
        let full = run(&mut ring, rename(c"empty", c"full")).unwrap_err();
        assert!(ENOTEMPTY_OR_EEXIST.contains(&full), "{full:?}");
    });
}

#[test]
fn names_are_made_and_removed() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop(dir.file("a", b"text"));
        let mut ring = ring();
        let results = run_all(
            &mut ring,
            [
                op::MkdirAt::new(&at, c"d".as_ptr(), 0o700).build().link(),
                op::SymlinkAt::new(c"../a".as_ptr(), &at, c"d/soft".as_ptr()).build().link(),
                op::LinkAt::new(&at, c"a".as_ptr(), &at, c"d/hard".as_ptr()).build(),
            ],
        );
        assert_eq!(results, [Ok(0); 3]);
        assert_eq!(std::fs::metadata(dir.path("d")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read(dir.path("d/soft")).unwrap(), b"text");
        assert_eq!(std::fs::metadata(dir.path("d/hard")).unwrap().nlink(), 2);
        let results = run_all(
            &mut ring,
            [
                op::UnlinkAt::new(&at, c"d/soft".as_ptr()).build().link(),
                op::UnlinkAt::new(&at, c"d/hard".as_ptr()).build().link(),
                op::UnlinkAt::new(&at, c"d".as_ptr()).directory().build(),
            ],
        );
        assert_eq!(results, [Ok(0); 3]);
        assert!(!dir.path("d").exists() && dir.path("a").exists());
    });
}

#[test]
fn a_link_to_what_a_symbolic_link_or_a_descriptor_means() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        let file = dir.file("a", b"text");
        std::os::unix::fs::symlink("a", dir.path("soft")).unwrap();
        let mut ring = ring();
        let link = |new: &'static CStr| op::LinkAt::new(&at, c"soft".as_ptr(), &at, new.as_ptr());
        assert_eq!(run(&mut ring, link(c"the link")), Ok(0));
        assert!(dir.path("the link").is_symlink());
        assert_eq!(run(&mut ring, link(c"the file").flags(AtFlags::SYMLINK_FOLLOW)), Ok(0));
        assert!(!dir.path("the file").is_symlink());
        let open = op::LinkAt::new(At::from(&file), c"".as_ptr(), &at, c"the open".as_ptr());
        // Without the right to read any file, Linux pretends that it is not there.
        let answer = run(&mut ring, open.flags(AtFlags::EMPTY_PATH));
        assert!(matches!(answer, Ok(0) | Err(Errno::ENOENT)), "{answer:?}");
    });
}

#[test]
fn errors_of_removing_and_making() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop(dir.file("file", b""));
        std::fs::create_dir(dir.path("full")).unwrap();
        drop(dir.file("full/file", b""));
        let mut ring = ring();
        let unlink = |name: &'static CStr| op::UnlinkAt::new(&at, name.as_ptr());
        let link = |old: &'static CStr, new: &'static CStr| {
            op::LinkAt::new(&at, old.as_ptr(), &at, new.as_ptr()).build()
        };
        let mkdir = |name: &'static CStr| op::MkdirAt::new(&at, name.as_ptr(), 0o700).build();
        let symlink = |target: &'static CStr, name: &'static CStr| {
            op::SymlinkAt::new(target.as_ptr(), &at, name.as_ptr()).build()
        };
        let null = core::ptr::null();
        let cases = [
            ("unlink missing", unlink(c"none").build(), Errno::ENOENT),
            ("unlink directory", unlink(c"full").build(), Errno::EISDIR),
            ("rmdir file", unlink(c"file").directory().build(), Errno::ENOTDIR),
            ("rmdir full", unlink(c"full").directory().build(), Errno::ENOTEMPTY),
            ("rmdir dot", unlink(c".").directory().build(), Errno::EINVAL),
            ("unlink flags", unlink(c"file").flags(AtFlags(1)).build(), Errno::EINVAL),
            ("unlink null", op::UnlinkAt::new(&at, null).build(), Errno::EFAULT),
            ("unlink closed", op::UnlinkAt::new(-1, c"x".as_ptr()).build(), Errno::EBADF),
            ("mkdir again", mkdir(c"full"), Errno::EEXIST),
            ("mkdir nowhere", mkdir(c"none/d"), Errno::ENOENT),
            ("mkdir in a file", mkdir(c"file/d"), Errno::ENOTDIR),
            ("mkdir null", op::MkdirAt::new(&at, null, 0).build(), Errno::EFAULT),
            ("symlink again", symlink(c"x", c"file"), Errno::EEXIST),
            ("symlink to nothing", symlink(c"", c"y"), Errno::ENOENT),
            ("symlink null", op::SymlinkAt::new(null, &at, c"y".as_ptr()).build(), Errno::EFAULT),
            ("link again", link(c"file", c"full"), Errno::EEXIST),
            ("link missing", link(c"none", c"y"), Errno::ENOENT),
            ("link directory", link(c"full", c"y"), Errno::EPERM),
            ("link across", link(c"file", c"/dev/annulus-none"), Errno::EXDEV),
            ("link null", op::LinkAt::new(&at, null, &at, c"y".as_ptr()).build(), Errno::EFAULT),
            (
                "link flags",
                op::LinkAt::new(&at, c"file".as_ptr(), &at, c"y".as_ptr())
                    .flags(AtFlags(1))
                    .build(),
                Errno::EINVAL,
            ),
        ];
        for (name, sqe, errno) in cases {
            assert_eq!(run(&mut ring, sqe), Err(errno), "{name}");
        }
    });
}
