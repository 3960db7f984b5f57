//! The rings on the model kernel, on one thread: what Linux cannot be made to do on demand. Miri
//! runs it too (`cargo xtask miri`), for undefined behaviour.
#![cfg(not(loom))]

mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use annulus_ring::abi::{
    Cqe, Cqe32, CqeFlags, SetupFlags, SqRingFlags, Sqe, Sqe128, SqeFlags, Timespec,
};
use annulus_ring::{Errno, Local, Mixed, Movable, RingOf, Wait};

use model::entry::{Completion, Entry, Posted, UNKNOWN, long_nop, nop};
use model::memory::Shape;
use model::{Config, Fault, Made, Work};

fn plain(config: Config) -> Made<Local, Sqe, Cqe> {
    config.ring()
}

/// Submits entries 0, 1, …, in batches of changing length, some with long completions, and takes
/// what comes: all of it, in order.
fn pass_the_wrap<S: Entry, C: Posted>(config: Config) {
    let (mut ring, _kernel): Made<Local, S, C> = config.ring();
    let count = 4 * u64::from(config.shape.sq_entries) + 3;
    let (mut sent, mut seen) = (0, Vec::new());
    while sent < count {
        let batch = (sent % 3 + 1).min(count - sent).min(config.shape.sq_entries.into()) as u32;
        let room = ring.reserve(batch).unwrap();
        let entry = |n: u64| if n.is_multiple_of(3) { long_nop(n) } else { nop(n) };
        // SAFETY: a NOP points to nothing.
        unsafe { room.fill(|n| entry(sent + u64::from(n))) };
        assert_eq!(ring.sq_len(), batch);
        assert_eq!(ring.submit().unwrap(), batch);
        assert_eq!(ring.sq_len(), 0);
        sent += u64::from(batch);
        seen.extend(ring.completions().unwrap().map(|item| C::seen(&item)));
    }
    let all = (0..count).map(|n| if n.is_multiple_of(3) { long_nop(n) } else { nop(n) });
    let all: Vec<_> = all.filter_map(|sqe| Completion::of(&sqe)).map(C::through).collect();
    assert_eq!(seen, all);
}

#[test]
fn indices_pass_the_wrap_of_u32() {
    // Miri looks for undefined behaviour, not for wrong numbers: one length shows it all.
    let lengths: &[u32] = if cfg!(miri) { &[2] } else { &[1, 2, 4, 8] };
    for &entries in lengths {
        for before in 0..2 * entries {
            let shape = Shape::new(entries, 2 * entries).near_wrap(before);
            pass_the_wrap::<Sqe, Cqe>(Config::new(shape));
            pass_the_wrap::<Sqe, Mixed>(Config::new(shape));
            if before == 1 {
                pass_the_wrap::<Sqe128, Cqe32>(Config::new(shape));
                pass_the_wrap::<Sqe128, Mixed>(Config::new(shape).work(Work::Deferred).flags(
                    SetupFlags::DEFER_TASKRUN | SetupFlags::TASKRUN_FLAG | SetupFlags::SUBMIT_ALL,
                ));
                pass_the_wrap::<Sqe, Cqe32>(Config::new(shape.with_array()));
            }
        }
    }
}

#[test]
fn a_full_queue_is_full_across_the_wrap() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 8).near_wrap(2)));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1), nop(2)]) }.unwrap();
    // SAFETY: as above.
    assert!(unsafe { ring.push_all(&[nop(3), nop(4)]) }.unwrap_err().is_queue_full());
    assert!(ring.reserve(2).unwrap_err().is_queue_full());
    // SAFETY: as above.
    unsafe { ring.next_sqe() }.unwrap().user_data = 3;
    assert_eq!((ring.sq_len(), ring.sq_space_left()), (4, 0));
    // SAFETY: as above.
    assert!(unsafe { ring.push(nop(4)) }.unwrap_err().is_queue_full());
    assert_eq!(ring.submit().unwrap(), 4);
    let seen: Vec<_> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[test]
fn a_panic_while_filling_queues_none() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 8).near_wrap(1)));
    let room = ring.reserve(3).unwrap();
    let made = |n: u32| if n < 2 { nop(n.into()) } else { panic!("the third") };
    // SAFETY: a NOP points to nothing.
    let filled = catch_unwind(AssertUnwindSafe(|| unsafe { room.fill(made) }));
    assert!(filled.is_err());
    assert_eq!((ring.sq_len(), ring.submit().unwrap(), ring.cq_len()), (0, 0, 0));
}

#[test]
fn room_that_is_not_filled_queues_nothing() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 8)));
    assert_eq!(ring.reserve(4).unwrap().count(), 4);
    assert_eq!((ring.sq_len(), ring.sq_space_left()), (0, 4));
}

#[test]
fn what_is_not_taken_stays_and_what_is_forgotten_comes_again() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 4).near_wrap(2)));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1), nop(2), nop(3)]) }.unwrap();
    ring.submit().unwrap();
    assert_eq!(ring.completions().unwrap().next().unwrap().user_data, 0);
    assert_eq!(ring.cq_len(), 3);
    let mut forgotten = ring.completions().unwrap();
    assert_eq!((forgotten.next().unwrap().user_data, forgotten.slots_left()), (1, 2));
    std::mem::forget(forgotten);
    let ready = ring.parts().1.ready().unwrap();
    let slices = ready.slices();
    let places: Vec<_> = slices.0.iter().chain(slices.1).map(|cqe| cqe.user_data).collect();
    assert_eq!((places, slices.0.len()), (vec![1, 2, 3], 1));
    let _ = ready;
    let mut out = [Cqe::default(); 2];
    assert_eq!(ring.parts().1.copy_out(&mut out).unwrap(), 2);
    assert_eq!((out[0].user_data, out[1].user_data), (1, 2));
    ring.parts().1.advance(7);
    assert_eq!(ring.cq_len(), 0, "more than there are is what there is");
}

#[test]
fn a_long_completion_is_whole_behind_padding() {
    // The first slot that is written is the last of the queue: a long one goes past it.
    let (mut ring, _kernel): Made<Local, Sqe, Mixed> =
        Config::new(Shape::new(4, 4).near_wrap(1)).ring();
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[long_nop(1), nop(2)]) }.unwrap();
    ring.submit().unwrap();
    assert_eq!(ring.cq_len(), 4, "padding, two halves, a short one");
    let mut completions = ring.completions().unwrap();
    let long = completions.next().unwrap();
    assert_eq!((long.cqe.user_data, long.big), (1, Some([!1, 1 ^ 0x55])));
    let short = completions.next().unwrap();
    assert_eq!((short.cqe.user_data, short.big), (2, None));
    assert!(completions.next().is_none());
}

#[test]
fn half_a_completion_does_not_lead_past_the_tail() {
    let config = Config::new(Shape::new(4, 4));
    let (mut ring, kernel): Made<Local, Sqe, Mixed> = config.ring();
    // Its second half looks like the first half of another: the flag is where `flags` will be.
    let flag = u64::from(CqeFlags::F_32.bits()) << if cfg!(target_endian = "big") { 0 } else { 32 };
    kernel.post_message(Completion { user_data: 1, res: 0, big: Some([2, flag]) });
    ring.parts().1.advance(1);
    assert_eq!(ring.completions().unwrap().count(), 0);
    assert_eq!(ring.cq_len(), 0, "and not beyond");
    kernel.post_message(Completion { user_data: 3, res: 0, big: None });
    assert_eq!(ring.completions().unwrap().next().unwrap().cqe.user_data, 3);
}

#[test]
fn padding_alone_is_no_completion() {
    // The long one wants the last slot and one more: it leaves padding in the last, and waits
    // outside. Or the queue is full, and bringing it leaves the padding.
    for (entries, before, taken) in [(4, 4, 2), (2, 3, 2), (2, 3, 1)] {
        let shape = Shape::new(4, entries).near_wrap(before);
        let (mut ring, _kernel): Made<Local, Sqe, Mixed> = Config::new(shape).ring();
        let take = |ring: &mut RingOf<Local, Sqe, Mixed, _>| {
            ring.completions().unwrap().next().map(|item| item.cqe.user_data)
        };
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(nop(0)) }.unwrap();
        ring.submit().unwrap();
        assert_eq!(take(&mut ring), Some(0));
        // SAFETY: as above.
        unsafe { ring.push_all(&[nop(1), nop(2), long_nop(3)]) }.unwrap();
        ring.submit().unwrap();
        assert!(ring.has_overflow());
        let first: Vec<_> = ring.completions().unwrap().take(taken).collect();
        assert_eq!(first.len(), taken);
        for user_data in taken as u64 + 1..4 {
            assert_eq!(take(&mut ring), Some(user_data), "{entries} {before} {taken}");
        }
        assert_eq!((take(&mut ring), ring.has_overflow()), (None, false));
    }
}

#[test]
fn an_overflow_loses_nothing() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 2).near_wrap(1)));
    for first in [0, 4, 8] {
        let room = ring.reserve(4).unwrap();
        // SAFETY: a NOP points to nothing.
        unsafe { room.fill(|n| nop(first + u64::from(n))) };
        assert_eq!(ring.submit().unwrap(), 4);
        assert!(ring.has_overflow());
    }
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.extend(ring.completions().unwrap().map(|cqe| cqe.user_data));
    }
    assert_eq!(seen, (0..12).collect::<Vec<_>>());
    assert!(!ring.has_overflow());
    assert_eq!(ring.completions().unwrap().count(), 0);
}

#[test]
fn an_error_leaves_the_entries_queued_and_says_so() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8).near_wrap(1)));
    let refuse = |errno| Fault::Refuse { errno, after: Duration::ZERO };
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1), nop(2)]) }.unwrap();
    for errno in [Errno::EAGAIN, Errno::EBUSY, Errno::EINTR, Errno::EBADFD] {
        kernel.fault([refuse(errno)]);
        let error = ring.submit().unwrap_err();
        assert_eq!((error.errno(), error.queued()), (Some(errno), Some(3)));
        assert_eq!(error.is_busy(), matches!(errno, Errno::EAGAIN | Errno::EBUSY));
        assert_eq!((ring.sq_len(), ring.sq_space_left()), (3, 1));
    }
    kernel.fault([Fault::Short(1), refuse(Errno::EBUSY)]);
    assert_eq!(ring.submit_and_wait(3).unwrap(), 1, "what came short does not wait");
    assert_eq!(ring.submit_and_wait(3).unwrap_err().queued(), Some(2));
    // SAFETY: as above.
    unsafe { ring.push(nop(3)) }.unwrap();
    assert_eq!(ring.submit_and_wait(4).unwrap(), 3);
    let seen: Vec<_> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[test]
fn a_bad_entry_stops_a_submit_only_without_submit_all() {
    let entries = [nop(0), Sqe { opcode: UNKNOWN, ..nop(1) }, nop(2)];
    for (flags, taken) in [(SetupFlags::empty(), [2, 1]), (SetupFlags::SUBMIT_ALL, [3, 0])] {
        let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 8)).flags(flags));
        // SAFETY: a NOP points to nothing, nor does an operation that nobody knows.
        unsafe { ring.push_all(&entries) }.unwrap();
        for taken in taken {
            assert_eq!(ring.submit().unwrap(), taken);
        }
        let seen: Vec<_> = ring.completions().unwrap().map(|c| (c.user_data, c.res)).collect();
        assert_eq!(seen, [(0, 0), (1, -Errno::EINVAL.raw()), (2, 0)]);
    }
}

#[test]
fn a_submit_and_wait_goes_on_after_signals() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)).work(Work::Deferred));
    let signal = Fault::Refuse { errno: Errno::EINTR, after: Duration::from_millis(1) };
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1)]) }.unwrap();
    kernel.fault([signal; 3]);
    assert_eq!(ring.submit_and_wait(2).unwrap(), 2);
    assert_eq!((kernel.state().enters, ring.cq_len()), (4, 2));
    // With nothing to submit, the wait alone is what goes on.
    let signal = Fault::Signal { after: Duration::from_millis(1) };
    kernel.fault([signal; 2]);
    let wait = Wait::new().timeout(Duration::from_millis(5));
    assert!(ring.completions().unwrap().count() == 2);
    assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    assert_eq!(kernel.state().enters, 7);
}

/// Linux tells what was taken, and not that the wait behind it was cut short.
#[test]
fn a_wait_goes_on_after_a_signal_behind_the_submit() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)).work(Work::Deferred));
    let signal = Fault::Signal { after: Duration::from_millis(700) };
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1)]) }.unwrap();
    kernel.fault([signal; 2]);
    assert_eq!(ring.submit_and_wait(2).unwrap(), 2);
    assert_eq!((ring.cq_len(), kernel.state().enters), (2, 3));
    assert_eq!(ring.completions().unwrap().count(), 2);
    kernel.state().limits.clear();
    // SAFETY: as above.
    unsafe { ring.push(nop(2)) }.unwrap();
    kernel.fault([signal; 2]);
    let wait = Wait::new().timeout(Duration::from_millis(1500));
    assert_eq!(ring.submit_and_wait_with(1, &wait).unwrap(), 1);
    assert_eq!(kernel.state().limits, [ms(1500), ms(800), ms(100)]);
    assert_eq!(ring.completions().unwrap().next().unwrap().user_data, 2);
}

#[test]
fn a_timeout_behind_a_submit_tells_what_was_taken() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)).work(Work::Held));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(nop(0)) }.unwrap();
    let wait = Wait::new().timeout(Duration::from_millis(5));
    assert_eq!(ring.submit_and_wait_with(1, &wait).unwrap(), 1);
    assert_eq!((ring.cq_len(), kernel.pending()), (0, 1));
    assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
}

#[test]
fn an_interruptible_wait_behind_a_submit_ends_with_the_signal() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)).work(Work::Held));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(nop(0)) }.unwrap();
    kernel.fault([Fault::Signal { after: Duration::from_millis(1) }]);
    assert_eq!(ring.submit_and_wait_with(1, &Wait::new().interruptible()).unwrap(), 1);
    assert_eq!((ring.cq_len(), kernel.state().enters), (0, 1));
}

fn ms(ms: u64) -> Option<Timespec> {
    Some(Timespec::from(Duration::from_millis(ms)))
}

#[test]
fn a_wait_that_goes_on_has_the_time_that_is_left() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)));
    let wait = Wait::new().timeout(Duration::from_millis(1500));
    let signal = Fault::Signal { after: Duration::from_millis(700) };
    kernel.fault([signal; 2]);
    assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    assert_eq!(kernel.state().limits, [ms(1500), ms(800), ms(100)]);
    // A signal at the very end leaves no time, and no negative one.
    kernel.state().limits.clear();
    kernel.fault([Fault::Signal { after: Duration::from_secs(9) }]);
    assert!(ring.parts().2.wait_with(1, &wait).unwrap_err().is_timeout());
    assert_eq!(kernel.state().limits, [ms(1500), ms(0)]);
    // An absolute time does not change.
    kernel.state().limits.clear();
    kernel.fault([signal]);
    let until = Timespec { tv_sec: 1, tv_nsec: 2 };
    let ended = ring.submit_and_wait_with(1, &Wait::new().until(until)).unwrap_err();
    assert!(ended.is_timeout());
    assert_eq!(kernel.state().limits, [Some(until); 2]);
}

#[test]
fn an_interruptible_wait_ends_with_the_signal() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 8)));
    kernel.fault([Fault::Signal { after: Duration::from_millis(1) }]);
    let wait = Wait::new().timeout(Duration::from_secs(1)).interruptible();
    let error = ring.submit_and_wait_with(1, &wait).unwrap_err();
    assert!(error.is_interrupted());
    assert_eq!((error.queued(), kernel.state().enters), (Some(0), 1));
}

#[test]
fn completions_in_any_order_are_the_entries_own() {
    let (mut ring, kernel) = plain(Config::new(Shape::new(4, 4).near_wrap(3)).work(Work::Held));
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1), nop(2)]) }.unwrap();
    ring.submit().unwrap();
    for nth in [2, 0, 0] {
        kernel.finish(nth);
    }
    let seen: Vec<_> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [2, 0, 1]);
}

#[test]
fn task_work_is_run_where_nothing_is_there() {
    let flags = SetupFlags::DEFER_TASKRUN | SetupFlags::TASKRUN_FLAG;
    let config = Config::new(Shape::new(4, 4)).work(Work::Deferred).flags(flags);
    let (mut ring, kernel) = plain(config);
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(nop(0)) }.unwrap();
    assert_eq!(ring.submit().unwrap(), 1);
    assert_eq!((ring.cq_len(), kernel.pending()), (0, 1));
    assert!(ring.parts().0.flags().contains(SqRingFlags::TASKRUN));
    assert_eq!(ring.completions().unwrap().next().unwrap().user_data, 0);
    assert_eq!(kernel.state().enters, 2);
    assert_eq!(ring.completions().unwrap().count(), 0);
    assert_eq!(kernel.state().enters, 2, "nothing pending, nothing entered");
}

#[test]
fn a_silent_success_has_no_completion() {
    let (mut ring, _kernel) = plain(Config::new(Shape::new(4, 4)));
    let silent = nop(0).with_flags(SqeFlags::CQE_SKIP_SUCCESS);
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push_all(&[silent, nop(1)]) }.unwrap();
    assert_eq!(ring.submit_and_wait(1).unwrap(), 2);
    let seen: Vec<_> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [1]);
}

#[test]
fn halves_of_two_rings_do_not_fit() {
    let one: Made<Movable, Sqe, Cqe> = Config::new(Shape::new(2, 2)).ring();
    let other: Made<Movable, Sqe, Cqe> = Config::new(Shape::new(4, 4)).ring();
    let (submission, completion) = one.0.split();
    let (other_submission, other_completion) = other.0.split();
    let (submission, other_completion) = submission.unsplit(other_completion).unwrap_err();
    assert_eq!(submission.unsplit(completion).unwrap().sq_entries(), 2);
    assert_eq!(other_submission.unsplit(other_completion).unwrap().sq_entries(), 4);
}
