//! The end of a runtime: what is under way, what hangs, what is left behind; and what can be seen
//! of it before.

mod common;

use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use annulus_runtime::runtime::{File, ops, stopped};
use annulus_runtime::time::sleep;
use annulus_runtime::{OpStage, Runtime, spawn_blocking, spawn_local, yield_now};
use common::{LIMIT, limit};

const A_WHILE: Duration = Duration::from_millis(20);

#[test]
fn what_is_under_way_is_seen_cancelled_and_over() {
    limit(LIMIT, || {
        let (reader, _writer) = std::io::pipe().unwrap();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let file = File::new(reader);
            let mut read = file.read_at(vec![0; 8], 0);
            assert!(ops().is_empty(), "not begun before it is polled");
            assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx).is_pending())).await);
            sleep(A_WHILE).await;
            let [op] = &ops()[..] else { panic!("one read: {:?}", ops()) };
            assert_eq!((op.op.name(), op.stage), (Some("IORING_OP_READ"), OpStage::InFlight));
            assert!(op.fd.is_some_and(|fd| fd > 2));
            assert!(op.age.is_some_and(|age| age >= A_WHILE / 2), "{:?}", op.age);
            assert!(op.to_string().starts_with("IORING_OP_READ on descriptor "), "{op}");
            read.cancel();
            let error = read.await.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            assert!(ops().is_empty());
        });
        assert_eq!(runtime.metrics().ops.cancelled, 1);
        runtime.shutdown(LIMIT).unwrap();
    });
}

#[test]
fn the_end_cancels_what_would_wait_for_ever_and_drops_every_task() {
    limit(LIMIT, || {
        let (reader, _writer) = std::io::pipe().unwrap();
        let runtime = Runtime::new().unwrap();
        let counted = Rc::new(());
        let held = Rc::clone(&counted);
        runtime.block_on(async {
            let file = File::new(reader);
            for _ in 0..300 {
                let (file, held) = (file.clone(), Rc::clone(&held));
                drop(spawn_local(async move {
                    let _held = held;
                    drop(file.read_at(vec![0; 8], 0).await);
                }));
            }
            drop(held);
            yield_now().await;
        });
        assert_eq!(Rc::strong_count(&counted), 301);
        let begun = Instant::now();
        runtime.shutdown(LIMIT).unwrap();
        assert_eq!(Rc::strong_count(&counted), 1);
        assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    });
}

#[test]
fn what_hangs_is_told_and_left_alone() {
    limit(LIMIT, || {
        let runtime = Runtime::new().unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (goes_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let work = runtime.block_on(async {
            // In a list: it is not to be awaited here.
            vec![spawn_blocking(move || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap_err();
            })]
        });
        has_begun.recv().unwrap();
        let asked = Instant::now();
        let hung = runtime.shutdown(A_WHILE).unwrap_err();
        assert!(asked.elapsed() < Duration::from_secs(3), "it waits once: {:?}", asked.elapsed());
        assert!(hung.blocking && hung.ops.is_empty(), "{hung:?}");
        assert!(hung.to_string().contains("threads for what blocks are still at work"), "{hung}");
        assert_eq!(std::io::Error::from(hung).kind(), std::io::ErrorKind::TimedOut);
        drop((goes_on, work));
    });
}

#[test]
fn what_is_begun_after_the_end_is_refused_with_its_buffer() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let runtime = Runtime::new().unwrap();
        let file = runtime.block_on(async { File::new(reader) });
        let begun = file.read_at(vec![1; 3], 0);
        drop(runtime);
        let error = futures::executor::block_on(begun).unwrap_err();
        assert!(error.is_closed(), "{error}");
        assert_eq!(error.into_buf(), [1; 3]);
        let error = futures::executor::block_on(file.read_at(vec![2; 3], 0)).unwrap_err();
        assert!(error.is_closed(), "{error}");
    });
}

#[test]
fn a_runtime_ends_inside_another_and_while_a_panic_unwinds() {
    limit(LIMIT, || {
        annulus_runtime::run(async {
            let inner = Runtime::new().unwrap();
            inner.shutdown(LIMIT).unwrap();
        })
        .unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                let file = File::new(reader);
                let read = spawn_local(async move { file.read_at(vec![0; 8], 0).await });
                yield_now().await;
                assert!(!read.is_finished());
                std::panic::resume_unwind(Box::new("on purpose"));
            })
        }));
        assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
    });
}

#[test]
fn those_who_wait_for_the_end_are_told_once_it_is_asked_for() {
    limit(LIMIT, || {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        runtime.block_on(async {
            let waits: Vec<_> = (0..10).map(|_| spawn_local(stopped())).collect();
            let gives_up = spawn_local(async {
                let told = annulus_runtime::time::timeout(Duration::from_millis(1), stopped());
                assert!(told.await.is_err());
            });
            gives_up.await.unwrap();
            assert!(waits.iter().all(|wait| !wait.is_finished()));
            std::thread::spawn(move || handle.stop(LIMIT)).join().unwrap();
            for wait in waits {
                wait.await.unwrap();
            }
            stopped().await;
        });
    });
}

#[test]
fn threads_share_nothing_and_come_to_their_end_together() {
    limit(LIMIT, || {
        let threads = Runtime::builder().threads(3).name("shard").start(|n| async move {
            stopped().await;
            (n, std::thread::current().name().map(str::to_owned))
        });
        let threads = threads.unwrap();
        let other = threads.handle(2).unwrap();
        let name = other.block_on(|| async {
            // Of one thread: this need not be `Send`.
            let name = Rc::new(std::thread::current().name().map(str::to_owned));
            yield_now().await;
            (*name).clone()
        });
        assert_eq!(name.unwrap().as_deref(), Some("shard-2"));
        let ended = threads.stop(LIMIT);
        for (n, ended) in ended.into_iter().enumerate() {
            assert_eq!(ended.unwrap(), (n, Some(format!("shard-{n}"))));
        }
    });
}

#[test]
fn a_thread_that_panics_or_does_not_stop_is_told_apart() {
    limit(LIMIT, || {
        let threads = Runtime::builder().threads(2).start(|n| async move {
            if n == 0 {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            pending::<()>().await;
        });
        let ended = threads.unwrap().stop(A_WHILE);
        assert!(ended[0].as_ref().unwrap_err().is_panic());
        assert!(ended[1].as_ref().unwrap_err().is_cancelled());
        // The same by a drop, which has its own limit.
        drop(Runtime::builder().threads(1).start(|_| async { stopped().await }).unwrap());
    });
}

#[test]
fn threads_that_cannot_be_made_are_an_error_and_none_is_left() {
    limit(LIMIT, || {
        let why = Runtime::builder().cpu(100_000).threads(2).start(|_| async {}).unwrap_err();
        assert_eq!(why.kind(), std::io::ErrorKind::InvalidInput);
        assert!(why.to_string().contains("may not run on processor 100000"), "{why}");
    });
}
