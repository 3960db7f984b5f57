//! FILES_UPDATE, FIXED_FD_INSTALL, PIPE.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use annulus_ring::Errno;
use annulus_ring::abi::{FixedFd, InstallFdFlags, OpenFlags, SqeFlags};
use annulus_ring::op;

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, register_empty_files, ring, run};

/// The descriptor `fd`, which an operation made, owned.
fn owned(fd: i32) -> File {
    // SAFETY: the operation made it for its completion: nobody else has it.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn read_slot(ring: &mut annulus_ring::LocalRing, slot: u32) -> Result<u8, Errno> {
    let mut byte = 0u8;
    run(ring, op::Read::new(FixedFd(slot), &mut byte, 1).offset(0)).map(|_| byte)
}

#[test]
fn slots_are_filled_emptied_and_left() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (a, b) = (dir.file("a", b"a"), dir.file("b", b"b"));
        let mut ring = ring();
        let fds = [a.as_raw_fd(), b.as_raw_fd()];
        let update = op::FilesUpdate::new(FixedFd(1), fds.as_ptr(), 2);
        assert_eq!(run(&mut ring, update), Err(Errno::ENXIO), "no table");
        register_empty_files(&ring, 3);
        assert_eq!(run(&mut ring, update), Ok(2));
        assert_eq!(read_slot(&mut ring, 0), Err(Errno::EBADF));
        assert_eq!((read_slot(&mut ring, 1), read_slot(&mut ring, 2)), (Ok(b'a'), Ok(b'b')));
        // −2 leaves, −1 empties.
        let fds = [-2, -1];
        assert_eq!(run(&mut ring, op::FilesUpdate::new(FixedFd(1), fds.as_ptr(), 2)), Ok(2));
        assert_eq!(read_slot(&mut ring, 1), Ok(b'a'));
        assert_eq!(read_slot(&mut ring, 2), Err(Errno::EBADF));
        // The table has a reference of its own.
        drop((a, b));
        assert_eq!(read_slot(&mut ring, 1), Ok(b'a'));
    });
}

#[test]
fn errors_of_an_update() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let a = dir.file("a", b"a");
        let mut ring = ring();
        register_empty_files(&ring, 2);
        let good = [a.as_raw_fd(); 3];
        let bad = [a.as_raw_fd(), i32::MAX];
        let this = [ring.raw_fd()];
        let update = |first, fds: &[i32], n| op::FilesUpdate::new(FixedFd(first), fds.as_ptr(), n);
        assert_eq!(run(&mut ring, update(0, &good, 3)), Err(Errno::EINVAL), "past the end");
        assert_eq!(run(&mut ring, update(2, &good, 1)), Err(Errno::EINVAL), "past the end");
        assert_eq!(run(&mut ring, update(0, &good, 0)), Err(Errno::EINVAL), "nothing");
        assert_eq!(run(&mut ring, update(0, &this, 1)), Err(Errno::EBADF), "a ring");
        let null = op::FilesUpdate::new(FixedFd(0), core::ptr::null(), 1);
        assert_eq!(run(&mut ring, null), Err(Errno::EFAULT));
        // An error in the middle shows as a short count.
        assert_eq!(run(&mut ring, update(0, &bad, 2)), Ok(1));
        assert_eq!(read_slot(&mut ring, 0), Ok(b'a'));
        let slot = update(0, &good, 1).build().with_flags(SqeFlags::FIXED_FILE);
        assert_eq!(run(&mut ring, slot), Err(Errno::EINVAL));
    });
}

#[test]
fn free_slots_are_picked_and_told() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let a = dir.file("a", b"a");
        let mut ring = ring();
        let mut fds = [a.as_raw_fd(); 2];
        let answer = run(&mut ring, op::FilesUpdate::alloc(fds.as_mut_ptr(), 2));
        assert_eq!(answer, Err(Errno::ENXIO), "no table");
        register_empty_files(&ring, 3);
        assert_eq!(run(&mut ring, op::FilesUpdate::alloc(fds.as_mut_ptr(), 2)), Ok(2));
        assert!(fds[0] != fds[1] && fds.iter().all(|slot| (0..3).contains(slot)), "{fds:?}");
        assert_eq!(read_slot(&mut ring, fds[0] as u32), Ok(b'a'));
        let mut fds = [a.as_raw_fd(); 2];
        assert_eq!(run(&mut ring, op::FilesUpdate::alloc(fds.as_mut_ptr(), 2)), Ok(1), "one left");
        let mut fds = [a.as_raw_fd(); 1];
        let full = run(&mut ring, op::FilesUpdate::alloc(fds.as_mut_ptr(), 1));
        assert_eq!(full, Err(Errno::ENFILE));
    });
}

#[test]
fn a_slot_becomes_a_descriptor() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let a = dir.file("a", b"a");
        let mut ring = ring();
        crate::files::register(&ring, 2, &mut [a.as_raw_fd(), -1]).unwrap();
        let install = op::FixedFdInstall::new(FixedFd(0));
        let fd = match run(&mut ring, install) {
            Err(Errno::EINVAL) => {
                return skip("a_slot_becomes_a_descriptor", "not before Linux 6.8");
            }
            fd => owned(fd.unwrap() as i32),
        };
        let flags = rustix::io::fcntl_getfd(&fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let mut text = String::new();
        (&fd).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), read_slot(&mut ring, 0)), ("a", Ok(b'a')));
        let open = run(&mut ring, install.flags(InstallFdFlags::NO_CLOEXEC)).unwrap();
        assert!(rustix::io::fcntl_getfd(owned(open as i32)).unwrap().is_empty());
        let empty = op::FixedFdInstall::new(FixedFd(1));
        assert_eq!(run(&mut ring, empty), Err(Errno::EBADF));
        assert_eq!(run(&mut ring, op::FixedFdInstall::new(FixedFd(2))), Err(Errno::EBADF));
        assert_eq!(run(&mut ring, install.flags(InstallFdFlags(2))), Err(Errno::EINVAL));
        // With other credentials it is refused, before those are looked for.
        let other = install.build().personality(annulus_ring::abi::Personality(9));
        let refused = run(&mut ring, other);
        assert!(matches!(refused, Err(Errno::EPERM | Errno::EINVAL)), "{refused:?}");
    });
}

#[test]
fn pipes_of_descriptors() {
    limit(LIMIT, || {
        let mut ring = ring();
        let mut fds = [0i32; 2];
        match run(&mut ring, op::Pipe::new(&mut fds).flags(OpenFlags::CLOEXEC)) {
            Err(Errno::EINVAL) => return skip("pipes_of_descriptors", "not before Linux 6.16"),
            result => assert_eq!(result, Ok(0)),
        }
        let [mut reader, mut writer] = fds.map(owned);
        assert!(rustix::io::fcntl_getfd(&reader).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        writer.write_all(b"ring").unwrap();
        let mut text = [0; 4];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"ring");
        let flags = OpenFlags::NONBLOCK | OpenFlags::DIRECT;
        assert_eq!(run(&mut ring, op::Pipe::new(&mut fds).flags(flags)), Ok(0));
        let [mut reader, _writer] = fds.map(owned);
        let empty = reader.read(&mut text).unwrap_err();
        assert_eq!(empty.kind(), std::io::ErrorKind::WouldBlock);
        let unknown = op::Pipe::new(&mut fds).flags(OpenFlags::APPEND);
        assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL));
        assert_eq!(run(&mut ring, op::Pipe::new(core::ptr::null_mut())), Err(Errno::EFAULT));
    });
}

#[test]
fn pipes_of_slots() {
    limit(LIMIT, || {
        let mut ring = ring();
        let mut fds = [-7i32; 2];
        match run(&mut ring, op::Pipe::new(&mut fds).direct(FixedFd(0))) {
            Err(Errno::EINVAL) => return skip("pipes_of_slots", "not before Linux 6.16"),
            result => assert_eq!(result, Err(Errno::ENXIO), "no table"),
        }
        register_empty_files(&ring, 5);
        assert_eq!(run(&mut ring, op::Pipe::new(&mut fds).direct(FixedFd(1))), Ok(0));
        assert_eq!(fds, [1, 2]);
        // Slots in use are emptied first.
        let mut fds = [-7i32; 2];
        let again = run(&mut ring, op::Pipe::new(&mut fds).direct(FixedFd(1)));
        assert_eq!(again, Ok(0));
        let mut text = [0u8; 4];
        let write = op::Write::new(FixedFd(2), b"ring".as_ptr(), 4);
        assert_eq!(run(&mut ring, write), Ok(4));
        assert_eq!(run(&mut ring, op::Read::new(FixedFd(1), text.as_mut_ptr(), 4)), Ok(4));
        assert_eq!(&text, b"ring");
        let mut fds = [-7i32; 2];
        assert_eq!(run(&mut ring, op::Pipe::new(&mut fds).direct_alloc()), Ok(0));
        assert!(fds[0] != fds[1] && fds.iter().all(|slot| [0, 3, 4].contains(slot)), "{fds:?}");
        // One slot is left: no pipe, and it stays free.
        let full = run(&mut ring, op::Pipe::new(&mut fds).direct_alloc());
        assert_eq!(full, Err(Errno::ENFILE));
        let left = (0..5).filter(|&slot| run(&mut ring, op::Close::new(FixedFd(slot))).is_err());
        assert_eq!(left.count(), 1);
        let past = run(&mut ring, op::Pipe::new(&mut fds).direct(FixedFd(4)));
        assert_eq!(past, Err(Errno::EINVAL));
        let cloexec = op::Pipe::new(&mut fds).flags(OpenFlags::CLOEXEC).direct_alloc();
        assert_eq!(run(&mut ring, cloexec), Err(Errno::EINVAL));
        assert_eq!(read_slot(&mut ring, 4), Err(Errno::EBADF));
    });
}
