//! Waiting: who gets what, wake-ups, time limits.

use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use annulus_ring::SharedRing;
use annulus_ring::abi::Cqe;

use crate::common::{LIMIT, limit, slower};
use crate::{PATIENCE, repeated, ring};

/// How many times this thread has slept, in the kernel or on a lock: its voluntary switches.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
    line.split_whitespace().next_back().unwrap().parse().unwrap()
}

/// Until the ring has been entered `count` times: somebody is in there, or about to.
fn until_entered(ring: &SharedRing, count: u64) {
    while ring.counters().unwrap().enters < count {
        std::thread::yield_now();
    }
}

/// A wake-up ends a wait in the kernel, from another thread.
#[test]
fn wake_with_nop() {
    repeated(|| {
        let ring = ring(16);
        scope(|scope| {
            let waiter = scope.spawn(|| ring.wait().unwrap().len());
            until_entered(&ring, 1);
            ring.wake().unwrap();
            assert_eq!(waiter.join().unwrap(), 0);
        });
    });
}

/// Before the wait, during it, and with the submission queue full.
#[test]
fn a_wake_up_is_never_lost() {
    repeated(|| {
        let ring = ring(4);
        ring.wake().unwrap();
        assert_eq!(ring.wait().unwrap().len(), 0);
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut bytes = [0u8; 5];
        scope(|scope| {
            let waiter = scope.spawn(|| ring.wait().unwrap().len());
            until_entered(&ring, 1);
            // What waits in the queue does not complete: only the wake-up does.
            for (n, byte) in bytes.iter_mut().enumerate().take(4) {
                // SAFETY: nothing is ever written to the pipe, and the ring is gone before the
                // bytes are.
                unsafe { ring.read(&reader, byte, 1, None, n as u64) }.unwrap();
            }
            assert_eq!(ring.counters().unwrap().queued, 4);
            ring.wake().unwrap();
            assert_eq!(waiter.join().unwrap(), 0);
        });
        assert_eq!(ring.counters().unwrap().queued, 0);
        drop(ring);
    });
}

/// As many waits end as there were wake-ups, and no more.
#[test]
fn each_wake_up_ends_one_wait() {
    repeated(|| {
        const WAITERS: usize = 5;
        let ring = ring(4);
        let ended = AtomicUsize::new(0);
        scope(|scope| {
            for _ in 0..WAITERS {
                scope.spawn(|| {
                    assert_eq!(ring.wait().unwrap().len(), 0);
                    // Pairs with the loads below.
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
            for n in 1..=WAITERS {
                ring.wake().unwrap();
                // Pairs with the addition above.
                while ended.load(Ordering::Relaxed) < n {
                    std::thread::yield_now();
                }
                // Pairs with the addition above.
                assert_eq!(ended.load(Ordering::Relaxed), n);
            }
        });
        // None is outstanding.
        assert!(ring.wait_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    });
}

/// All that wait go, and who comes later stays.
#[test]
fn wake_all_ends_the_waits_that_are_under_way() {
    repeated(|| {
        let ring = ring(4);
        let ended = AtomicUsize::new(0);
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(ring.wait().unwrap().len(), 0);
                    // Pairs with the load below.
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
            // Pairs with the addition above. Those that had not come yet are woken by another.
            while ended.load(Ordering::Relaxed) < 4 {
                ring.wake_all().unwrap();
                std::thread::yield_now();
            }
        });
        assert!(ring.wait_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    });
}

/// Many wait; completions come one at a time, and one of them takes each.
#[test]
fn many_waiters_share_completions() {
    repeated(|| {
        const WAITERS: usize = 6;
        let ring = ring(8);
        let ready = Barrier::new(WAITERS + 1);
        scope(|scope| {
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| {
                    scope.spawn(|| {
                        ready.wait();
                        let mut one = [Cqe::default()];
                        assert_eq!(ring.wait_into_timeout(&mut one, PATIENCE).unwrap(), 1);
                        one[0].user_data
                    })
                })
                .collect();
            ready.wait();
            for n in 0..WAITERS as u64 {
                ring.nop(n).unwrap();
                if n % 2 == 0 {
                    let _ = ring.submit().unwrap();
                }
            }
            let _ = ring.submit().unwrap();
            let mut seen: Vec<u64> = waiters.into_iter().map(|w| w.join().unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..WAITERS as u64).collect::<Vec<_>>());
        });
    });
}

/// Of eight that wait one is in the kernel, and none spins: what they all did is a few enters.
#[test]
fn waiters_sleep() {
    limit(LIMIT, || {
        let ring = ring(8);
        let slept = AtomicUsize::new(0);
        let cpu = || {
            // SAFETY: all zero is a `timespec`.
            let mut time: libc::timespec = unsafe { std::mem::zeroed() };
            // SAFETY: the clock of this process; one `timespec`, written during the call.
            unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (before, begun) = (sleeps(), cpu());
                    assert!(
                        ring.wait_timeout(Duration::from_millis(300)).unwrap_err().is_timeout()
                    );
                    let (count, time) = (sleeps() - before, cpu() - begun);
                    // Asleep for a time limit, and again while the others come out; in no loop.
                    assert!(count < 100, "slept {count} times");
                    // An emulated processor counts what its own is given to others.
                    let most = Duration::from_millis(if slower() > 1 { 150 } else { 30 });
                    assert!(time < most, "{time:?} of the processor");
                    // Pairs with nothing but the join.
                    slept.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(slept.into_inner(), 8);
        let counters = ring.counters().unwrap();
        assert!(counters.enters <= 16, "{counters:?}");
    });
}

/// One completion wakes one that waits, and not all: each costs a submit, and an enter of who waits
/// next.
#[test]
fn a_completion_wakes_one() {
    repeated(|| {
        const WAITERS: u64 = 8;
        const COUNT: u64 = 50;
        let ring = ring(8);
        let taken = AtomicUsize::new(0);
        scope(|scope| {
            for _ in 0..WAITERS {
                scope.spawn(|| {
                    while ring.wait_into(&mut [Cqe::default()]).unwrap() == 1 {
                        // Pairs with the load below.
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            until_entered(&ring, 1);
            for n in 0..COUNT {
                ring.nop(n).unwrap();
                let _ = ring.submit().unwrap();
                // Pairs with the addition above.
                while taken.load(Ordering::Relaxed) as u64 <= n {
                    std::thread::yield_now();
                }
            }
            let enters = ring.counters().unwrap().enters;
            assert!(enters <= 2 * COUNT + WAITERS, "{enters} enters for {COUNT} completions");
            (0..WAITERS).for_each(|_| ring.wake().unwrap());
        });
    });
}

#[test]
fn a_wait_ends_at_its_time_limit_and_not_before() {
    limit(LIMIT, || {
        let ring = ring(8);
        let limits_ms = [1, 20, 60];
        scope(|scope| {
            for ms in limits_ms.repeat(2) {
                let ring = &ring;
                scope.spawn(move || {
                    let (begun, limit) = (Instant::now(), Duration::from_millis(ms));
                    assert!(ring.wait_timeout(limit).unwrap_err().is_timeout());
                    let took = begun.elapsed();
                    assert!(took >= limit, "{took:?} of {limit:?}");
                    assert!(took < limit + Duration::from_secs(5), "{took:?} of {limit:?}");
                });
            }
        });
        assert!(ring.wait_timeout(Duration::ZERO).unwrap_err().is_timeout());
    });
}

/// The one in the kernel has a short limit, those behind it none: they go on when it has gone.
#[test]
fn lead_is_handed_on_by_a_time_limit() {
    repeated(|| {
        let ring = ring(8);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut bytes = [0u8; 2];
        for (n, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: the bytes are not touched before the completions; the pipe stays open.
            unsafe { ring.read(&reader, byte, 1, None, n as u64) }.unwrap();
        }
        let _ = ring.submit().unwrap();
        scope(|scope| {
            let leader = scope.spawn(|| ring.wait_timeout(Duration::from_millis(15)));
            until_entered(&ring, 2);
            let followers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| ring.wait_into(&mut [Cqe::default()]).unwrap()))
                .collect();
            assert!(leader.join().unwrap().unwrap_err().is_timeout());
            writer.write_all(&[1, 2]).unwrap();
            for follower in followers {
                assert_eq!(follower.join().unwrap(), 1);
            }
        });
    });
}
