//! Futures and a driver on real threads; and under Miri (`cargo xtask miri`), which looks for
//! undefined behaviour and for orders that weak memory allows. The bodies are those that loom
//! explores.
#![cfg(not(loom))]

mod model;

use std::sync::mpsc;
use std::time::Duration;

use model::{bell, buffer, counts, operation, port, slot, sync};

/// How long one body may take: under Miri time is counted in steps, and runs slowly.
const LIMIT: Duration = Duration::from_secs(60);

/// Under Miri the seeds vary what happens, and each run is dear.
const ROUNDS: u32 = if cfg!(miri) { 2 } else { 500 };

/// Runs the body called `name`, and fails if it hangs.
fn run(name: &str) {
    let (_, body) = model::scenarios::ALL.iter().find(|(n, _)| *n == name).expect("a body");
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for _ in 0..ROUNDS {
            body();
        }
        // Nobody listens if it took too long.
        let _ = done.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name} hangs"),
        _ => thread.join().unwrap(),
    }
}

macro_rules! bodies {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_body_runs() {
            let here = [$(stringify!($name)),*];
            assert!(model::scenarios::ALL.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

bodies! {
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
