//! The rings and a kernel that runs beside them, on real threads; and under Miri (`cargo xtask
//! miri`), which looks for undefined behaviour and for orders that weak memory allows. The bodies
//! are those that loom explores.
#![cfg(not(loom))]

mod model;

use std::sync::mpsc;
use std::time::Duration;

/// How long one body may take: under Miri time is counted in steps, and runs slowly.
const LIMIT: Duration = Duration::from_secs(60);

/// Under Miri the seeds vary what happens, and each run is dear.
const ROUNDS: u32 = if cfg!(miri) { 1 } else { 200 };

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
    submission_against_a_consumer
    submission_through_an_index_array
    completion_against_a_producer
    completion_in_batches
    completion_of_mixed_sizes
    completion_in_place
    buffers_against_a_consumer
    wakeup_by_submit
    wakeup_by_submit_and_wait
    wakeup_by_a_timed_wait
    wakeup_by_a_registered_wait
    halves_of_a_ring
    overflow_while_taking
    task_work_from_elsewhere
}
