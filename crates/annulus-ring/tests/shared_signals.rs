//! A storm of signals at threads that submit to a shared ring and wait: alone in its process.

#[path = "shared/chaos.rs"]
mod chaos;
mod common;
#[path = "shared/many.rs"]
mod many;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::scope;
use std::time::Duration;

use annulus_ring::SharedRing;

use common::{LIMIT, limit};
use many::{PATIENCE, many};

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_: i32) {
    // Relaxed: a count; pairs with its own loads.
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn install() {
    let handler: extern "C" fn(i32) = handle;
    // SAFETY: all zero is a `sigaction` with no flags (calls are not restarted) and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: the handler lives as long as the program, and adds to an atomic.
    let answer = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
    assert_eq!(answer, 0);
}

/// Signals every other thread of this process, until told to end.
fn storm(end: &AtomicBool) {
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    // Pairs with the store in the test.
    while !end.load(Ordering::Relaxed) {
        for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let target: i32 = task.file_name().to_string_lossy().parse().unwrap();
            if target != own {
                // SAFETY: three numbers; a thread that is gone by now is no error to care for.
                unsafe {
                    libc::syscall(libc::SYS_tgkill, std::process::id(), target, libc::SIGUSR1)
                };
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Signals end no wait and lose no entry.
#[test]
fn signals_end_nothing() {
    limit(LIMIT * 2, || {
        install();
        let end = AtomicBool::new(false);
        let waits = AtomicU64::new(0);
        let quiet = SharedRing::new(4).unwrap();
        scope(|scope| {
            scope.spawn(|| storm(&end));
            many(&SharedRing::new(16).unwrap(), 4, 3, 300);
            chaos::chaos(&SharedRing::new(8).unwrap(), 100, chaos::any_seed());
            scope.spawn(|| {
                let waited = quiet.wait_timeout(PATIENCE).unwrap();
                // Pairs with the load below.
                waits.fetch_add(1, Ordering::Relaxed);
                assert_eq!(waited.len(), 0, "woken, and nothing else");
            });
            // Relaxed: a count; pairs with the addition in the handler.
            let before = HANDLED.load(Ordering::Relaxed);
            // Pairs with the addition in the handler.
            while HANDLED.load(Ordering::Relaxed) < before + 200 {
                std::thread::yield_now();
            }
            // Pairs with the addition above.
            assert_eq!(waits.load(Ordering::Relaxed), 0, "a signal ended a wait");
            quiet.wake().unwrap();
            // Pairs with the addition above.
            while waits.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            // Pairs with the load in `storm`.
            end.store(true, Ordering::Relaxed);
        });
    });
}
