//! More operations than there is room for: they wait, in order, and none starves the others. More
//! completions than the queue holds: nothing is lost.

mod common;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use annulus_runtime::buffer::AlignedBuf;
use annulus_runtime::{Engine, File};
use common::engines::{self, Kind, begin, poll_once, shipped_pipe, until};
use common::files::TempFile;
use common::{LIMIT, limit};
use futures::executor::block_on;

/// So many reads of one pipe at once, of a byte each, then the bytes.
fn at_once(kind: Kind, entries: u32, in_flight_max: Option<u32>, count: usize) -> u64 {
    let rig = kind.rig(|builder| {
        let builder = builder.entries(entries);
        in_flight_max.into_iter().fold(builder, |builder, max| builder.in_flight_max(max))
    });
    let max = in_flight_max.map_or(u64::MAX, u64::from);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let pipe = rig.file(reader);
    let reads: Vec<_> = (0..count).map(|_| begin(pipe.read(vec![0; 1]))).collect();
    until(|| rig.engine().metrics().shipped == count as u64);
    let (in_kernel, waiting) = (max.min(count as u64), (count as u64).saturating_sub(max));
    until(|| {
        let metrics = rig.engine().metrics();
        assert!(metrics.in_flight <= max, "{metrics:?}");
        (metrics.in_flight, metrics.queued) == (in_kernel, waiting)
    });
    writer.write_all(&vec![7; count]).expect("room in the pipe");
    for read in reads {
        let (n, byte) = block_on(read).expect("never an error");
        assert_eq!((n, &byte[..]), (1, &[7][..]));
        assert!(rig.engine().metrics().in_flight <= max);
    }
    let metrics = rig.engine().metrics();
    assert_eq!((metrics.submitted, metrics.cancelled), (count as u64, 0));
    rig.close();
    metrics.overflows
}

#[test]
fn more_than_the_ring_has_entries() {
    for kind in Kind::ALL {
        for entries in [8, 256] {
            for count in [entries as usize + 1, 257, 1_025, 5_000] {
                limit(2 * LIMIT, || at_once(*kind, entries, None, count));
            }
        }
        for max in [1, 2, 7, 9] {
            limit(2 * LIMIT, || at_once(*kind, 8, Some(max), 257));
        }
    }
}

/// More in the kernel than the completion queue (four times the entries) has room for: where its
/// completions come at once, it overflows, which is counted, and all come.
#[test]
fn more_completions_than_the_queue_holds() {
    for kind in Kind::ALL {
        let overflows = limit(2 * LIMIT, || at_once(*kind, 8, Some(8_192), 5_000));
        eprintln!("{kind:?}: the queue was found overflowed {overflows} times");
        if *kind != Kind::Thread {
            // A thread's ring posts as many as it is asked for, on newer kernels.
            assert!(overflows > 0);
        }
    }
}

/// Each read of a byte, one in the kernel at a time: the bytes tell the order.
#[test]
fn what_waits_for_room_goes_in_the_order_in_which_it_came() {
    engines::each(
        |builder| builder.entries(8).in_flight_max(1),
        |rig| {
            limit(2 * LIMIT, || {
                let (reader, mut writer) = shipped_pipe();
                let pipe = rig.file(reader);
                let tasks: Vec<Vec<_>> = (0..4).map(|_| Vec::with_capacity(64)).collect();
                let mut reads: Vec<_> = tasks.into_iter().enumerate().collect();
                for n in 0..256 {
                    // A flood from one, one now and then from the others.
                    let (_, task) = &mut reads[if n % 8 == 7 { n / 8 % 4 } else { 0 }];
                    task.push((n, begin(pipe.read(vec![0; 1]))));
                }
                for n in 0..=255 {
                    writer.write_all(&[n]).expect("room in the pipe");
                    until(|| rig.engine().metrics().completed == u64::from(n) + 1);
                }
                for (n, read) in reads.into_iter().flat_map(|(_, task)| task) {
                    assert_eq!(block_on(read).expect("a read").1, [n as u8]);
                }
            });
        },
    );
}

/// How many operations were over when it was woken.
struct Noted {
    engine: Engine,
    completed: AtomicU64,
    thread: std::thread::Thread,
    woken: AtomicBool,
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        // Pairs with nothing: the flag below hands it over.
        self.completed.store(self.engine.metrics().completed, Ordering::Relaxed);
        // Pairs with the swap in `wait`.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits for `future`; how many operations were over when its was.
fn noted<F: Future + Unpin>(engine: &Engine, mut future: F) -> (F::Output, u64) {
    let noted = Arc::new(Noted {
        engine: engine.clone(),
        completed: AtomicU64::new(0),
        thread: std::thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&noted));
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            // Pairs with nothing: the result, or the flag, came after it.
            return (output, noted.completed.load(Ordering::Relaxed));
        }
        // Pairs with the store in `wake`.
        while !noted.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}

/// One task keeps 200 reads waiting for a ring that takes 32: another's read is done after those
/// that came before it, and not later.
#[test]
fn a_flood_does_not_starve_others() {
    const FLOOD: usize = 200;
    let file = TempFile::patterned(1 << 20);
    let Some(direct) = file.direct("a_flood_does_not_starve_others") else { return };
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(4 * LIMIT, || {
                let disk = rig.file(direct.try_clone().expect("a descriptor"));
                let stop = AtomicBool::new(false);
                let latencies = Mutex::new(Vec::new());
                let read = |file: &File| file.read_at(AlignedBuf::new(512), 0);
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut flood: Vec<_> = (0..FLOOD).map(|_| read(&disk)).collect();
                        // Pairs with nothing: a sign to end.
                        while !stop.load(Ordering::Relaxed) {
                            for one in &mut flood {
                                if poll_once(one).is_ready() {
                                    *one = read(&disk);
                                    let _ = poll_once(one);
                                }
                            }
                        }
                    });
                    until(|| rig.engine().metrics().completed > 1_000);
                    for _ in 0..100 {
                        let before = rig.engine().metrics().completed;
                        let (result, after) = noted(rig.engine(), read(&disk));
                        assert_eq!(result.expect("a read").0, 512);
                        latencies.lock().expect("no panic").push(after - before);
                    }
                    // Pairs with nothing, as above.
                    stop.store(true, Ordering::Relaxed);
                });
                let mut latencies = latencies.into_inner().expect("no panic");
                latencies.sort_unstable();
                let [median, worst] = [latencies[50], latencies[99]];
                eprintln!("{:?}: in completions: median {median}, worst {worst}", rig.kind());
                // Those that were there, those in flight, and a queue of completions taken in one
                // go; that much again for what was over between the count and the first poll, and
                // for each time that a busy machine keeps this thread from counting. Who starves
                // waits for thousands.
                assert!(worst <= 4 * (FLOOD as u64 + 32 + 32), "{latencies:?}");
            });
        },
    );
}

/// What is always done at once gives the thread away now and then.
#[test]
fn reads_from_the_cache_let_other_tasks_run() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let file = TempFile::patterned(4096);
    let engine = Engine::new().expect("an engine");
    let cached = engine.file(file.open());
    limit(LIMIT, || {
        runtime.block_on(async {
            let turns = Arc::new(AtomicU64::new(0));
            let counts = Arc::clone(&turns);
            let other = tokio::spawn(async move {
                loop {
                    // Pairs with nothing: one thread.
                    counts.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            let mut buf = vec![0; 64];
            for _ in 0..6_500 {
                buf = cached.read_at(buf, 0).await.expect("a read").1;
            }
            // Pairs with nothing: as above.
            let turns = turns.load(Ordering::Relaxed);
            assert_eq!(engine.metrics().inline, 6_500);
            assert!(turns >= 90, "{turns} turns in 6,500 reads");
            other.abort();
        });
    });
}

/// However many wait for what never comes, one that need not wait is done, and all are cancelled at
/// the end.
#[test]
fn what_waits_for_ever_is_in_nobody_s_way() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(2 * LIMIT, || {
                let (reader, _writer) = std::io::pipe().expect("a pipe");
                let silent = rig.file(reader);
                let waiting: Vec<_> = (0..5_000).map(|_| begin(silent.read(vec![0; 1]))).collect();
                until(|| rig.engine().metrics().in_flight == 5_000);
                let (reader, mut writer) = shipped_pipe();
                let read = begin(rig.file(reader).read(vec![0; 1]));
                writer.write_all(b"x").expect("room in the pipe");
                assert_eq!(block_on(read).expect("a read").1, b"x");
                drop(waiting);
                until(|| rig.engine().metrics().in_flight == 0);
            });
        },
    );
}
