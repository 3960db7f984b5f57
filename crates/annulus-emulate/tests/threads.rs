//! The threads of the kernel in user space: alone in a process, where they can be counted.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use annulus_emulate::abi::Sqe;
use annulus_emulate::{Builder, KernelChoice, LocalRing, op};

fn push(ring: &mut LocalRing, sqe: impl Into<Sqe>) {
    // SAFETY: the tests keep what their entries point to until the end.
    unsafe { ring.push(sqe.into()) }.expect("room");
}

/// How many threads of the kernel in user space there are in this process.
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this process");
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("annulus-host")).count()
}

#[test]
fn threads_end_with_their_ring() {
    let begun = Instant::now();
    let before = workers();
    let word = AtomicU32::new(1);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let (_other, to) = std::io::pipe().expect("a pipe");
    let mut ring =
        Builder::new().entries(8).kernel(KernelChoice::Host).build_local().expect("a ring");
    push(&mut ring, op::FutexWait::new(&word, 1));
    push(&mut ring, op::Splice::new(&reader, &to, 9));
    ring.submit().expect("taken");
    while workers() < before + 2 {
        assert!(begun.elapsed() < Duration::from_secs(4), "they did not begin");
        std::thread::yield_now();
    }
    drop(ring);
    // Relaxed: pairs with nothing: nobody reads it any more.
    word.store(2, Ordering::Relaxed);
    while workers() > before && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "they did not end");
    assert!(reader.as_raw_fd() >= 0);
}
