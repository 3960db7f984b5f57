//! After `fork(2)`: in the child every use of an inherited ring is an error that touches nothing,
//! and the parent's rings go on.

mod child;
#[path = "../common/mod.rs"]
mod common;
mod held;
mod lost;
mod memory;
mod shared;

use std::sync::atomic::{AtomicBool, Ordering};

use annulus_ring::abi::{Cqe, PollEvents, RegisterOp, Sqe};
use annulus_ring::kernel::SetUp;
use annulus_ring::{
    Builder, CompletionHalf, LocalRing, Place, Ring, RingOf, SubmissionHalf, Wait, WaitIndex, op,
};

use child::{Child, fork};
use common::{LIMIT, limit, on_host};
use memory::Shared;

type AnyRing<P, K> = RingOf<P, Sqe, Cqe, K>;

fn nop(user_data: u64) -> Sqe {
    op::Nop::new().build().user_data(user_data)
}

/// Completion 0 is in the queue, entries 1 and 2 are pushed and not submitted.
fn fill<P: Place, K: SetUp>(ring: &mut AnyRing<P, K>) {
    // SAFETY: NOPs point to nothing.
    unsafe { ring.push(nop(0)) }.unwrap();
    assert_eq!(ring.submit_and_wait(1).unwrap(), 1);
    // SAFETY: as above.
    unsafe { ring.push_all(&[nop(1), nop(2)]) }.unwrap();
}

/// The parent's ring has all that it had, and goes on.
fn goes_on<P: Place, K: SetUp>(ring: &mut AnyRing<P, K>) {
    assert_eq!((ring.sq_len(), ring.cq_len()), (2, 1));
    for n in 3..8 {
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push(nop(n)) }.unwrap();
    }
    assert_eq!(ring.submit_and_wait(8).unwrap(), 7);
    let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// Every use of a ring as a whole.
fn whole<P: Place, K: SetUp>(ring: &mut AnyRing<P, K>, child: &Child) {
    // SAFETY: NOPs point to nothing; so in all of this file.
    child.refused(unsafe { ring.push(nop(9)) });
    // SAFETY: as above.
    child.refused(unsafe { ring.push_all(&[nop(9); 3]) });
    // SAFETY: as above.
    child.refused(unsafe { ring.push_all(&[]) });
    child.refused(ring.reserve(1));
    child.refused(ring.reserve(0));
    // SAFETY: nothing is written there.
    child.refused(unsafe { ring.next_sqe() });
    child.refused(ring.submit());
    child.refused(ring.submit_and_wait(0));
    child.refused(ring.submit_and_wait(1));
    child.refused(ring.submit_and_wait_with(1, &Wait::new()));
    child.refused(ring.submit_and_wait_registered(1, WaitIndex(0)));
    child.refused(ring.completions());
    // SAFETY: this registration has no argument.
    child.refused(unsafe { ring.register().raw(RegisterOp(0), std::ptr::null_mut(), 0) });
    child.refused(ring.register().enable());
    child.ensure((ring.sq_len(), ring.sq_space_left(), ring.cq_len()) == (0, 0, 0));
    child.ensure((ring.sq_entries(), ring.cq_entries()) == (8, 16));
    child.ensure(!ring.has_overflow());
    child.ensure(format!("{ring:?}").contains("0/8"));
}

/// Every use of its parts.
fn parts<P: Place, K: SetUp>(ring: &mut AnyRing<P, K>, child: &Child) {
    let (sq, cq, submitter) = ring.parts();
    // SAFETY: a NOP points to nothing.
    child.refused(unsafe { sq.push(nop(9)) });
    child.ensure(sq.is_empty() && sq.space_left() == 0 && sq.dropped() == 0);
    child.ensure(sq.flags().is_empty());
    child.refused(cq.completions());
    child.refused(cq.ready());
    child.refused(cq.copy_out(&mut [Cqe::default(); 2]));
    cq.advance(1);
    cq.enable_eventfd(false);
    child.ensure(cq.is_empty() && cq.overflow() == 0 && !cq.is_eventfd_enabled());
    child.refused(submitter.submit(sq));
    child.refused(submitter.submit_and_wait(sq, 1));
    child.refused(submitter.submit_and_wait_with(sq, 1, &Wait::new()));
    child.refused(submitter.submit_and_wait_registered(sq, 1, WaitIndex(0)));
    child.refused(submitter.wait_with(1, &Wait::new()));
    child.refused(submitter.get_events());
    child.refused(submitter.squeue_wait());
}

/// Whether `fd` is open in this process.
fn is_open(fd: i32) -> bool {
    // SAFETY: `F_GETFD` takes no pointer.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Makes a ring and does something with it.
fn own_ring(child: &Child) {
    let Ok(mut ring) = LocalRing::new(8) else { return child.ensure(false) };
    for round in 0..20 {
        // SAFETY: NOPs point to nothing.
        child.ensure(unsafe { ring.push_all(&[nop(round), nop(round)]) }.is_ok());
        child.ensure(ring.submit_and_wait(2).is_ok_and(|taken| taken == 2));
        let Ok(seen) = ring.completions() else { return child.ensure(false) };
        child.ensure(seen.filter(|cqe| cqe.user_data == round).count() == 2);
    }
}

fn all_uses<P: Place, K: SetUp>(
    mut ring: AnyRing<P, K>,
    more: impl FnOnce(&mut AnyRing<P, K>, &Child),
) {
    fill(&mut ring);
    let shared = Shared::of(ring.raw_fd());
    let before = shared.now();
    let fd = ring.raw_fd();
    let was_registered = ring.is_descriptor_registered();
    let mut ring = Some(ring);
    fork(|child| {
        let mut inherited = ring.take().expect("the ring is there");
        whole(&mut inherited, child);
        parts(&mut inherited, child);
        more(&mut inherited, child);
        drop(inherited);
        child.ensure(is_open(fd));
    });
    assert!(before == shared.now(), "the child touched what is shared");
    let mut ring = ring.expect("the child took its own copy");
    goes_on(&mut ring);
    assert_eq!(ring.is_descriptor_registered(), was_registered);
}

#[test]
fn a_local_ring_is_dead_in_a_child_and_lives_in_the_parent() {
    limit(LIMIT, || {
        let ring = LocalRing::new(8).unwrap();
        assert_eq!(ring.is_descriptor_registered(), !on_host());
        all_uses(ring, |inherited, child| child.refused(inherited.resize(64, 128)));
    });
}

#[test]
fn a_movable_ring_is_dead_in_a_child_and_lives_in_the_parent() {
    limit(LIMIT, || all_uses(Ring::new(8).unwrap(), |_, _| ()));
}

/// Whether something is mapped at `address`.
fn is_mapped(address: usize) -> bool {
    let page = address & !4095;
    let mut resident = 0_u8;
    // SAFETY: a range that is not mapped is an error; one byte for one page is written.
    unsafe { libc::mincore(page as *mut libc::c_void, 1, &raw mut resident) == 0 }
}

#[test]
fn a_ring_left_out_of_children_is_an_error_there_and_no_crash() {
    limit(LIMIT, || {
        let mut ring = Builder::new().entries(8).dontfork().build_local().unwrap();
        let on_host = on_host();
        for resized in [false, true] {
            if resized {
                // What the ring moves to is left out as well.
                let answer = ring.resize(8, 64);
                if answer.as_ref().is_err_and(annulus_ring::Error::is_unsupported) {
                    let reason = if on_host { "no resizing" } else { "Linux 6.13" };
                    return common::skip("a_ring_left_out: resized", reason);
                }
                answer.unwrap();
            }
            // SAFETY: NOPs point to nothing.
            unsafe { ring.push_all(&[nop(0), nop(1)]) }.unwrap();
            let queue = ring.parts().1.ready().unwrap().slices().0.as_ptr().addr();
            assert!(is_mapped(queue));
            fork(|child| {
                // In user space the queues are of the heap: a child has a copy that it may not use.
                child.ensure(is_mapped(queue) == on_host);
                parts(&mut ring, child);
                child.refused(ring.submit());
                child.ensure((ring.sq_len(), ring.cq_len()) == (0, 0));
                child.ensure(format!("{ring:?}").contains("0/8"));
            });
            assert_eq!(ring.submit_and_wait(2).unwrap(), 2);
            assert_eq!(ring.completions().unwrap().count(), 2);
        }
    });
}

fn dead_halves(mut submission: SubmissionHalf, mut completion: CompletionHalf, child: &Child) {
    // SAFETY: a NOP points to nothing.
    child.refused(unsafe { submission.queue().push(nop(9)) });
    child.refused(submission.submit());
    child.refused(submission.submitter().get_events());
    child.refused(submission.submitter().wait_with(1, &Wait::new()));
    child.refused(completion.completions());
    child.refused(completion.wait(1));
    child.refused(completion.wait_with(0, &Wait::new()));
    child.refused(completion.queue().ready());
    child.ensure(completion.is_empty());
    let Ok(mut whole) = submission.unsplit(completion) else { return child.ensure(false) };
    child.refused(whole.submit());
    let (mut submission, completion) = whole.split();
    child.refused(submission.submit());
    drop(completion);
}

#[test]
fn halves_are_dead_in_a_child_and_live_in_the_parent() {
    limit(LIMIT, || {
        let mut ring = Ring::new(8).unwrap();
        fill(&mut ring);
        let shared = Shared::of(ring.raw_fd());
        let before = shared.now();
        let mut halves = Some(ring.split());
        fork(|child| {
            let (submission, completion) = halves.take().expect("the halves are there");
            dead_halves(submission, completion, child);
        });
        assert!(before == shared.now(), "the child touched what is shared");
        let (submission, completion) = halves.expect("the child took its own copy");
        goes_on(&mut submission.unsplit(completion).expect("they are of one ring"));
    });
}

/// What waits for a file goes on, though a child has the file, and what the ring waits by.
#[test]
fn a_poll_is_the_parents_whatever_the_child_does() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut ring = Ring::new(8).unwrap();
        let poll = op::PollAdd::new(&reader, PollEvents::IN).build().user_data(1);
        // SAFETY: a poll points to nothing.
        unsafe { ring.push(poll) }.unwrap();
        assert_eq!(ring.submit().unwrap(), 1);
        let shared = Shared::of(ring.raw_fd());
        let before = shared.now();
        let mut ring = Some(ring);
        fork(|child| {
            let mut inherited = ring.take().expect("the ring is there");
            whole(&mut inherited, child);
            parts(&mut inherited, child);
            drop(inherited);
            own_ring(child);
        });
        assert!(before == shared.now(), "the child touched what is shared");
        let mut ring = ring.expect("the child took its own copy");
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        assert_eq!(ring.submit_and_wait(1).unwrap(), 0);
        let seen: Vec<u64> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [1]);
    });
}

#[test]
fn a_child_has_rings_of_its_own_while_inherited_ones_stay_dead() {
    limit(LIMIT, || {
        let mut first = Some(Ring::new(8).unwrap());
        let mut second = LocalRing::new(8).unwrap();
        fork(|child| {
            own_ring(child);
            child.refused(second.submit());
            // Its cells are given back, and the next ring's are among them.
            drop(first.take());
            own_ring(child);
            child.refused(second.submit());
            // SAFETY: a NOP points to nothing.
            child.refused(unsafe { second.push(nop(1)) });
        });
        drop(first);
        assert_eq!(second.submit().unwrap(), 0);
    });
}

#[test]
fn the_queue_of_one_ring_and_the_kernel_of_another_do_not_mix_in_a_child() {
    limit(LIMIT, || {
        let mut inherited = Ring::new(8).unwrap();
        fill(&mut inherited);
        let shared = Shared::of(inherited.raw_fd());
        let before = shared.now();
        fork(|child| {
            let Ok(mut own) = Ring::new(8) else { return child.ensure(false) };
            let (sq, _, submitter) = inherited.parts();
            child.refused(own.submitter().submit(sq));
            child.refused(own.submitter().submit_and_wait(sq, 1));
            let (own_sq, _, _) = own.parts();
            child.refused(submitter.submit(own_sq));
            child.refused(submitter.submit_and_wait(own_sq, 1));
            child.refused(submitter.submit_and_wait_with(own_sq, 1, &Wait::new()));
        });
        assert!(before == shared.now(), "the child touched what is shared");
        goes_on(&mut inherited);
    });
}

#[test]
fn a_childs_ring_is_dead_in_its_own_child() {
    limit(LIMIT, || {
        fork(|child| {
            let Ok(mut ring) = Ring::new(8) else { return child.ensure(false) };
            // SAFETY: as in `child::fork`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                child.refused(ring.submit());
                own_ring(child);
                // SAFETY: `_exit` runs nothing of this process's.
                unsafe { libc::_exit(0) };
            }
            // SAFETY: no status is written.
            child.ensure(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == pid);
            child.ensure(ring.submit().is_ok());
        });
    });
}

#[test]
fn a_parked_ring_is_not_enabled_in_a_child() {
    limit(LIMIT, || {
        let mut parked = Some(Builder::new().entries(8).build_parked().unwrap());
        fork(|child| child.refused(parked.take().expect("it is there").enable()));
        let mut ring = parked.expect("the child took its own copy").enable().unwrap();
        assert_eq!(ring.submit().unwrap(), 0);
    });
}

#[test]
fn a_fork_amid_other_threads_rings_leaves_cells_to_use() {
    limit(LIMIT, || {
        let ended = AtomicBool::new(false);
        let mut inherited = Ring::new(8).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut ring = Ring::new(8).unwrap();
                    // Splitting takes a cell, and putting together gives it back. Pairs with the
                    // store below.
                    while !ended.load(Ordering::Relaxed) {
                        let (submission, completion) = ring.split();
                        ring = submission.unsplit(completion).expect("they are of one ring");
                        assert_eq!(ring.submit().unwrap(), 0);
                    }
                });
            }
            for _ in 0..50 {
                fork(|child| {
                    child.refused(inherited.submit());
                    own_ring(child);
                    child.refused(inherited.completions());
                });
            }
            // Pairs with the loads above; the threads end soon after.
            ended.store(true, Ordering::Relaxed);
        });
        assert_eq!(inherited.submit().unwrap(), 0);
    });
}
