//! READ, WRITE, READV, WRITEV.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::fs::OpenOptionsExt;

use annulus_ring::abi::{AttrPi, Features, Iovec, OpenFlags, RwFlags, Sqe};
use annulus_ring::{Errno, LocalRing, op};
use rustix::event::EventfdFlags;
use rustix::io::ReadWriteFlags;

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, ring, run};

/// A descriptor number that is not open: past what any limit allows.
const CLOSED: i32 = i32::MAX;

#[test]
fn read_at_the_own_position_moves_it_and_at_an_offset_does_not() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut file = dir.file("a", b"0123456789");
        let (mut ring, mut buffer) = (ring(), [0u8; 4]);
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 4)), Ok(4));
        assert_eq!((&buffer, file.stream_position().unwrap()), (b"0123", 4));
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 4).offset(6)), Ok(4));
        assert_eq!((&buffer, file.stream_position().unwrap()), (b"6789", 4));
        // −1 as an offset is the own position, as in C.
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 2).offset(u64::MAX)), Ok(2));
        assert_eq!((&buffer[..2], file.stream_position().unwrap()), (&b"45"[..], 6));
    });
}

#[test]
fn reads_come_short_at_the_end_and_are_empty_behind_it() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 8).offset(7)), Ok(3));
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 8).offset(10)), Ok(0));
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 8).offset(1 << 40)), Ok(0));
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 0).offset(0)), Ok(0));
    });
}

#[test]
fn errors_of_a_read() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        let at = buffer.as_mut_ptr();
        let null = core::ptr::null_mut();
        let write_only = File::options().write(true).open(dir.path("a")).unwrap();
        let directory = dir.open();
        let cases = [
            ("closed", op::Read::new(CLOSED, at, 8), Errno::EBADF),
            ("-1", op::Read::new(-1, at, 8), Errno::EBADF),
            ("not for reading", op::Read::new(&write_only, at, 8), Errno::EBADF),
            ("null buffer", op::Read::new(&file, null, 8).offset(0), Errno::EFAULT),
            ("offset -2", op::Read::new(&file, at, 8).offset(u64::MAX - 1), Errno::EINVAL),
            ("offset 2^63", op::Read::new(&file, at, 8).offset(1 << 63), Errno::EINVAL),
            ("directory", op::Read::new(&directory, at, 8).offset(0), Errno::EISDIR),
            ("poll", op::Read::new(&file, at, 8).flags(RwFlags::HIPRI), Errno::EINVAL),
            (
                "unknown flag",
                op::Read::new(&file, at, 8).flags(RwFlags(1 << 30)),
                Errno::EOPNOTSUPP,
            ),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
        assert_eq!(run(&mut ring, op::Read::new(&file, null, 0).offset(0)), Ok(0));
    });
}

#[test]
fn a_descriptor_closed_before_the_submit_is_ebadf() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        // A number that no other test gets meanwhile: those take the lowest that are free.
        let file = dir.file("a", b"0123456789");
        let fd = rustix::io::fcntl_dupfd_cloexec(file, 700).unwrap().into_raw_fd();
        assert_eq!(run(&mut ring, op::Close::new(fd)), Ok(0));
        assert_eq!(run(&mut ring, op::Read::new(fd, buffer.as_mut_ptr(), 8)), Err(Errno::EBADF));
    });
}

#[test]
fn pipes_ignore_offsets_and_sockets_take_0_alone() {
    limit(LIMIT, || {
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"ring").unwrap();
        let at = buffer.as_mut_ptr();
        // What is there is all that is waited for.
        assert_eq!(run(&mut ring, op::Read::new(&reader, at, 8).offset(0)), Ok(4));
        writer.write_all(b"ring").unwrap();
        let at = buffer.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&reader, at, 8).offset(1)), Ok(4));
        let (mut a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        a.write_all(b"ring").unwrap();
        let at = buffer.as_mut_ptr();
        let elsewhere = op::Read::new(&b, at, 2).offset(1);
        assert_eq!(run(&mut ring, elsewhere), Err(Errno::ESPIPE));
        assert_eq!(run(&mut ring, op::Read::new(&b, at, 2).offset(0)), Ok(2));
        assert_eq!(run(&mut ring, op::Read::new(&b, at, 2)), Ok(2));
        let elsewhere = op::Write::new(&b, b"x".as_ptr(), 1).offset(1);
        assert_eq!(run(&mut ring, elsewhere), Err(Errno::ESPIPE));
    });
}

#[test]
fn a_read_waits_for_a_pipe_unless_it_must_not() {
    limit(LIMIT, || {
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let at = buffer.as_mut_ptr();
        let now = op::Read::new(&reader, at, 8).flags(RwFlags::NOWAIT);
        let now = run(&mut ring, now);
        // Pipes learnt it with Linux 6.4.
        assert!(matches!(now, Err(Errno::EAGAIN | Errno::EOPNOTSUPP)), "{now:?}");
        // SAFETY: `buffer` outlives the operation, which this test waits for.
        unsafe { ring.push(op::Read::new(&reader, at, 8).build()) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 1);
        assert!(ring.completions().unwrap().next().is_none());
        writer.write_all(b"late").unwrap();
        ring.submit_and_wait(1).unwrap();
        assert_eq!(ring.completions().unwrap().next().unwrap().result(), Ok(4));
        assert_eq!(&buffer[..4], b"late");
        drop(writer);
        assert_eq!(run(&mut ring, op::Read::new(&reader, buffer.as_mut_ptr(), 8)), Ok(0));
    });
}

/// Waits for an entry that cannot be done before `ready` was called.
fn waits(ring: &mut LocalRing, sqe: impl Into<Sqe>, ready: impl FnOnce()) -> Result<u32, Errno> {
    // SAFETY: what the entry points to outlives the operation, which this waits for.
    unsafe { ring.push(sqe.into()) }.unwrap();
    assert_eq!(ring.submit().unwrap(), 1);
    assert!(ring.completions().unwrap().next().is_none(), "it did not wait");
    ready();
    ring.submit_and_wait(1).unwrap();
    ring.completions().unwrap().next().unwrap().result()
}

fn nonblocking(file: impl AsFd) {
    rustix::io::ioctl_fionbio(file, true).unwrap();
}

#[test]
fn that_a_descriptor_is_nonblocking_does_not_matter() {
    limit(LIMIT, || {
        let (mut ring, mut buffer) = (ring(), [0u8; 8]);
        let at = buffer.as_mut_ptr();
        let into = [Iovec { iov_base: at.cast(), iov_len: 8 }];
        let from = [IoSlice::new(b"later")];
        let (reader, mut writer) = std::io::pipe().unwrap();
        nonblocking(&reader);
        nonblocking(&writer);
        let read = op::Read::new(&reader, at, 8);
        let readv = op::Readv::new(&reader, into.as_ptr(), 1);
        let write = || writer.write_all(b"late").unwrap();
        assert_eq!(waits(&mut ring, read, write), Ok(4));
        let write = || writer.write_all(b"late").unwrap();
        assert_eq!(waits(&mut ring, readv, write), Ok(4));

        let mut all = vec![0; 1 << 20];
        while writer.write(&all).is_ok() {}
        let mut drain = || while (&reader).read(&mut all).is_ok() {};
        let write = op::Write::new(&writer, b"later".as_ptr(), 5);
        assert_eq!(waits(&mut ring, write, &mut drain), Ok(5));
        while writer.write(&[0; 4096]).is_ok() {}
        let writev = op::Writev::new(&writer, from.as_ptr().cast(), 1);
        assert_eq!(waits(&mut ring, writev, &mut drain), Ok(5));

        let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
        nonblocking(&here);
        let write = || there.write_all(b"late").unwrap();
        assert_eq!(waits(&mut ring, op::Read::new(&here, at, 8), write), Ok(4));
        let event = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let write = || assert_eq!(rustix::io::write(&event, &1u64.to_ne_bytes()), Ok(8));
        assert_eq!(waits(&mut ring, op::Read::new(&event, at, 8), write), Ok(8));
        // The flag of the operation does matter, where sockets know it: since Linux 6.4.
        let mut none = [0; 8];
        let piece = &mut [IoSliceMut::new(&mut none)];
        let called = rustix::io::preadv2(&here, piece, u64::MAX, ReadWriteFlags::NOWAIT);
        let errno = Errno::from_raw(called.unwrap_err().raw_os_error());
        assert!([Errno::EAGAIN, Errno::EOPNOTSUPP].contains(&errno), "{errno}");
        let now = op::Read::new(&here, at, 8).flags(RwFlags::NOWAIT);
        assert_eq!(run(&mut ring, now), Err(errno));
    });
}

#[test]
fn write_at_the_own_position_moves_it_and_at_an_offset_does_not() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let mut file = dir.file("a", b"");
        let mut ring = ring();
        assert_eq!(run(&mut ring, op::Write::new(&file, b"0123".as_ptr(), 4)), Ok(4));
        assert_eq!(file.stream_position().unwrap(), 4);
        assert_eq!(run(&mut ring, op::Write::new(&file, b"89".as_ptr(), 2).offset(8)), Ok(2));
        assert_eq!(file.stream_position().unwrap(), 4);
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123\0\0\0\089");
    });
}

#[test]
fn append_and_its_opposite() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123");
        let mut ring = ring();
        let x = b"x".as_ptr();
        let append = op::Write::new(&file, x, 1).offset(0).flags(RwFlags::APPEND);
        assert_eq!(run(&mut ring, append), Ok(1));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123x");
        let log = File::options().append(true).open(dir.path("a")).unwrap();
        assert_eq!(run(&mut ring, op::Write::new(&log, x, 1).offset(0)), Ok(1));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123xx");
        let anyway = op::Write::new(&log, x, 1).offset(0).flags(RwFlags::NOAPPEND);
        let anyway = run(&mut ring, anyway);
        if anyway == Err(Errno::EOPNOTSUPP) {
            return skip("append_and_its_opposite: the opposite", "not before Linux 6.9");
        }
        assert_eq!(anyway, Ok(1));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"x123xx");
        let both = RwFlags::APPEND | RwFlags::NOAPPEND;
        let both = op::Write::new(&log, x, 1).offset(0).flags(both);
        assert_eq!(run(&mut ring, both), Err(Errno::EINVAL));
    });
}

#[test]
fn flags_of_a_write() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let (mut ring, data) = (ring(), [7u8; 4096]);
        let write = op::Write::new(&file, data.as_ptr(), 4096).offset(0);
        assert_eq!(run(&mut ring, write.flags(RwFlags::DSYNC)), Ok(4096));
        assert_eq!(run(&mut ring, write.flags(RwFlags::SYNC)), Ok(4096));
        assert_eq!(run(&mut ring, write.flags(RwFlags::HIPRI)), Err(Errno::EINVAL));
        // What depends on the file system: each has one of two answers.
        let uncached = run(&mut ring, write.flags(RwFlags::DONTCACHE));
        assert!(matches!(uncached, Ok(4096) | Err(Errno::EOPNOTSUPP)), "{uncached:?}");
        let at_once = run(&mut ring, write.flags(RwFlags::NOWAIT));
        let expected = matches!(at_once, Ok(4096) | Err(Errno::EAGAIN | Errno::EOPNOTSUPP));
        assert!(expected, "{at_once:?}");
        // Buffered, it is never atomic.
        let atomic = run(&mut ring, write.flags(RwFlags::ATOMIC));
        assert!(matches!(atomic, Err(Errno::EOPNOTSUPP | Errno::EINVAL)), "{atomic:?}");
    });
}

#[test]
fn errors_of_a_write() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123");
        let read_only = File::open(dir.path("a")).unwrap();
        let mut ring = ring();
        let (x, null) = (b"x".as_ptr(), core::ptr::null());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let cases = [
            ("closed", op::Write::new(CLOSED, x, 1), Errno::EBADF),
            ("not for writing", op::Write::new(&read_only, x, 1), Errno::EBADF),
            ("null buffer", op::Write::new(&file, null, 1).offset(0), Errno::EFAULT),
            ("offset -2", op::Write::new(&file, x, 1).offset(u64::MAX - 1), Errno::EINVAL),
            ("no space", op::Write::new(&full, x, 1), Errno::ENOSPC),
            ("end past 2^63", op::Write::new(&file, x, 1).offset(i64::MAX as u64), Errno::EINVAL),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123");
        // Past the longest file of this file system, unless it has no such bound (tmpfs).
        let far = run(&mut ring, op::Write::new(&file, x, 1).offset(i64::MAX as u64 - 1));
        assert!(matches!(far, Err(Errno::EFBIG) | Ok(1)), "{far:?}");
    });
}

#[test]
fn a_pipe_without_a_reader_is_epipe() {
    limit(LIMIT, || {
        let mut ring = ring();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let write = op::Write::new(&writer, b"x".as_ptr(), 1);
        // Rust programs ignore the signal that comes with it.
        assert_eq!(run(&mut ring, write), Err(Errno::EPIPE));
        let quiet = run(&mut ring, write.flags(RwFlags::NOSIGNAL));
        // Before Linux 6.18 there is no such flag.
        assert!(matches!(quiet, Err(Errno::EPIPE | Errno::EOPNOTSUPP)), "{quiet:?}");
    });
}

#[test]
fn vectors_fill_and_drain_in_order() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let mut ring = ring();
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        let writev = op::Writev::new(&file, parts.as_ptr().cast(), 3).offset(0);
        assert_eq!(run(&mut ring, writev), Ok(7));
        let (mut a, mut b) = ([0u8; 3], [0u8; 8]);
        let mut into = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        let readv = op::Readv::new(&file, into.as_mut_ptr().cast(), 2).offset(0);
        assert_eq!(run(&mut ring, readv), Ok(7));
        assert_eq!((&a, &b[..4]), (b"one", &b" two"[..]));
        assert_eq!(run(&mut ring, op::Readv::new(&file, core::ptr::null(), 0)), Ok(0));
    });
}

#[test]
fn errors_of_vectors() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let (mut ring, mut buffer) = (ring(), [0u8; 4]);
        let null = core::ptr::null();
        assert_eq!(run(&mut ring, op::Readv::new(&file, null, 2).offset(0)), Err(Errno::EFAULT));
        assert_eq!(run(&mut ring, op::Writev::new(&file, null, 1).offset(0)), Err(Errno::EFAULT));
        let many: Vec<_> = (0..1025).map(|_| IoSlice::new(b"")).collect();
        let readv = op::Readv::new(&file, many.as_ptr().cast(), 1025).offset(0);
        assert_eq!(run(&mut ring, readv), Err(Errno::EINVAL));
        let one = [IoSliceMut::new(&mut buffer)];
        let closed = op::Readv::new(CLOSED, one.as_ptr().cast(), 1);
        assert_eq!(run(&mut ring, closed), Err(Errno::EBADF));
        let far = op::Writev::new(&file, one.as_ptr().cast(), 1).offset(1 << 63);
        assert_eq!(run(&mut ring, far), Err(Errno::EINVAL));
    });
}

/// The array of a vector may go as soon as the entry is submitted, also behind a link.
#[test]
fn the_array_of_a_vector_is_copied_at_the_submit() {
    limit(LIMIT, || {
        let mut ring = ring();
        let (gate, mut opener) = std::io::pipe().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut byte = 0u8;
        let mut parts = [IoSlice::new(b"first "), IoSlice::new(b"second")];
        let wait = op::Read::new(&gate, &mut byte, 1).build().link();
        // SAFETY: `byte` outlives the operation, which this test waits for.
        unsafe { ring.push(wait) }.unwrap();
        let writev = op::Writev::new(&writer, parts.as_ptr().cast(), 2).build();
        // SAFETY: the array lives until the submit, and what it points to is part of the program.
        unsafe { ring.push(writev) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 2);
        parts = [IoSlice::new(b"other"), IoSlice::new(b"bytes!!")];
        std::hint::black_box(&mut parts);
        opener.write_all(b"x").unwrap();
        ring.submit_and_wait(2).unwrap();
        assert_eq!(ring.completions().unwrap().map(|c| c.result().unwrap()).sum::<u32>(), 13);
        let mut text = [0; 12];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"first second");
    });
}

#[repr(align(4096))]
struct Page([u8; 4096]);

#[test]
fn direct_io_wants_alignment() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        drop(dir.file("a", &[1u8; 8192]));
        let flags = OpenFlags::DIRECT.bits() as i32;
        let opened = File::options().read(true).write(true).custom_flags(flags).open(dir.path("a"));
        let Ok(file) = opened else {
            return skip("direct_io_wants_alignment", "no O_DIRECT on the temporary directory");
        };
        let (mut ring, mut page) = (ring(), Page([0; 4096]));
        let at = page.0.as_mut_ptr();
        assert_eq!(run(&mut ring, op::Read::new(&file, at, 4096).offset(4096)), Ok(4096));
        assert_eq!(page.0, [1; 4096]);
        page.0.fill(2);
        assert_eq!(
            run(&mut ring, op::Write::new(&file, page.0.as_ptr(), 4096).offset(0)),
            Ok(4096)
        );
        assert_eq!(
            std::fs::read(dir.path("a")).unwrap()[..4097],
            [[2; 4096].as_slice(), &[1]].concat()
        );
        let odd = run(&mut ring, op::Read::new(&file, page.0.as_mut_ptr(), 100).offset(1));
        // Some file systems fall back to the page cache.
        assert!(matches!(odd, Err(Errno::EINVAL) | Ok(100)), "{odd:?}");
    });
}

#[test]
fn protection_needs_a_device_that_has_it() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let (mut ring, mut buffer, pi) = (ring(), [0u8; 8], AttrPi::default());
        if !ring.features().contains(Features::RW_ATTR) {
            // The kernel does not look at what asks for it.
            return skip("protection_needs_a_device_that_has_it", "not before Linux 6.14");
        }
        let at = buffer.as_mut_ptr();
        let read = op::Read::new(&file, at, 8).offset(0);
        let with = run(&mut ring, read.protection(&pi));
        assert!(matches!(with, Err(Errno::EINVAL | Errno::EOPNOTSUPP)), "{with:?}");
        let null = core::ptr::null();
        assert_eq!(run(&mut ring, read.protection(null)), Err(Errno::EFAULT));
        skip("protection_needs_a_device_that_has_it: success", "no block device with T10 PI");
    });
}

#[test]
fn a_write_stream_needs_a_device_that_has_it() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let mut ring = ring();
        let write = op::Write::new(&file, b"x".as_ptr(), 1).offset(0);
        assert_eq!(run(&mut ring, write.write_stream(0)), Ok(1));
        // What has none ignores it, or says so.
        let streamed = run(&mut ring, write.write_stream(200));
        assert!(matches!(streamed, Err(Errno::EINVAL) | Ok(1)), "{streamed:?}");
        skip("a_write_stream_needs_a_device_that_has_it: success", "no device with write streams");
    });
}
