//! A data race on purpose, in builds with `--cfg seeded_race` alone: `cargo xtask tsan` fails
//! unless ThreadSanitizer reports it, for a check that reports nothing may be blind.
#![cfg(seeded_race)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A number that two threads write, and nothing says whose turn it is.
struct Contended(UnsafeCell<u32>);

// SAFETY: it is not safe, and that is what it is for: this is only ever built to be reported.
unsafe impl Sync for Contended {}

static CONTENDED: Contended = Contended(UnsafeCell::new(0));

/// How many of the two threads run. One that began after the other's end may come after it by
/// something inside the standard library, and then there is no race.
static RUNNING: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_seeded_race() {
    let write = || {
        // Pairs with nothing: the threads are to meet, and neither is to come after the other.
        RUNNING.fetch_add(1, Ordering::Relaxed);
        // As above.
        while RUNNING.load(Ordering::Relaxed) < 2 {
            thread::yield_now();
        }
        for n in 0..1000 {
            // SAFETY: the address is valid; the turn is nobody's, as said above.
            unsafe { CONTENDED.0.get().write(n) };
        }
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}
