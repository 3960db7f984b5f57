//! A runtime with more to do than there is room or time for: operations beyond its queue, wakes
//! while that is full, a task that never waits.

mod common;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use annulus_runtime::runtime::File;
use annulus_runtime::{Runtime, spawn_local, yield_now};
use common::files::TempFile;
use common::process::{switches, this_thread};
use common::{limit, slower};
use futures::future::join_all;
use rustix::time::{ClockId, clock_gettime};

/// These take some milliseconds, or for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// So many reads of a pipe, of a byte each, begun within one poll; then the bytes.
fn begun_at_once(entries: u32, count: usize) {
    let runtime = Runtime::builder().entries(entries).build().expect("a runtime");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    runtime.block_on(async {
        let pipe = File::new(reader);
        let reads = join_all((0..count).map(|_| pipe.read(vec![0; 1])));
        let all = spawn_local(reads);
        yield_now().await;
        annulus_runtime::time::sleep(Duration::ZERO).await;
        writer.write_all(&vec![7; count]).expect("room in the pipe");
        for read in all.await.expect("no panic") {
            let (n, byte) = read.expect("never an error");
            assert_eq!((n, &byte[..]), (1, &[7][..]));
        }
    });
    let ops = runtime.metrics().ops;
    assert_eq!((ops.submitted, ops.in_flight, ops.queued), (count as u64, 0, 0));
    runtime.shutdown(LIMIT).expect("nothing is left");
}

#[test]
fn the_257th_operation_waits_for_room() {
    limit(LIMIT, || begun_at_once(256, 257));
}

#[test]
fn as_many_as_there_are_wait_for_room() {
    for entries in [8, 256] {
        for count in [entries as usize + 1, 1_025, 5_000] {
            limit(LIMIT, || begun_at_once(entries, count));
        }
    }
}

/// Its queue is full before it has its first turn, in which it begins to listen, and whenever it
/// falls asleep so many operations are in the kernel; each wake comes while it sleeps.
#[test]
fn a_wake_reaches_a_runtime_whose_queue_is_full() {
    for entries in [8, 256] {
        limit(LIMIT, || {
            let runtime = Runtime::builder().entries(entries).build().expect("a runtime");
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let (ask, asked) = std::sync::mpsc::channel::<futures::channel::oneshot::Sender<u32>>();
            let own = this_thread();
            let wakes = std::thread::spawn(move || {
                for (n, wake) in asked.into_iter().enumerate() {
                    // It gives up its processor to sleep, or was put aside: the wake is good
                    // either way.
                    let before = switches(own);
                    let begun = Instant::now();
                    while switches(own) == before && begun.elapsed() < Duration::from_millis(5) {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    let _ = wake.send(n as u32);
                }
            });
            runtime.block_on(async {
                let pipe = File::new(reader);
                let mut waiting = Vec::new();
                for n in 0..100 {
                    // As many more as there is room for, and one.
                    for _ in 0..=entries {
                        let mut read = pipe.read(vec![0; 1]);
                        let mut cx = Context::from_waker(Waker::noop());
                        assert!(std::pin::Pin::new(&mut read).poll(&mut cx).is_pending());
                        waiting.push(read);
                    }
                    let (wake, woken) = futures::channel::oneshot::channel();
                    ask.send(wake).expect("it listens");
                    assert_eq!(woken.await, Ok(n));
                    waiting.truncate(entries as usize);
                }
                drop(ask);
            });
            wakes.join().expect("no panic");
        });
    }
}

/// How long this thread had a processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How long 100 reads take beside a task that wakes itself over and over: half a second at most,
/// after which that gives up. It never sleeps, so by the processor's time, which is the same with
/// other programs beside.
async fn beside_a_busy_task(file: &File) -> Duration {
    let done = Rc::new(Cell::new(false));
    let begun = cpu_time();
    let busy = spawn_local({
        let done = Rc::clone(&done);
        async move {
            let mut turns = 0_u64;
            while !done.get() && cpu_time() - begun < Duration::from_millis(500) {
                yield_now().await;
                turns += 1;
            }
            turns
        }
    });
    yield_now().await;
    let begun = cpu_time();
    let reads: Vec<_> =
        (0..100_u64).map(|n| spawn_local(file.read_at(vec![0; 512], n % 128 * 512))).collect();
    for read in reads {
        assert_eq!(read.await.expect("no panic").expect("a read").0, 512);
    }
    let took = cpu_time() - begun;
    done.set(true);
    assert!(busy.await.expect("no panic") > 0, "it had its turns");
    took
}

#[test]
fn reads_beside_a_busy_task_are_over_within_10_ms() {
    limit(3 * LIMIT, || {
        let content = TempFile::patterned(1 << 16);
        let mut took = annulus_runtime::run(async {
            let file = File::new(content.open());
            let mut took = Vec::new();
            for _ in 0..9 {
                took.push(beside_a_busy_task(&file).await);
            }
            took
        })
        .expect("a runtime");
        took.sort();
        eprintln!("100 reads beside a busy task: {:?}, at most {:?}", took[4], took[8]);
        assert!(took[4] <= slower() as u32 * Duration::from_millis(10), "{took:?}");
    });
}

/// However many wait for what never comes, one that need not wait is done, and all are cancelled at
/// the end.
#[test]
fn what_waits_for_ever_is_in_nobody_s_way() {
    limit(LIMIT, || {
        let runtime = Runtime::builder().entries(8).build().expect("a runtime");
        let (silent, _kept) = std::io::pipe().expect("a pipe");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        runtime.block_on(async {
            let silent = File::new(silent);
            let waiting = spawn_local(join_all((0..5_000).map(|_| silent.read(vec![0; 1]))));
            while runtime.metrics().ops.in_flight < 5_000 {
                yield_now().await;
            }
            let pipe = File::new(reader);
            let read = spawn_local(pipe.read(vec![0; 1]));
            yield_now().await;
            writer.write_all(b"x").expect("room in the pipe");
            assert_eq!(read.await.expect("no panic").expect("a read").1, b"x");
            drop(waiting);
        });
        runtime.shutdown(LIMIT).expect("nothing is left");
    });
}
