//! What the flags of an entry do to operations on files: links, drain, async, skip, personality.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use annulus_ring::Errno;
use annulus_ring::abi::{OpenFlags, Personality, RwFlags};
use annulus_ring::op::{self, At};

use crate::common::{LIMIT, limit, only_on_linux, skip};
use crate::files::{TempDir, register, ring, run, run_all};

#[test]
fn a_short_read_breaks_a_link() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b"0123"));
        let (mut a, mut b) = ([0u8; 8], [0u8; 4]);
        let short = op::Read::new(&file, a.as_mut_ptr(), 8).offset(0).build();
        let next = op::Read::new(&file, b.as_mut_ptr(), 4).offset(0).build();
        assert_eq!(run_all(&mut ring, [short.link(), next]), [Ok(4), Err(Errno::ECANCELED)]);
        assert_eq!(run_all(&mut ring, [short.hard_link(), next]), [Ok(4), Ok(4)]);
        assert_eq!(&b, b"0123");
    });
}

#[test]
fn an_error_cancels_the_rest_of_a_chain_and_nothing_else() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b"0123"));
        let sync = op::Fsync::new(&file).build();
        let missing = op::OpenAt::new(At::CWD, c"/no such file".as_ptr()).build();
        let results = run_all(&mut ring, [missing.link(), sync.link(), sync, sync]);
        let cancelled = Err(Errno::ECANCELED);
        assert_eq!(results, [Err(Errno::ENOENT), cancelled, cancelled, Ok(0)]);
    });
}

#[test]
fn a_drain_waits_for_all_before_it() {
    limit(LIMIT, || {
        let (mut ring, mut byte) = (ring(), 0u8);
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let read = op::Read::new(&reader, &mut byte, 1).build().user_data(1);
        // SAFETY: `byte` outlives the operation, which this test waits for.
        unsafe { ring.push(read) }.unwrap();
        // SAFETY: a sync points to nothing.
        unsafe { ring.push(op::Fsync::new(&file).build().drain().user_data(2)) }.unwrap();
        ring.submit().unwrap();
        assert!(ring.completions().unwrap().next().is_none());
        writer.write_all(b"x").unwrap();
        ring.submit_and_wait(2).unwrap();
        let order: Vec<_> = ring.completions().unwrap().map(|c| c.user_data).collect();
        assert_eq!(order, [1, 2]);
    });
}

#[test]
fn a_worker_can_be_asked_for() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file, mut text) = (ring(), dir.file("a", b"0123"), [0u8; 4]);
        let read = op::Read::new(&file, text.as_mut_ptr(), 4).offset(0);
        assert_eq!(run(&mut ring, read.build().force_async()), Ok(4));
        assert_eq!(&text, b"0123");
        // Not waiting and going to a worker together: the worker may not wait either.
        let (reader, _writer) = std::io::pipe().unwrap();
        let now = op::Read::new(&reader, text.as_mut_ptr(), 4).flags(RwFlags::NOWAIT);
        let now = run(&mut ring, now.build().force_async());
        // Pipes learnt it with Linux 6.4.
        assert!(matches!(now, Err(Errno::EAGAIN | Errno::EOPNOTSUPP)), "{now:?}");
    });
}

#[test]
fn success_can_be_silent_and_failure_is_not() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, file) = (ring(), dir.file("a", b""));
        let write = op::Write::new(&file, b"x".as_ptr(), 1).offset(0).build();
        // SAFETY: the byte is part of the program.
        unsafe { ring.push(write.skip_success().link().user_data(1)) }.unwrap();
        // SAFETY: a sync points to nothing.
        unsafe { ring.push(op::Fsync::new(&file).build().user_data(2)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        let seen: Vec<_> = ring.completions().unwrap().map(|c| (c.user_data, c.res)).collect();
        assert_eq!(seen, [(2, 0)]);
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"x");
        let bad = op::Write::new(-1, b"x".as_ptr(), 1).build().skip_success();
        assert_eq!(run(&mut ring, bad), Err(Errno::EBADF));
    });
}

/// Registered credentials are used instead of the submitter's. The test gives up its thread's own:
/// every test has a thread of its own.
#[test]
fn credentials_of_another_time() {
    limit(LIMIT, || {
        let name = "credentials_of_another_time";
        if only_on_linux(name, "credentials are the kernel's to lend") {
            return;
        }
        if !rustix::process::geteuid().is_root() {
            return skip(name, "not root: no credentials to give up");
        }
        let dir = TempDir::new();
        drop(dir.file("secret", b""));
        let path = dir.c_path("secret");
        let nobody = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.path("secret"), nobody).unwrap();
        std::fs::set_permissions(dir.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
        let outcome =
            std::thread::scope(|scope| scope.spawn(|| open_as_nobody(&path)).join().unwrap());
        assert_eq!(outcome, [Err(Errno::EACCES), Ok(()), Err(Errno::EINVAL)]);
    });
}

/// Opens `path` as a user who may not, then with the credentials registered before, then with some
/// that were never registered.
fn open_as_nobody(path: &std::ffi::CStr) -> [Result<(), Errno>; 3] {
    let mut ring = ring();
    // IORING_REGISTER_PERSONALITY
    let root = Personality(register::<u8>(&ring, 9, &mut []).unwrap() as u16);
    let nobody = rustix::fs::Uid::from_raw(65534);
    rustix::thread::set_thread_uid(nobody).unwrap();
    let open = op::OpenAt::new(At::CWD, path.as_ptr()).flags(OpenFlags::CLOEXEC).build();
    let mut attempt = |sqe| {
        run(&mut ring, sqe).map(|fd| {
            run(&mut crate::files::ring(), op::Close::new(fd as i32)).unwrap();
        })
    };
    let unknown = Personality(root.0 + 1);
    [attempt(open), attempt(open.personality(root)), attempt(open.personality(unknown))]
}
