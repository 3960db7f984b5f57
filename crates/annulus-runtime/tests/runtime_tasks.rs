//! Tasks of a runtime: spawned, joined, aborted, dropped, woken from other threads.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use annulus_runtime::{Runtime, run, spawn_local, time, yield_now};
use common::{LIMIT, limit, slower};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

#[test]
fn a_future_runs_to_its_end() {
    assert_eq!(run(async { 7 }).unwrap(), 7);
}

#[test]
fn tasks_are_joined() {
    let sum = run(async {
        let tasks: Vec<_> = (0..1000).map(|n| spawn_local(async move { n })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum.unwrap(), 499_500);
}

#[test]
fn tasks_take_turns() {
    let order = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                let order = Rc::clone(&order);
                spawn_local(async move {
                    for _ in 0..3 {
                        order.borrow_mut().push(n);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    })
    .unwrap();
    assert_eq!(*order.borrow(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_panic_is_the_joiners() {
    let error = run(async {
        let task = spawn_local(async { std::panic::resume_unwind(Box::new("on purpose")) });
        let ended: Result<(), _> = task.await;
        ended.unwrap_err()
    })
    .unwrap();
    assert!(error.is_panic());
    assert_eq!(error.to_string(), "the task panicked: on purpose");
}

/// Counts its drops.
struct Dropped(Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn what_is_aborted_is_dropped_once() {
    let drops = Rc::new(Cell::new(0));
    run(async {
        let held = Dropped(Rc::clone(&drops));
        let task = spawn_local(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        assert_eq!(drops.get(), 0);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    })
    .unwrap();
    assert_eq!(drops.get(), 1);
}

#[test]
fn dropping_the_runtime_drops_every_task() {
    let drops = Rc::new(Cell::new(0));
    let runtime = Runtime::new().unwrap();
    let mut handles = Vec::new();
    runtime.block_on(async {
        for n in 0..100 {
            let held = Dropped(Rc::clone(&drops));
            let task = spawn_local(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            if n % 2 == 0 {
                handles.push(task);
            }
        }
    });
    drop(runtime);
    assert_eq!(drops.get(), 100);
    let error = run(async move {
        let mut last = None;
        for task in handles {
            last = task.await.err();
        }
        last
    });
    assert!(error.unwrap().unwrap().is_cancelled());
}

#[test]
fn another_thread_wakes_a_task() {
    run(async {
        let (send, receive) = futures::channel::oneshot::channel();
        let task = spawn_local(receive);
        yield_now().await;
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            send.send(5).unwrap();
        });
        assert_eq!(task.await.unwrap(), Ok(5));
        thread.join().unwrap();
    })
    .unwrap();
}

#[test]
fn a_sleep_is_never_shorter() {
    run(async {
        for micros in [0, 1, 50, 1000, 20_000] {
            let span = Duration::from_micros(micros);
            let begun = Instant::now();
            time::sleep(span).await;
            let took = begun.elapsed();
            assert!(took >= span, "{span:?} took {took:?}");
            assert!(took < span + Duration::from_millis(500 * slower()), "{span:?} took {took:?}");
        }
    })
    .unwrap();
}

#[test]
fn sleeps_end_in_order() {
    let order = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let tasks: Vec<_> = [30, 10, 20, 5]
            .map(|ms| {
                let order = Rc::clone(&order);
                spawn_local(async move {
                    // What a late thread finds due together may end in any order.
                    time::sleep(Duration::from_millis(ms * slower())).await;
                    order.borrow_mut().push(ms);
                })
            })
            .into_iter()
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    })
    .unwrap();
    assert_eq!(*order.borrow(), [5, 10, 20, 30]);
}

#[test]
fn handles_give_tasks_from_other_threads() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let (send, receive) = futures::channel::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let task = handle.spawn(move || async move {
            yield_now().await;
            send.send(9).unwrap();
            11
        });
        (handle, task)
    });
    assert_eq!(runtime.block_on(receive), Ok(9));
    let (handle, task) = thread.join().unwrap();
    assert_eq!(runtime.block_on(task).unwrap(), 11);
    let panics = handle.spawn(|| async { std::panic::resume_unwind(Box::new("far away")) });
    let ended: Result<(), _> = runtime.block_on(panics);
    assert_eq!(ended.unwrap_err().to_string(), "the task panicked: far away");
    let waits = handle.spawn(|| async { std::future::pending::<()>().await });
    drop(runtime);
    let ended = futures::executor::block_on(waits);
    assert!(ended.unwrap_err().is_cancelled());
    assert!(handle.block_on(|| async {}).unwrap_err().is_cancelled());
}

#[test]
fn an_abort_from_another_thread_drops_the_future_on_its_own() {
    struct OnThread(std::thread::ThreadId, std::sync::mpsc::Sender<bool>);
    impl Drop for OnThread {
        fn drop(&mut self) {
            self.1.send(std::thread::current().id() == self.0).unwrap();
        }
    }
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let (tell, told) = std::sync::mpsc::channel();
    let task = handle.spawn(move || async move {
        let _held = OnThread(std::thread::current().id(), tell);
        std::future::pending::<()>().await;
    });
    runtime.block_on(async {
        yield_now().await;
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            task.abort();
            task
        });
        let begun = Instant::now();
        while told.try_recv() != Ok(true) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it was not dropped");
            time::sleep(Duration::from_millis(1)).await;
        }
        assert!(thread.join().unwrap().await.unwrap_err().is_cancelled());
    });
}

/// Tasks that wait for a number, and send one more to the other runtime's task of the same place,
/// some times. How often they were woken.
fn answer(
    tasks: Vec<(UnboundedReceiver<u32>, UnboundedSender<u32>)>,
    begins: bool,
    all_wait: impl FnOnce() + 'static,
) -> std::io::Result<u64> {
    const EXCHANGES: u32 = 3;
    run(async move {
        let wakes = Rc::new(Cell::new(0));
        let tasks: Vec<_> = tasks
            .into_iter()
            .map(|(mut receive, send)| {
                let wakes = Rc::clone(&wakes);
                spawn_local(async move {
                    if begins {
                        send.unbounded_send(0).unwrap();
                    }
                    for _ in 0..EXCHANGES {
                        let n = receive.next().await.unwrap();
                        wakes.set(wakes.get() + 1);
                        // The last one is told as well, should it listen.
                        let _ = send.unbounded_send(n + 1);
                    }
                })
            })
            .collect();
        drop(spawn_local(async { all_wait() }));
        for task in tasks {
            task.await.unwrap();
        }
        wakes.get()
    })
}

#[test]
fn two_runtimes_wake_10_000_of_each_others_tasks() {
    const TASKS: usize = 10_000;
    limit(LIMIT / 3, || {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..TASKS {
            let ((to_here, at_here), (to_there, at_there)) = (unbounded(), unbounded());
            here.push((at_here, to_there));
            there.push((at_there, to_here));
        }
        let (tell, told) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            // It is about to sleep: the first wake finds it asleep.
            told.recv().unwrap();
            std::thread::sleep(Duration::from_millis(50));
            answer(there, true, || {})
        });
        assert_eq!(answer(here, false, move || tell.send(()).unwrap()).unwrap(), 3 * TASKS as u64);
        assert_eq!(other.join().unwrap().unwrap(), 3 * TASKS as u64);
    });
}

#[test]
fn the_engine_of_a_runtime_serves_it() {
    let runtime = Runtime::new().unwrap();
    let engine = runtime.engine();
    let file = engine.file(std::fs::File::open("Cargo.toml").unwrap());
    let (_, text) = runtime.block_on(file.read_at(vec![0; 9], 0)).unwrap();
    assert_eq!(text, b"[package]");
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader, writer) = (engine.file(reader), engine.file(writer));
    runtime.block_on(async {
        let read = spawn_local(async move { reader.read(vec![0; 4]).await });
        yield_now().await;
        writer.write("ring").await.map_err(std::io::Error::from).unwrap();
        let (n, buf) = read.await.unwrap().map_err(std::io::Error::from).unwrap();
        assert_eq!((n, &buf[..]), (4, &b"ring"[..]));
    });
}

#[test]
fn blocking_work_is_done_by_other_threads_as_many_as_allowed() {
    for threads in [0, 1, 3] {
        let runtime = Runtime::builder().blocking_threads(threads).blocking_queue(2);
        let runtime = runtime.build().unwrap();
        let own = std::thread::current().id();
        runtime.block_on(async {
            let work: Vec<_> = (0..20)
                .map(|n| annulus_runtime::spawn_blocking(move || (n, std::thread::current().id())))
                .collect();
            let tasks: Vec<_> = work.into_iter().map(spawn_local).collect();
            let mut ids = std::collections::HashSet::new();
            for (n, task) in (0..).zip(tasks) {
                let (given, id) = task.await.unwrap().unwrap();
                assert_eq!(given, n);
                assert_eq!(id == own, threads == 0);
                ids.insert(id);
            }
            assert!(ids.len() <= threads.max(1), "{} threads", ids.len());
        });
    }
}

#[test]
fn blocking_threads_are_gone_after_drop() {
    let runtime = Runtime::builder().build().unwrap();
    runtime.block_on(async {
        annulus_runtime::spawn_blocking(|| {}).await.unwrap();
    });
    let named = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.flatten().filter_map(|t| std::fs::read(t.path().join("comm")).ok());
        names.filter(|name| name.starts_with(b"annulus-blockin")).count()
    };
    let before = named();
    assert!(before >= 1);
    drop(runtime);
    // Linux lists a thread for a moment after it was joined.
    let begun = Instant::now();
    while named() >= before {
        assert!(begun.elapsed() < Duration::from_secs(5), "a thread of the pool is left");
        std::thread::yield_now();
    }
}
