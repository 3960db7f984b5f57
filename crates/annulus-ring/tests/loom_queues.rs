//! Every interleaving of the rings and a kernel that runs beside them, explored by loom: run by
//! `cargo xtask loom`, which also makes sure that each seeded bug is found.
#![cfg(loom)]

mod model;

/// Explores the body called `name`: every interleaving with at most so many switches that no thread
/// asked for (two, unless `LOOM_MAX_PREEMPTIONS` says otherwise).
fn explore(name: &str) {
    let (_, body) = model::scenarios::ALL.iter().find(|(n, _)| *n == name).expect("a body");
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
            assert!(model::scenarios::ALL.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

explored! {
    submission_against_a_consumer
    submission_through_an_index_array
    completion_against_a_producer
    completion_in_batches
    completion_of_mixed_sizes
    buffers_against_a_consumer
    wakeup_by_submit
    wakeup_by_submit_and_wait
    wakeup_by_a_timed_wait
    wakeup_by_a_registered_wait
    halves_of_a_ring
    overflow_while_taking
    task_work_from_elsewhere
}
