//! Buffers that the rings of an engine know by index.

mod common;
mod files;

use std::io::ErrorKind;

use annulus_runtime::Engine;
use annulus_runtime::buffer::{FixedPool, IoBuf};
use futures::executor::block_on;

use common::{LIMIT, limit, may_not_lock, skip};
use files::{TempDir, begin, pattern, pipe};

fn engine(drivers: usize) -> Engine {
    Engine::builder().drivers(drivers).fixed_buffers(8, 8192).build().expect("an engine")
}

#[test]
fn they_are_read_and_written_past_the_page_cache() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine(1));
        let content = pattern(64 << 10);
        let Some(file) = dir.direct("data", &content) else {
            return skip("they_are_read_and_written_past_the_page_cache", "no O_DIRECT here");
        };
        let (file, pool) = (engine.file(file), engine.fixed_pool().unwrap());
        for part in (0..8).rev() {
            let buf = block_on(pool.take());
            let (n, buf) = block_on(file.read_at(buf, part * 8192)).unwrap();
            assert!(n == 8192 && buf[..] == content[part as usize * 8192..][..8192], "part {part}");
            let end = (64 << 10) + part * 4096;
            let (n, _) = block_on(file.write_all_at(buf.slice(4096..), end)).unwrap();
            assert_eq!(n, 4096);
        }
        assert_eq!(engine.metrics().inline, 0);
        assert_eq!(pool.free_count(), 8, "all came back");
        let written = std::fs::read(dir.path("data")).unwrap();
        let halves = content.chunks(8192).map(|part| &part[4096..]);
        assert!(written[64 << 10..].chunks(4096).eq(halves));
    });
}

#[test]
fn on_each_driver_and_from_each_thread() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine(3));
        let content = pattern(64 << 10);
        let Some(file) = dir.direct("data", &content) else {
            return skip("on_each_driver_and_from_each_thread", "no O_DIRECT here");
        };
        let (file, pool) = (engine.file(file), engine.fixed_pool().unwrap());
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (file, content) = (&file, &content);
                scope.spawn(move || {
                    for n in 0..50 {
                        let at = (thread + n) % 8 * 8192;
                        let (n, buf) =
                            block_on(async { file.read_at(pool.take().await, at as u64).await })
                                .unwrap();
                        assert!(n == 8192 && buf[..] == content[at..at + 8192], "at {at}");
                    }
                });
            }
        });
    });
}

#[test]
fn another_engines_buffers_go_by_address() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let (one, two) = (engine(1), engine(1));
        let plain = Engine::new().unwrap();
        let strange = FixedPool::new(8, 8192).unwrap();
        for (file_engine, pool) in [
            (&one, one.fixed_pool().unwrap()),
            (&one, two.fixed_pool().unwrap()),
            (&one, &strange),
            (&plain, one.fixed_pool().unwrap()),
        ] {
            // A pipe is waited for by the ring, so an index that means nothing would be an error.
            let (reader, writer) = pipe(file_engine);
            let mut read = reader.read(pool.try_take().unwrap());
            begin(&mut read);
            let mut buf = pool.try_take().unwrap();
            buf.extend_from_slice(b"shared ring");
            block_on(writer.write(buf)).unwrap();
            assert_eq!(block_on(read).unwrap().1[..], *b"shared ring");
        }
        assert!(plain.fixed_pool().is_none());
    });
}

#[test]
fn cached_and_exact_and_in_a_vector_they_are_buffers_like_others() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let (dir, engine) = (TempDir::new(), engine(1));
        let pool = engine.fixed_pool().unwrap();
        let file = engine.file(dir.file("data", b"0123456789"));
        let buf = pool.try_take().unwrap();
        let error = block_on(file.read_exact_at(buf, 0)).unwrap_err();
        assert_eq!((error.kind(), error.done()), (ErrorKind::UnexpectedEof, 10));
        assert_eq!(error.into_buf()[..], *b"0123456789");
        assert_eq!(engine.metrics().inline, 1);
        let bufs = (vec![0; 4], pool.try_take().unwrap());
        let (n, (one, two)) = block_on(file.read_vectored_at(bufs, 0)).unwrap();
        assert_eq!((n, &one[..], &two[..]), (10, &b"0123"[..], &b"456789"[..]));
    });
}

#[test]
fn the_pool_outlives_the_engine_while_its_buffers_do() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let engine = engine(1);
        let (reader, _writer) = std::io::pipe().unwrap();
        let reader = engine.file(reader);
        let pool = engine.fixed_pool().unwrap().clone();
        let mut read = reader.read(pool.try_take().unwrap());
        begin(&mut read);
        let other = pool.try_take().unwrap();
        drop((reader, engine));
        let error = block_on(read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "the engine is closed");
        assert_eq!((pool.free_count(), other.len()), (6, 0), "the error has one");
        drop(error);
        assert_eq!(pool.free_count(), 7);
    });
}

#[test]
fn a_pool_that_cannot_be_is_told_when_the_engine_is_made() {
    for (count, bytes) in [(0, 4096), (4, 0), (1 << 15, 16), (1, (1 << 30) + 1)] {
        let error = Engine::builder().fixed_buffers(count, bytes).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{count} of {bytes}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn an_engine_that_a_future_drives_has_them_too() {
    if may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (engine, drive) = Engine::builder().fixed_buffers(2, 64).build_driven().unwrap();
            let drive = tokio::spawn(drive);
            let (reader, writer) = pipe(&engine);
            let pool = engine.fixed_pool().unwrap().clone();
            let read = tokio::spawn(reader.read(pool.take().await));
            tokio::task::yield_now().await;
            writer.write("shared ring").await.unwrap();
            assert_eq!(read.await.unwrap().unwrap().1[..], *b"shared ring");
            drop((reader, writer, engine));
            drive.await.unwrap();
            assert_eq!(pool.free_count(), 2);
        });
    });
}
