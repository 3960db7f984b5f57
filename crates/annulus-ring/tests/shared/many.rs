//! Many threads that push, and many that take.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use annulus_ring::SharedRing;

/// How long completions are waited for that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// `submitters` threads push and submit, `completers` take; every completion goes to one of them.
pub fn many(ring: &SharedRing, submitters: u64, completers: usize, each: u64) {
    let left = AtomicU64::new(submitters * each);
    let seen = Mutex::new(BTreeSet::new());
    scope(|scope| {
        for submitter in 0..submitters {
            scope.spawn(move || {
                for n in 0..each {
                    ring.nop(submitter * each + n).unwrap();
                    if n % 3 != 1 || n == each - 1 {
                        let _ = ring.submit().unwrap();
                    }
                }
            });
        }
        for _ in 0..completers {
            scope.spawn(|| {
                // Pairs with the subtraction below.
                while left.load(Ordering::Relaxed) > 0 {
                    let batch = ring.wait_timeout(PATIENCE).unwrap();
                    let count = batch.len() as u64;
                    let mut seen = seen.lock().unwrap();
                    batch.for_each(|cqe| assert!(seen.insert(cqe.user_data), "{cqe:?} twice"));
                    // Pairs with the load above: who takes the last one ends the others' waits.
                    if count > 0 && left.fetch_sub(count, Ordering::Relaxed) == count {
                        (0..completers).for_each(|_| ring.wake().unwrap());
                    }
                }
            });
        }
    });
    assert_eq!(seen.into_inner().unwrap().len() as u64, submitters * each);
    settled(ring, |_| false);
}

/// Nothing is left but what the wake-ups at the end pushed, which may be under way still, and what
/// is `allowed`.
pub fn settled(ring: &SharedRing, allowed: impl Fn(u64) -> bool) {
    let begun = Instant::now();
    loop {
        let counters = ring.counters().unwrap();
        if (counters.queued, counters.ready, counters.in_flight) == (0, 0, 0) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{counters:?}");
        let _ = ring.submit().unwrap();
        assert!(ring.peek().unwrap().all(|cqe| allowed(cqe.user_data)));
        std::thread::yield_now();
    }
}
