//! A file's length, the space behind it, and advice.

mod common;
mod files;

use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::FallocateMode;
use annulus_runtime::engine::{Advice, Op, ops};
use futures::executor::block_on;

use common::{LIMIT, limit, skip};
use files::{TempDir, engine, pattern, pipe};

const EOPNOTSUPP: Option<Errno> = Some(Errno::EOPNOTSUPP);

#[test]
fn space_is_reserved() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123"));
        block_on(file.allocate(4096, 8192)).unwrap();
        let metadata = block_on(file.metadata()).unwrap();
        assert_eq!(metadata.len(), 12288);
        assert!(metadata.blocks() * 512 >= 8192);
        let (_, buf) = block_on(file.read_exact_at(vec![9; 8], 0)).unwrap();
        assert_eq!(buf, b"0123\0\0\0\0");
        block_on(file.fallocate(FallocateMode::KEEP_SIZE, 12288, 1 << 20)).unwrap();
        let metadata = block_on(file.metadata()).unwrap();
        assert_eq!(metadata.len(), 12288, "kept");
        assert!(metadata.blocks() * 512 >= 1 << 20);
    });
}

#[test]
fn a_hole_is_punched_and_the_length_stays() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(64 << 10);
        let file = engine.file(dir.file("data", &content));
        block_on(file.sync_all()).unwrap();
        let before = block_on(file.metadata()).unwrap();
        // Not only whole blocks.
        block_on(file.punch_hole(1000, 40_000)).unwrap();
        let after = block_on(file.metadata()).unwrap();
        assert_eq!(after.len(), before.len());
        assert!(after.blocks() < before.blocks(), "{} < {}", after.blocks(), before.blocks());
        let mut expected = content;
        expected[1000..41_000].fill(0);
        assert!(std::fs::read(dir.path("data")).unwrap() == expected);
        block_on(file.punch_hole(1 << 40, 4096)).unwrap();
        assert_eq!(block_on(file.metadata()).unwrap().len(), 64 << 10, "behind the end");
    });
}

#[test]
fn ranges_are_zeroed_taken_out_and_put_in() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(16 << 10);
        let file = engine.file(dir.file("data", &content));
        let zeroed = block_on(file.zero_range(100, 4096));
        if zeroed.as_ref().is_err_and(|error| error.errno() == EOPNOTSUPP) {
            return skip("ranges_are_zeroed_taken_out_and_put_in", "not on this file system");
        }
        zeroed.unwrap();
        let mut expected = content;
        expected[100..4196].fill(0);
        assert!(std::fs::read(dir.path("data")).unwrap() == expected);
        block_on(file.collapse_range(4096, 4096)).unwrap();
        expected.drain(4096..8192);
        assert!(std::fs::read(dir.path("data")).unwrap() == expected);
        block_on(file.insert_range(0, 4096)).unwrap();
        expected.splice(0..0, [0; 4096]);
        assert!(std::fs::read(dir.path("data")).unwrap() == expected);
        let odd = [file.collapse_range(1, 4096), file.insert_range(0, 1)];
        for op in odd.into_iter().chain([file.collapse_range(12288, 4096)]) {
            assert_eq!(block_on(op).unwrap_err().errno(), Some(Errno::EINVAL));
        }
    });
}

#[test]
fn errors_of_space_are_told() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123"));
        let errno = |op: Op<ops::Allocate>| block_on(op).unwrap_err().errno();
        assert_eq!(errno(file.allocate(0, 0)), Some(Errno::EINVAL));
        assert_eq!(errno(file.allocate(u64::MAX, 1)), Some(Errno::EINVAL));
        assert_eq!(errno(file.allocate(i64::MAX as u64, 1)), Some(Errno::EFBIG));
        assert_eq!(errno(file.punch_hole(0, 1 << 63)), Some(Errno::EINVAL));
        let alone = FallocateMode::PUNCH_HOLE;
        assert_eq!(errno(file.fallocate(alone, 0, 1)), EOPNOTSUPP);
        let readable = engine.file(std::fs::File::open(dir.path("data")).unwrap());
        assert_eq!(errno(readable.allocate(0, 1)), Some(Errno::EBADF));
        let (_reader, writer) = pipe(&engine);
        assert_eq!(errno(writer.allocate(0, 1)), Some(Errno::ESPIPE));
        let null = engine.file(std::fs::File::options().write(true).open("/dev/null").unwrap());
        assert_eq!(errno(null.allocate(0, 1)), Some(Errno::from_raw(19)), "ENODEV");
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"0123");
    });
}

#[test]
fn a_full_file_system_says_so() {
    limit(LIMIT, || {
        let Some(dir) = TempDir::in_memory() else {
            return skip("a_full_file_system_says_so", "no /dev/shm");
        };
        let engine = engine();
        let file = engine.file(dir.file("data", b"0123"));
        // tmpfs compares with its size before it takes anything.
        let error = block_on(file.allocate(0, 1 << 50)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(block_on(file.zero_range(0, 1)).unwrap_err().errno(), EOPNOTSUPP);
        block_on(file.punch_hole(0, 2)).unwrap();
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"\0\x0023");
    });
}

#[test]
fn a_file_is_made_shorter_and_longer() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b"0123456789"));
        block_on(file.truncate(4)).unwrap();
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"0123");
        block_on(file.truncate(6)).unwrap();
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"0123\0\0");
        block_on(file.truncate(1 << 42)).unwrap();
        assert_eq!(block_on(file.metadata()).unwrap().len(), 1 << 42);
        block_on(file.truncate(0)).unwrap();
        assert_eq!(std::fs::read(dir.path("data")).unwrap(), b"");
        let errno = |bytes| block_on(file.truncate(bytes)).unwrap_err().errno();
        assert_eq!(errno(1 << 62), Some(Errno::EFBIG));
        assert_eq!((errno(1 << 63), errno(u64::MAX)), (Some(Errno::EINVAL), Some(Errno::EINVAL)));
        let readable = engine.file(std::fs::File::open(dir.path("data")).unwrap());
        let error = block_on(readable.truncate(0)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "not open for writing");
        let (_reader, writer) = pipe(&engine);
        let error = block_on(writer.truncate(0)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn advice_is_taken() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", &pattern(1 << 20)));
        block_on(file.sync_data()).unwrap();
        for advice in [Advice::Normal, Advice::Sequential, Advice::Random] {
            block_on(file.advise(0, 0, advice)).unwrap();
        }
        assert_eq!(engine.metrics().inline, 3, "noted at once");
        for advice in [Advice::WillNeed, Advice::NoReuse, Advice::DontNeed] {
            block_on(file.advise(4096, 1 << 30, advice)).unwrap();
        }
        let (reader, _writer) = pipe(&engine);
        for advice in [Advice::Normal, Advice::WillNeed] {
            let error = block_on(reader.advise(0, 0, advice)).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::ESPIPE));
        }
        let error = block_on(file.advise(0, 1 << 63, Advice::Normal)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn what_was_dropped_from_the_cache_is_read_by_the_ring() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let content = pattern(1 << 20);
        let file = engine.file(dir.file("data", &content));
        block_on(file.sync_all()).unwrap();
        block_on(file.advise(0, 0, Advice::DontNeed)).unwrap();
        let shipped = engine.metrics().shipped;
        let (n, buf) = block_on(file.read_at(vec![0; 1 << 20], 0)).unwrap();
        assert!(buf[..n] == content[..n]);
        let shipped = engine.metrics().shipped - shipped;
        if shipped == 0 {
            let why = "the file system kept it in the cache";
            return skip("what_was_dropped_from_the_cache_is_read_by_the_ring", why);
        }
        let inline = engine.metrics().inline;
        let (n, buf) = block_on(file.read_exact_at(buf, 0)).unwrap();
        assert!(n == 1 << 20 && buf == content);
        assert_eq!(engine.metrics().inline, inline + 1, "and from the cache then");
    });
}

#[test]
fn deadlines_of_each_kind_are_kept_or_too_late() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", &pattern(4096)));
        let soon = Duration::from_nanos(1);
        for n in 0..50 {
            let answers = [
                block_on(file.allocate(0, 8192).deadline(soon)),
                block_on(file.punch_hole(4096, 4096).deadline(soon)),
                block_on(file.truncate(4096 + n).deadline(soon)),
                block_on(file.advise(0, 0, Advice::WillNeed).deadline(soon)),
            ];
            for answer in answers {
                assert!(answer.as_ref().is_ok_and(|()| true) || answer.unwrap_err().is_timeout());
            }
        }
    });
}
