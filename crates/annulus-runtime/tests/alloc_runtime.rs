//! What a runtime allocates per operation in the steady state: nothing.

mod common;

use std::time::Duration;

use annulus_runtime::runtime::File;
use annulus_runtime::{Runtime, spawn_local, time, yield_now};
use common::detector::{Detector, thread_allocations};
use common::files::TempFile;
use common::{LIMIT, limit, only_on_linux, times};

#[global_allocator]
static ALLOCATOR: Detector = Detector;

/// How often each is done.
fn rounds() -> u64 {
    times(100_000)
}

/// How often this thread allocates while `work` runs, once `warm` has.
async fn allocations<F: Future>(warm: impl Fn() -> F, work: impl Future) -> u64 {
    warm().await;
    let before = thread_allocations();
    work.await;
    thread_allocations() - before
}

/// A file, to be read and written, on a runtime of its own.
fn on_runtime<F: Future<Output = ()>>(body: impl FnOnce(File) -> F) {
    limit(2 * LIMIT, || {
        let file = TempFile::patterned(4096);
        let std = std::fs::OpenOptions::new().read(true).write(true).open(file.path());
        let std = std.expect("it is there");
        Runtime::new().expect("a runtime").block_on(async { body(File::new(std)).await });
    });
}

#[test]
fn reads_writes_timeouts_timers_and_tasks_allocate_nothing() {
    let name = "reads_writes_timeouts_timers_and_tasks_allocate_nothing";
    if only_on_linux(name, "what waits in user space is allocated") {
        return;
    }
    on_runtime(|file| async move {
        // The buffer of each run is one.
        assert_eq!(allocations(|| copies(&file, 10), copies(&file, rounds())).await, 1);
        assert_eq!(allocations(|| timers(10), timers(rounds())).await, 0);
        assert_eq!(allocations(|| tasks(10), tasks(rounds())).await, 0);
    });
    on_runtime(|file| async move {
        // As above.
        assert_eq!(allocations(|| limited(&file, 10), limited(&file, rounds())).await, 1);
        // These take a moment each.
        assert_eq!(allocations(|| passed(10), passed(rounds() / 10)).await, 0);
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let pipe = File::new(reader);
        assert_eq!(allocations(|| cancelled(&pipe, 10), cancelled(&pipe, rounds() / 10)).await, 0);
    });
}

async fn copies(file: &File, count: u64) {
    let mut buf = vec![0; 512];
    for n in 0..count {
        let read = file.read_at(buf, n % 8 * 512).await.expect("a read");
        buf = file.write_at(read.1, n % 8 * 512).await.expect("a write").1;
    }
}

/// Operations that are done in time, by the runtime's clock and by the kernel's.
async fn limited(file: &File, count: u64) {
    let (hour, mut buf) = (Duration::from_secs(3600), vec![0; 512]);
    for n in 0..count {
        let read = time::timeout(hour, file.read_at(buf, n % 8 * 512)).await.expect("in time");
        let read = file.read_at(read.expect("a read").1, n % 8 * 512).deadline(hour);
        buf = read.await.expect("a read").1;
    }
}

/// What is never ready.
async fn passed(count: u64) {
    for _ in 0..count {
        let never = std::future::pending::<()>();
        assert!(time::timeout(Duration::from_nanos(1), never).await.is_err());
    }
}

/// Operations that are under way when their time is over.
async fn cancelled(pipe: &File, count: u64) {
    for _ in 0..count {
        let limit = Duration::from_nanos(1);
        assert!(time::timeout(limit, pipe.readable()).await.is_err());
    }
}

async fn timers(count: u64) {
    for _ in 0..count {
        let hour = time::sleep(Duration::from_secs(3600));
        time::sleep(Duration::ZERO).await;
        drop(hour);
    }
}

async fn tasks(count: u64) {
    for n in 0..count {
        let task = spawn_local(async move {
            yield_now().await;
            n
        });
        assert_eq!(task.await.expect("no panic"), n);
    }
}
