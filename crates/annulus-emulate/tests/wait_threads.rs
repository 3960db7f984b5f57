//! Waits of many threads on one ring of the host kernel: nobody sleeps whose completion is there.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::time::Duration;

use annulus_emulate::abi::{EnterFlags, GeteventsArg, Sqe, Timespec};
use annulus_emulate::kernel::Kernel;
use annulus_emulate::register::{Message, send_message};
use annulus_emulate::{AnyKernel, Builder, Errno, KernelChoice, Ring, op};

const THREADS: u32 = 6;
/// How often each is done.
fn rounds() -> u32 {
    harness::times(1000).max(100) as u32
}

fn ring() -> Ring {
    Builder::new().entries(64).kernel(KernelChoice::Host).build().expect("a ring")
}

/// Waits for `want` completions, and fails where a wake-up must have been lost.
fn wait(kernel: &AnyKernel, want: u32) {
    // An emulated machine may have nothing to run on for that long.
    let time = Timespec::from(Duration::from_secs(if harness::slower() > 1 { 25 } else { 5 }));
    let arg =
        GeteventsArg { ts: (&raw const time).expose_provenance() as u64, ..Default::default() };
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
    // SAFETY: no entry is submitted; the argument and its time live during the call.
    let waited =
        unsafe { kernel.enter(0, want, flags, (&raw const arg).cast(), size_of::<GeteventsArg>()) };
    assert_ne!(waited, Err(Errno::ETIME), "a wake-up was lost");
    assert_eq!(waited, Ok(0));
}

/// A way into a ring's kernel for threads that wait only.
struct Shared<'a>(&'a AnyKernel);

// SAFETY: the host kernel may be entered by many threads at once.
unsafe impl Sync for Shared<'_> {}

#[test]
fn every_thread_wakes_when_its_completions_are_there() {
    let mut ring = ring();
    let target = ring.raw_fd();
    for round in 0..rounds() {
        let begun = Barrier::new(THREADS as usize + 1);
        let kernel = Shared(ring.kernel());
        let (kernel, begun) = (&kernel, &begun);
        std::thread::scope(|scope| {
            // Each waits for another number, so leaders end before those who follow.
            for want in 1..=THREADS {
                scope.spawn(move || {
                    begun.wait();
                    wait(kernel.0, want);
                });
            }
            scope.spawn(move || {
                begun.wait();
                for n in 0..THREADS {
                    // SAFETY: the completions are taken for what they are.
                    unsafe { send_message(&Message::new(target, u64::from(n))) }.expect("sent");
                    if round % 3 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        });
        assert_eq!(ring.completions().expect("a ring").count(), THREADS as usize, "{round}");
    }
}

#[test]
fn whoever_is_left_leads() {
    let mut ring = ring();
    let target = ring.raw_fd();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut byte = [0_u8; 1];
    for round in 0..rounds() {
        let read = op::Read::new(reader.as_raw_fd(), byte.as_mut_ptr(), 1).build();
        // SAFETY: the byte and the pipe are kept until the completion was taken.
        unsafe { ring.push(Sqe::user_data(read, round.into())) }.expect("room");
        ring.submit().expect("taken");
        let kernel = Shared(ring.kernel());
        let (kernel, writer) = (&kernel, &writer);
        std::thread::scope(|scope| {
            let soon = scope.spawn(move || wait(kernel.0, 1));
            for _ in 0..THREADS {
                scope.spawn(move || wait(kernel.0, 2));
            }
            if round % 2 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
            // It ends the wait of one, who may have led; the file is for those who are left.
            // SAFETY: the completion is taken for what it is.
            unsafe { send_message(&Message::new(target, 1)) }.expect("sent");
            soon.join().expect("it was woken");
            std::io::Write::write_all(&mut { writer }, b"x").expect("room in the pipe");
        });
        assert_eq!(ring.completions().expect("a ring").count(), 2, "{round}");
    }
}

#[test]
fn two_rings_send_to_each_other_at_once() {
    let (first, second) = (ring(), ring());
    let numbers = [first.raw_fd(), second.raw_fd()];
    std::thread::scope(|scope| {
        for (mut ring, target) in [(first, numbers[1]), (second, numbers[0])] {
            scope.spawn(move || {
                for _ in 0..rounds() {
                    // SAFETY: a message points to nothing.
                    unsafe { ring.push(op::MsgRing::new(target, 7, 1)) }.expect("room");
                    ring.submit().expect("taken");
                }
                let mut seen = 0;
                while seen < 2 * rounds() as usize {
                    ring.submit_and_wait(1).expect("they come");
                    seen += ring.completions().expect("a ring").count();
                }
            });
        }
    });
}
