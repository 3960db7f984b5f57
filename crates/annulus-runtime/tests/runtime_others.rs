//! Locks, channels, select, join and task-locals of other crates on a runtime: it has none of its
//! own.

mod common;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annulus_runtime::time::{sleep, timeout};
use annulus_runtime::{Runtime, run, spawn_local, yield_now};
use common::{LIMIT, limit};
use futures_lite::future::{or, race, zip};

fn on_runtime<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    limit(LIMIT, || run(async { body().await }).unwrap());
}

#[test]
fn a_lock_keeps_tasks_apart_and_passes_on() {
    on_runtime(|| async {
        let lock = Rc::new(async_lock::Mutex::new(0));
        let inside = Rc::new(Cell::new(false));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (lock, inside) = (Rc::clone(&lock), Rc::clone(&inside));
                spawn_local(async move {
                    let mut count = lock.lock().await;
                    assert!(!inside.replace(true), "two are inside");
                    yield_now().await;
                    *count += 1;
                    inside.set(false);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock.lock().await, 100);
    });
}

#[test]
fn a_lock_that_is_given_up_is_the_next_ones() {
    on_runtime(|| async {
        let lock = Rc::new(async_lock::RwLock::new(()));
        let held = lock.write().await;
        assert!(timeout(Duration::from_millis(1), lock.read()).await.is_err());
        assert!(timeout(Duration::from_millis(1), lock.write()).await.is_err());
        drop(held);
        let both = zip(lock.read(), lock.read());
        drop(timeout(LIMIT, both).await.expect("nobody else wants it"));
        timeout(LIMIT, lock.write()).await.map(drop).expect("as above");
    });
}

#[test]
fn a_channel_joins_two_runtimes() {
    limit(LIMIT, || {
        const COUNT: u64 = 10_000;
        let (send, receive) = async_channel::bounded::<u64>(16);
        let other = std::thread::spawn(move || {
            run(async move {
                for n in 0..COUNT {
                    send.send(n).await.unwrap();
                }
            })
        });
        let sum = run(async move {
            let mut sum = 0;
            while let Ok(n) = receive.recv().await {
                sum += n;
            }
            sum
        });
        assert_eq!(sum.unwrap(), COUNT * (COUNT - 1) / 2);
        other.join().unwrap().unwrap();
    });
}

#[test]
fn the_first_of_two_ends_both() {
    on_runtime(|| async {
        let begun = Instant::now();
        let slow = async {
            sleep(Duration::from_secs(3600)).await;
            "slow"
        };
        let fast = async {
            sleep(Duration::from_millis(2)).await;
            "fast"
        };
        assert_eq!(race(slow, fast).await, "fast");
        assert_eq!(or(async { 1 }, async { 2 }).await, 1);
        assert!(begun.elapsed() < LIMIT);
    });
}

#[test]
fn a_barrier_of_several_threads_is_passed_by_all() {
    limit(LIMIT, || {
        let barrier = Arc::new(async_lock::Barrier::new(3));
        let threads = Runtime::builder().threads(3).start(move |_| {
            let barrier = Arc::clone(&barrier);
            async move { u32::from(barrier.wait().await.is_leader()) }
        });
        let leaders: u32 = threads.unwrap().join().into_iter().flatten().sum();
        assert_eq!(leaders, 1);
    });
}

task_local::task_local! {
    /// Whose task it is.
    static OWNER: u64;
}

/// What the task's own value is, asked for in a call that is not given it.
fn owner() -> u64 {
    OWNER.get()
}

#[test]
fn what_is_a_tasks_own_stays_with_it_across_awaits() {
    on_runtime(|| async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                spawn_local(OWNER.scope(n, async move {
                    for _ in 0..10 {
                        assert_eq!(owner(), n);
                        yield_now().await;
                        assert_eq!(OWNER.scope(n + 1000, async { owner() }).await, n + 1000);
                        sleep(Duration::from_micros(n)).await;
                        assert_eq!(owner(), n);
                    }
                    // A task of its own is given what it is to have.
                    let own = spawn_local(async { OWNER.try_with(|_| ()).is_err() });
                    assert!(own.await.unwrap());
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(OWNER.try_with(|_| ()).is_err());
    });
}

#[test]
fn tokios_task_locals_are_the_same_here() {
    tokio::task_local! {
        static NAME: &'static str;
    }
    on_runtime(|| async {
        let other = spawn_local(NAME.scope("other", async {
            yield_now().await;
            NAME.get()
        }));
        let own = NAME.scope("own", async {
            sleep(Duration::from_millis(1)).await;
            NAME.get()
        });
        assert_eq!((own.await, other.await.unwrap()), ("own", "other"));
    });
}
