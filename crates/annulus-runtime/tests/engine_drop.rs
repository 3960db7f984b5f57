//! Where futures and handles may be dropped, and what foreign code may do there: on other threads,
//! in a waker, in another future's poll, while a panic unwinds, in a buffer's destructor.

mod common;

use std::future::Future;
use std::io::{PipeWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use annulus_runtime::buffer::{IoBuf, IoBufMut};
use annulus_runtime::{Engine, File};
use common::engines::{self, Kind, Rig, begin, until, until_in_kernel};
use common::{LIMIT, limit, process};
use futures::executor::block_on;

/// A pipe that nobody has written to.
fn pipe(rig: &Rig) -> (File, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (rig.file(reader), writer)
}

/// A waker that runs `T` once.
struct Once<T>(Mutex<Option<T>>);

impl<T: FnOnce() + Send + 'static> Once<T> {
    fn waker(body: T) -> Waker {
        Arc::new(Self(Mutex::new(Some(body)))).into()
    }
}

impl<T: FnOnce() + Send + 'static> Wake for Once<T> {
    fn wake(self: Arc<Self>) {
        let body = self.0.lock().expect("no panic").take();
        if let Some(body) = body {
            body();
        }
    }
}

/// Polls with `waker` until the operation is shipped.
fn begin_with<F: Future + Unpin>(mut future: F, waker: &Waker) -> F {
    let mut future_now = begin(&mut future);
    assert!(Pin::new(&mut future_now).poll(&mut Context::from_waker(waker)).is_pending());
    future
}

#[test]
fn on_a_foreign_thread_while_the_driver_sleeps() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(2 * LIMIT, || {
                let (pipe, _writer) = pipe(rig);
                for n in 1..=500 {
                    let read = begin(pipe.read(vec![0; 8]));
                    until_in_kernel(rig.engine(), n);
                    std::thread::spawn(move || drop(read)).join().expect("no panic");
                    until(|| rig.engine().metrics().completed == n);
                }
            });
        },
    );
}

#[test]
fn in_another_futures_poll() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let (pipe, _writer) = pipe(rig);
                let (other, mut feeds) = self::pipe(rig);
                for _ in 0..100 {
                    let mut pending = Some(begin(pipe.read(vec![0; 8])));
                    let mut read = other.read(vec![0; 1]);
                    let both = std::future::poll_fn(|cx| {
                        let polled = Pin::new(&mut read).poll(cx);
                        drop(pending.take());
                        if polled.is_pending() {
                            feeds.write_all(b"x").expect("room in the pipe");
                        }
                        polled
                    });
                    assert_eq!(block_on(both).expect("a read").0, 1);
                }
            });
        },
    );
}

#[test]
fn while_a_panic_unwinds() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let (pipe, mut writer) = pipe(rig);
                for _ in 0..20 {
                    let unwound = catch_unwind(AssertUnwindSafe(|| {
                        let _reads = [(); 10].map(|()| begin(pipe.read(vec![0; 8])));
                        panic!("as expected");
                    }));
                    assert!(unwound.is_err());
                }
                until(|| rig.engine().metrics().completed == 200);
                writer.write_all(b"there").expect("room in the pipe");
                assert_eq!(block_on(pipe.read(vec![0; 8])).expect("a read").0, 5);
            });
        },
    );
}

/// The waker runs where the driver does: what it drops there is cancelled by the driver itself.
#[test]
fn in_a_wakers_wake() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                for n in 1..=100 {
                    let (never, _kept) = pipe(rig);
                    let (pipe, mut writer) = pipe(rig);
                    let victim = begin(never.read(vec![0; 8]));
                    let mut cancelled = begin(never.read(vec![0; 8]));
                    let waker = Once::waker(move || {
                        cancelled.cancel();
                        drop((victim, cancelled));
                    });
                    let read = begin_with(pipe.read(vec![0; 8]), &waker);
                    writer.write_all(b"go").expect("room in the pipe");
                    until(|| rig.engine().metrics().completed == 3 * n);
                    assert_eq!(block_on(read).expect("a read").0, 2);
                }
            });
        },
    );
}

#[test]
fn a_waker_begins_an_operation() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                for _ in 0..100 {
                    let (second, mut writes_second) = pipe(rig);
                    let (first, mut writes_first) = pipe(rig);
                    let (give, given) = std::sync::mpsc::channel();
                    let waker = Once::waker(move || {
                        give.send(begin(second.read(vec![0; 8]))).expect("the test waits");
                    });
                    let read = begin_with(first.read(vec![0; 8]), &waker);
                    writes_first.write_all(b"1").expect("room in the pipe");
                    let begun = given.recv().expect("the waker is woken");
                    writes_second.write_all(b"22").expect("room in the pipe");
                    assert_eq!(block_on(begun).expect("a read").0, 2);
                    assert_eq!(block_on(read).expect("a read").0, 1);
                }
            });
        },
    );
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as expected, dropped");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    engines::each(
        |builder| builder,
        |rig| {
            limit(LIMIT, || {
                let (pipe, mut writer) = pipe(rig);
                let woken = Arc::new(AtomicU32::new(0));
                let mut reads = Vec::new();
                for n in 0..60 {
                    let woken = Arc::clone(&woken);
                    let waker = match n % 3 {
                        // Without a report of each: forty of those take half a minute where
                        // others have the processors.
                        0 => Once::waker(|| resume_unwind(Box::new("as expected"))),
                        1 => Once::waker(|| resume_unwind(Box::new(Bomb))),
                        _ => Once::waker(move || {
                            // Pairs with nothing: a count.
                            woken.fetch_add(1, Ordering::Relaxed);
                        }),
                    };
                    reads.push(begin_with(pipe.read(vec![0; 1]), &waker));
                }
                writer.write_all(&[7; 60]).expect("room in the pipe");
                // Pairs with nothing: as above.
                until(|| woken.load(Ordering::Relaxed) == 20);
                // Before anybody polls again: that would put another waker in the place of one that
                // has its turn yet, as they are done in any order.
                until(|| rig.engine().metrics().panics == 40);
                for read in reads {
                    assert_eq!(block_on(read).expect("a read").1, [7]);
                }
            });
        },
    );
}

/// Its last handle is dropped where the driver runs: it does not wait for itself.
#[test]
fn a_waker_that_drops_the_last_handle() {
    for kind in Kind::ALL {
        for with_pending in [false, true] {
            limit(LIMIT, || {
                let mut rig = kind.rig(|builder| builder.entries(8).thread_name("annulus-last"));
                let (pipe, mut writer) = pipe(&rig);
                let read = pipe.read(vec![0; 8]);
                let mut pending = with_pending.then(|| begin(pipe.read(vec![0; 8])));
                let engine = rig.take_engine();
                let (tell, told) = std::sync::mpsc::channel();
                let waker = Once::waker(move || {
                    let over = engine.shutdown(Duration::from_secs(3600));
                    drop((engine, pipe));
                    tell.send(over).expect("the test waits");
                });
                let read = begin_with(read, &waker);
                writer.write_all(b"go go go").expect("room in the pipe");
                writer.write_all(b"go go go").expect("room in the pipe");
                assert!(!told.recv().expect("the waker is woken"), "the driver is not over");
                assert_eq!(block_on(read).expect("a read").0, 8);
                if let Some(pending) = pending.take() {
                    // It was done, or it was closed.
                    match block_on(pending) {
                        Ok((n, _)) => assert_eq!(n, 8),
                        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe),
                    }
                }
                rig.wait_for_drive();
                until(|| process::threads_named("annulus-last").is_empty());
            });
        }
    }
}

/// A buffer with a destructor.
struct Buffer<T: FnOnce() + Send + Unpin + 'static>(Vec<u8>, Option<T>);

impl<T: FnOnce() + Send + Unpin + 'static> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(body) = self.1.take() {
            body();
        }
    }
}

// SAFETY: all is the vector's.
unsafe impl<T: FnOnce() + Send + Unpin + 'static> IoBuf for Buffer<T> {
    fn stable_ptr(&self) -> *const u8 {
        self.0.stable_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.bytes_init()
    }
}

// SAFETY: all is the vector's.
unsafe impl<T: FnOnce() + Send + Unpin + 'static> IoBufMut for Buffer<T> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.stable_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.0.bytes_total()
    }

    unsafe fn set_init(&mut self, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.set_init(len) };
    }
}

#[test]
fn a_buffer_whose_drop_panics() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let (pipe, mut writer) = pipe(rig);
                let other = begin(pipe.read(vec![0; 8]));
                for n in 1..=20 {
                    let buf = Buffer(vec![0; 8], Some(|| panic!("as expected")));
                    drop(begin(pipe.read(buf)));
                    until(|| rig.engine().metrics().panics == n);
                }
                writer.write_all(b"there").expect("room in the pipe");
                assert_eq!(block_on(other).expect("a read").0, 5);
            });
        },
    );
}

#[test]
fn a_buffer_whose_drop_begins_an_operation_or_drops_the_last_handle() {
    for kind in Kind::ALL {
        limit(LIMIT, || {
            let mut rig = kind.rig(|builder| builder.entries(8).thread_name("annulus-heir"));
            let (pipe, _writer) = pipe(&rig);
            let (heir, mut feeds) = self::pipe(&rig);
            let (give, given) = std::sync::mpsc::channel();
            let body = move || give.send(begin(heir.read(vec![0; 8]))).expect("the test waits");
            drop(begin(pipe.read(Buffer(vec![0; 8], Some(body)))));
            let read = given.recv().expect("the buffer is dropped");
            feeds.write_all(b"there").expect("room in the pipe");
            assert_eq!(block_on(read).expect("a read").0, 5);

            let last = (rig.take_engine(), pipe.clone());
            drop(begin(pipe.read(Buffer(vec![0; 8], Some(move || drop(last))))));
            drop(pipe);
            rig.wait_for_drive();
            until(|| process::threads_named("annulus-heir").is_empty());
        });
    }
}

/// A waker whose own destructor panics, at the worst moment: the cancel is on its way all the same.
#[test]
fn a_waker_whose_drop_panics() {
    struct Fragile;
    impl Wake for Fragile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("as expected");
        }
    }
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(LIMIT, || {
                let (pipe, _writer) = pipe(rig);
                for n in 1..=20 {
                    let waker: Waker = Arc::new(Fragile).into();
                    let mut read = begin(pipe.read(vec![0; 8]));
                    assert!(
                        Pin::new(&mut read).poll(&mut Context::from_waker(&waker)).is_pending()
                    );
                    // The slot's is the last.
                    std::mem::drop(catch_unwind(AssertUnwindSafe(|| drop(waker))));
                    assert!(catch_unwind(AssertUnwindSafe(|| drop(read))).is_err());
                    until(|| rig.engine().metrics().completed == n);
                }
            });
        },
    );
}

#[test]
fn futures_that_are_forgotten_keep_no_engine() {
    for kind in Kind::ALL {
        limit(LIMIT, || {
            let mut rig = kind.rig(|builder| builder.entries(8).thread_name("annulus-forget"));
            let (pipe, mut writer) = pipe(&rig);
            std::mem::forget(pipe.read(vec![0; 8]));
            std::mem::forget(begin(pipe.read(vec![0; 8])));
            std::mem::forget(begin(pipe.read(vec![0; 8]).then(pipe.read(vec![0; 8]))));
            let mut gives_up = begin(pipe.read(vec![0; 8]));
            gives_up.cancel();
            std::mem::forget(gives_up);
            // Else it may take the bytes of another.
            until(|| rig.engine().metrics().cancelled == 1);
            let done = begin(pipe.read(vec![0; 8]));
            writer.write_all(&[1; 32]).expect("room in the pipe");
            until(|| rig.engine().metrics().completed == 5);
            std::mem::forget(done);
            std::mem::forget(begin(pipe.read(vec![0; 8]).deadline(Duration::from_secs(3600))));
            let engine = rig.take_engine();
            assert!(engine.shutdown(engines::CLOSE));
            // A never begun one holds its file, and so its descriptor: not the engine.
            drop((engine, pipe));
            rig.wait_for_drive();
            until(|| process::threads_named("annulus-forget").is_empty());
        });
    }
}

/// Handles that are dropped on any thread, in any order, with and without futures under way.
#[test]
fn engines_come_and_go() {
    for kind in Kind::ALL {
        for round in 0..100_u32 {
            limit(LIMIT, || {
                let mut rig = kind.rig(|builder| builder.entries(8));
                let (pipe, _writer) = pipe(&rig);
                let engine = rig.take_engine();
                let reads: Vec<_> = (0..round % 5).map(|_| begin(pipe.read(vec![0; 8]))).collect();
                match round % 3 {
                    0 => drop((engine, pipe)),
                    1 => std::thread::spawn(move || drop((pipe, engine))).join().expect("no panic"),
                    _ => std::thread::scope(|scope| {
                        scope.spawn(move || drop(pipe));
                        scope.spawn(move || drop(engine));
                    }),
                }
                for read in reads {
                    let error = block_on(read).expect_err("nobody writes");
                    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
                }
                rig.wait_for_drive();
            });
        }
    }
}

/// A task that is woken by what it dropped: nothing is borrowed when wakers run.
#[test]
fn a_future_polls_itself_again_in_its_waker() {
    let engine = Engine::new().expect("an engine");
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let pipe = engine.file(reader);
        let shared = Arc::new(Mutex::new(None));
        let (tell, told) = std::sync::mpsc::channel();
        let waker = Once::waker({
            let shared = Arc::clone(&shared);
            move || {
                let mut slot = shared.lock().expect("no panic");
                let read: &mut Pin<Box<dyn Future<Output = usize> + Send>> =
                    slot.as_mut().expect("it was put there");
                let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                tell.send(polled).expect("the test waits");
            }
        });
        let read = async move { pipe.read(vec![0; 8]).await.expect("a read").0 };
        let mut read: Pin<Box<dyn Future<Output = usize> + Send>> = Box::pin(read);
        assert!(pin!(&mut read).poll(&mut Context::from_waker(&waker)).is_pending());
        *shared.lock().expect("no panic") = Some(read);
        writer.write_all(b"there").expect("room in the pipe");
        assert_eq!(told.recv().expect("the waker is woken"), Poll::Ready(5));
    });
}
