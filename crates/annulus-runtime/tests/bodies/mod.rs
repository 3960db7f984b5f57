//! The bodies of the models as tests, each by its name: on real threads and under Miri, or by every
//! interleaving that loom finds. What is run where is listed here, once for all three.

/// A test for each body of `$all`: on real threads it runs `$rounds` times.
macro_rules! tests {
    ($all:expr, $rounds:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                bodies::check($all, stringify!($name), $rounds);
            }
        )*

        #[test]
        fn every_body_has_a_test() {
            let here = [$(stringify!($name)),*];
            assert!($all.iter().all(|(name, _)| here.contains(name)));
        }
    };
}

/// Futures and a driver. Under Miri the seeds vary what happens, and each run is dear.
#[allow(unused_macros)]
macro_rules! slots {
    () => {
        tests! {
            model::scenarios::ALL, if cfg!(miri) { 2 } else { 500 };
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
            result_from_a_reactor_that_stays_asleep
            cancel_for_a_reactor_that_stays_asleep
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
    };
}

/// An executor and other threads.
#[allow(unused_macros)]
macro_rules! tasks {
    () => {
        tests! {
            tasks::scenarios::ALL, if cfg!(miri) { 2 } else { 500 };
            wakes_of_two_threads
            wakes_of_two_tasks
            wakes_of_one_thread
            wakes_that_come_early
            wakes_of_the_root
            work_beside_a_sleep
            work_of_two_threads
            work_and_a_wake
            wake_beside_a_close
            work_beside_a_close
            wakers_made_at_once
            waker_that_outlives_its_task
            waker_that_outlives_its_executor
            join_handle_of_a_woken_task
            handle_of_a_thread_that_blocks
            handle_dropped_meanwhile
            handle_aborted_meanwhile
            handle_of_a_panic
            handle_at_the_end
            handle_polled_by_two
        }
    };
}

/// A body and its name.
type Body = (&'static str, fn());

fn named(all: &[Body], name: &str) -> fn() {
    all.iter().find(|(n, _)| *n == name).expect("a body").1
}

/// A body of three threads that each do much: two switches would take minutes.
#[cfg(loom)]
const DEAR: &str = "slots_used_by_two_tasks";

/// Explores the body called `name`: every interleaving with at most so many switches that no thread
/// asked for (two, unless `LOOM_MAX_PREEMPTIONS` says otherwise).
#[cfg(loom)]
pub fn check(all: &[Body], name: &str, _rounds: u32) {
    let switches = if name == DEAR { 1 } else { 2 };
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
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
