//! Cancels that the kernel finds nothing for, though there is something: what one of its threads is
//! about to take up is in none of its lists. On a driver without a ring, so under Miri too.
#![cfg(not(loom))]

mod model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;
use model::engine::Op;
use model::operation::{Completion, Operation, Origin};
use model::probe::{End, Probe, Task};
use model::reactor::Work;
use model::scenarios::World;
use model::{bell, buffer, counts, executor, files, operation, port, slot, sync};

/// How long anything may take: under Miri time is counted in steps.
const LIMIT: Duration = Duration::from_secs(60);

/// An operation that a thread of the kernel does.
struct InWorker(Probe);

// SAFETY: its entry points to nothing.
unsafe impl Operation for InWorker {
    type Output = End;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        self.0.entry()
    }

    fn complete(self, completion: Completion) -> End {
        self.0.complete(completion)
    }

    fn reclaim(self, completion: Completion) {
        self.0.reclaim(completion);
    }
}

fn begun(world: &World, task: &Arc<Task>) -> Op<InWorker> {
    let mut op = Op::new(Arc::clone(&world.ports), InWorker(Probe::new(&world.log)));
    assert!(task.poll(&mut op).is_pending());
    op
}

#[test]
fn a_cancel_that_finds_nothing_is_made_again() {
    let (world, task) = (World::new(Work::Elusive), Task::new());
    let mut op = begun(&world, &task);
    op.cancel();
    assert_eq!(task.finish(&mut op), (Err(Errno::ECANCELED), Origin::Cancelled));
    drop(op);
    world.settle(1);
}

#[test]
fn so_it_is_where_the_future_is_dropped() {
    let (world, task) = (World::new(Work::Elusive), Task::new());
    let (one, other) = (begun(&world, &task), begun(&world, &task));
    drop((one, other));
    let begun = Instant::now();
    while world.log.read().1 < 2 {
        assert!(begun.elapsed() < LIMIT, "they were never cancelled");
        std::thread::yield_now();
    }
    world.settle(2);
}
