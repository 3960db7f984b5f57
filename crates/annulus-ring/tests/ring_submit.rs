//! Submitting: what the kernel takes, what stays queued, and how a wait ends.

mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use annulus_ring::abi::{Op, SetupFlags, SqRingFlags, Sqe, Timespec};
use annulus_ring::{Builder, Errno, LocalRing, Ring, SignalMask, Wait, op};

use common::{LIMIT, limit};

fn nop(user_data: u64) -> Sqe {
    op::Nop::new().build().user_data(user_data)
}

/// An entry that the kernel refuses when it takes it: an operation that no kernel has.
fn bad(user_data: u64) -> Sqe {
    Sqe { opcode: Op(255), ..nop(user_data) }
}

fn seen(ring: &mut Ring) -> Vec<(u64, i32)> {
    ring.completions().unwrap().map(|cqe| (cqe.user_data, cqe.res)).collect()
}

/// By `user_data`: a refusal may come before the completions of what was taken before it (6.1).
fn in_order(mut seen: Vec<(u64, i32)>) -> Vec<(u64, i32)> {
    seen.sort_unstable();
    seen
}

#[test]
fn a_bad_entry_in_the_middle_ends_a_batch_and_the_rest_stays_queued() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).without(SetupFlags::SUBMIT_ALL).build().unwrap();
        // SAFETY: NOPs, and an entry that is refused, point to nothing.
        unsafe { ring.push_all(&[nop(1), bad(2), nop(3), nop(4)]) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 2, "the bad one is taken, and ends the batch");
        assert_eq!(ring.sq_len(), 2, "the two behind it are still here");
        assert_eq!(in_order(seen(&mut ring)), [(1, 0), (2, -Errno::EINVAL.raw())]);
        // SAFETY: as above.
        unsafe { ring.push(nop(5)) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 3, "the oldest first, and none is stranded");
        assert_eq!(seen(&mut ring), [(3, 0), (4, 0), (5, 0)]);
        assert_eq!(ring.sq_len(), 0);
    });
}

#[test]
fn with_submit_all_a_bad_entry_ends_nothing() {
    limit(LIMIT, || {
        let mut ring = Ring::new(8).unwrap();
        assert!(ring.setup_flags().contains(SetupFlags::SUBMIT_ALL));
        // SAFETY: NOPs, and an entry that is refused, point to nothing.
        unsafe { ring.push_all(&[nop(1), bad(2), nop(3)]) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 3);
        assert_eq!(in_order(seen(&mut ring)), [(1, 0), (2, -Errno::EINVAL.raw()), (3, 0)]);
    });
}

#[test]
fn the_index_array_serves_where_it_is() {
    limit(LIMIT, || {
        let mut ring =
            Builder::new().entries(4).without(SetupFlags::NO_SQARRAY).build_local().unwrap();
        assert!(!ring.setup_flags().contains(SetupFlags::NO_SQARRAY));
        for round in 0..20 {
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push_all(&[nop(round), nop(round + 100), nop(round + 200)]) }.unwrap();
            assert_eq!(ring.submit_and_wait(3).unwrap(), 3);
            let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
            assert_eq!(seen, [round, round + 100, round + 200]);
        }
        assert_eq!(ring.parts().0.dropped(), 0);
    });
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let mut ring = LocalRing::new(4).unwrap();
    for n in 0..4 {
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(n)) }.unwrap();
    }
    // SAFETY: as above.
    let error = unsafe { ring.push(nop(9)) }.unwrap_err();
    assert!(error.is_queue_full(), "{error}");
    assert!(error.to_string().contains("submit first"), "{error}");
    assert!(ring.reserve(1).unwrap_err().is_queue_full());
    // SAFETY: as above.
    assert!(unsafe { ring.next_sqe() }.unwrap_err().is_queue_full());
    assert_eq!(ring.submit_and_wait(4).unwrap(), 4);
    assert_eq!(ring.sq_space_left(), 4);
    let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[test]
fn room_for_more_than_the_queue_has_is_refused_whole() {
    let mut ring = LocalRing::new(4).unwrap();
    assert!(ring.reserve(5).unwrap_err().is_queue_full());
    assert!(ring.reserve(u32::MAX).unwrap_err().is_queue_full());
    assert_eq!(ring.reserve(0).unwrap().count(), 0);
    // SAFETY: NOPs point to nothing.
    assert!(unsafe { ring.push_all(&[nop(0); 5]) }.unwrap_err().is_queue_full());
    assert_eq!(ring.sq_len(), 0, "nothing was queued");
}

#[test]
fn a_wait_ends_when_its_time_is_up() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        let begin = Instant::now();
        let wait = Wait::new().timeout(Duration::from_millis(20));
        let error = ring.submit_and_wait_with(1, &wait).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(begin.elapsed() >= Duration::from_millis(20));
        let past = Timespec { tv_sec: 1, tv_nsec: 0 };
        let error = ring.submit_and_wait_with(1, &Wait::new().until(past)).unwrap_err();
        if error.is_unsupported() {
            let part = "a_wait_ends_when_its_time_is_up: a time on the clock";
            return common::skip(part, "needs Linux 6.12");
        }
        assert!(error.is_timeout(), "a time that is past ends it at once: {error}");
    });
}

#[test]
fn a_minimum_wait_lets_one_completion_be_enough_after_it() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(1)) }.unwrap();
        let wait = Wait::new().timeout(Duration::from_secs(20)).min_wait(Duration::from_millis(5));
        let begin = Instant::now();
        assert_eq!(ring.submit_and_wait_with(4, &wait).unwrap(), 1);
        assert!(begin.elapsed() < Duration::from_secs(10), "it waited for all four");
        assert_eq!(ring.cq_len(), 1);
    });
}

#[test]
fn a_timeout_operation_ends_a_wait_for_more() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        let soon = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let timeout = op::Timeout::new(&soon).build().user_data(1);
        // SAFETY: the time lives until the end of the test, past the submit.
        unsafe { ring.push(timeout) }.unwrap();
        // "Returned" is not "as many as wanted": who waits looks at the queue.
        assert_eq!(ring.submit_and_wait(4).unwrap(), 1);
        let cqe = ring.completions().unwrap().next().unwrap();
        assert_eq!(cqe.result(), Err(Errno::ETIME));
    });
}

#[test]
fn a_wait_with_a_signal_mask_takes_the_kernels_set_of_eight_bytes() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        let wait = Wait::new().signal_mask(SignalMask(u64::MAX)).timeout(Duration::from_millis(2));
        assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    });
}

#[test]
fn the_polling_thread_sleeps_and_is_woken() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).sqpoll(Duration::from_millis(1)).build().unwrap();
        for round in 0..5 {
            while !ring.parts().0.flags().contains(SqRingFlags::NEED_WAKEUP) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push(nop(round)) }.unwrap();
            assert_eq!(ring.submit().unwrap(), 1);
            ring.submit_and_wait(1).unwrap();
            assert_eq!(ring.completions().unwrap().next().unwrap().user_data, round);
        }
    });
}

#[test]
fn a_full_queue_of_the_polling_thread_is_waited_for() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(4).sqpoll(Duration::from_millis(50)).build().unwrap();
        let mut done = 0;
        for n in 0..1000 {
            while ring.sq_space_left() == 0 {
                ring.submit().unwrap();
                ring.parts().2.squeue_wait().unwrap();
                done += ring.completions().unwrap().count();
            }
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push(nop(n)) }.unwrap();
        }
        ring.submit().unwrap();
        while done < 1000 {
            ring.submit_and_wait(1).unwrap();
            done += ring.completions().unwrap().count();
        }
        assert_eq!(done, 1000);
    });
}

#[test]
fn squeue_wait_without_a_polling_thread_says_so() {
    let mut ring = Ring::new(8).unwrap();
    let error = ring.parts().2.squeue_wait().unwrap_err();
    assert!(error.to_string().contains("SQPOLL"), "{error}");
}

#[test]
fn a_closed_descriptor_is_the_completions_error() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        let mut byte = 0_u8;
        let closed = {
            let file = std::fs::File::open("/dev/null").unwrap();
            // A number far above what other tests of this process have open.
            let high = rustix::io::fcntl_dupfd_cloexec(&file, 900).unwrap();
            high.as_raw_fd()
        };
        let read = op::Read::new(closed, &raw mut byte, 1).build();
        // SAFETY: the buffer outlives the completion; a closed descriptor is refused.
        unsafe { ring.push(read) }.unwrap();
        assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
        let cqe = ring.completions().unwrap().next().unwrap();
        assert_eq!(cqe.result(), Err(Errno::EBADF));
    });
}

#[test]
fn a_chain_goes_together_and_breaks_together() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(4).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let mut two = [0_u8; 2];
        // A short read breaks the chain behind it.
        let read = op::Read::new(&reader, two.as_mut_ptr(), 2).build().user_data(1).link();
        let chain = [read, nop(2).link(), nop(3)];
        let room = ring.reserve(3).unwrap();
        // SAFETY: the buffer and the pipe outlive the completions.
        unsafe { room.fill(|n| chain[n as usize]) };
        assert_eq!(ring.submit_and_wait(3).unwrap(), 3);
        let mut seen: Vec<(u64, i32)> =
            ring.completions().unwrap().map(|cqe| (cqe.user_data, cqe.res)).collect();
        seen.sort_unstable();
        let cancelled = -Errno::ECANCELED.raw();
        assert_eq!(seen, [(1, 1), (2, cancelled), (3, cancelled)]);
    });
}
