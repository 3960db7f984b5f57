//! Several threads on one shared ring, every interleaving that loom finds: pushing, submitting,
//! waiting, waking. Run by `cargo xtask loom`, which also makes sure that each seeded bug is found.
#![cfg(loom)]

mod model;

/// Explores the body called `name`: every interleaving with at most so many switches that no thread
/// asked for (two, unless `LOOM_MAX_PREEMPTIONS` says otherwise).
fn explore(name: &str) {
    let (_, body) = model::shared::ALL.iter().find(|(n, _)| *n == name).expect("a body");
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
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
            assert!(model::shared::ALL.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

explored! {
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
