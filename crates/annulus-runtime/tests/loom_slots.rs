//! Every interleaving of futures and a driver, explored by loom: run by `cargo xtask loom`, which
//! also makes sure that each seeded bug is found.
#![cfg(loom)]

mod model;

use model::{bell, buffer, counts, operation, port, slot, sync};

/// A body of three threads that each do much: two switches would take minutes.
const DEAR: &str = "slots_used_by_two_tasks";

/// Explores the body called `name`: every interleaving with at most so many switches that no thread
/// asked for (two, unless `LOOM_MAX_PREEMPTIONS` says otherwise).
fn explore(name: &str) {
    let (_, body) = model::scenarios::ALL.iter().find(|(n, _)| *n == name).expect("a body");
    let switches = if name == DEAR { 1 } else { 2 };
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.check(*body);
}

macro_rules! explored {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            explore(stringify!($name));
        })*

        #[test]
        fn every_body_is_explored() {
            let here = [$(stringify!($name)),*];
            assert!(model::scenarios::ALL.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

explored! {
    result_for_a_task_that_sleeps
    result_for_a_task_that_polls
    results_in_one_slot
    result_for_the_last_waker
    cancel_of_a_held_operation
    cancel_against_a_result
    drop_of_a_held_operation
    drop_against_a_result
    drop_after_a_cancel
    drop_against_a_close
    ship_against_a_close
    close_against_a_sleep
    close_with_a_forgotten_operation
    completion_that_comes_twice
    chain_that_is_done
    chain_that_is_dropped
    slots_used_by_two_tasks
    inbox_of_two_threads
    inbox_closed_meanwhile
    slots_taken_and_given
    slots_that_grow
}
