//! The pool for what blocks: how many threads, how long they stay, how they end.

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use annulus_runtime::runtime::{RuntimeBuilder, metrics};
use annulus_runtime::time::sleep;
use annulus_runtime::{Runtime, run, spawn_blocking, spawn_local, yield_now};
use common::process::threads_named;
use common::{LIMIT, limit, slower};

/// A runtime whose pool's threads are called `name`, which no other test's are.
fn named(name: &str) -> RuntimeBuilder {
    Runtime::builder().blocking_name(name)
}

#[test]
fn work_sleeps_and_tasks_go_on() {
    limit(LIMIT, || {
        run(async {
            let (begun, has_begun) = mpsc::channel();
            let (wakes, sleeps): (Vec<_>, Vec<_>) = (0..5)
                .map(|_| {
                    let (wake, woken) = mpsc::channel::<()>();
                    let begun = begun.clone();
                    let sleep = spawn_blocking(move || {
                        begun.send(()).unwrap();
                        woken.recv().unwrap();
                    });
                    (wake, sleep)
                })
                .unzip();
            // All of them at once, and turns of this task beside them.
            let (mut asleep, mut turns) = (0, 0);
            while asleep < 5 || turns < 10 {
                asleep += has_begun.try_iter().count();
                yield_now().await;
                turns += 1;
            }
            for (wake, sleep) in wakes.into_iter().zip(sleeps) {
                wake.send(()).expect("it sleeps");
                sleep.await.unwrap();
            }
        })
        .unwrap();
    });
}

#[test]
fn there_are_no_more_threads_than_were_allowed_and_all_work_is_done() {
    limit(LIMIT, || {
        let runtime = named("pool-few").blocking_threads(2).build().unwrap();
        let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        runtime.block_on(async {
            let work: Vec<_> = (0..50)
                .map(|n| {
                    let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                    spawn_blocking(move || {
                        // Relaxed, all: counts; they pair with nothing.
                        let at_once = now.fetch_add(1, Ordering::Relaxed) + 1;
                        most.fetch_max(at_once, Ordering::Relaxed);
                        thread::sleep(Duration::from_micros(200));
                        now.fetch_sub(1, Ordering::Relaxed);
                        n
                    })
                })
                .collect();
            for (n, work) in work.into_iter().enumerate() {
                assert_eq!(work.await.unwrap(), n);
            }
            assert!(metrics().blocking_threads <= 2);
        });
        // Relaxed: as above.
        assert!(most.load(Ordering::Relaxed) <= 2);
    });
}

#[test]
fn a_thread_that_has_nothing_to_do_ends_and_the_next_work_starts_another() {
    limit(LIMIT, || {
        let span = Duration::from_millis(5);
        let runtime = named("pool-short").blocking_keep_alive(span).build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                spawn_blocking(|| ()).await.unwrap();
                assert!(metrics().blocking_threads <= 1);
                while metrics().blocking_threads > 0 {
                    sleep(span).await;
                }
            }
        });
        common::engines::until(|| threads_named("pool-short").is_empty());
    });
}

#[test]
fn what_panics_is_the_joiners_and_the_thread_goes_on() {
    limit(LIMIT, || {
        let runtime = named("pool-panic").blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let id = spawn_blocking(|| thread::current().id()).await.unwrap();
            let panics = spawn_blocking(|| std::panic::resume_unwind(Box::new("on purpose")));
            assert!(panics.await.unwrap_err().is_panic());
            assert_eq!(spawn_blocking(|| thread::current().id()).await.unwrap(), id);
        });
    });
}

#[test]
fn what_finds_no_room_waits_in_its_handle_and_holds_nobody_up() {
    limit(LIMIT, || {
        let runtime = named("pool-full").blocking_threads(1).blocking_queue(1).build().unwrap();
        runtime.block_on(async {
            let (goes_on, may_go_on) = mpsc::channel::<()>();
            let first = spawn_blocking(move || may_go_on.recv().is_err());
            while metrics().blocking_queued > 0 {
                yield_now().await;
            }
            let rest: Vec<_> = (0..10).map(|n| spawn_local(spawn_blocking(move || n))).collect();
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(metrics().blocking_queued <= 1);
            drop(goes_on);
            assert!(first.await.unwrap());
            for (n, work) in rest.into_iter().enumerate() {
                assert_eq!(work.await.unwrap().unwrap(), n);
            }
        });
    });
}

#[test]
fn the_end_waits_for_what_runs_and_drops_what_has_not_begun() {
    /// Dropped with its thread, which takes a while: only who joins it sees the end.
    struct Late(Arc<AtomicU32>);
    impl Drop for Late {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(20));
            // Relaxed: pairs with the load of who has joined the thread.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    thread_local!(static LATE: RefCell<Option<Late>> = const { RefCell::new(None) });
    limit(LIMIT, || {
        let runtime = named("pool-end").blocking_threads(1).build().unwrap();
        let (begun, has_begun) = mpsc::channel();
        let joined = Arc::new(AtomicU32::new(0));
        let late = Late(Arc::clone(&joined));
        let ran = Arc::new(AtomicU32::new(0));
        let (first, second) = runtime.block_on(async {
            let count = Arc::clone(&ran);
            let first = spawn_blocking(move || {
                LATE.set(Some(late));
                begun.send(()).unwrap();
                // Until the end has begun.
                thread::sleep(Duration::from_millis(300 * slower()));
                // Relaxed: a count; pairs with nothing: the thread is joined.
                count.fetch_add(1, Ordering::Relaxed);
            });
            let count = Arc::clone(&ran);
            // Relaxed: as above.
            let second = spawn_blocking(move || count.fetch_add(1, Ordering::Relaxed));
            (first, second)
        });
        has_begun.recv().unwrap();
        runtime.shutdown(LIMIT).unwrap();
        // Relaxed: as above.
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert_eq!(joined.load(Ordering::Relaxed), 1, "they are joined");
        // Linux lists a thread for a moment after it was joined.
        common::engines::until(|| threads_named("pool-end").is_empty());
        futures::executor::block_on(first).unwrap();
        assert!(futures::executor::block_on(second).unwrap_err().is_cancelled());
    });
}

#[test]
fn what_is_given_after_the_end_is_cancelled() {
    limit(LIMIT, || {
        /// Asks for blocking work when it is dropped: with its runtime.
        struct Late(mpsc::Sender<bool>);
        impl Drop for Late {
            fn drop(&mut self) {
                let work = spawn_blocking(|| ());
                self.0.send(futures::executor::block_on(work).is_ok()).unwrap();
            }
        }
        let (send, told) = mpsc::channel();
        run(async move {
            drop(spawn_local(async move {
                let _late = Late(send);
                std::future::pending::<()>().await;
            }));
            yield_now().await;
        })
        .unwrap();
        // Done before the pool ended, or not at all: never left hanging.
        told.recv().unwrap();
    });
}
