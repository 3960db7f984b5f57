//! FSYNC, SYNC_FILE_RANGE, FALLOCATE, FTRUNCATE.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use annulus_ring::Errno;
use annulus_ring::abi::{FallocateMode, FsyncFlags, SyncFileRangeFlags};
use annulus_ring::op;

use crate::common::{LIMIT, limit, skip};
use crate::files::{TempDir, ring, run, run_all};

#[test]
fn a_sync_linked_behind_writes() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let mut ring = ring();
        let results = run_all(
            &mut ring,
            [
                op::Write::new(&file, b"one".as_ptr(), 3).offset(0).build().link(),
                op::Write::new(&file, b"two".as_ptr(), 3).offset(3).build().link(),
                op::Fsync::new(&file).data_only().build(),
            ],
        );
        assert_eq!(results, [Ok(3), Ok(3), Ok(0)]);
        assert_eq!(run(&mut ring, op::Fsync::new(&file)), Ok(0));
        assert_eq!(run(&mut ring, op::Fsync::new(&file).range(0, 4096)), Ok(0));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"onetwo");
    });
}

#[test]
fn errors_of_a_sync() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let (_reader, writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        assert_eq!(run(&mut ring, op::Fsync::new(i32::MAX)), Err(Errno::EBADF));
        assert_eq!(run(&mut ring, op::Fsync::new(&writer)), Err(Errno::EINVAL));
        let unknown = op::Fsync::new(&file).flags(FsyncFlags(2));
        assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL));
    });
}

#[test]
fn write_back_of_a_range() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", &[1; 8192]);
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let all = op::SyncFileRange::new(&file).flags(SyncFileRangeFlags::WRITE_AND_WAIT);
        assert_eq!(run(&mut ring, all), Ok(0));
        assert_eq!(run(&mut ring, all.range(4096, 4096)), Ok(0));
        assert_eq!(run(&mut ring, all.range(1 << 63, 1)), Err(Errno::EINVAL));
        let unknown = op::SyncFileRange::new(&file).flags(SyncFileRangeFlags(8));
        assert_eq!(run(&mut ring, unknown), Err(Errno::EINVAL));
        let pipe = op::SyncFileRange::new(&reader).flags(SyncFileRangeFlags::WRITE);
        assert_eq!(run(&mut ring, pipe), Err(Errno::ESPIPE));
        assert_eq!(run(&mut ring, op::SyncFileRange::new(-1)), Err(Errno::EBADF));
    });
}

#[test]
fn space_is_reserved_and_freed() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", &[1; 8192]);
        let mut ring = ring();
        match run(&mut ring, op::Fallocate::new(&file, 1 << 20)) {
            Err(Errno::EOPNOTSUPP) => {
                return skip("space_is_reserved_and_freed", "no fallocate on this file system");
            }
            result => assert_eq!(result, Ok(0)),
        }
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        assert!(file.metadata().unwrap().blocks() >= 2048);
        let keep = op::Fallocate::new(&file, 1 << 20).offset(1 << 20);
        assert_eq!(run(&mut ring, keep.mode(FallocateMode::KEEP_SIZE)), Ok(0));
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        let hole = FallocateMode::PUNCH_HOLE | FallocateMode::KEEP_SIZE;
        let hole = op::Fallocate::new(&file, 4096).offset(4096).mode(hole);
        assert_eq!(run(&mut ring, hole), Ok(0));
        let bytes = std::fs::read(dir.path("a")).unwrap();
        assert_eq!((bytes[4095], bytes[4096], bytes[8191]), (1, 0, 0));
    });
}

#[test]
fn errors_of_fallocate() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"");
        let read_only = File::open(dir.path("a")).unwrap();
        let (_reader, writer) = std::io::pipe().unwrap();
        let mut ring = ring();
        let no_keep = op::Fallocate::new(&file, 4096).mode(FallocateMode::PUNCH_HOLE);
        let cases = [
            ("length 0", op::Fallocate::new(&file, 0), Errno::EINVAL),
            ("negative length", op::Fallocate::new(&file, 1 << 63), Errno::EINVAL),
            ("not for writing", op::Fallocate::new(&read_only, 1), Errno::EBADF),
            ("pipe", op::Fallocate::new(&writer, 1), Errno::ESPIPE),
            ("closed", op::Fallocate::new(i32::MAX, 1), Errno::EBADF),
            ("too far", op::Fallocate::new(&file, 1).offset(i64::MAX as u64), Errno::EFBIG),
            ("a hole without KEEP_SIZE", no_keep, Errno::EOPNOTSUPP),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
    });
}

#[test]
fn a_length_is_set() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", b"0123456789");
        let mut ring = ring();
        match run(&mut ring, op::Ftruncate::new(&file, 4)) {
            Err(Errno::EINVAL) => return skip("a_length_is_set", "no FTRUNCATE before Linux 6.9"),
            result => assert_eq!(result, Ok(0)),
        }
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123");
        assert_eq!(run(&mut ring, op::Ftruncate::new(&file, 6)), Ok(0));
        assert_eq!(std::fs::read(dir.path("a")).unwrap(), b"0123\0\0");
        let read_only = File::open(dir.path("a")).unwrap();
        let (_reader, writer) = std::io::pipe().unwrap();
        let cases = [
            ("not for writing", op::Ftruncate::new(&read_only, 1), Errno::EINVAL),
            ("pipe", op::Ftruncate::new(&writer, 1), Errno::EINVAL),
            ("negative", op::Ftruncate::new(&file, 1 << 63), Errno::EINVAL),
            ("closed", op::Ftruncate::new(i32::MAX, 1), Errno::EBADF),
        ];
        for (name, op, errno) in cases {
            assert_eq!(run(&mut ring, op), Err(errno), "{name}");
        }
        // Past the longest file of this file system, unless it has no such bound (tmpfs).
        let long = run(&mut ring, op::Ftruncate::new(&file, i64::MAX as u64));
        assert!(matches!(long, Err(Errno::EFBIG) | Ok(0)), "{long:?}");
    });
}
