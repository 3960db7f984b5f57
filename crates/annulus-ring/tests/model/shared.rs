//! What several threads do with one shared ring: each body runs under loom, under Miri and on real
//! threads.
//!
//! A thread that is forgotten, asleep in the kernel or beside it, is a deadlock, which loom
//! reports; so these bodies wait without a time limit wherever somebody is to be woken.

use std::sync::Arc;
use std::time::Duration;

use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{Errno, Movable, SharedRingOf, Submitted};

use super::entry::nop;
use super::memory::Shape;
use super::sync::{spawn, yield_now};
use super::{Config, Fault, Made, Model};

type Plain = Model<Sqe, Cqe>;
type Shared = Arc<SharedRingOf<Arc<Plain>>>;

/// Every body, by name.
pub const ALL: &[(&str, fn())] = &[
    ("entries_left_to_another", entries_left_to_another),
    ("groups_are_never_cut", groups_are_never_cut),
    ("pushes_to_a_full_queue", pushes_to_a_full_queue),
    ("a_submit_that_fails", a_submit_that_fails),
    ("lead_is_handed_on", lead_is_handed_on),
    ("waiters_share_what_comes", waiters_share_what_comes),
    ("a_wake_up_in_the_kernel", a_wake_up_in_the_kernel),
    ("a_wake_up_taken_by_another", a_wake_up_taken_by_another),
    ("a_wake_up_with_a_full_queue", a_wake_up_with_a_full_queue),
    ("a_wake_up_beside_the_kernel", a_wake_up_beside_the_kernel),
    ("all_are_woken", all_are_woken),
    ("overflow_while_waiting", overflow_while_waiting),
    ("a_submitter_that_is_let_go", a_submitter_that_is_let_go),
    ("a_wait_submits_what_was_left", a_wait_submits_what_was_left),
    ("a_thread_makes_room", a_thread_makes_room),
    ("a_thread_ends", a_thread_ends),
];

fn shared(sq_entries: u32, cq_entries: u32) -> (Shared, Arc<Plain>) {
    let shape = Shape::new(sq_entries, cq_entries).near_wrap(1);
    let (ring, kernel): Made<Movable, Sqe, Cqe> = Config::new(shape).ring();
    (Arc::new(SharedRingOf::from_ring(ring).unwrap()), kernel)
}

/// With a thread of its own that submits.
fn with_thread(sq_entries: u32, cq_entries: u32) -> (SharedRingOf<Arc<Plain>>, Arc<Plain>) {
    let shape = Shape::new(sq_entries, cq_entries).near_wrap(1);
    let (ring, kernel): Made<Movable, Sqe, Cqe> = Config::new(shape).ring();
    (SharedRingOf::with_thread(ring).unwrap(), kernel)
}

/// Takes `count` completions, one by one.
fn take(ring: &Shared, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let mut one = [Cqe::default()];
        let taken = ring.wait_into(&mut one).unwrap();
        seen.extend(one[..taken].iter().map(|cqe| cqe.user_data));
    }
    seen
}

/// Nothing is queued, and `wanted` is all that has come and was not taken.
fn left(ring: &Shared, wanted: &[u64]) {
    assert_eq!(ring.counters().unwrap().queued, 0, "an entry was stranded");
    let mut seen: Vec<u64> = ring.peek().unwrap().map(|cqe| cqe.user_data).collect();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
}

/// Two push and submit: whoever finds the other submitting leaves its entry, and it is taken.
fn entries_left_to_another() {
    let (ring, _kernel) = shared(2, 2);
    let other = spawn({
        let ring = ring.clone();
        move || {
            ring.nop(1).unwrap();
            let _ = ring.submit().unwrap();
        }
    });
    ring.nop(0).unwrap();
    let _ = ring.submit().unwrap();
    other.join().unwrap();
    left(&ring, &[0, 1]);
}

/// Groups of two lengths: no enter takes a part of one.
fn groups_are_never_cut() {
    let (ring, kernel) = shared(4, 8);
    let other = spawn({
        let ring = ring.clone();
        move || {
            // SAFETY: NOPs point to nothing; so below.
            unsafe { ring.push_all(&[nop(10), nop(11), nop(12)]) }.unwrap();
            let _ = ring.submit().unwrap();
        }
    });
    // SAFETY: as above.
    unsafe { ring.push_all(&[nop(20), nop(21)]) }.unwrap();
    let _ = ring.submit().unwrap();
    other.join().unwrap();
    for batch in &kernel.state().batches {
        let holds = |data: &[u64]| data.iter().filter(|n| batch.contains(n)).count();
        assert!([0, 3].contains(&holds(&[10, 11, 12])), "{batch:?}");
        assert!([0, 2].contains(&holds(&[20, 21])), "{batch:?}");
    }
    left(&ring, &[10, 11, 12, 20, 21]);
}

/// Each push but the first finds the one slot taken, and goes on once it is free.
fn pushes_to_a_full_queue() {
    let (ring, _kernel) = shared(1, 4);
    let other = spawn({
        let ring = ring.clone();
        move || {
            ring.nop(1).unwrap();
            let _ = ring.submit().unwrap();
        }
    });
    ring.nop(0).unwrap();
    ring.nop(2).unwrap();
    let _ = ring.submit().unwrap();
    other.join().unwrap();
    left(&ring, &[0, 1, 2]);
}

/// An enter fails: one of the two that submit is told, once; all stays queued, and the next submit
/// sends it.
fn a_submit_that_fails() {
    let (ring, kernel) = shared(2, 2);
    kernel.fault([Fault::Refuse { errno: Errno::EAGAIN, after: Duration::ZERO }]);
    let push = |ring: Shared, n| {
        move || {
            ring.nop(n).unwrap();
            let submitted = ring.submit();
            if let Err(error) = &submitted {
                assert!(error.is_busy());
                assert!(matches!(error.queued(), Some(1 | 2)), "{error}");
            }
            submitted.is_err()
        }
    };
    let other = spawn(push(ring.clone(), 1));
    let failed = push(ring.clone(), 0)();
    let other_failed = other.join().unwrap();
    assert!(failed != other_failed, "told {failed} and {other_failed}");
    match ring.submit().unwrap() {
        Submitted::Taken(0..=2) => {}
        other => panic!("{other:?}"),
    }
    left(&ring, &[0, 1]);
}

/// Two wait, and each takes one of two completions: the one in the kernel wakes the one beside it.
fn lead_is_handed_on() {
    let (ring, _kernel) = shared(2, 2);
    let waiters = [(); 2].map(|()| {
        let ring = ring.clone();
        spawn(move || take(&ring, 1))
    });
    // SAFETY: NOPs point to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1)]) }.unwrap();
    let _ = ring.submit().unwrap();
    let mut seen = waiters.map(|waiter| waiter.join().unwrap()[0]);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1]);
    left(&ring, &[]);
}

/// The completions come one after the other.
fn waiters_share_what_comes() {
    let (ring, _kernel) = shared(2, 2);
    let waiter = spawn({
        let ring = ring.clone();
        move || take(&ring, 1)
    });
    ring.nop(0).unwrap();
    let _ = ring.submit().unwrap();
    ring.nop(1).unwrap();
    let mut seen = take(&ring, 1);
    seen.extend(waiter.join().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, [0, 1]);
    left(&ring, &[]);
}

/// Waits to be woken; nothing else comes.
fn be_woken(ring: &Shared) {
    assert_eq!(ring.wait_into(&mut [Cqe::default()]).unwrap(), 0);
}

fn a_wake_up_in_the_kernel() {
    let (ring, _kernel) = shared(1, 2);
    let waiter = spawn({
        let ring = ring.clone();
        move || be_woken(&ring)
    });
    ring.wake().unwrap();
    waiter.join().unwrap();
    left(&ring, &[]);
}

/// The NOP is taken by one that only looks, before or after it has reached the one it was for.
fn a_wake_up_taken_by_another() {
    let (ring, _kernel) = shared(1, 2);
    let waiter = spawn({
        let ring = ring.clone();
        move || be_woken(&ring)
    });
    ring.wake().unwrap();
    assert_eq!(ring.peek().unwrap().len(), 0);
    waiter.join().unwrap();
    left(&ring, &[]);
}

/// There is no slot for the NOP: what has them is submitted, and completes as well.
fn a_wake_up_with_a_full_queue() {
    let (ring, _kernel) = shared(1, 4);
    let waiter = spawn({
        let ring = ring.clone();
        move || {
            let (mut seen, mut one) = (0, [Cqe::default()]);
            loop {
                match ring.wait_into(&mut one).unwrap() {
                    0 => return seen,
                    count => seen += count,
                }
            }
        }
    });
    ring.nop(0).unwrap();
    ring.wake().unwrap();
    let seen = waiter.join().unwrap();
    let _ = ring.submit().unwrap();
    assert_eq!(seen + ring.peek().unwrap().len(), 1);
    left(&ring, &[]);
}

/// Two wait, two wake-ups: one goes to the kernel, the other need not.
fn a_wake_up_beside_the_kernel() {
    let (ring, _kernel) = shared(2, 4);
    let waiters = [(); 2].map(|()| {
        let ring = ring.clone();
        spawn(move || be_woken(&ring))
    });
    ring.wake().unwrap();
    ring.wake().unwrap();
    for waiter in waiters {
        waiter.join().unwrap();
    }
    left(&ring, &[]);
}

/// All that wait end, whether they came before or between; who has not come yet is woken then.
fn all_are_woken() {
    let (ring, _kernel) = shared(2, 4);
    let waiter = spawn({
        let ring = ring.clone();
        move || be_woken(&ring)
    });
    ring.wake_all().unwrap();
    // It may come only now: this one is for it.
    ring.wake().unwrap();
    waiter.join().unwrap();
    yield_now();
    left(&ring, &[]);
}

/// More completions than slots: those outside are brought by who waits.
fn overflow_while_waiting() {
    let (ring, _kernel) = shared(2, 1);
    let waiter = spawn({
        let ring = ring.clone();
        move || take(&ring, 2)
    });
    // SAFETY: NOPs point to nothing.
    unsafe { ring.push_all(&[nop(0), nop(1)]) }.unwrap();
    let _ = ring.submit().unwrap();
    assert_eq!(waiter.join().unwrap(), [0, 1]);
    left(&ring, &[]);
}

/// One leaves entry after entry to the other, which goes after some turns: whatever was left by
/// then is taken, and what comes then is submitted by who pushes it.
fn a_submitter_that_is_let_go() {
    let (ring, _kernel) = shared(4, 4);
    let other = spawn({
        let ring = ring.clone();
        move || {
            for n in 1..4 {
                ring.nop(n).unwrap();
                let _ = ring.submit().unwrap();
            }
        }
    });
    ring.nop(0).unwrap();
    let _ = ring.submit().unwrap();
    other.join().unwrap();
    left(&ring, &[0, 1, 2, 3]);
}

/// Who waits does not rely on the one that it left its entry to: both wait, and both get one.
fn a_wait_submits_what_was_left() {
    let (ring, _kernel) = shared(2, 2);
    let other = spawn({
        let ring = ring.clone();
        move || {
            ring.nop(1).unwrap();
            take(&ring, 1)
        }
    });
    ring.nop(0).unwrap();
    let mut seen = take(&ring, 1);
    seen.extend(other.join().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, [0, 1]);
    left(&ring, &[]);
}

/// The one slot is taken: the push asks the thread for room, and is told when there is some.
fn a_thread_makes_room() {
    let (ring, kernel) = with_thread(1, 4);
    ring.nop(0).unwrap();
    ring.nop(1).unwrap();
    assert_eq!(ring.submit().unwrap(), Submitted::Left);
    drop(ring);
    assert_eq!(kernel.state().batches, [[0], [1]]);
}

/// What the thread was asked to submit, it does before it ends.
fn a_thread_ends() {
    let (ring, kernel) = with_thread(2, 2);
    ring.nop(0).unwrap();
    assert_eq!(ring.submit().unwrap(), Submitted::Left);
    drop(ring);
    assert_eq!(kernel.state().batches, [[0]]);
}
