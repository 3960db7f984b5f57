//! Tasks alone: spawned, joined, aborted, woken, without a kernel.

use super::*;
use core::pin::{Pin, pin};
use core::task::Poll;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs all that is due, until nothing is.
fn run_all(executor: &Executor) {
    let _entered = executor.enter();
    loop {
        let mut budget = 10;
        let ran = executor.run(&mut budget);
        executor.take_remote();
        if ran == Ran::Idle && executor.is_idle() {
            break;
        }
    }
}

fn executor() -> Executor {
    Executor::new(Remote::new(|| {}))
}

/// Wakes itself so many times.
struct Turns(u32);

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The output of a handle whose task is over.
fn output<T>(handle: JoinHandle<T>) -> Result<T, JoinError> {
    let mut handle = pin!(handle);
    match handle.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the task is not over"),
    }
}

#[test]
fn tasks_end_with_their_output() {
    let executor = executor();
    let handles: Vec<_> = (0..20)
        .map(|n| {
            executor.spawn(async move {
                Turns(n).await;
                n
            })
        })
        .collect();
    run_all(&executor);
    assert_eq!(executor.tasks_count(), 0);
    for (n, handle) in (0..20).zip(handles) {
        assert_eq!(output(handle).unwrap(), n);
    }
}

#[test]
fn an_output_that_nobody_takes_is_dropped() {
    let executor = executor();
    let counted = Rc::new(());
    let early = {
        let counted = Rc::clone(&counted);
        executor.spawn(async { counted })
    };
    drop(early);
    let late = {
        let counted = Rc::clone(&counted);
        executor.spawn(async { counted })
    };
    run_all(&executor);
    assert_eq!(Rc::strong_count(&counted), 2, "the first is dropped, the second waits");
    drop(late);
    assert_eq!(Rc::strong_count(&counted), 1);
}

#[test]
fn a_handle_outlives_its_executor() {
    let executor = executor();
    let done = executor.spawn(async { 3 });
    run_all(&executor);
    let open = executor.spawn(std::future::pending::<()>());
    drop(executor);
    assert_eq!(output(done).unwrap(), 3);
    open.abort();
    assert!(output(open).unwrap_err().is_cancelled());
}

#[test]
fn a_task_joins_another() {
    let executor = executor();
    let inner = executor.spawn(async {
        Turns(5).await;
        7
    });
    let outer = executor.spawn(async { inner.await.unwrap() + 1 });
    run_all(&executor);
    assert_eq!(output(outer).unwrap(), 8);
}

#[test]
fn a_task_may_abort_itself_and_drop_its_own_handle() {
    let executor = executor();
    let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
    let handle = {
        let own = Rc::clone(&own);
        executor.spawn(async move {
            let handle = own.borrow_mut().take().expect("it was put there");
            handle.abort();
            drop(handle);
            Turns(1).await;
            unreachable!("it was aborted");
        })
    };
    own.borrow_mut().replace(handle);
    run_all(&executor);
    assert_eq!((executor.tasks_count(), Rc::strong_count(&own)), (0, 1));
}

#[test]
fn what_panics_when_it_is_dropped_ends_like_a_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    let executor = executor();
    let aborted = executor.spawn(async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    let detached = executor.spawn(async { Bomb });
    drop(detached);
    run_all(&executor);
    aborted.abort();
    run_all(&executor);
    assert!(output(aborted).unwrap_err().is_panic());
    assert_eq!(executor.tasks_count(), 0);
}

#[test]
fn a_waker_outlives_its_task_and_its_executor() {
    let executor = executor();
    let kept: Rc<RefCell<Vec<Waker>>> = Rc::default();
    let handle = {
        let kept = Rc::clone(&kept);
        let mut polls = 0;
        executor.spawn(std::future::poll_fn(move |cx| {
            kept.borrow_mut().push(cx.waker().clone());
            polls += 1;
            if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
        }))
    };
    run_all(&executor);
    assert_eq!(kept.borrow().len(), 1);
    kept.borrow()[0].wake_by_ref();
    run_all(&executor);
    kept.borrow()[1].wake_by_ref();
    run_all(&executor);
    assert!(kept.borrow()[0].will_wake(&kept.borrow()[2]));
    output(handle).unwrap();
    kept.borrow()[2].wake_by_ref();
    run_all(&executor);
    drop(executor);
    for waker in kept.borrow_mut().drain(..) {
        waker.wake();
    }
}

#[test]
fn other_threads_wake_through_clones_and_through_a_borrow() {
    let executor = executor();
    let polls = Rc::new(core::cell::Cell::new(0));
    let handle = {
        let polls = Rc::clone(&polls);
        executor.spawn(std::future::poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            let waker = cx.waker();
            std::thread::scope(|scope| {
                // Two at once make the waker that leaves.
                scope.spawn(|| {
                    let own = waker.clone();
                    own.wake();
                });
                scope.spawn(|| waker.wake_by_ref());
            });
            if polls.get() < 4 { Poll::Pending } else { Poll::Ready(()) }
        }))
    };
    run_all(&executor);
    assert_eq!(polls.get(), 4, "woken twice is polled once");
    output(handle).unwrap();
}

#[test]
fn work_of_other_threads_is_done_or_given_back() {
    static DONE: AtomicU32 = AtomicU32::new(0);
    let executor = executor();
    let remote = Arc::clone(executor.remote());
    let give = move |n| {
        remote.submit(Box::new(move |executor: &Executor| {
            drop(executor.spawn(async move {
                // Relaxed: pairs with nothing: one thread.
                DONE.fetch_add(n, Ordering::Relaxed);
            }));
        }))
    };
    let give = std::thread::spawn(move || {
        assert!(give(1).is_ok() && give(2).is_ok());
        give
    });
    let give = give.join().unwrap();
    run_all(&executor);
    // Relaxed: pairs with nothing: one thread.
    assert_eq!(DONE.load(Ordering::Relaxed), 3);
    drop(executor);
    assert!(give(4).is_err());
}

#[test]
fn what_is_closed_stays_so_when_it_is_looked_at() {
    let executor = executor();
    let mut waker = None;
    executor.wake_root();
    executor.with_root(|cx| waker = Some(cx.waker().clone()));
    executor.close();
    executor.take_remote();
    // From outside of the executor, and so as from another thread: it is dropped at once.
    waker.expect("the root has one").wake();
    executor.take_remote();
    assert!(!executor.remote().sleep(), "who is closed does not sleep");
}

#[test]
fn what_is_spawned_while_all_ends_is_dropped() {
    struct Spawns(std::rc::Weak<Executor>, Rc<()>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            if let Some(executor) = self.0.upgrade() {
                let next = Spawns(std::rc::Weak::new(), Rc::clone(&self.1));
                drop(executor.spawn(async move {
                    let _next = next;
                    std::future::pending::<()>().await;
                }));
            }
        }
    }
    let executor = Rc::new(executor());
    let counted = Rc::new(());
    let spawns = Spawns(Rc::downgrade(&executor), Rc::clone(&counted));
    drop(executor.spawn(async move {
        let _spawns = spawns;
        std::future::pending::<()>().await;
    }));
    run_all(&executor);
    executor.close();
    assert_eq!((Rc::strong_count(&counted), executor.tasks_count()), (1, 0));
}

#[test]
fn a_local_waker_wakes_its_task_or_whoever_it_was_made_of() {
    let executor = executor();
    let kept: Rc<RefCell<Option<LocalWaker>>> = Rc::default();
    let handle = {
        let kept = Rc::clone(&kept);
        let mut polls = 0;
        executor.spawn(std::future::poll_fn(move |cx| {
            let waker = LocalWaker::of(cx.waker());
            assert!(waker.is_task() && waker.will_wake(cx.waker()));
            assert!(LocalWaker::of(&cx.waker().clone()).is_task());
            assert!(!waker.will_wake(Waker::noop()));
            kept.replace(Some(waker));
            polls += 1;
            if polls < 2 { Poll::Pending } else { Poll::Ready(()) }
        }))
    };
    run_all(&executor);
    let waker = kept.take().unwrap();
    waker.wake();
    run_all(&executor);
    output(handle).unwrap();
    // It counts the task, which is over.
    kept.take().unwrap().wake();
    drop(executor);
    let woken = Arc::new(Woken::default());
    let other = LocalWaker::of(&Waker::from(Arc::clone(&woken)));
    assert!(!other.is_task());
    other.wake();
    // Relaxed: a count of this thread; pairs with nothing.
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}

/// A waker that is no task's, and counts.
#[derive(Default)]
struct Woken(AtomicU32);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Relaxed: a count of this thread; pairs with nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
