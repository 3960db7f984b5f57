//! What tasks cost on a runtime, without I/O. `mode=`:
//!
//! - `spawn`: spawned in batches of 1,000, then joined; `spawn1`: each joined at once.
//! - `yield`: 100 tasks that wake themselves in turn; `nyield`: by the runtime's own yield.
//! - `tcancel`: a timer of an hour, polled once and dropped.
//! - `tfire`: 1,000 tasks, a timer of a microsecond each, again and again; `tspread`: 10,000 tasks,
//!   timers of 1 to 10 milliseconds.
//! - `wake`: two threads with a runtime each wake each other in turn: an operation is two wakes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::meter::Meter;
use crate::program::{Args, Random, fail, pin as pin_to};
use crate::runtime::{Needs, Runtime};

const MODES: &str = "spawn, spawn1, yield, nyield, tcancel, tfire, tspread, wake";

/// How many tasks are spawned before they are joined.
const BATCH: u64 = 1000;

/// How many tasks share the operations.
const YIELDING: u64 = 100;
const FIRING: u64 = 1000;
const SPREAD: u64 = 10_000;

/// The program.
pub fn main<R: Runtime>() {
    let args = Args::parse();
    args.only(&["mode", "ops", "core"]);
    pin_to(&args);
    let ops = args.count("ops", 100_000, u64::MAX);
    let mode = args.text("mode", "spawn");
    let shares = match mode.as_str() {
        "spawn" => BATCH,
        "yield" | "nyield" => YIELDING,
        "tfire" => FIRING,
        "tspread" => SPREAD,
        _ => 1,
    };
    if !ops.is_multiple_of(shares) {
        fail(&format!("ops={ops}: mode={mode} does a multiple of {shares}"));
    }
    let needs = Needs { depth: 0, tasks: mode != "wake", timers: mode.starts_with('t') };
    R::run(needs, async {
        let meter = Meter::start();
        match mode.as_str() {
            "spawn" => spawn::<R>(ops).await,
            "spawn1" => spawn_each::<R>(ops).await,
            "yield" => each_of::<R, _>(YIELDING, |_| yields(ops / YIELDING)).await,
            "nyield" => each_of::<R, _>(YIELDING, |_| native_yields::<R>(ops / YIELDING)).await,
            "tcancel" => R::joined(R::spawn(timers_cancelled::<R>(ops)).await),
            "tfire" => each_of::<R, _>(FIRING, |_| timers_fired::<R>(ops / FIRING)).await,
            "tspread" => each_of::<R, _>(SPREAD, |n| timers_spread::<R>(n, ops / SPREAD)).await,
            "wake" => wakes::<R>(ops, needs).await,
            other => fail(&format!("mode={other}: {MODES}")),
        }
        meter.report(ops);
    });
}

async fn spawn<R: Runtime>(ops: u64) {
    let mut tasks = Vec::with_capacity(BATCH as usize);
    for _ in 0..ops / BATCH {
        tasks.extend((0..BATCH).map(|n| R::spawn(async move { n })));
        for task in tasks.drain(..) {
            std::hint::black_box(R::joined(task.await));
        }
    }
}

async fn spawn_each<R: Runtime>(ops: u64) {
    for n in 0..ops {
        std::hint::black_box(R::joined(R::spawn(async move { n }).await));
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

async fn native_yields<R: Runtime>(ops: u64) {
    for _ in 0..ops {
        R::yield_now().await;
    }
}

async fn timers_cancelled<R: Runtime>(ops: u64) {
    for _ in 0..ops {
        let mut sleep = pin!(R::sleep(Duration::from_secs(3600)));
        std::future::poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

async fn timers_fired<R: Runtime>(ops: u64) {
    for _ in 0..ops {
        R::sleep(Duration::from_micros(1)).await;
    }
}

async fn timers_spread<R: Runtime>(index: u64, ops: u64) {
    let mut random = Random::of(index);
    for _ in 0..ops {
        // An offset is that of a block of 4096 bytes.
        let micros = 1000 + random.offset(9000) / 4096;
        R::sleep(Duration::from_micros(micros)).await;
    }
}

/// Runs `count` tasks to their end: the `n`th is `task(n)`.
async fn each_of<R: Runtime, F>(count: u64, task: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let tasks: Vec<_> = (0..count).map(|n| R::spawn(task(n))).collect();
    for task in tasks {
        R::joined(task.await);
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

async fn wakes<R: Runtime>(ops: u64, needs: Needs) {
    let boxes: Arc<[Mailbox; 2]> = Arc::default();
    let other = Arc::clone(&boxes);
    let thread = std::thread::spawn(move || {
        R::run(needs, async {
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
