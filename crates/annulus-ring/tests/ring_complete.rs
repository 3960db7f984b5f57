//! Completing: overflow, pending task work, long and mixed entries, halves.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::Duration;

use annulus_ring::abi::{Cqe, Cqe32, NopFlags, Sqe, Sqe128};
use annulus_ring::{Builder, LocalRing, Mixed, Ring, op};

use common::{LIMIT, limit};

fn nop(user_data: u64) -> Sqe {
    op::Nop::new().build().user_data(user_data)
}

#[test]
fn what_overflows_the_queue_comes_without_loss() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).cq_entries(8).build().unwrap();
        for round in 0..16_u64 {
            let nops: Vec<Sqe> = (0..8).map(|n| nop(round * 8 + n)).collect();
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push_all(&nops) }.unwrap();
            assert_eq!(ring.submit().unwrap(), 8, "an overflow fails no submit");
        }
        assert!(ring.has_overflow());
        assert_eq!(ring.cq_len(), 8);
        let mut seen = BTreeSet::new();
        while seen.len() < 128 {
            for cqe in ring.completions().unwrap() {
                assert!(seen.insert(cqe.user_data), "{} came twice", cqe.user_data);
            }
        }
        assert!(!ring.has_overflow());
        assert_eq!(seen, (0..128).collect());
        assert_eq!(ring.parts().1.overflow(), 0, "the kernel lost none");
    });
}

#[test]
fn deferred_work_is_run_where_a_peek_finds_nothing() {
    limit(LIMIT, || {
        let mut ring = LocalRing::new(8).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut byte = 0_u8;
        let read = op::Read::new(&reader, &raw mut byte, 1).build().user_data(1);
        // SAFETY: the buffer and the pipe outlive the completion.
        unsafe { ring.push(read) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 1);
        assert_eq!(ring.completions().unwrap().count(), 0);
        writer.write_all(b"z").unwrap();
        // Nobody waits: peeking alone must bring it.
        let cqe = loop {
            if let Some(cqe) = ring.completions().unwrap().next() {
                break cqe;
            }
            std::thread::yield_now();
        };
        assert_eq!((cqe.user_data, cqe.result(), byte), (1, Ok(1), b'z'));
    });
}

#[test]
fn completions_that_are_not_taken_stay() {
    let mut ring = LocalRing::new(8).unwrap();
    // SAFETY: NOPs point to nothing.
    unsafe { ring.push_all(&[nop(1), nop(2), nop(3)]) }.unwrap();
    ring.submit_and_wait(3).unwrap();
    assert_eq!(ring.completions().unwrap().next().unwrap().user_data, 1);
    assert_eq!(ring.cq_len(), 2);
    let mut out = [Cqe::default(); 1];
    assert_eq!(ring.parts().1.copy_out(&mut out).unwrap(), 1);
    assert_eq!(out[0].user_data, 2, "copying one out takes one");
    assert_eq!(ring.parts().1.ready().unwrap().len(), 1, "looking takes none");
    assert_eq!(ring.cq_len(), 1);
    ring.parts().1.advance(100);
    assert_eq!(ring.cq_len(), 0, "more than there are is cut to what there is");
}

#[test]
fn long_completions_carry_two_words_more() {
    limit(LIMIT, || {
        let mut ring: LocalRing<Sqe, Cqe32> =
            Builder::new().entries(8).cqe32().build_local().unwrap();
        for n in 0..40 {
            let sqe = op::Nop::new().build().user_data(n);
            // SAFETY: a NOP points to nothing.
            unsafe { ring.push(sqe) }.unwrap();
            ring.submit_and_wait(1).unwrap();
            let long = ring.completions().unwrap().next().unwrap();
            assert_eq!(long.cqe.user_data, n);
        }
    });
}

#[test]
fn mixed_completions_are_short_and_long_and_never_split_by_the_wrap() {
    limit(LIMIT, || {
        let mut ring: LocalRing<Sqe, Mixed> =
            match Builder::new().entries(8).cqe_mixed().build_local() {
                Ok(ring) => ring,
                Err(error) if error.is_unsupported() => {
                    return common::skip("mixed_completions", "needs Linux 6.18");
                }
                Err(error) => panic!("{error}"),
            };
        let mut next = 0_u64;
        // Odd numbers of slots move the wrap to every place.
        for round in 0..200_u64 {
            let long = |n: u64| (n + round).is_multiple_of(3);
            for n in 0..3 {
                let mut sqe = op::Nop::new().build().user_data(next + n);
                if long(n) {
                    sqe.rw_flags = NopFlags::CQE32.bits();
                    // NOP with CQE32 copies these two words into the completion.
                    (sqe.off, sqe.addr) = (next + n + 1000, next + n + 2000);
                }
                // SAFETY: a NOP points to nothing.
                unsafe { ring.push(sqe) }.unwrap();
            }
            ring.submit_and_wait(3).unwrap();
            let seen: Vec<_> = ring.completions().unwrap().collect();
            assert_eq!(seen.len(), 3, "round {round}");
            for (n, item) in (0..).zip(seen) {
                assert_eq!(item.cqe.user_data, next + n);
                assert_eq!(item.big.is_some(), long(n), "round {round}, entry {n}");
                if let Some(big) = item.big {
                    assert_eq!(big, [next + n + 1000, next + n + 2000]);
                }
            }
            next += 3;
        }
    });
}

#[test]
fn a_long_completion_goes_back_whole() {
    limit(LIMIT, || {
        let mut ring: LocalRing<Sqe, Mixed> =
            match Builder::new().entries(8).cqe_mixed().build_local() {
                Ok(ring) => ring,
                Err(error) if error.is_unsupported() => {
                    return common::skip("long_goes_back_whole", "needs Linux 6.18");
                }
                Err(error) => panic!("{error}"),
            };
        for round in 0..40_u64 {
            let mut long = op::Nop::new().build().user_data(round);
            long.rw_flags = NopFlags::CQE32.bits();
            // What would be taken for a completion of its own, if the first slot alone went back.
            (long.off, long.addr) = (7777, 0);
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push_all(&[long, nop(round + 1000), nop(round + 2000)]) }.unwrap();
            ring.submit_and_wait(3).unwrap();
            ring.parts().1.advance(1);
            let seen: Vec<_> = ring.completions().unwrap().map(|item| item.cqe.user_data).collect();
            assert_eq!(seen, [round + 1000, round + 2000], "round {round}");
        }
    });
}

#[test]
fn wide_entries_are_taken_from_their_own_slots() {
    limit(LIMIT, || {
        let mut ring: LocalRing<Sqe128> = Builder::new().entries(4).sqe128().build_local().unwrap();
        for n in 0..50 {
            let wide = Sqe128::from(nop(n));
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push_all(&[wide, nop(n + 100).into()]) }.unwrap();
            ring.submit_and_wait(2).unwrap();
            let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
            assert_eq!(seen, [n, n + 100]);
        }
    });
}

#[test]
fn halves_work_from_two_threads() {
    const COUNT: u64 = 50_000;
    limit(LIMIT, || {
        let (mut submission, mut completion) = Ring::new(16).unwrap().split();
        let pusher = std::thread::spawn(move || {
            for n in 0..COUNT {
                while submission.queue().space_left() == 0 {
                    submission.submit().unwrap();
                }
                // SAFETY: NOPs point to nothing.
                unsafe { submission.queue().push(nop(n)) }.unwrap();
            }
            submission.submit().unwrap();
            submission
        });
        let mut next = 0;
        while next < COUNT {
            completion.wait(1).unwrap();
            for cqe in completion.completions().unwrap() {
                assert_eq!(cqe.user_data, next, "NOPs complete in order");
                next += 1;
            }
        }
        let submission = pusher.join().unwrap();
        let mut ring = submission.unsplit(completion).expect("halves of one ring");
        // SAFETY: as above.
        unsafe { ring.push(nop(7)) }.unwrap();
        assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
        assert_eq!(ring.completions().unwrap().next().unwrap().user_data, 7);
    });
}

#[test]
fn halves_of_two_rings_stay_halves() {
    let (first, _other) = Ring::new(8).unwrap().split();
    let (_another, second) = Ring::new(8).unwrap().split();
    let (mut first, mut second) = first.unsplit(second).unwrap_err();
    assert_eq!(first.submit().unwrap(), 0);
    assert_eq!(second.completions().unwrap().count(), 0);
}

#[test]
fn epoll_sees_the_completions_of_a_movable_ring() {
    limit(LIMIT, || {
        let mut ring = Ring::new(8).unwrap();
        let readable = |ring: &Ring, wait_secs: i64| {
            let mut polled = [rustix::event::PollFd::new(ring, rustix::event::PollFlags::IN)];
            let time = rustix::event::Timespec { tv_sec: wait_secs, tv_nsec: 0 };
            rustix::event::poll(&mut polled, Some(&time)).unwrap() == 1
        };
        assert!(ring.as_fd().try_clone_to_owned().is_ok());
        assert!(!readable(&ring, 0));
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(1)) }.unwrap();
        ring.submit().unwrap();
        assert!(readable(&ring, 5));
        assert_eq!(ring.completions().unwrap().count(), 1);
        if common::on_host() {
            // Whoever takes completions tells nobody: it is found out by the next look.
            assert_eq!(ring.completions().unwrap().count(), 0);
        }
        assert!(!readable(&ring, 0));
    });
}

/// What is never freed, for the leak checker: it is meant.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

#[test]
fn dropping_a_ring_waits_for_nothing_and_breaks_nothing() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        for _ in 0..20 {
            let mut ring = LocalRing::new(8).unwrap();
            // Nobody will see this read's completion: its buffer is never given back.
            let buffer = Box::leak(Box::new([0_u8; 16]));
            KEPT.lock().unwrap().push(buffer.as_ptr().addr());
            let read = op::Read::new(&reader, buffer.as_mut_ptr(), 16).build();
            // SAFETY: the buffer lives for ever; the pipe outlives the submit.
            unsafe { ring.push(read) }.unwrap();
            assert_eq!(ring.submit().unwrap(), 1);
            // SAFETY: never submitted.
            unsafe { ring.push(nop(1)) }.unwrap();
            drop(ring);
        }
        // The reads are cancelled, some time after the drop: the byte is not lost for ever to them.
        std::thread::sleep(Duration::from_millis(50));
        writer.write_all(b"!").unwrap();
        let mut ring = LocalRing::new(8).unwrap();
        let mut byte = 0_u8;
        // SAFETY: the buffer and the pipe outlive the completion.
        unsafe { ring.push(op::Read::new(&reader, &raw mut byte, 1)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        assert_eq!((ring.completions().unwrap().next().unwrap().result(), byte), (Ok(1), b'!'));
    });
}

#[test]
fn a_long_completion_comes_although_padding_is_all_that_is_there() {
    limit(LIMIT, || {
        let built = Builder::new().entries(4).cq_entries(4).cqe_mixed().build_local();
        let mut ring: LocalRing<Sqe, Mixed> = match built {
            Ok(ring) => ring,
            Err(error) if error.is_unsupported() => {
                return common::skip("padding", "needs Linux 6.18");
            }
            Err(error) => panic!("{error}"),
        };
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(nop(0)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        assert_eq!(ring.completions().unwrap().count(), 1);
        let long = Sqe { rw_flags: NopFlags::CQE32.bits(), ..nop(3) };
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push_all(&[nop(1), nop(2), long]) }.unwrap();
        ring.submit_and_wait(2).unwrap();
        // Two short ones and padding; the long one waits outside.
        assert_eq!((ring.cq_len(), ring.has_overflow()), (3, true));
        for user_data in 1..4 {
            let taken = ring.completions().unwrap().next().map(|item| item.cqe.user_data);
            assert_eq!(taken, Some(user_data));
        }
        assert!(!ring.has_overflow());
    });
}
