//! Several threads on one shared ring: real ones; and under Miri (`cargo xtask miri`), which looks
//! for undefined behaviour and for orders that weak memory allows. The bodies are those that loom
//! explores.
#![cfg(not(loom))]

mod model;

use std::sync::mpsc;
use std::time::Duration;

/// How long one body may take: under Miri time is counted in steps, and runs slowly.
const LIMIT: Duration = Duration::from_secs(60);

/// Under Miri the seeds vary what happens, and each run is dear; but a tail that is seen too late
/// is rare: one run in forty.
const ROUNDS: u32 = if cfg!(miri) { 3 } else { 200 };

/// Runs the body called `name`, and fails if it hangs.
fn run(name: &str) {
    let (_, body) = model::shared::ALL.iter().find(|(n, _)| *n == name).expect("a body");
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
            assert!(model::shared::ALL.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

bodies! {
    entries_left_to_another
    groups_are_never_cut
    pushes_to_a_full_queue
    a_submit_that_fails
    lead_is_handed_on
    waiters_share_what_comes
    a_wake_up_in_the_kernel
    a_wake_up_taken_by_another
    a_wake_up_with_a_full_queue
    a_wake_up_beside_the_kernel
    all_are_woken
    overflow_while_waiting
    a_submitter_that_is_let_go
    a_wait_submits_what_was_left
    a_thread_makes_room
    a_thread_ends
}
