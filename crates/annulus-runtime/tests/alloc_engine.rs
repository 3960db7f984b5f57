//! What the engine allocates per operation in the steady state: nothing, on any thread.

mod common;

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use annulus_runtime::File;
use common::child::Child;
use common::detector::{Detector, allocations};
use common::engines::{Kind, Rig, shipped_pipe};
use common::files::TempFile;
use common::{LIMIT, limit, only_on_linux, times};

#[global_allocator]
static ALLOCATOR: Detector = Detector;

/// How many of each are counted.
fn rounds() -> u64 {
    times(100_000)
}

/// Wakes a thread that parks.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the swap in `block_on`.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// An executor that allocates once, here.
struct Executor(Arc<Unpark>, Waker);

impl Executor {
    fn new() -> Self {
        let thread = std::thread::current();
        let unpark = Arc::new(Unpark { thread, woken: AtomicBool::new(false) });
        Self(Arc::clone(&unpark), unpark.into())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.1)) {
                return output;
            }
            // Pairs with the store in `wake_by_ref`.
            while !self.0.woken.swap(false, Ordering::Acquire) {
                std::thread::park();
            }
        }
    }
}

/// How much is allocated in the process while `round` is done so many times, after some to begin
/// with: the least of three counts, since a runtime's thread that starts late allocates too, once.
fn counted(mut round: impl FnMut(u64)) -> u64 {
    (0..1_000).for_each(&mut round);
    let (mut count, rounds) = (u64::MAX, rounds());
    for _ in 0..3 {
        let before = allocations();
        (0..rounds).for_each(&mut round);
        count = count.min(allocations() - before);
        if count == 0 {
            break;
        }
    }
    count
}

fn cached_reads(rig: &Rig, file: &TempFile) -> u64 {
    let executor = Executor::new();
    let cached: File = rig.file(file.open());
    let mut buf = Some(vec![0; 4096]);
    let count = counted(|n| {
        let read = cached.read_at(buf.take().expect("it came back"), n % 4 * 4096);
        let (bytes, read) = executor.block_on(read).expect("a read");
        assert_eq!(bytes, 4096);
        buf = Some(read);
    });
    assert!(rig.engine().metrics().inline >= rounds());
    count
}

fn shipped_reads(rig: &Rig) -> u64 {
    let executor = Executor::new();
    let (reader, mut writer) = shipped_pipe();
    let pipe = rig.file(reader);
    let mut buf = Some(vec![0; 1]);
    let before = rig.engine().metrics().shipped;
    let count = counted(|n| {
        writer.write_all(&[n as u8]).expect("room in the pipe");
        let read = pipe.read(buf.take().expect("it came back"));
        let (_, read) = executor.block_on(read).expect("a read");
        assert_eq!(read, [n as u8]);
        buf = Some(read);
    });
    assert!(rig.engine().metrics().shipped - before >= rounds());
    count
}

/// Chains, with a deadline.
fn chains(rig: &Rig) -> u64 {
    let executor = Executor::new();
    let (reader, mut writer) = shipped_pipe();
    let pipe = rig.file(reader);
    let mut buf = Some((vec![0; 1], vec![0; 1]));
    counted(|n| {
        if n % 10 != 0 {
            return;
        }
        writer.write_all(&[1]).expect("room in the pipe");
        writer.write_all(&[2]).expect("room in the pipe");
        let (first, second) = buf.take().expect("they came back");
        let hour = std::time::Duration::from_secs(3600);
        let chain = pipe.read(first).deadline(hour).then(pipe.read(second));
        let (first, second) = executor.block_on(chain);
        let (first, second) = (first.expect("a read").1, second.expect("a read").1);
        assert_eq!((first[0], second[0]), (1, 2));
        buf = Some((first, second));
    })
}

#[test]
fn reads_do_not_allocate() {
    if only_on_linux("reads_do_not_allocate", "what waits in user space is allocated") {
        return;
    }
    let file = TempFile::patterned(16 << 10);
    for kind in Kind::ALL {
        let arg = format!("{kind:?}");
        let body = |chosen: &str| {
            if chosen != arg {
                return;
            }
            limit(8 * LIMIT, || {
                let rig = kind.rig(|builder| builder);
                let counts = [cached_reads(&rig, &file), shipped_reads(&rig), chains(&rig)];
                eprintln!("allocations: {counts:?}");
                assert_eq!(counts, [0, 0, 0], "cached, shipped, chained");
                rig.close();
            });
        };
        let child = Child::of("reads_do_not_allocate").arg(&arg).limit(8 * LIMIT);
        if let Some(outcome) = child.run(body) {
            eprintln!("{arg}: {}", outcome.stderr);
            outcome.success();
        }
    }
}
