//! The bodies of the models as tests, each by its name: on real threads and under Miri, or by every
//! interleaving that loom finds. What is run where is listed here, once for all three.

/// A test for each body of `$all`: on real threads it runs `$rounds` times.
macro_rules! tests {
    ($all:expr, $rounds:expr; $($(#[$only:meta])* $name:ident)*) => {
        $(
            $(#[$only])*
            #[test]
            fn $name() {
                bodies::check($all, stringify!($name), $rounds);
            }
        )*

        #[test]
        fn every_body_has_a_test() {
            let here = [$($(#[$only])* stringify!($name)),*];
            assert!($all.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

/// Two threads and one ring. Under Miri the seeds vary what happens, and each run is dear.
#[allow(unused_macros, reason = "each file of tests has one of the models")]
macro_rules! queues {
    () => {
        tests! {
            model::scenarios::ALL, if cfg!(miri) { 1 } else { 200 };
            submission_against_a_consumer
            submission_through_an_index_array
            completion_against_a_producer
            completion_in_batches
            completion_of_mixed_sizes
            #[cfg(not(loom))]
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
    };
}

/// Several threads and one shared ring. Under Miri as above; but a tail that is seen too late is
/// rare: one run in forty.
#[allow(unused_macros, reason = "each file of tests has one of the models")]
macro_rules! shared {
    () => {
        tests! {
            model::shared::ALL, if cfg!(miri) { 3 } else { 200 };
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
    };
}

/// A body and its name.
type Body = (&'static str, fn());

fn named(all: &[Body], name: &str) -> fn() {
    all.iter().find(|(n, _)| *n == name).expect("a body").1
}

/// Explores the body called `name`: every interleaving with at most so many switches that no thread
/// asked for (two, unless `LOOM_MAX_PREEMPTIONS` says otherwise).
#[cfg(loom)]
pub fn check(all: &[Body], name: &str, _rounds: u32) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(named(all, name));
}

/// Runs the body called `name` so many times, and fails if it hangs.
#[cfg(not(loom))]
pub fn check(all: &[Body], name: &str, rounds: u32) {
    use std::sync::mpsc;
    use std::time::Duration;

    /// How long one body may take: under Miri time is counted in steps, and runs slowly.
    const LIMIT: Duration = Duration::from_secs(60);

    let body = named(all, name);
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for _ in 0..rounds {
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
