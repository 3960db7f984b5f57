//! Buffers that the ring of a runtime knows by index.

mod common;

use std::io::{ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::Op;
use annulus_runtime::buffer::{FixedPool, IoBuf, IoBufMut};
use annulus_runtime::runtime::{File, RuntimeBuilder, fixed_pool, ops};
use annulus_runtime::time::timeout;
use annulus_runtime::{LocalOp, Runtime, operation::Operation};
use common::files::{TempFile, first_difference};
use common::{LIMIT, limit, may_not_lock};

/// What makes a runtime with 8 buffers of 4 KiB. None where they cannot be: the test is skipped
/// then.
fn builder() -> Option<RuntimeBuilder> {
    (!may_not_lock()).then(|| Runtime::builder().fixed_buffers(8, 4096))
}

/// A runtime with such buffers, and its pool.
fn runtime() -> Option<(Runtime, FixedPool)> {
    let runtime = builder()?.build().expect("a runtime");
    let pool = runtime.fixed_pool().expect("it was asked for").clone();
    Some((runtime, pool))
}

/// Begins an operation: what the one that is under way is called.
fn begun<T: Operation>(op: &mut LocalOp<T>) -> &'static str {
    assert!(Pin::new(op).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let [op] = &ops()[..] else { panic!("one operation: {:?}", ops()) };
    op.op.name().expect("it has one")
}

#[test]
fn they_are_read_and_written_past_the_page_cache() {
    let name = "they_are_read_and_written_past_the_page_cache";
    let Some((runtime, pool)) = runtime() else { return };
    limit(LIMIT, || {
        let content = TempFile::patterned(32 << 10);
        let Some(direct) = content.direct(name) else { return };
        let written = TempFile::empty();
        let to = written.direct(name).expect("as the other");
        runtime.block_on(async {
            let (from, to) = (File::new(direct), File::new(to));
            for at in (0..8).map(|part| part * 4096) {
                let buf = pool.take().await;
                let (n, buf) = from.read_at(buf, at).await.expect("a read");
                assert_eq!((n, first_difference(at, &buf)), (4096, None));
                assert_eq!(to.write_all_at(buf, at).await.expect("a write").0, 4096);
                let (n, buf) = from.read_exact_at(pool.take().await, at).await.expect("a read");
                assert_eq!((n, first_difference(at, &buf)), (4096, None));
            }
        });
        assert_eq!(pool.free_count(), 8, "all came back");
        let written = std::fs::read(written.path()).expect("it is there");
        assert_eq!((written.len(), first_difference(0, &written)), (32 << 10, None));
    });
}

#[test]
fn their_own_ring_goes_by_index_and_others_by_address() {
    let (Some((one, pool)), Some((_two, others))) = (runtime(), runtime()) else { return };
    let strange = FixedPool::new(8, 4096).expect("memory");
    limit(LIMIT, || {
        one.block_on(async {
            for (pool, expected) in [
                (&pool, "IORING_OP_READ_FIXED"),
                (&fixed_pool().expect("it was asked for"), "IORING_OP_READ_FIXED"),
                (&others, "IORING_OP_READ"),
                (&strange, "IORING_OP_READ"),
            ] {
                let (reader, mut writer) = std::io::pipe().expect("a pipe");
                let reader = File::new(reader);
                let mut read = reader.read(pool.take().await);
                assert_eq!(begun(&mut read), expected);
                writer.write_all(b"shared ring").expect("room in the pipe");
                let (n, buf) = read.await.expect("a read");
                assert_eq!((n, &buf[..]), (11, &b"shared ring"[..]));
                // A part of a buffer has the index of the whole.
                let mut read = reader.read(buf.slice(7..));
                assert_eq!(begun(&mut read), expected);
                writer.write_all(b"line").expect("room in the pipe");
                assert_eq!(&read.await.expect("a read").1.into_inner()[..], b"shared line");
            }
        });
    });
}

#[test]
fn writes_wait_by_index_too() {
    let Some((runtime, pool)) = runtime() else { return };
    limit(LIMIT, || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        runtime.block_on(async {
            let (reader, writer) = (File::new(reader), File::new(writer));
            writer.write(vec![0; 1 << 16]).await.expect("room in the pipe");
            let mut buf = pool.take().await;
            buf.extend_from_slice(b"at the end");
            let mut write = writer.write(buf);
            assert_eq!(begun(&mut write), "IORING_OP_WRITE_FIXED");
            assert_eq!(reader.read(vec![1; 1 << 16]).await.expect("a read").0, 1 << 16);
            assert_eq!(write.await.expect("a write").0, 10);
            let (n, buf) = reader.read(pool.take().await).await.expect("a read");
            assert_eq!(&buf[..n], b"at the end");
        });
    });
}

/// The kernel has the buffer of a read that was dropped until that was cancelled; then it is the
/// pool's again. That of one that was cancelled is the program's.
#[test]
fn dropped_and_cancelled_ones_go_back_to_the_pool() {
    let Some((runtime, pool)) = runtime() else { return };
    limit(LIMIT, || {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        runtime.block_on(async {
            let reader = File::new(reader);
            for _ in 0..100 {
                let read = reader.read(pool.take().await);
                assert!(timeout(Duration::from_micros(1), read).await.is_err());
            }
            // As many as there are: all came back.
            let mut all = Vec::new();
            for _ in 0..8 {
                all.push(pool.take().await);
            }
            let mut read = reader.read(all.pop().expect("there are 8"));
            assert_eq!(begun(&mut read), "IORING_OP_READ_FIXED");
            read.cancel();
            let error = read.await.expect_err("nobody writes");
            assert!(error.is_cancelled(), "{error}");
            assert_eq!(error.into_buf().bytes_total(), 4096);
            assert_eq!(pool.free_count(), 1);
        });
    });
}

#[test]
fn the_pool_outlives_the_runtime_while_its_buffers_do() {
    let Some((runtime, pool)) = runtime() else { return };
    limit(LIMIT, || {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let (mut read, own) = runtime.block_on(async {
            let mut read = File::new(reader).read(pool.take().await);
            assert_eq!(begun(&mut read), "IORING_OP_READ_FIXED");
            (read, pool.take().await)
        });
        drop(runtime);
        let error = futures::executor::block_on(&mut read).expect_err("it ended");
        assert!(error.is_closed(), "{error}");
        assert_eq!(pool.free_count(), 6);
        drop((error, read, own));
        assert_eq!(pool.free_count(), 8);
    });
}

#[test]
fn each_of_several_threads_has_its_own() {
    let Some(builder) = builder() else { return };
    limit(LIMIT, || {
        let threads = builder.threads(3).start(|_| async {
            let pool = fixed_pool().expect("it was asked for");
            let all: Vec<_> = (0..8).map(|_| pool.try_take().expect("it is its own")).collect();
            assert!(pool.try_take().is_none());
            all.len()
        });
        let counts: Vec<_> = threads.expect("threads").join().into_iter().flatten().collect();
        assert_eq!(counts, [8, 8, 8]);
    });
}

/// Restrictions hold for them as for everything else.
#[test]
fn a_restricted_ring_has_them_where_their_operations_are_allowed() {
    for allowed in [&[Op::READ][..], &[Op::READ, Op::READ_FIXED]] {
        let Some(builder) = builder() else { return };
        limit(LIMIT, || {
            let runtime = builder.allow_only(allowed.iter().copied()).build().expect("a runtime");
            runtime.block_on(async {
                let pool = fixed_pool().expect("it was asked for");
                let file = File::new(std::fs::File::open("/dev/zero").expect("it is there"));
                let read = file.read_at(pool.take().await, 0).await;
                match allowed.len() {
                    1 => assert_eq!(read.unwrap_err().errno(), Some(Errno::EACCES)),
                    _ => assert_eq!(read.unwrap().0, 4096),
                }
                assert_eq!(file.read_at(vec![1; 8], 0).await.unwrap().1, [0; 8]);
            });
        });
    }
}

#[test]
fn a_pool_that_cannot_be_is_told_when_the_runtime_is_made() {
    for (count, bytes) in [(0, 4096), (4, 0), (1 << 15, 16), (1, (1 << 30) + 1)] {
        let error = Runtime::builder().fixed_buffers(count, bytes).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{count} of {bytes}");
    }
    assert!(Runtime::new().expect("a runtime").fixed_pool().is_none());
}
