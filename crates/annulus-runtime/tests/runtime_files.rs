//! Files on a runtime: what an engine's files do, by the ring of the thread.

mod common;

use std::future::Future;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use annulus_ring::abi::{FallocateMode, PollEvents};
use annulus_runtime::buffer::{MemRegion, SharedMemory};
use annulus_runtime::engine::Advice;
use annulus_runtime::runtime::{Event, File, engine, metrics};
use annulus_runtime::time::{sleep, timeout};
use annulus_runtime::{LocalOp, Runtime, run, spawn_local};
use common::files::{TempFile, pattern};
use common::{LIMIT, limit};

/// Runs `body` on a runtime, in a time.
fn on_runtime<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    limit(LIMIT, || run(async { body().await }).unwrap());
}

#[test]
fn bytes_go_where_they_belong() {
    on_runtime(|| async {
        let content = TempFile::empty();
        let file = File::new(content.open());
        assert_eq!(file.write_all_at(b"0123456789".to_vec(), 0).await.unwrap().0, 10);
        let (n, buf) = file.read_at(vec![0; 4], 3).await.unwrap();
        assert_eq!((n, &buf[..]), (4, &b"3456"[..]));
        let short = file.read_exact_at(vec![0; 4], 8).await.unwrap_err();
        assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!((short.done(), &short.into_buf()[..2]), (2, &b"89"[..]));
        let parts = [vec![0; 2], vec![0; 3]];
        let (n, parts) = file.read_vectored_at(parts, 1).await.unwrap();
        assert_eq!((n, &parts[0][..], &parts[1][..]), (5, &b"12"[..], &b"345"[..]));
        let more = [b"ab".to_vec(), b"cd".to_vec()];
        assert_eq!(file.write_vectored_all_at(more, 10).await.unwrap().0, 4);
        assert_eq!(file.metadata().await.unwrap().len(), 14);
        // The position is the open file's own.
        assert_eq!(file.read(vec![0; 2]).await.unwrap().1, b"01");
        assert_eq!(file.clone().read(vec![0; 2]).await.unwrap().1, b"23");
        assert_eq!(file.write(b"XY".to_vec()).await.unwrap().0, 2);
        assert_eq!(std::fs::read(content.path()).unwrap(), b"0123XY6789abcd");
    });
}

#[test]
fn space_is_made_and_given_back() {
    on_runtime(|| async {
        let content = TempFile::patterned(16384);
        let file = File::new(content.open());
        file.advise(0, 16384, Advice::Random).await.unwrap();
        file.punch_hole(4096, 4096).await.unwrap();
        let hole = file.read_exact_at(vec![1; 4096], 4096).await.unwrap().1;
        assert!(hole.iter().all(|byte| *byte == 0));
        file.zero_range(8192, 100).await.unwrap();
        file.fallocate(FallocateMode::KEEP_SIZE, 16384, 4096).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 16384);
        file.truncate(100).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        file.sync_range(0, 100).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 100);
        let mut known = vec![0; 100];
        pattern(0, &mut known);
        assert_eq!(file.read_at(vec![0; 200], 0).await.unwrap().1[..100], known);
    });
}

#[test]
fn a_guests_memory_is_filled_and_taken_from() {
    on_runtime(|| async {
        let content = TempFile::patterned(4096);
        let file = File::new(content.open());
        let guest = Arc::new(SharedMemory::new(8192));
        let regions = [MemRegion { offset: 100, len: 10 }, MemRegion { offset: 4000, len: 300 }];
        let read = file.read_mem_at(Arc::clone(&guest), &regions, 5).unwrap();
        assert_eq!(read.await.unwrap().0, 310);
        let mut known = vec![0; 310];
        pattern(5, &mut known);
        let mut found = vec![0; 300];
        guest.read(4000, &mut found).unwrap();
        assert_eq!(found, known[10..]);
        let outside = [MemRegion { offset: 8000, len: 193 }];
        assert!(file.read_mem_at(Arc::clone(&guest), &outside, 0).is_err());
        let write = file.write_mem_at(guest, &regions[1..], 0).unwrap();
        assert_eq!(write.await.unwrap().0, 300);
        assert_eq!(std::fs::read(content.path()).unwrap()[..300], known[10..]);
    });
}

#[test]
fn readiness_is_waited_for() {
    on_runtime(|| async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let file = File::new(reader.try_clone().unwrap());
        assert!(timeout(Duration::from_millis(5), file.readable()).await.is_err());
        let waits = spawn_local({
            let file = file.clone();
            async move { file.poll(PollEvents::IN).await }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(!waits.is_finished());
        writer.write_all(b"x").unwrap();
        assert!(waits.await.unwrap().unwrap().contains(PollEvents::IN));
        File::new(writer).writable().await.unwrap();
    });
}

#[test]
fn what_an_engine_can_is_done_here_too() {
    on_runtime(|| async {
        let content = TempFile::patterned(10);
        let name = content.path().with_extension("moved");
        LocalOp::of(engine().rename(content.path(), &name)).await.unwrap();
        assert_eq!(LocalOp::of(engine().metadata(&name)).await.unwrap().len(), 10);
        assert_eq!(File::open(&name).await.unwrap().read(vec![0; 20]).await.unwrap().0, 10);
        LocalOp::of(engine().rename(&name, content.path())).await.unwrap();
        let gone = LocalOp::of(engine().remove_file(&name)).await.unwrap_err();
        assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
#[should_panic(expected = "an operation that was begun stays where it is")]
fn an_operation_that_was_begun_is_not_moved() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let file = engine().file(reader);
        let mut read = file.read(vec![0; 1]);
        assert!(timeout(Duration::ZERO, &mut read).await.is_err());
        drop(LocalOp::of(read));
    });
}

#[test]
fn files_are_closed_when_nobody_has_them() {
    on_runtime(|| async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let file = File::new(reader);
        let shared = file.clone().close().await.unwrap_err();
        assert_eq!(shared.errno(), Some(annulus_ring::Errno::EBUSY));
        assert!(file.as_fd().try_clone_to_owned().is_ok());
        let read = spawn_local({
            let file = file.clone();
            async move { file.read(vec![0; 1]).await }
        });
        sleep(Duration::from_millis(1)).await;
        let file = file.try_into_fd().unwrap_err();
        drop(file);
        writer.write_all(b"y").unwrap();
        assert_eq!(read.await.unwrap().unwrap().1, b"y");
        let error = writer.write_all(b"z").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn reads_that_begin_together_are_submitted_together() {
    on_runtime(|| async {
        let content = TempFile::patterned(1 << 16);
        let file = File::new(content.open());
        let rounds = 1000;
        let tasks: Vec<_> = (0..32_u64)
            .map(|n| {
                let file = file.clone();
                spawn_local(async move {
                    for _ in 0..rounds {
                        let (done, _buf) = file.read_at(vec![0; 512], n * 512).await.unwrap();
                        assert_eq!(done, 512);
                    }
                })
            })
            .collect();
        let before = metrics().ops;
        for task in tasks {
            task.await.unwrap();
        }
        let after = metrics().ops;
        let (reads, enters) = (after.submitted - before.submitted, after.enters - before.enters);
        assert_eq!(reads, 32 * rounds);
        assert!(enters * 32 <= reads, "{reads} reads in {enters} enters");
    });
}

#[test]
fn events_are_counted_and_none_is_lost_by_a_drop() {
    on_runtime(|| async {
        let mut event = Event::new().unwrap();
        let other = event.try_clone_fd().unwrap();
        for n in [55, 66, 77] {
            event.add(n).unwrap();
            assert_eq!(event.next().await.unwrap(), n);
        }
        let adds = std::thread::spawn(move || {
            let mut other = std::fs::File::from(other);
            for _ in 0..1000 {
                other.write_all(&1_u64.to_ne_bytes()).unwrap();
            }
        });
        let mut sum = 0;
        while sum < 1000 {
            // The drop of a future that has begun must not lose what it reads.
            if let Ok(count) = timeout(Duration::from_micros(50), event.next()).await {
                sum += count.unwrap();
            }
        }
        assert_eq!(sum, 1000);
        adds.join().unwrap();
        assert!(timeout(Duration::from_millis(2), event.next()).await.is_err());
    });
}
