//! Wake-ups: what is shipped at any moment is seen, and each result wakes whoever waits. Nothing
//! here has a time-out to fall back upon; one that is lost hangs.

mod common;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::engines::{self, begin, shipped_pipe, until};
use common::{LIMIT, limit, times};
use futures::executor::block_on;

/// Each round ships one operation, which is done at once in the kernel, and waits for it; so the
/// driver falls asleep, or is about to, when the next one comes.
fn rounds(threads: usize, rounds: usize) {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(8 * LIMIT, || {
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        let (reader, mut writer) = shipped_pipe();
                        let pipe = rig.file(reader);
                        scope.spawn(move || {
                            let mut buf = vec![0; 1];
                            for n in 0..rounds / threads {
                                writer.write_all(&[n as u8]).expect("room in the pipe");
                                let result = block_on(pipe.read(buf));
                                buf = result.expect("a read").1;
                                assert_eq!(buf, [n as u8]);
                            }
                        });
                    }
                });
                let metrics = rig.engine().metrics();
                assert_eq!(metrics.inline, 0, "{metrics:?}");
                assert!(metrics.shipped as usize >= rounds / threads * threads, "{metrics:?}");
            });
        },
    );
}

#[test]
fn of_two_threads_none_is_lost() {
    rounds(2, times(100_000) as usize);
}

#[test]
fn of_four_threads_none_is_lost() {
    rounds(4, times(100_000) as usize);
}

/// With nobody else there: the driver sleeps each time, and every wake-up is the bell's.
#[test]
fn of_one_thread_none_is_lost() {
    rounds(1, times(20_000) as usize);
}

/// Waits without a system call: what comes next comes while the driver is on its way to sleep.
fn spin_on<F: Future + Unpin>(woken: &Arc<Woken>, mut future: F) -> F::Output {
    let waker = Waker::from(Arc::clone(woken));
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        // Pairs with the store in `wake`.
        while !woken.0.swap(false, Ordering::Acquire) {
            std::hint::spin_loop();
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Pairs with the swap in `spin_on`.
        self.0.store(true, Ordering::Release);
    }
}

/// The next operation comes some ten to a thousand nanoseconds after the one before is done: in the
/// middle of the driver's falling asleep.
#[test]
fn of_a_thread_that_spins_none_is_lost() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(8 * LIMIT, || {
                let (reader, mut writer) = shipped_pipe();
                let pipe = rig.file(reader);
                let woken = Arc::new(Woken(AtomicBool::new(false)));
                let mut buf = vec![0; 1];
                // Some at a time go into the pipe, so that little is between two reads.
                for n in 0..times(100_000) {
                    if n % 16 == 0 {
                        (0..16).for_each(|_| writer.write_all(b"x").expect("room in the pipe"));
                    }
                    for _ in 0..n % 97 {
                        std::hint::spin_loop();
                    }
                    buf = spin_on(&woken, pipe.read(buf)).expect("a read").1;
                }
            });
        },
    );
}

/// The submission queue is full to the last entry, or beyond, when the driver falls asleep: one
/// more is shipped, and is done.
#[test]
fn with_a_full_queue_none_is_lost() {
    for more_in_flight in [false, true] {
        let how = |builder: annulus_runtime::engine::EngineBuilder| {
            let builder = builder.entries(8);
            if more_in_flight { builder } else { builder.in_flight_max(32) }
        };
        engines::each(how, |rig| {
            limit(2 * LIMIT, || {
                let (never, _kept) = std::io::pipe().expect("a pipe");
                let never = rig.file(never);
                let (reader, mut writer) = shipped_pipe();
                let pipe = rig.file(reader);
                let most = if more_in_flight { 300 } else { 31 };
                let mut pending = Vec::new();
                let mut shipped = 0;
                for step in [1, 5, 6, 7, 8, 9, 15, 16, 17, 24, 31, 32, 64, 256, 300] {
                    while pending.len() < step.min(most) {
                        pending.push(begin(never.read(vec![0; 8])));
                    }
                    until(|| rig.engine().metrics().in_flight >= pending.len() as u64);
                    for n in 0..50 {
                        let read = begin(pipe.read(vec![0; 1]));
                        shipped += 1;
                        writer.write_all(&[n]).expect("room in the pipe");
                        assert_eq!(block_on(read).expect("a read").1, [n]);
                    }
                }
                assert_eq!(rig.engine().metrics().completed, shipped);
                drop(pending);
            });
        });
    }
}

/// A future that moves between tasks is woken by the last waker that it was given, and drops those
/// before.
#[test]
fn the_last_waker_is_woken() {
    engines::each(
        |builder| builder.entries(8),
        |rig| {
            limit(4 * LIMIT, || {
                let (reader, mut writer) = shipped_pipe();
                let pipe = rig.file(reader);
                let mut buf = vec![0; 1];
                for n in 0..5_000 {
                    let mut read = pipe.read(buf);
                    let racing = n % 2 == 0;
                    if racing {
                        writer.write_all(&[n as u8]).expect("room in the pipe");
                    }
                    let mut early = None;
                    for _ in 0..4 {
                        let polled =
                            Pin::new(&mut read).poll(&mut Context::from_waker(Waker::noop()));
                        if polled.is_ready() {
                            early = Some(polled);
                            break;
                        }
                    }
                    if !racing {
                        writer.write_all(&[n as u8]).expect("room in the pipe");
                    }
                    let result = match early {
                        Some(Poll::Ready(result)) => result,
                        _ => block_on(read),
                    };
                    buf = result.expect("a read").1;
                    assert_eq!(buf, [n as u8]);
                }
            });
        },
    );
}
