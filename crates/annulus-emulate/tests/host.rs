//! The host kernel under a ring.

use std::time::{Duration, Instant};

use annulus_emulate::abi::{Sqe, SqeFlags, Timespec};
use annulus_emulate::{Wait, op};

type HostRing = annulus_emulate::Ring;

fn ring(entries: u32) -> HostRing {
    annulus_emulate::Builder::new()
        .entries(entries)
        .kernel(annulus_emulate::KernelChoice::Host)
        .build()
        .expect("a ring")
}

fn push(ring: &mut HostRing, sqe: Sqe) {
    // SAFETY: the tests keep what their entries point to until the end.
    unsafe { ring.push(sqe) }.expect("room");
}

fn results(ring: &mut HostRing, want: u32) -> Vec<(u64, i32)> {
    ring.submit_and_wait(want).expect("they complete");
    let completions = ring.completions().expect("a ring");
    completions.map(|cqe| (cqe.user_data, cqe.res)).collect()
}

#[test]
fn nops_complete_in_order() {
    let mut ring = ring(8);
    for n in 0..5 {
        push(&mut ring, op::Nop::new().build().user_data(n));
    }
    assert_eq!(results(&mut ring, 5), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
}

#[test]
fn a_read_waits_for_its_pipe() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut ring = ring(8);
    let mut buf = [0_u8; 8];
    use std::os::fd::AsRawFd;
    let at = buf.as_mut_ptr();
    push(&mut ring, op::Read::new(reader.as_raw_fd(), at, 8).build().user_data(1));
    assert_eq!(ring.submit().expect("taken"), 1);
    drop(reader);
    let from = b"ring".as_ptr();
    push(&mut ring, op::Write::new(writer.as_raw_fd(), from, 4).build().user_data(2));
    let mut got = results(&mut ring, 2);
    got.sort_unstable();
    assert_eq!(got, [(1, 4), (2, 4)]);
    assert_eq!(&buf[..4], b"ring");
}

#[test]
fn a_chain_breaks_and_a_hard_one_does_not() {
    let mut ring = ring(8);
    let bad = op::Read::new(-1, core::ptr::null_mut(), 0).build();
    push(&mut ring, bad.user_data(1).link());
    push(&mut ring, op::Nop::new().build().user_data(2).link());
    push(&mut ring, op::Nop::new().build().user_data(3));
    push(&mut ring, bad.user_data(4).with_flags(SqeFlags::IO_HARDLINK));
    push(&mut ring, op::Nop::new().build().user_data(5));
    // What is cancelled behind a failure is told when all that was there has begun, as on Linux.
    assert_eq!(results(&mut ring, 5), [(1, -9), (4, -9), (2, -125), (3, -125), (5, 0)]);
}

#[test]
fn times_pass_and_limit() {
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    use std::os::fd::AsRawFd;
    let mut ring = ring(8);
    let time = Timespec::from(Duration::from_millis(20));
    let begun = Instant::now();
    push(&mut ring, op::Timeout::new(&time).build().user_data(1));
    assert_eq!(results(&mut ring, 1), [(1, -62)]);
    assert!(begun.elapsed() >= Duration::from_millis(20));
    let mut buf = [0_u8; 8];
    let read = op::Read::new(reader.as_raw_fd(), buf.as_mut_ptr(), 8).build();
    push(&mut ring, read.user_data(2).link());
    push(&mut ring, op::LinkTimeout::new(&time).build().user_data(3));
    let mut got = results(&mut ring, 2);
    got.sort_unstable();
    assert_eq!(got, [(2, -125), (3, -62)]);
    let wait = Wait::new().timeout(Duration::from_millis(5));
    assert!(ring.submit_and_wait_with(1, &wait).expect_err("nothing comes").is_timeout());
}

/// As Linux has it since it does so for every repetition: earlier ones changed the next one only.
#[test]
fn a_changed_interval_lasts() {
    let mut ring = ring(8);
    let hour = Timespec::from(Duration::from_secs(3600));
    push(&mut ring, op::Timeout::new(&hour).multishot().count(2).build().user_data(1));
    // So short that it is due again whenever one looks: the ring answers all the same.
    for time in [Duration::from_millis(5), Duration::from_nanos(1)] {
        let time = Timespec::from(time);
        let update = op::TimeoutUpdate::new(1, &time).build();
        push(&mut ring, update.user_data(2).skip_success());
        let mut told = 0;
        while told < 4 {
            let got = results(&mut ring, 1);
            assert!(got.iter().all(|got| *got == (1, -62)), "{got:?}");
            told += got.len();
        }
    }
}

/// There is no such thread; but what Linux refuses is refused.
#[test]
fn the_processor_of_a_polling_thread_is_there() {
    use annulus_emulate::{Builder, KernelChoice};
    let bound = |cpu| {
        let builder = Builder::new().entries(8).kernel(KernelChoice::Host);
        builder.sqpoll(Duration::from_millis(1)).sqpoll_cpu(cpu).build()
    };
    let mut ring = bound(0).expect("the first is there");
    push(&mut ring, op::Nop::new().build().user_data(1));
    assert_eq!(results(&mut ring, 1), [(1, 0)]);
    let error = bound(100_000).expect_err("not so many");
    assert_eq!(error.errno(), Some(annulus_emulate::Errno::EINVAL));
}
