//! Threads: none to be had, and what they need besides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use annulus_emulate::{Builder, Errno, KernelChoice, Workers, op};

use super::{LIMIT, push, results, ring};
use crate::child::{self, block};
use crate::harness::{limit, slower};

/// Where no thread can be started, whoever enters does the work; what would wait for others is
/// refused, and so is what would be told by a thread alone.
#[test]
fn without_threads_work_is_done_all_the_same() {
    child::run("threads::without_threads_work_is_done_all_the_same", || {
        let file = std::fs::File::open("Cargo.toml").expect("a file");
        let mut ring = ring();
        block(&[libc::SYS_clone3, libc::SYS_clone], Errno::EAGAIN);
        for n in 0..8 {
            push(&mut ring, op::Fsync::new(&file).build().user_data(n).force_async().link());
        }
        push(&mut ring, op::Nop::new().build().user_data(8));
        let told = results(&mut ring, 9);
        assert_eq!(told, (0..9).map(|n| (n, 0, 0)).collect::<Vec<_>>());
        let word = AtomicU32::new(1);
        push(&mut ring, op::FutexWait::new(&word, 1));
        assert_eq!(results(&mut ring, 1)[0].1, -Errno::EAGAIN.raw());
        let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty());
        let eventfd = eventfd.expect("a descriptor");
        let number = std::os::fd::AsRawFd::as_raw_fd(&eventfd);
        let refused = ring.register().eventfd(number).expect_err("nobody would signal it");
        assert_eq!(refused.errno(), Some(Errno::EAGAIN));
        let none = ring.register().unregister_eventfd().expect_err("there is none");
        assert_eq!(none.errno(), Some(Errno::ENXIO));
        // What looks for leaks would need a thread.
        child::exit_now(0);
    });
}

#[test]
fn a_name_with_a_zero_byte_ends_there() {
    limit(LIMIT, || {
        let workers = Workers::new().name("annulus\0x");
        let kernel = KernelChoice::Host.with_workers(workers);
        let mut ring = Builder::new().entries(8).kernel(kernel).build().expect("a ring");
        let file = std::fs::File::open("Cargo.toml").expect("a file");
        push(&mut ring, op::Fsync::new(&file));
        assert_eq!(results(&mut ring, 1), [(0, 0, 0)]);
    });
}

/// Older Linux, gVisor and filters have no call that waits for several words.
#[test]
fn a_futex_waits_without_the_newer_call() {
    child::run("threads::a_futex_waits_without_the_newer_call", || {
        block(&[libc::SYS_futex_waitv], Errno::ENOSYS);
        let mut ring = ring();
        let word = AtomicU32::new(1);
        push(&mut ring, op::FutexWait::new(&word, 1).build().user_data(1));
        ring.submit().expect("taken");
        push(&mut ring, op::FutexWake::new(&word, 1).build().user_data(2));
        let mut told = results(&mut ring, 2);
        told.sort_unstable();
        assert_eq!(told, [(1, 0, 0), (2, 1, 0)]);
    });
}

/// What is being done when the ring goes is ended by signals: without a timer to send them too.
#[test]
fn a_ring_is_dropped_without_timers() {
    child::run("threads::a_ring_is_dropped_without_timers", || {
        block(&[libc::SYS_timer_create], Errno::EAGAIN);
        let begun = Instant::now();
        for _ in 0..50 {
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let (_other, to) = std::io::pipe().expect("a pipe");
            let word = AtomicU32::new(1);
            let mut ring = ring();
            push(&mut ring, op::Splice::new(&reader, &to, 9));
            push(&mut ring, op::FutexWait::new(&word, 1));
            ring.submit().expect("taken");
            drop(ring);
            // Relaxed: pairs with nothing: nobody reads it any more.
            word.store(2, Ordering::Relaxed);
        }
        let most = Duration::from_secs(if slower() > 1 { 60 } else { 10 });
        assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
    });
}
