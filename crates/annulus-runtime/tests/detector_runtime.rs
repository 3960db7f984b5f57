//! What the kernel writes to, and until when, where a runtime's own operations are lost: under an
//! allocator that never gives an address twice no freed buffer is written to.
//!
//! Direct reads of 64 x 1 MiB: a device writes to them, whatever is cancelled, until it is done.
//! 1,024 buffers for each way to lose them.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use annulus_runtime::runtime::File;
use annulus_runtime::{Runtime, spawn_local, yield_now};
use common::detector::{Detector, Options};
use common::files::TempFile;
use common::{limit, times};

#[global_allocator]
static ALLOCATOR: Detector = Detector;

const COUNT: usize = 64;
const BYTES: usize = 1 << 20;
/// How often each is done: as often as there are kinds of rounds, or more.
fn rounds() -> usize {
    times(16).max(4) as usize
}

const LIMIT: Duration = Duration::from_secs(240);

type Read = Pin<Box<dyn Future<Output = bool>>>;

/// Reads that were polled once, on the runtime that this thread is inside of.
fn reads(file: &File) -> Vec<Read> {
    (0..COUNT)
        .map(|n| {
            let read = file.read_at(vec![1; BYTES], (n * BYTES) as u64);
            let mut read: Read = Box::pin(async move { read.await.is_ok_and(|(n, _)| n == BYTES) });
            let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            read
        })
        .collect()
}

/// Has `round` begin reads on a runtime and lose them; then the runtime is dropped, unless that was
/// done, and no buffer may have been written to after it was freed.
fn clean(name: &str, round: impl Fn(Runtime, File, usize)) {
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    if file.direct(name).is_none() {
        return;
    }
    let (mut freed, mut found) = (0, 0);
    for n in 0..rounds() {
        limit(LIMIT, || {
            let watch = Options::new().bytes_min(BYTES).watch();
            let runtime = Runtime::new().expect("a runtime");
            let direct = file.direct(name).expect("as before");
            let direct = runtime.block_on(async { File::new(direct) });
            round(runtime, direct, n);
            file.settle();
            let report = watch.check();
            freed += report.freed_count;
            found += report.changed.len();
            report.assert_clean(COUNT * BYTES);
        });
    }
    eprintln!("{name}: {found} of {freed} buffers were written to after the free");
    assert!(freed >= 62 * rounds(), "{freed} buffers");
}

/// In odd rounds the kernel has the reads when they are lost; in even ones only the queue has.
async fn submitted(round: usize) {
    if round % 2 == 1 {
        yield_now().await;
        annulus_runtime::time::sleep(Duration::ZERO).await;
    }
}

#[test]
fn the_futures_are_dropped() {
    clean("the_futures_are_dropped", |runtime, file, round| {
        runtime.block_on(async {
            let reads = reads(&file);
            submitted(round).await;
            drop(reads);
        });
    });
}

#[test]
fn the_runtime_is_dropped_and_the_futures_before_or_after() {
    let name = "the_runtime_is_dropped_and_the_futures_before_or_after";
    clean(name, |runtime, file, round| {
        let reads = runtime.block_on(async {
            let reads = reads(&file);
            submitted(round).await;
            reads
        });
        if round % 4 < 2 {
            drop(runtime);
            drop((file, reads));
        } else {
            drop((file, reads));
            drop(runtime);
        }
    });
}

#[test]
fn the_runtime_is_dropped_and_its_tasks_with_it() {
    clean("the_runtime_is_dropped_and_its_tasks_with_it", |runtime, file, round| {
        runtime.block_on(async {
            for read in reads(&file) {
                drop(spawn_local(read));
            }
            submitted(round).await;
        });
        drop(runtime);
    });
}

#[test]
fn the_runtime_is_dropped_by_a_panic() {
    clean("the_runtime_is_dropped_by_a_panic", |runtime, file, round| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let _reads = reads(&file);
                submitted(round).await;
                std::panic::resume_unwind(Box::new("on purpose"));
            });
            drop(runtime);
        }));
        assert!(panicked.is_err());
    });
}

/// What one task has begun is dropped within the poll of another.
#[test]
fn the_futures_are_dropped_in_another_tasks_poll() {
    clean("the_futures_are_dropped_in_another_tasks_poll", |runtime, file, round| {
        runtime.block_on(async {
            let reads = reads(&file);
            submitted(round).await;
            spawn_local(async move { drop(reads) }).await.expect("no panic");
        });
    });
}

/// Reads of its engine, which are dropped on a foreign thread: the runtime waits for that, and so
/// has no turn meanwhile.
#[test]
fn the_futures_are_dropped_on_another_thread() {
    clean("the_futures_are_dropped_on_another_thread", |runtime, file, round| {
        let shared = file.into_shared();
        runtime.block_on(async {
            let mut reads: Vec<_> =
                (0..COUNT).map(|n| shared.read_at(vec![1; BYTES], (n * BYTES) as u64)).collect();
            for read in &mut reads {
                let polled = Pin::new(read).poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
            }
            submitted(round).await;
            std::thread::spawn(move || drop(reads)).join().expect("no panic");
        });
    });
}

#[test]
fn the_tasks_are_aborted() {
    clean("the_tasks_are_aborted", |runtime, file, round| {
        runtime.block_on(async {
            let tasks: Vec<_> = reads(&file).into_iter().map(spawn_local).collect();
            submitted(round).await;
            for task in &tasks {
                task.abort();
            }
            for task in tasks {
                // One that was over before is as good.
                let _ = task.await;
            }
        });
    });
}

/// Nothing is freed, so nothing can be written to after that.
#[test]
fn the_futures_are_forgotten() {
    let name = "the_futures_are_forgotten";
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    if file.direct(name).is_none() {
        return;
    }
    for round in 0..2 {
        limit(LIMIT, || {
            let watch = Options::new().bytes_min(BYTES).watch();
            let runtime = Runtime::new().expect("a runtime");
            let direct = file.direct(name).expect("as before");
            runtime.block_on(async {
                let direct = File::new(direct);
                for n in 0..COUNT {
                    let mut read = direct.read_at(vec![1; BYTES], (n * BYTES) as u64);
                    let polled = Pin::new(&mut read).poll(&mut Context::from_waker(Waker::noop()));
                    assert!(polled.is_pending());
                    std::mem::forget(read);
                }
                submitted(round).await;
            });
            drop(runtime);
            file.settle();
            let report = watch.check();
            report.assert_clean(0);
            assert!(report.live_count >= COUNT, "{report}");
        });
    }
}
