//! What tasks cost on Annulus's own runtime, without I/O. `mode=`:
//!
//! - `spawn`: spawned in batches of 1,000, then joined; `spawn1`: each joined at once.
//! - `yield`: a future that wakes itself, in one task; `nyield`: the runtime's own.
//! - `tcancel`: a timer of an hour, polled once and dropped; `tfire`: one of a microsecond each.
//! - `wake`: two threads with a runtime each wake each other in turn.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use annulus_bench::{Args, Meter, fail, pin as pin_to};
use annulus_runtime::{Runtime, spawn_local, time, yield_now};

fn main() {
    let args = Args::parse();
    args.only(&["mode", "ops", "core"]);
    pin_to(&args);
    let ops = args.count("ops", 100_000, u64::MAX);
    let mode = args.text("mode", "spawn");
    let runtime = Runtime::new().unwrap_or_else(|why| fail(&why.to_string()));
    runtime.block_on(async {
        let meter = Meter::start();
        match mode.as_str() {
            "spawn" => spawn(ops).await,
            "spawn1" => spawn_each(ops).await,
            "yield" => joined(yields(ops)).await,
            "nyield" => joined(native_yields(ops)).await,
            "tcancel" => joined(timers_cancelled(ops)).await,
            "tfire" => joined(timers_fired(ops)).await,
            "wake" => wakes(ops).await,
            other => {
                fail(&format!("mode={other}: spawn, spawn1, yield, nyield, tcancel, tfire, wake"))
            }
        }
        meter.report(ops);
    });
}

async fn joined(work: impl Future<Output = ()> + 'static) {
    spawn_local(work).await.unwrap_or_else(|why| fail(&why.to_string()));
}

async fn spawn(ops: u64) {
    const BATCH: u64 = 1000;
    let mut tasks = Vec::with_capacity(BATCH as usize);
    for _ in 0..ops / BATCH {
        tasks.extend((0..BATCH).map(|n| spawn_local(async move { n })));
        for task in tasks.drain(..) {
            std::hint::black_box(task.await.unwrap_or_else(|why| fail(&why.to_string())));
        }
    }
}

async fn spawn_each(ops: u64) {
    for n in 0..ops {
        let task = spawn_local(async move { n });
        std::hint::black_box(task.await.unwrap_or_else(|why| fail(&why.to_string())));
    }
}

async fn yields(ops: u64) {
    for _ in 0..ops {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

async fn native_yields(ops: u64) {
    for _ in 0..ops {
        yield_now().await;
    }
}

async fn timers_cancelled(ops: u64) {
    for _ in 0..ops {
        let mut sleep = pin!(time::sleep(Duration::from_secs(3600)));
        std::future::poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

async fn timers_fired(ops: u64) {
    const TASKS: u64 = 1000;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            spawn_local(async move {
                for _ in 0..ops / TASKS {
                    time::sleep(Duration::from_micros(1)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap_or_else(|why| fail(&why.to_string()));
    }
}

/// A counter, and who waits for it.
#[derive(Default)]
struct Mailbox {
    count: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Mailbox {
    fn send(&self) {
        // Release: pairs with the acquire in `receive`.
        self.count.fetch_add(1, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn receive(&self, want: u64) {
        std::future::poll_fn(|cx| {
            // Held while both are looked at: a sender adds first, then takes the waker.
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            // Acquire: pairs with the release in `send`.
            if self.count.load(Ordering::Acquire) >= want {
                return Poll::Ready(());
            }
            *waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

async fn wakes(ops: u64) {
    let boxes: Arc<[Mailbox; 2]> = Arc::default();
    let other = Arc::clone(&boxes);
    let thread = std::thread::spawn(move || {
        let runtime = Runtime::new().unwrap_or_else(|why| fail(&why.to_string()));
        runtime.block_on(async {
            for n in 1..=ops {
                other[0].receive(n).await;
                other[1].send();
            }
        });
    });
    for n in 1..=ops {
        boxes[0].send();
        boxes[1].receive(n).await;
    }
    thread.join().unwrap_or_else(|_| fail("the other thread panicked"));
}
