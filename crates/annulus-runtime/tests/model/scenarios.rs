//! What threads do with one port: each body runs under loom, under Miri and on real threads.
//!
//! In each the operations are counted: completed or reclaimed once, dropped once; every waker is
//! gone at the end; every slot is free again, and in the list once.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use annulus_ring::Errno;

use super::bell::Bell;
use super::engine::Op;
use super::operation::Origin;
use super::port::{Port, Ports};
use super::probe::{End, Log, Probe, Task};
use super::reactor::{Driver, RESULT, Work};
use super::slot::{Inbox, Message, Posted, Slots};
use super::threads::{Gauge, JoinHandle, spawn, yield_now};

/// Every body, by name.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("result_for_a_task_that_sleeps", result_for_a_task_that_sleeps),
    ("result_for_a_task_that_polls", result_for_a_task_that_polls),
    ("results_in_one_slot", results_in_one_slot),
    ("result_for_the_last_waker", result_for_the_last_waker),
    ("cancel_of_a_held_operation", cancel_of_a_held_operation),
    ("cancel_against_a_result", cancel_against_a_result),
    ("drop_of_a_held_operation", drop_of_a_held_operation),
    ("drop_against_a_result", drop_against_a_result),
    ("drop_after_a_cancel", drop_after_a_cancel),
    ("drop_against_a_close", drop_against_a_close),
    ("ship_against_a_close", ship_against_a_close),
    ("close_against_a_sleep", close_against_a_sleep),
    ("result_from_a_reactor_that_stays_asleep", result_from_a_reactor_that_stays_asleep),
    ("cancel_for_a_reactor_that_stays_asleep", cancel_for_a_reactor_that_stays_asleep),
    ("close_with_a_forgotten_operation", close_with_a_forgotten_operation),
    ("completion_that_comes_twice", completion_that_comes_twice),
    ("chain_that_is_done", chain_that_is_done),
    ("chain_that_is_dropped", chain_that_is_dropped),
    ("slots_used_by_two_tasks", slots_used_by_two_tasks),
    ("inbox_of_two_threads", inbox_of_two_threads),
    ("inbox_closed_meanwhile", inbox_closed_meanwhile),
    ("slots_taken_and_given", slots_taken_and_given),
    ("slots_that_grow", slots_that_grow),
];

/// A port, its driver, and what became of the operations.
pub(crate) struct World {
    pub(crate) ports: Arc<Ports>,
    pub(crate) log: Arc<Log>,
    driver: Option<JoinHandle<()>>,
    /// Whether each completion comes twice.
    twice: bool,
}

impl World {
    pub(crate) fn new(work: Work) -> Self {
        Self::with(work, move |ports| Driver::new(ports, work, false))
    }

    /// One whose driver takes a slot itself in each turn: what is given too early is used at once.
    fn that_uses_slots(work: Work) -> Self {
        Self::with(work, move |ports| Driver::new(ports, work, true))
    }

    /// One whose driver comes back once from a sleep that nobody ended, and is said to sleep still.
    fn that_stays_asleep(work: Work) -> Self {
        Self::with(work, move |ports| Driver::that_stays_asleep(ports, work, 1))
    }

    fn with(work: Work, driver: impl FnOnce(Arc<Ports>) -> Driver + Send + 'static) -> Self {
        let ports = Arc::new(Ports::new(vec![Bell::new()], 8).expect("ports"));
        let own = Arc::clone(&ports);
        let driver = spawn(move || driver(own).run());
        Self { ports, log: Arc::default(), driver: Some(driver), twice: work == Work::Twice }
    }

    pub(crate) fn port(&self) -> &Port {
        self.ports.get(0)
    }

    pub(crate) fn op(&self) -> Op<Probe> {
        Op::new(Arc::clone(&self.ports), Probe::new(&self.log))
    }

    /// Closes the port and waits for the driver.
    pub(crate) fn close(&mut self) {
        self.port().close();
        if let Some(driver) = self.driver.take() {
            driver.join().unwrap();
        }
    }

    /// Closes, and makes sure that of so many operations none was lost and none came twice.
    pub(crate) fn settle(mut self, operations: u32) {
        self.close();
        let (completed, reclaimed, dropped) = self.log.read();
        assert_eq!(
            completed + reclaimed,
            operations,
            "completed {completed}, reclaimed {reclaimed}"
        );
        assert_eq!(dropped, operations);
        let counts = &self.port().counts;
        assert_eq!(counts.panics.get(), 0, "a waker or an operation panicked");
        assert_eq!(counts.strays.get(), u64::from(self.twice) * u64::from(operations), "strays");
        assert_eq!(Arc::strong_count(&self.ports), 1, "somebody has the ports");
        all_are_free(&self.port().slots);
    }
}

/// Every slot of the table is in the free list, once.
pub(crate) fn all_are_free(slots: &Slots) {
    // The number of the first is a power of two.
    let Some(first) = (0..8).map(|log2| 1 << log2).find(|index| slots.get(*index).is_some()) else {
        return;
    };
    let total = (first..).take_while(|index| slots.get(*index).is_some()).count();
    let mut seen = vec![false; total];
    for _ in 0..total {
        let index = (slots.take().index() - first) as usize;
        assert!(index < total, "a slot was not given back");
        assert!(!std::mem::replace(&mut seen[index], true), "slot {index} is twice in the list");
    }
}

/// No waker of the task is left anywhere.
fn is_forgotten(task: &Arc<Task>) {
    assert_eq!(Arc::strong_count(task), 1, "a waker is left");
}

const DONE: End = (Ok(RESULT), Origin::Kernel);
const CANCELLED: End = (Err(Errno::ECANCELED), Origin::Cancelled);
const CLOSED: End = (Err(Errno::ECANCELED), Origin::Closed);

/// Polls for the first time, which ships.
fn ship<F: Future<Output = End> + Unpin>(task: &Arc<Task>, op: &mut F) {
    assert!(task.poll(op).is_pending(), "nothing is done at once");
}

/// Polls until the future ends, without waiting to be woken.
fn spin<F: Future<Output = End> + Unpin>(task: &Arc<Task>, op: &mut F) -> End {
    loop {
        if let Poll::Ready(end) = task.poll(op) {
            return end;
        }
        yield_now();
    }
}

fn result_for_a_task_that_sleeps() {
    let world = World::that_uses_slots(Work::AtOnce);
    let task = Task::new();
    assert_eq!(task.finish(&mut world.op()), DONE);
    world.settle(1);
    is_forgotten(&task);
}

/// Nothing but the slot tells the task: no lock of the waker orders anything.
fn result_for_a_task_that_polls() {
    let world = World::new(Work::AtOnce);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    assert_eq!(spin(&task, &mut op), DONE);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

/// Who sees a result has the slot, and may use it at once for the next: the driver must have its
/// hands off it.
fn results_in_one_slot() {
    let world = World::new(Work::AtOnce);
    let task = Task::new();
    for _ in 0..2 {
        let mut op = world.op();
        ship(&task, &mut op);
        assert_eq!(spin(&task, &mut op), DONE);
    }
    world.settle(2);
    is_forgotten(&task);
}

/// Two tasks poll in turn: who did last is woken.
fn result_for_the_last_waker() {
    let world = World::new(Work::AtOnce);
    let (first, last, mut op) = (Task::new(), Task::new(), world.op());
    ship(&first, &mut op);
    assert_eq!(last.finish(&mut op), DONE);
    drop(op);
    world.settle(1);
    is_forgotten(&first);
    is_forgotten(&last);
}

fn cancel_of_a_held_operation() {
    let world = World::new(Work::Held);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    op.cancel();
    op.cancel();
    assert_eq!(task.finish(&mut op), CANCELLED);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

/// The request may hang in the inbox longer than anybody needs the slot.
fn cancel_against_a_result() {
    let world = World::that_uses_slots(Work::AtOnce);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    op.cancel();
    let end = task.finish(&mut op);
    assert!([DONE, CANCELLED].contains(&end), "{end:?}");
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

fn drop_of_a_held_operation() {
    let world = World::new(Work::Held);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

fn drop_against_a_result() {
    let world = World::that_uses_slots(Work::AtOnce);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

/// The first request may be answered while the future is being dropped.
fn drop_after_a_cancel() {
    let world = World::that_uses_slots(Work::Held);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    op.cancel();
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

fn drop_against_a_close() {
    let world = World::that_uses_slots(Work::Held);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    world.port().close();
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

fn ship_against_a_close() {
    let world = World::new(Work::AtOnce);
    let ports = Arc::clone(&world.ports);
    let closer = spawn(move || ports.get(0).close());
    let task = Task::new();
    let end = task.finish(&mut world.op());
    assert!([DONE, CLOSED].contains(&end), "{end:?}");
    closer.join().unwrap();
    world.settle(1);
    is_forgotten(&task);
}

/// It is awake, and whoever ships or closes finds it asleep, and rings.
fn result_from_a_reactor_that_stays_asleep() {
    let world = World::that_stays_asleep(Work::AtOnce);
    let task = Task::new();
    assert_eq!(task.finish(&mut world.op()), DONE);
    world.settle(1);
    is_forgotten(&task);
}

/// The same, where three things are said to it one after the other.
fn cancel_for_a_reactor_that_stays_asleep() {
    let world = World::that_stays_asleep(Work::Held);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    op.cancel();
    assert_eq!(task.finish(&mut op), CANCELLED);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

/// A driver that has nothing to do is woken to end.
fn close_against_a_sleep() {
    World::new(Work::AtOnce).settle(0);
}

fn close_with_a_forgotten_operation() {
    let mut world = World::new(Work::Held);
    let (task, mut op) = (Task::new(), ManuallyDrop::new(world.op()));
    ship(&task, &mut *op);
    world.close();
    assert_eq!(world.log.read(), (0, 0, 0), "what was forgotten stays where it is");
    task.wait();
    is_forgotten(&task);
    // Remembered, so that nothing is left behind: its result is there, and nobody else's.
    drop(ManuallyDrop::into_inner(op));
    assert_eq!(world.log.read(), (0, 1, 1));
    world.settle(1);
}

/// The second belongs to nothing: it may be looked at while the slot is given back.
fn completion_that_comes_twice() {
    let world = World::new(Work::Twice);
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    assert_eq!(spin(&task, &mut op), DONE);
    drop(op);
    world.settle(1);
    is_forgotten(&task);
}

fn chain_that_is_done() {
    let world = World::new(Work::AtOnce);
    let (task, mut chain) = (Task::new(), world.op().then(world.op()));
    assert_eq!(task.finish(&mut chain), (DONE, DONE));
    drop(chain);
    world.settle(2);
    is_forgotten(&task);
}

fn chain_that_is_dropped() {
    let world = World::that_uses_slots(Work::Held);
    let (task, mut chain) = (Task::new(), world.op().then(world.op()));
    assert!(task.poll(&mut chain).is_pending());
    drop(chain);
    world.settle(2);
    is_forgotten(&task);
}

/// Each may get the slot that the other gave back.
fn slots_used_by_two_tasks() {
    let world = World::new(Work::AtOnce);
    let mut other = world.op();
    let thread = spawn(move || {
        let task = Task::new();
        assert_eq!(task.finish(&mut other), DONE);
        drop(other);
        task
    });
    let (task, mut op) = (Task::new(), world.op());
    ship(&task, &mut op);
    drop(op);
    let other = thread.join().unwrap();
    world.settle(2);
    is_forgotten(&task);
    is_forgotten(&other);
}

/// Two threads put, a third takes and sleeps: it finds each message once, and what came with it.
fn inbox_of_two_threads() {
    let shared = Arc::new((Slots::new(), Inbox::new(), Gauge::new()));
    let threads: Vec<_> = (1..=2)
        .map(|value| {
            let shared = Arc::clone(&shared);
            spawn(move || {
                let (slots, inbox, bell) = &*shared;
                let slot = slots.take();
                slot.tries.set(value);
                // SAFETY: the slot is of the table and this thread's, and in no inbox.
                if unsafe { inbox.put(slot, Message::Ship) } == Posted::Asleep {
                    bell.raise();
                }
            })
        })
        .collect();
    let (slots, inbox, bell) = &*shared;
    let mut sum = 0;
    while sum != 1 + 2 {
        // SAFETY: what was put in is of this table.
        for (slot, message) in unsafe { inbox.take(slots) } {
            assert_eq!(message, Message::Ship);
            sum += slot.tries.get();
            // SAFETY: the slot is empty, and came to this thread by the inbox.
            unsafe { slots.give(slot) };
        }
        if sum != 1 + 2 && inbox.sleep() {
            bell.wait();
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // SAFETY: as above.
    assert!(unsafe { inbox.take(slots) }.next().is_none());
    all_are_free(slots);
}

/// What was put in before the close is found, what comes later is refused: both ends agree.
fn inbox_closed_meanwhile() {
    let shared = Arc::new((Slots::new(), Inbox::new()));
    let putter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (slots, inbox) = &*shared;
            let mut put = 0;
            let mut closed = false;
            for _ in 0..2 {
                let slot = slots.take();
                // SAFETY: the slot is of the table and this thread's, and in no inbox.
                if unsafe { inbox.put(slot, Message::Ship) } == Posted::Closed {
                    closed = true;
                    // SAFETY: it is empty, and the inbox did not take it.
                    unsafe { slots.give(slot) };
                } else {
                    assert!(!closed, "open again");
                    put += 1;
                }
            }
            put
        }
    });
    let (slots, inbox) = &*shared;
    let mut found = 0;
    // SAFETY: what was put in is of this table.
    for (slot, _) in unsafe { inbox.close(slots) } {
        found += 1;
        // SAFETY: the slot is empty, and came to this thread by the inbox.
        unsafe { slots.give(slot) };
    }
    assert_eq!(putter.join().unwrap(), found);
    assert!(!inbox.poke() && !inbox.sleep(), "it is closed");
    all_are_free(slots);
}

/// Who has which slot, by the last digit of its number: few are ever taken.
struct Owners(Slots, [AtomicBool; 16]);

impl Owners {
    fn owned(&self, index: u32) -> &AtomicBool {
        &self.1[index as usize % self.1.len()]
    }

    fn take(&self) -> u32 {
        let slot = self.0.take();
        // Relaxed: pairs with nothing: the table must order who has a slot.
        assert!(!self.owned(slot.index()).swap(true, Ordering::Relaxed), "two have one slot");
        assert_eq!(slot.tries.replace(1), 0, "it is not as it was given");
        slot.index()
    }

    fn give(&self, index: u32) {
        // Relaxed: as above; pairs with nothing.
        self.owned(index).store(false, Ordering::Relaxed);
        let slot = self.0.get(index).expect("it was taken");
        // SAFETY: the slot is empty, and this thread has taken it.
        unsafe { self.0.give(slot) };
    }
}

/// One takes, while the other changes the list under its hands: takes two, gives the first back.
fn slots_taken_and_given() {
    let owners = Arc::new(Owners(Slots::new(), Default::default()));
    let [first, second] = [owners.take(), owners.take()];
    owners.give(first);
    owners.give(second);
    let thread = spawn({
        let owners = Arc::clone(&owners);
        move || {
            let [first, second] = [owners.take(), owners.take()];
            owners.give(first);
            let third = owners.take();
            owners.give(second);
            owners.give(third);
        }
    });
    let [first, second] = [owners.take(), owners.take()];
    owners.give(first);
    owners.give(second);
    thread.join().unwrap();
    all_are_free(&owners.0);
}

/// Two threads find the table empty.
fn slots_that_grow() {
    let owners = Arc::new(Owners(Slots::new(), Default::default()));
    let thread = spawn({
        let owners = Arc::clone(&owners);
        move || owners.give(owners.take())
    });
    let index = owners.take();
    thread.join().unwrap();
    owners.give(index);
    all_are_free(&owners.0);
}
