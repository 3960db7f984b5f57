//! OPENAT, OPENAT2, CLOSE, STATX.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use annulus_ring::Errno;
use annulus_ring::abi::{self, AtFlags, FixedFd, OpenFlags, OpenHow, ResolveFlags, StatxMask};
use annulus_ring::op::{self, At};

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, register_empty_files, ring, run};

/// The descriptor that an operation made, owned.
fn owned(result: Result<u32, Errno>) -> File {
    let fd = result.unwrap() as i32;
    // SAFETY: the operation made it for this completion: nobody else has it.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[test]
fn a_file_is_made_and_opened() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut ring = ring();
        let path = dir.c_path("new");
        let new = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::CLOEXEC;
        let make = op::OpenAt::new(At::CWD, path.as_ptr()).flags(new).mode(0o600);
        let file = owned(run(&mut ring, make));
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let flags = rustix::io::fcntl_getfd(&file).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(run(&mut ring, make), Err(Errno::EEXIST));
        // Relative to an open directory; without CLOEXEC unless asked for.
        let at = dir.open();
        let file = owned(run(&mut ring, op::OpenAt::new(&at, c"new".as_ptr())));
        assert!(rustix::io::fcntl_getfd(&file).unwrap().is_empty());
        let unnamed = op::OpenAt::new(&at, c".".as_ptr());
        let unnamed = unnamed.flags(OpenFlags::RDWR | OpenFlags::TMPFILE).mode(0o600);
        match run(&mut ring, unnamed) {
            Err(Errno::EOPNOTSUPP) => skip("a_file_is_made_and_opened: TMPFILE", "not on this one"),
            made => assert_eq!(owned(made).metadata().unwrap().nlink(), 0),
        }
    });
}

#[test]
fn errors_of_an_open() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop(dir.file("file", b""));
        std::os::unix::fs::symlink("file", dir.path("link")).unwrap();
        std::os::unix::fs::symlink("loop", dir.path("loop")).unwrap();
        let mut ring = ring();
        let long = std::ffi::CString::new(vec![b'x'; 4096]).unwrap();
        let open = |name: &'static core::ffi::CStr| op::OpenAt::new(&at, name.as_ptr());
        let cases = [
            ("missing", open(c"none"), Errno::ENOENT),
            ("empty path", open(c""), Errno::ENOENT),
            ("through a file", open(c"file/x"), Errno::ENOTDIR),
            ("not a directory", open(c"file").flags(OpenFlags::DIRECTORY), Errno::ENOTDIR),
            ("writing a directory", open(c".").flags(OpenFlags::WRONLY), Errno::EISDIR),
            ("a link", open(c"link").flags(OpenFlags::NOFOLLOW), Errno::ELOOP),
            ("a loop", open(c"loop"), Errno::ELOOP),
            ("null path", op::OpenAt::new(&at, core::ptr::null()), Errno::EFAULT),
            ("too long", op::OpenAt::new(&at, long.as_ptr()), Errno::ENAMETOOLONG),
            ("no directory", op::OpenAt::new(i32::MAX, c"x".as_ptr()), Errno::EBADF),
            ("file as directory", open(c"file").flags(OpenFlags::TMPFILE), Errno::EINVAL),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
    });
}

/// The path may go as soon as the entry is submitted, also where a worker opens it.
#[test]
fn a_path_is_copied_at_the_submit() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut ring = ring();
        let mut path = dir.c_path("first").into_bytes_with_nul();
        let open = op::OpenAt::new(At::CWD, path.as_ptr().cast())
            .flags(OpenFlags::WRONLY | OpenFlags::CREAT)
            .mode(0o600);
        // SAFETY: the path lives until the submit.
        unsafe { ring.push(open.build()) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 1);
        path.fill(b'x');
        std::hint::black_box(&mut path);
        ring.submit_and_wait(1).unwrap();
        drop(owned(ring.completions().unwrap().next().unwrap().result()));
        assert!(dir.path("first").exists());
    });
}

#[test]
fn openat2_resolves_as_told() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let at = dir.open();
        drop(dir.file("file", b"text"));
        std::os::unix::fs::symlink("file", dir.path("link")).unwrap();
        let mut ring = ring();
        let mut open = |name: &'static core::ffi::CStr, how: OpenHow| {
            run(&mut ring, op::OpenAt2::new(&at, name.as_ptr(), &how))
        };
        let how = |resolve| OpenHow { resolve, ..OpenHow::default() };
        let mut text = String::new();
        owned(open(c"link", OpenHow::default())).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        drop(owned(open(c"file", how(ResolveFlags::BENEATH))));
        assert_eq!(open(c"../x", how(ResolveFlags::BENEATH)), Err(Errno::EXDEV));
        assert_eq!(open(c"/etc", how(ResolveFlags::BENEATH)), Err(Errno::EXDEV));
        assert_eq!(open(c"link", how(ResolveFlags::NO_SYMLINKS)), Err(Errno::ELOOP));
        assert_eq!(open(c"/file2", how(ResolveFlags::IN_ROOT)), Err(Errno::ENOENT));
        drop(owned(open(c"/file", how(ResolveFlags::IN_ROOT))));
        assert_eq!(open(c"file", how(ResolveFlags(1 << 40))), Err(Errno::EINVAL));
        let mode = OpenHow { mode: 0o600, ..OpenHow::default() };
        assert_eq!(open(c"file", mode), Err(Errno::EINVAL));
        let flags = OpenHow { flags: 1 << 40, ..OpenHow::default() };
        assert_eq!(open(c"file", flags), Err(Errno::EINVAL));
        let cached = open(c"file", how(ResolveFlags::CACHED));
        assert!(matches!(cached, Ok(_) | Err(Errno::EAGAIN)), "{cached:?}");
        if cached.is_ok() {
            drop(owned(cached));
        }
        let null = op::OpenAt2::new(&at, c"file".as_ptr(), core::ptr::null());
        assert_eq!(run(&mut crate::files::ring(), null), Err(Errno::EFAULT));
    });
}

#[test]
fn slots_are_opened_read_and_closed() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        drop(dir.file("a", b"direct"));
        let (mut ring, path, mut text) = (ring(), dir.c_path("a"), [0u8; 6]);
        let open = op::OpenAt::new(At::CWD, path.as_ptr());
        let errno = run(&mut ring, open.direct(FixedFd(0)));
        assert_eq!(errno, Err(Errno::ENXIO), "no table yet");
        register_empty_files(&ring, 2);
        assert_eq!(run(&mut ring, open.direct(FixedFd(1))), Ok(0));
        let read = op::Read::new(FixedFd(1), text.as_mut_ptr(), 6).offset(0);
        assert_eq!(run(&mut ring, read), Ok(6));
        assert_eq!(&text, b"direct");
        // A second open closes what the slot held.
        assert_eq!(run(&mut ring, open.direct(FixedFd(1))), Ok(0));
        assert_eq!(run(&mut ring, open.direct(FixedFd(2))), Err(Errno::EINVAL));
        assert_eq!(run(&mut ring, open.direct(FixedFd(u32::MAX))), Err(Errno::EINVAL));
        let cloexec = open.flags(OpenFlags::CLOEXEC).direct(FixedFd(0));
        assert_eq!(run(&mut ring, cloexec), Err(Errno::EINVAL));
        let how = OpenHow::default();
        let open2 = op::OpenAt2::new(At::CWD, path.as_ptr(), &how);
        assert_eq!(run(&mut ring, open2.direct_alloc()), Ok(0), "slot 0 was the free one");
        assert_eq!(run(&mut ring, open2.direct_alloc()), Err(Errno::ENFILE));
        for slot in [FixedFd(0), FixedFd(1)] {
            assert_eq!(run(&mut ring, op::Close::new(slot)), Ok(0));
            assert_eq!(run(&mut ring, op::Close::new(slot)), Err(Errno::EBADF));
        }
        let read = op::Read::new(FixedFd(1), text.as_mut_ptr(), 6).offset(0);
        assert_eq!(run(&mut ring, read), Err(Errno::EBADF));
    });
}

/// A chain that opens, reads and closes without coming back to user space.
#[test]
fn a_chain_on_a_slot() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        drop(dir.file("a", b"chain"));
        let (mut ring, path, mut text) = (ring(), dir.c_path("a"), [0u8; 5]);
        register_empty_files(&ring, 1);
        let slot = FixedFd(0);
        let chain = [
            op::OpenAt::new(At::CWD, path.as_ptr()).direct(slot).build().link(),
            op::Read::new(slot, text.as_mut_ptr(), 5).offset(0).build().link(),
            op::Close::new(slot).build(),
        ];
        assert_eq!(crate::files::run_all(&mut ring, chain), [Ok(0), Ok(5), Ok(0)]);
        assert_eq!(&text, b"chain");
    });
}

#[test]
fn closing() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut ring = ring();
        let fd = dir.file("a", b"").into_raw_fd();
        assert_eq!(run(&mut ring, op::Close::new(fd)), Ok(0));
        assert_eq!(run(&mut ring, op::Close::new(i32::MAX)), Err(Errno::EBADF));
        assert_eq!(run(&mut ring, op::Close::new(-1)), Err(Errno::EBADF));
        let table = run(&mut ring, op::Close::new(FixedFd(0)));
        assert_eq!(table, Err(Errno::ENXIO), "no table");
        // The last slots do not turn into "descriptor 0": that stays open.
        for slot in [u32::MAX, u32::MAX - 1] {
            let answer = run(&mut ring, op::Close::new(FixedFd(slot)));
            assert_eq!(answer, Err(Errno::ENXIO), "{slot}");
        }
        register_empty_files(&ring, 1);
        assert_eq!(run(&mut ring, op::Close::new(FixedFd(0))), Err(Errno::EBADF), "empty");
        for slot in [1, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
            let answer = run(&mut ring, op::Close::new(FixedFd(slot)));
            assert_eq!(answer, Err(Errno::EINVAL), "{slot}");
        }
    });
}

/// Closing cancels nothing: a read under way keeps the file.
#[test]
fn what_is_under_way_keeps_a_closed_file() {
    use std::io::Write;
    limit(LIMIT, || {
        let (mut ring, mut byte) = (ring(), 0u8);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = reader.into_raw_fd();
        let read = op::Read::new(reader, &mut byte, 1).build().user_data(1);
        // SAFETY: `byte` outlives the operation, which this test waits for.
        unsafe { ring.push(read) }.unwrap();
        // SAFETY: the descriptor is this test's alone.
        unsafe { ring.push(op::Close::new(reader).build().user_data(2)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        let closed = ring.completions().unwrap().next().unwrap();
        assert_eq!((closed.user_data, closed.result()), (2, Ok(0)));
        writer.write_all(b"x").unwrap();
        ring.submit_and_wait(1).unwrap();
        let read = ring.completions().unwrap().next().unwrap();
        assert_eq!((read.user_data, read.result(), byte), (1, Ok(1), b'x'));
    });
}

#[test]
fn attributes_are_found() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        std::os::unix::fs::symlink("a", dir.path("link")).unwrap();
        let (mut ring, at) = (ring(), dir.open());
        let mut found = abi::Statx::default();
        let expected = file.metadata().unwrap();
        assert_eq!(run(&mut ring, op::Statx::new(&at, c"link".as_ptr(), &mut found)), Ok(0));
        assert!(found.stx_mask.contains(StatxMask::BASIC_STATS));
        assert_eq!((found.stx_size, found.stx_ino), (10, expected.ino()));
        assert_eq!(found.stx_mtime.tv_sec, expected.mtime());
        assert_eq!(u32::from(found.stx_mode), expected.mode());
        let link = op::Statx::new(&at, c"link".as_ptr(), &mut found);
        assert_eq!(run(&mut ring, link.flags(AtFlags::SYMLINK_NOFOLLOW)), Ok(0));
        assert_eq!(u32::from(found.stx_mode) & 0o170_000, 0o120_000);
        let open = op::Statx::new(file.as_raw_fd(), c"".as_ptr(), &mut found);
        let open = open.flags(AtFlags::EMPTY_PATH).mask(StatxMask::SIZE | StatxMask::DIOALIGN);
        assert_eq!(run(&mut ring, open), Ok(0));
        assert!(found.stx_mask.contains(StatxMask::SIZE));
        assert_eq!(found.stx_size, 10);
    });
}

#[test]
fn errors_of_statx() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, at) = (ring(), dir.open());
        drop(dir.file("a", b""));
        let mut found = abi::Statx::default();
        let into = &raw mut found;
        let null = core::ptr::null_mut();
        let both = AtFlags::STATX_FORCE_SYNC | AtFlags::STATX_DONT_SYNC;
        let a = op::Statx::new(&at, c"a".as_ptr(), into);
        let cases = [
            ("missing", op::Statx::new(&at, c"none".as_ptr(), into), Errno::ENOENT),
            ("empty path", op::Statx::new(&at, c"".as_ptr(), into), Errno::ENOENT),
            ("null path", op::Statx::new(&at, core::ptr::null(), into), Errno::EFAULT),
            ("null result", op::Statx::new(&at, c"a".as_ptr(), null), Errno::EFAULT),
            ("both syncs", a.flags(both), Errno::EINVAL),
            ("unknown flag", a.flags(AtFlags(1)), Errno::EINVAL),
            ("reserved mask", a.mask(StatxMask(1 << 31)), Errno::EINVAL),
            ("closed", op::Statx::new(i32::MAX, c"a".as_ptr(), into), Errno::EBADF),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
    });
}
