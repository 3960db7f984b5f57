//! Wakers and operations are not our code, and may panic wherever they are called: nothing is lost
//! then but what they were called for. On a driver without a ring, so under Miri too.
#![cfg(not(loom))]

mod model;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::{Duration, Instant};

use annulus_ring::abi::Sqe;
use futures::FutureExt;

use model::engine::Op;
use model::operation::{Advance, Completion, Operation};
use model::probe::{Log, Probe, Task};
use model::reactor::Work;
use model::scenarios::World;
use model::{bell, buffer, counts, executor, files, operation, port, slot, sync};

/// How long anything may take: under Miri time is counted in steps.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `is_so`.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "never so: {what}");
        std::thread::yield_now();
    }
}

/// What a waker does when it is called.
#[derive(Debug, Default)]
struct Moods {
    clone: AtomicBool,
    wake: AtomicBool,
    drop: AtomicBool,
    /// What it throws throws once more when it is dropped.
    twice: AtomicBool,
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("what was thrown panics when dropped");
    }
}

impl Moods {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is that of a waker made by `waker`, which lives.
            let moods = unsafe { &*data.cast::<Self>() };
            moods.act(&moods.clone);
            // SAFETY: as above: the count is at least 1.
            unsafe { Arc::increment_strong_count(data.cast::<Self>()) };
            RawWaker::new(data, &Self::TABLE)
        },
        |data| {
            // SAFETY: the waker that `data` is of is used up.
            let moods = unsafe { Arc::from_raw(data.cast::<Self>()) };
            moods.act(&moods.wake);
        },
        |data| {
            // SAFETY: `data` is that of a waker made by `waker`, which lives.
            let moods = unsafe { &*data.cast::<Self>() };
            moods.act(&moods.wake);
        },
        |data| {
            // SAFETY: the waker that `data` is of is used up.
            let moods = unsafe { Arc::from_raw(data.cast::<Self>()) };
            moods.act(&moods.drop);
        },
    );

    fn act(&self, mood: &AtomicBool) {
        if mood.load(Ordering::SeqCst) {
            if self.twice.load(Ordering::SeqCst) {
                std::panic::panic_any(Bomb);
            }
            panic!("a waker panics");
        }
    }

    fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast();
        // SAFETY: the functions keep the count of the `Arc`, and are good for any thread.
        unsafe { Waker::new(data, &Self::TABLE) }
    }

    /// Polls once; what the caller's own waker does when it is dropped does not matter.
    fn poll<F: Future + Unpin>(self: &Arc<Self>, op: &mut F) -> bool {
        let waker = std::mem::ManuallyDrop::new(self.waker());
        let polled =
            catch_unwind(AssertUnwindSafe(|| op.poll_unpin(&mut Context::from_waker(&waker))));
        // SAFETY: the waker is not used again; this is its count.
        unsafe { Arc::decrement_strong_count(waker.data().cast::<Self>()) };
        polled.is_ok()
    }
}

fn set(mood: &AtomicBool, to: bool) {
    mood.store(to, Ordering::SeqCst);
}

/// Where an operation panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Entry,
    Advance,
    Complete,
    Reclaim,
}

/// An operation that panics somewhere; of 200 bytes, so that it lies in a box.
struct Faulty<const BYTES: usize> {
    probe: Probe,
    at: At,
    _bytes: [u8; BYTES],
}

impl<const BYTES: usize> Faulty<BYTES> {
    fn op(world: &World, at: At) -> Op<Self> {
        let probe = Probe::new(&world.log);
        Op::new(Arc::clone(&world.ports), Self { probe, at, _bytes: [0; BYTES] })
    }

    fn act(&self, at: At) {
        assert_ne!(self.at, at, "an operation panics");
    }
}

// SAFETY: its entry points to nothing.
unsafe impl<const BYTES: usize> Operation for Faulty<BYTES> {
    type Output = ();

    fn entry(&mut self) -> Sqe {
        self.act(At::Entry);
        Sqe::default()
    }

    fn advances(&self) -> bool {
        true
    }

    fn advance(&mut self, _: &mut Completion) -> Advance {
        self.act(At::Advance);
        Advance::Finished
    }

    fn complete(self, completion: Completion) {
        self.act(At::Complete);
        let _ = self.probe.complete(completion);
    }

    fn reclaim(self, completion: Completion) {
        self.act(At::Reclaim);
        self.probe.reclaim(completion);
    }
}

/// The operations that were dropped.
fn dropped(log: &Log) -> u32 {
    log.read().2
}

fn panics(world: &World) -> u64 {
    world.port().counts.panics.get()
}

/// A driver that outlived a panic still gives results, and every slot is free.
fn goes_on(mut world: World) {
    assert!(Task::new().finish(&mut world.op()).0.is_ok());
    world.close();
    model::scenarios::all_are_free(&world.port().slots);
    assert_eq!(Arc::strong_count(&world.ports), 1, "somebody has the ports");
}

#[test]
fn a_waker_that_cannot_be_cloned_leaves_the_operation_as_it_was() {
    let world = World::new(Work::AtOnce);
    let (moods, mut op) = (Arc::new(Moods::default()), world.op());
    set(&moods.clone, true);
    assert!(!moods.poll(&mut op));
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
    assert!(Task::new().finish(&mut op).0.is_ok(), "it was not begun");
    drop(op);
    world.settle(1);
}

#[test]
fn a_waker_that_cannot_be_replaced_is_not_needed_by_the_next_poll() {
    let world = World::new(Work::Held);
    let (task, moods, mut op) = (Task::new(), Arc::new(Moods::default()), world.op());
    assert!(task.poll(&mut op).is_pending());
    set(&moods.clone, true);
    assert!(!moods.poll(&mut op));
    op.cancel();
    assert!(task.finish(&mut op).0.is_err());
    drop(op);
    // The driver may be about to let go of the one that it woke.
    wait_until("no waker is left", || {
        (Arc::strong_count(&moods), Arc::strong_count(&task)) == (1, 1)
    });
    world.settle(1);
}

#[test]
fn a_waker_that_cannot_be_dropped_does_not_keep_the_cancel_back() {
    let world = World::new(Work::Held);
    let (moods, mut op) = (Arc::new(Moods::default()), world.op());
    assert!(moods.poll(&mut op));
    set(&moods.drop, true);
    catch_unwind(AssertUnwindSafe(|| drop(op))).unwrap_err();
    wait_until("it is cancelled", || world.log.read() == (0, 1, 1));
    world.settle(1);
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
}

#[test]
fn a_waker_that_cannot_be_dropped_does_not_keep_a_refused_slot() {
    let mut world = World::new(Work::AtOnce);
    world.close();
    // A second port, so that nothing but the inbox says that it is closed.
    let ports = Arc::new(port::Ports::new(vec![bell::Bell::new()], 8).unwrap());
    let slots = &ports.get(0).slots;
    // SAFETY: it has slots of this table.
    assert!(unsafe { ports.get(0).inbox.close(slots) }.next().is_none());
    let mut op = Op::new(Arc::clone(&ports), Probe::new(&world.log));
    let moods = Arc::new(Moods::default());
    set(&moods.drop, true);
    assert!(!moods.poll(&mut op), "the drop of the waker is told to whoever polls");
    assert_eq!(world.log.read(), (1, 0, 1));
    model::scenarios::all_are_free(slots);
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
}

#[test]
fn a_waker_that_panics_is_counted() {
    let world = World::new(Work::AtOnce);
    let (moods, mut op) = (Arc::new(Moods::default()), world.op());
    set(&moods.wake, true);
    assert!(moods.poll(&mut op));
    wait_until("it was woken", || panics(&world) == 1);
    drop(op);
    goes_on(world);
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
}

#[cfg(not(miri))] // What is thrown the second time is leaked, as it must be.
#[test]
fn a_waker_that_throws_what_throws_again_is_counted_once() {
    let world = World::new(Work::AtOnce);
    let (moods, mut op) = (Arc::new(Moods::default()), world.op());
    set(&moods.wake, true);
    set(&moods.twice, true);
    assert!(moods.poll(&mut op));
    wait_until("it was woken", || panics(&world) == 1);
    drop(op);
    goes_on(world);
}

#[test]
fn an_operation_without_an_entry_leaves_no_slot_behind() {
    let world = World::new(Work::AtOnce);
    let moods = Arc::new(Moods::default());
    let (mut small, mut large) =
        (Faulty::<1>::op(&world, At::Entry), Faulty::<200>::op(&world, At::Entry));
    assert!(!moods.poll(&mut small) && !moods.poll(&mut large));
    assert_eq!(dropped(&world.log), 2, "what was in the slots is dropped");
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
    drop((small, large));
    goes_on(world);
}

#[test]
fn a_chain_without_an_entry_leaves_no_slot_behind() {
    let world = World::new(Work::AtOnce);
    let moods = Arc::new(Moods::default());
    let faulty = Faulty::<200>::op(&world, At::Entry);
    let mut chain = world.op().then(faulty).then(world.op());
    assert!(!moods.poll(&mut chain));
    assert_eq!(dropped(&world.log), 1, "only what panicked is gone yet");
    drop(chain);
    assert_eq!(world.log.read(), (0, 0, 3), "nothing was begun");
    assert_eq!(Arc::strong_count(&moods), 1, "a waker is left");
    goes_on(world);
}

#[test]
fn an_operation_that_panics_later_leaves_no_slot_behind() {
    let world = World::new(Work::AtOnce);
    let task = Task::new();
    let mut advance = Faulty::<1>::op(&world, At::Advance);
    task.finish(&mut advance);
    assert_eq!((panics(&world), dropped(&world.log)), (1, 1));
    let mut complete = Faulty::<200>::op(&world, At::Complete);
    catch_unwind(AssertUnwindSafe(|| task.finish(&mut complete))).unwrap_err();
    assert_eq!((panics(&world), dropped(&world.log)), (1, 2), "that was the caller's thread");
    drop((advance, complete));
    goes_on(world);
}

#[test]
fn an_operation_that_cannot_be_reclaimed_leaves_no_slot_behind() {
    let world = World::new(Work::Held);
    let moods = Arc::new(Moods::default());
    let mut op = Faulty::<200>::op(&world, At::Reclaim);
    assert!(moods.poll(&mut op));
    drop(op);
    wait_until("it was reclaimed", || panics(&world) == 1);
    // The counts are no signals: that of panics may be seen before what came before it.
    wait_until("it was dropped", || dropped(&world.log) == 1);
    let mut world = world;
    world.close();
    model::scenarios::all_are_free(&world.port().slots);
}
