//! Making what was written durable.

mod common;
mod files;

use std::time::Duration;

use annulus_ring::Errno;
use futures::executor::block_on;

use common::{LIMIT, limit};
use files::{TempDir, begin, engine, pattern, pipe};

#[test]
fn all_ways_to_sync_succeed_on_a_file() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        let (_, buf) = block_on(file.write_all_at(pattern(1 << 20), 0)).unwrap();
        block_on(file.start_write_back(0, 1 << 19)).unwrap();
        block_on(file.sync_range(4096, 8192)).unwrap();
        block_on(file.sync_data()).unwrap();
        block_on(file.write_all_at(buf, 1 << 20)).unwrap();
        block_on(file.sync_all()).unwrap();
        let directory = engine.file(std::fs::File::open(dir.path("")).unwrap());
        block_on(directory.sync_all()).unwrap();
    });
}

#[test]
fn ranges_of_any_size_are_synced() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", &pattern(10_000)));
        let max = i64::MAX as u64;
        for (offset, bytes) in
            [(0, 0), (0, 1), (9999, 1), (0, 1 << 40), (max, 1), (max - 1, 1), (u64::MAX, u64::MAX)]
        {
            let answer = block_on(file.sync_range(offset, bytes));
            assert_eq!(answer, Ok(()), "{bytes} bytes at {offset}");
        }
        for (offset, bytes) in [(0, 0), (4096, 1 << 40), (1 << 40, 1)] {
            let answer = block_on(file.start_write_back(offset, bytes));
            assert_eq!(answer, Ok(()), "{bytes} bytes at {offset}");
        }
        let error = block_on(file.start_write_back(u64::MAX, 1)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn what_cannot_be_synced_says_so() {
    limit(LIMIT, || {
        let engine = engine();
        let (reader, _writer) = pipe(&engine);
        for answer in [block_on(reader.sync_all()), block_on(reader.sync_data())] {
            assert_eq!(answer.unwrap_err().errno(), Some(Errno::EINVAL));
        }
        let error = block_on(reader.start_write_back(0, 1)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ESPIPE));
    });
}

#[test]
fn a_sync_has_a_deadline() {
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine());
        let file = engine.file(dir.file("data", b""));
        block_on(file.write_all_at(pattern(4 << 20), 0)).unwrap();
        // Over before it is begun, or done all the same: never anything else.
        for _ in 0..100 {
            match block_on(file.sync_data().deadline(Duration::from_nanos(1))) {
                Ok(()) => {}
                Err(error) => assert!(error.is_timeout(), "{error:?}"),
            }
        }
        let mut sync = file.sync_all();
        begin(&mut sync);
        sync.cancel();
        match block_on(sync) {
            Ok(()) => {}
            Err(error) => assert!(error.is_cancelled(), "{error:?}"),
        }
    });
}
