//! What two threads do with one ring: each body runs under loom, under Miri and on real threads.
//!
//! Every wait spins until there is progress, and never a bounded number of times: a bounded loop
//! lets loom end an interleaving before it becomes interesting, and a seeded bug goes unseen.

use std::ptr::NonNull;
use std::sync::Arc;

use annulus_ring::abi::{Buf, Cqe, SetupFlags, Sqe};
use annulus_ring::kernel::{AtomicU16, AtomicU32, Slot};
use annulus_ring::raw::BufQueue;
use annulus_ring::{Mixed, Movable, RingOf, Wait, WaitIndex};

use super::entry::{Completion, Posted, nop};
use super::memory::Shape;
use super::sync::{Ordering, spawn, yield_now};
use super::{Config, Made, Model, Work};

type Plain = Model<Sqe, Cqe>;
type PlainRing = RingOf<Movable, Sqe, Cqe, Arc<Plain>>;

/// Every body, by name.
pub const ALL: &[(&str, fn())] = &[
    ("submission_against_a_consumer", submission_against_a_consumer),
    ("submission_through_an_index_array", submission_through_an_index_array),
    ("completion_against_a_producer", completion_against_a_producer),
    ("completion_in_batches", completion_in_batches),
    ("completion_of_mixed_sizes", completion_of_mixed_sizes),
    #[cfg(not(loom))] // loom cannot watch what is read through a slice.
    ("completion_in_place", completion_in_place),
    ("buffers_against_a_consumer", buffers_against_a_consumer),
    ("wakeup_by_submit", wakeup_by_submit),
    ("wakeup_by_submit_and_wait", wakeup_by_submit_and_wait),
    ("wakeup_by_a_timed_wait", wakeup_by_a_timed_wait),
    ("wakeup_by_a_registered_wait", wakeup_by_a_registered_wait),
    ("halves_of_a_ring", halves_of_a_ring),
    ("overflow_while_taking", overflow_while_taking),
    ("task_work_from_elsewhere", task_work_from_elsewhere),
];

/// How many entries go through a queue of two: one more than fit, so that a slot is used again.
const COUNT: u32 = 3;

fn push_until_room(ring: &mut PlainRing, user_data: u64) {
    loop {
        // SAFETY: a NOP points to nothing.
        match unsafe { ring.push(nop(user_data)) } {
            Ok(()) => return,
            Err(error) => assert!(error.is_queue_full(), "{error}"),
        }
        yield_now();
    }
}

/// Entries reach a consumer that runs meanwhile, whole and in order, and a slot is not written
/// again before it was read.
fn consumed(shape: Shape) {
    let config = Config::new(shape).flags(SetupFlags::SQPOLL);
    let (mut ring, kernel): Made<Movable, Sqe, Cqe> = config.ring();
    let consumer = spawn(move || {
        let (mut head, mut seen) = (shape.sq_start, 0);
        while seen < COUNT {
            for entry in kernel.memory().take(&mut head, 1) {
                assert_eq!(entry, nop(u64::from(seen)));
                seen += 1;
            }
            yield_now();
        }
    });
    for user_data in 0..u64::from(COUNT) {
        push_until_room(&mut ring, user_data);
        assert!(ring.submit().unwrap() <= shape.sq_entries);
    }
    consumer.join().unwrap();
    assert_eq!(ring.sq_len(), 0);
}

fn submission_against_a_consumer() {
    consumed(Shape::new(2, 2).near_wrap(1));
}

fn submission_through_an_index_array() {
    consumed(Shape::new(2, 2).near_wrap(2).with_array());
}

/// Posts completions 0, 1, … to a queue that the program empties meanwhile.
fn produce<C: Posted>(shape: Shape, completions: Vec<Completion>) -> RingOfModel<C> {
    let (ring, kernel): Made<Movable, Sqe, C> = Config::new(shape).ring();
    let producer = move || {
        let mut tail = shape.cq_start;
        for completion in completions {
            while !kernel.memory().post(&mut tail, &completion) {
                yield_now();
            }
        }
    };
    (ring, Box::new(producer))
}

type RingOfModel<C> = (RingOf<Movable, Sqe, C, Arc<Model<Sqe, C>>>, Box<dyn FnOnce() + Send>);

fn short(user_data: u64) -> Completion {
    Completion { user_data, res: 0, big: None }
}

/// One completion is taken at a time, the others stay.
fn completion_against_a_producer() {
    let all: Vec<_> = (0..u64::from(COUNT)).map(short).collect();
    let (mut ring, producer) = produce::<Cqe>(Shape::new(2, 2).near_wrap(1), all);
    let producer = spawn(producer);
    for user_data in 0..u64::from(COUNT) {
        loop {
            if let Some(cqe) = ring.completions().unwrap().next() {
                assert_eq!(cqe, Cqe { user_data, ..Cqe::default() });
                break;
            }
            yield_now();
        }
    }
    producer.join().unwrap();
    assert_eq!(ring.cq_len(), 0);
}

/// All that are there are taken, and given back at once.
fn completion_in_batches() {
    let all: Vec<_> = (0..u64::from(COUNT)).map(short).collect();
    let (mut ring, producer) = produce::<Cqe>(Shape::new(2, 2).near_wrap(2), all);
    let producer = spawn(producer);
    let mut seen = 0;
    while seen < u64::from(COUNT) {
        for cqe in ring.completions().unwrap() {
            assert_eq!(cqe.user_data, seen);
            seen += 1;
        }
        yield_now();
    }
    producer.join().unwrap();
}

/// A ring of two buffers.
struct Buffers {
    slots: [Slot<Buf>; 2],
    tail: AtomicU16,
    /// How many were taken: in a real ring the completions say so.
    taken: AtomicU32,
}

/// Buffers reach the kernel whole and in order, and across the wrap of their 16-bit index.
fn buffers_against_a_consumer() {
    const START: u16 = u16::MAX;
    let buffer = |n: u32| Buf { addr: 0x1000 + u64::from(n), len: n, bid: n as u16, resv: 0 };
    let shared = Arc::new(Buffers {
        slots: [Slot::new(Buf::default()), Slot::new(Buf::default())],
        tail: AtomicU16::new(START),
        taken: AtomicU32::new(0),
    });
    let kernel = shared.clone();
    let consumer = spawn(move || {
        let (mut head, mut seen) = (START, 0);
        while seen < COUNT {
            // Acquire: pairs with the queue's release of the tail.
            let tail = kernel.tail.load(Ordering::Acquire);
            while head != tail {
                // SAFETY: the slot is between head and tail: it is the kernel's turn.
                let read = unsafe { kernel.slots[usize::from(head & 1)].read() };
                assert_eq!(read, buffer(seen));
                (head, seen) = (head.wrapping_add(1), seen + 1);
                // Release: pairs with the program's acquire below: the slot was read.
                kernel.taken.store(seen, Ordering::Release);
            }
            yield_now();
        }
    });
    let slots = NonNull::from(&shared.slots).cast();
    // SAFETY: two slots and their tail, which live to the end of this; nothing else produces.
    let mut queue = unsafe { BufQueue::new(slots, NonNull::from(&shared.tail), 2) };
    for n in 0..COUNT {
        // Acquire: pairs with the kernel's release above.
        while n - shared.taken.load(Ordering::Acquire) == 2 {
            yield_now();
        }
        let Buf { addr, len, bid, .. } = buffer(n);
        // SAFETY: of the two buffers before this one at least one was taken.
        unsafe { queue.add(addr, len, bid) };
        assert_eq!(queue.advance(), 1);
    }
    consumer.join().unwrap();
}

/// All that are there are read where they lie, and given back at once.
#[cfg(not(loom))]
fn completion_in_place() {
    let all: Vec<_> = (0..u64::from(COUNT)).map(short).collect();
    let (mut ring, producer) = produce::<Cqe>(Shape::new(2, 2).near_wrap(1), all);
    let producer = spawn(producer);
    let mut seen = 0;
    while seen < u64::from(COUNT) {
        let ready = ring.parts().1.ready().unwrap();
        let (first, second) = ready.slices();
        for cqe in first.iter().chain(second) {
            assert_eq!(cqe.user_data, seen);
            seen += 1;
        }
        ready.consume();
        yield_now();
    }
    producer.join().unwrap();
}

/// A long completion comes whole, past the padding at the end of the queue.
fn completion_of_mixed_sizes() {
    let all = vec![Completion { big: Some([8, 9]), ..short(0) }, short(1)];
    let (mut ring, producer) = produce::<Mixed>(Shape::new(2, 2).near_wrap(1), all.clone());
    let producer = spawn(producer);
    let mut seen = Vec::new();
    while seen.len() < all.len() {
        seen.extend(ring.completions().unwrap().map(|item| Mixed::seen(&item)));
        yield_now();
    }
    assert_eq!(seen, all);
    producer.join().unwrap();
}

/// The polling thread goes to sleep whenever it is idle, and no entry is left with it asleep.
fn woken(count: u32, submit: impl Fn(&mut PlainRing)) {
    let shape = Shape::new(2, 4).near_wrap(1);
    let config = Config::new(shape).flags(SetupFlags::SQPOLL);
    let (mut ring, kernel): Made<Movable, Sqe, Cqe> = config.ring();
    let poller = {
        let kernel = kernel.clone();
        spawn(move || kernel.poll(count))
    };
    for user_data in 0..u64::from(count) {
        push_until_room(&mut ring, user_data);
        submit(&mut ring);
    }
    poller.join().unwrap();
    assert_eq!(ring.sq_len(), 0);
    let seen: Vec<_> = ring.completions().unwrap().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, (0..u64::from(count)).collect::<Vec<_>>());
}

fn wakeup_by_submit() {
    woken(2, |ring| assert!(ring.submit().unwrap() <= 2));
}

fn wakeup_by_submit_and_wait() {
    woken(1, |ring| {
        ring.submit_and_wait(1).unwrap();
        assert_eq!(ring.cq_len(), 1);
    });
}

fn wakeup_by_a_timed_wait() {
    woken(1, |ring| {
        ring.submit_and_wait_with(1, &Wait::new()).unwrap();
        assert_eq!(ring.cq_len(), 1);
    });
}

fn wakeup_by_a_registered_wait() {
    woken(1, |ring| {
        ring.submit_and_wait_registered(1, WaitIndex(0)).unwrap();
        assert_eq!(ring.cq_len(), 1);
    });
}

/// One thread submits, another waits and takes.
fn halves_of_a_ring() {
    let shape = Shape::new(2, 2).near_wrap(1);
    let (ring, kernel): Made<Movable, Sqe, Cqe> = Config::new(shape).ring();
    let (mut submission, mut completion) = ring.split();
    let submitter = spawn(move || {
        for user_data in 0..2 {
            // SAFETY: a NOP points to nothing.
            unsafe { submission.queue().push(nop(user_data)) }.unwrap();
            assert_eq!(submission.submit().unwrap(), 1);
        }
        submission
    });
    let mut seen = 0;
    while seen < 2 {
        completion.wait(1).unwrap();
        for cqe in completion.completions().unwrap() {
            assert_eq!(cqe.user_data, seen);
            seen += 1;
        }
    }
    let submission = submitter.join().unwrap();
    let ring = submission.unsplit(completion).unwrap();
    assert_eq!((ring.sq_len(), ring.cq_len(), kernel.pending()), (0, 0, 0));
}

/// The queue overflows while the program takes from it: all come, in order.
fn overflow_while_taking() {
    let shape = Shape::new(2, 2).near_wrap(1);
    let (mut ring, kernel): Made<Movable, Sqe, Cqe> = Config::new(shape).ring();
    let poster = spawn(move || {
        for user_data in 0..u64::from(COUNT) {
            kernel.post_message(short(user_data));
        }
    });
    let mut seen = 0;
    while seen < u64::from(COUNT) {
        for cqe in ring.completions().unwrap() {
            assert_eq!(cqe.user_data, seen);
            seen += 1;
        }
        yield_now();
    }
    poster.join().unwrap();
    assert!(!ring.has_overflow());
}

/// Completions appear only when the program enters, which it does when the kernel says so.
fn task_work_from_elsewhere() {
    let shape = Shape::new(2, 2).near_wrap(1);
    let flags = SetupFlags::DEFER_TASKRUN | SetupFlags::TASKRUN_FLAG;
    let config = Config::new(shape).flags(flags).work(Work::Deferred);
    let (mut ring, kernel): Made<Movable, Sqe, Cqe> = config.ring();
    let worker = spawn(move || kernel.defer(short(7)));
    loop {
        if let Some(cqe) = ring.completions().unwrap().next() {
            assert_eq!(cqe.user_data, 7);
            break;
        }
        yield_now();
    }
    worker.join().unwrap();
}
