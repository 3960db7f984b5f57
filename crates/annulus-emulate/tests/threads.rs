//! The threads of the kernel in user space: alone in a process, where they can be counted.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use annulus_emulate::abi::Sqe;
use annulus_emulate::{Builder, KernelChoice, LocalRing, Workers, op};

fn push(ring: &mut LocalRing, sqe: impl Into<Sqe>) {
    // SAFETY: the tests keep what their entries point to until the end.
    unsafe { ring.push(sqe.into()) }.expect("room");
}

/// How many threads of this process are called so.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this process");
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

#[test]
fn threads_end_with_their_ring() {
    let begun = Instant::now();
    let before = threads("annulus-host");
    let word = AtomicU32::new(1);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let (_other, to) = std::io::pipe().expect("a pipe");
    let mut ring =
        Builder::new().entries(8).kernel(KernelChoice::Host).build_local().expect("a ring");
    push(&mut ring, op::FutexWait::new(&word, 1));
    push(&mut ring, op::Splice::new(&reader, &to, 9));
    ring.submit().expect("taken");
    while threads("annulus-host") < before + 2 {
        assert!(begun.elapsed() < Duration::from_secs(4), "they did not begin");
        std::thread::yield_now();
    }
    drop(ring);
    // Relaxed: pairs with nothing: nobody reads it any more.
    word.store(2, Ordering::Relaxed);
    while threads("annulus-host") > before && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "they did not end");
    assert!(reader.as_raw_fd() >= 0);
}

#[test]
fn without_threads_whoever_enters_does_the_work() {
    let path = std::env::temp_dir().join(format!("annulus-threads-{}", std::process::id()));
    std::fs::write(&path, b"ring").expect("a file");
    let file = std::fs::File::open(&path).expect("a file");
    let workers = Workers::new().threads_max(0).name("annulus-none");
    let kernel = KernelChoice::Host.with_workers(workers);
    let mut ring = Builder::new().entries(64).kernel(kernel).build_local().expect("a ring");
    let mut buf = [0; 4];
    // A chain as long as the ring: what is done lets the next begin.
    for n in 0..62 {
        push(&mut ring, op::Fsync::new(&file).build().user_data(n).link());
    }
    push(&mut ring, op::Read::new(&file, buf.as_mut_ptr(), 4).build().user_data(62));
    ring.submit().expect("taken");
    let done: Vec<u64> = ring.completions().expect("a ring").map(|cqe| cqe.user_data).collect();
    assert_eq!(done, (0..63).collect::<Vec<_>>());
    assert_eq!(&buf, b"ring");
    assert_eq!(threads("annulus-none"), 0);
    // Waits have a thread in any case.
    let word = AtomicU32::new(1);
    push(&mut ring, op::FutexWait::new(&word, 1).build().user_data(1));
    push(&mut ring, op::FutexWake::new(&word, 1).build().user_data(2));
    ring.submit_and_wait(2).expect("both");
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn threads_are_bounded_and_go_when_idle() {
    let file = std::fs::File::open("Cargo.toml").expect("a file");
    let workers = Workers::new().threads_max(2).keep_alive(Duration::from_millis(20));
    let kernel = KernelChoice::Host.with_workers(workers.name("annulus-two"));
    let mut ring = Builder::new().entries(64).kernel(kernel).build_local().expect("a ring");
    for n in 0..60 {
        push(&mut ring, op::Fsync::new(&file).build().user_data(n).force_async());
    }
    ring.submit().expect("taken");
    assert!((0..=2).contains(&threads("annulus-two")));
    ring.submit_and_wait(60).expect("all");
    let begun = Instant::now();
    while threads("annulus-two") > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "they stay");
        std::thread::yield_now();
    }
}
