//! TIMEOUT, its removal and update.

use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, Timespec};
use annulus_ring::{Errno, op};

use crate::common;
use crate::rig::{of, push, result, ring, run_all, silent, some, until_last, wait};

const SHORT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// Why a test of what fires again and again is skipped, where the kernel refuses it.
const NO_MULTISHOT: &str = "not before Linux 6.4";
/// Puts a timeout on a clock.
type Choose = fn(op::Timeout) -> op::Timeout;
const LONG: Timespec = Timespec { tv_sec: 3600, tv_nsec: 0 };

#[test]
fn a_span_passes() {
    let begin = Instant::now();
    assert_eq!(result(&mut ring(), op::Timeout::new(&SHORT)), Err(Errno::ETIME));
    assert!(begin.elapsed() >= Duration::from_millis(5));
}

#[test]
fn each_clock_has_a_span_and_a_point() {
    use rustix::time::{ClockId, clock_gettime};
    let mut ring = ring();
    let clocks: [(ClockId, Choose); 3] = [
        (ClockId::Monotonic, |t| t),
        (ClockId::Boottime, op::Timeout::boottime),
        (ClockId::Realtime, op::Timeout::realtime),
    ];
    for (clock, choose) in clocks {
        assert_eq!(result(&mut ring, choose(op::Timeout::new(&SHORT))), Err(Errno::ETIME));
        let now = clock_gettime(clock);
        let past = Timespec { tv_sec: now.tv_sec - 1, tv_nsec: now.tv_nsec };
        let timeout = choose(op::Timeout::new(&past)).absolute();
        assert_eq!(result(&mut ring, timeout), Err(Errno::ETIME), "{clock:?}");
        let ahead = Timespec { tv_sec: now.tv_sec + 3600, tv_nsec: 0 };
        push(&mut ring, choose(op::Timeout::new(&ahead)).absolute().build().user_data(1));
        silent(&mut ring);
        push(&mut ring, op::TimeoutRemove::new(1).build().user_data(2).skip_success());
        assert_eq!(of(&wait(&mut ring, 1), 1).result(), Err(Errno::ECANCELED));
    }
}

#[test]
fn completions_end_a_count() {
    let mut ring = ring();
    push(&mut ring, op::Timeout::new(&LONG).count(2).build().user_data(1));
    push(&mut ring, op::Nop::new().build().user_data(2));
    assert_eq!(wait(&mut ring, 1)[0].user_data, 2);
    silent(&mut ring);
    push(&mut ring, op::Nop::new().build().user_data(3));
    let cqes = wait(&mut ring, 2);
    assert_eq!(of(&cqes, 1).result(), Ok(0));
    assert_eq!(of(&cqes, 3).result(), Ok(0));
}

#[test]
fn a_multishot_counts_its_times() {
    let begin = Instant::now();
    let mut ring = ring();
    push(&mut ring, op::Timeout::new(&SHORT).multishot().count(3));
    let cqes = until_last(&mut ring);
    if cqes[0].result() == Err(Errno::EINVAL) {
        return common::skip("a_multishot_counts_its_times", NO_MULTISHOT);
    }
    assert_eq!(cqes.len(), 3);
    assert!(cqes.iter().all(|cqe| cqe.result() == Err(Errno::ETIME)));
    assert!(begin.elapsed() >= Duration::from_millis(15));
}

#[test]
fn an_endless_multishot_is_removed() {
    let mut ring = ring();
    push(&mut ring, op::Timeout::new(&SHORT).multishot().build().user_data(1));
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(some(&mut ring));
        if told[0].result() == Err(Errno::EINVAL) {
            return common::skip("an_endless_multishot_is_removed", NO_MULTISHOT);
        }
    }
    assert!(told.iter().all(Cqe::has_more), "{told:?}");
    // While it fires there is nothing to remove: then it is asked again.
    for asked in 2..1000 {
        push(&mut ring, op::TimeoutRemove::new(1).build().user_data(asked));
        while !told.iter().any(|cqe| cqe.user_data == asked) {
            told.extend(some(&mut ring));
        }
        if of(&told, asked).result() != Err(Errno::ENOENT) {
            assert_eq!(of(&told, asked).result(), Ok(0));
            break;
        }
    }
    let is_end = |cqe: &&Cqe| cqe.user_data == 1 && !cqe.has_more();
    while !told.iter().any(|cqe| is_end(&cqe)) {
        told.extend(some(&mut ring));
    }
    assert_eq!(told.iter().find(is_end).unwrap().result(), Err(Errno::ECANCELED));
}

#[test]
fn that_the_time_is_up_breaks_a_link_or_not() {
    let mut ring = ring();
    for success in [false, true] {
        let timeout = op::Timeout::new(&SHORT);
        let timeout = if success { timeout.etime_success() } else { timeout };
        let cqes = run_all(
            &mut ring,
            &[timeout.build().user_data(1).link(), op::Nop::new().build().user_data(2)],
        );
        assert_eq!(cqes[0].result(), Err(Errno::ETIME));
        assert_eq!(cqes[1].result(), if success { Ok(0) } else { Err(Errno::ECANCELED) });
    }
}

#[test]
fn a_time_is_changed() {
    let mut ring = ring();
    push(&mut ring, op::Timeout::new(&LONG).build().user_data(1));
    silent(&mut ring);
    push(&mut ring, op::TimeoutUpdate::new(1, &SHORT).build().user_data(2));
    let mut cqes = wait(&mut ring, 2);
    cqes.sort_by_key(|cqe| cqe.user_data);
    assert_eq!((cqes[0].result(), cqes[1].result()), (Err(Errno::ETIME), Ok(0)));
    let past = Timespec { tv_sec: 0, tv_nsec: 1 };
    let cqes = run_all(
        &mut ring,
        &[
            op::Timeout::new(&LONG).build().user_data(1),
            op::TimeoutUpdate::new(1, &past).absolute().build().user_data(2),
        ],
    );
    assert_eq!((cqes[0].result(), cqes[1].result()), (Err(Errno::ETIME), Ok(0)));
}

#[test]
fn there_is_none_to_remove_or_change() {
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::TimeoutRemove::new(7)), Err(Errno::ENOENT));
    assert_eq!(result(&mut ring, op::TimeoutUpdate::new(7, &SHORT)), Err(Errno::ENOENT));
    let link = op::TimeoutUpdate::new(7, &SHORT).link_timeout();
    assert_eq!(result(&mut ring, link), Err(Errno::ENOENT));
}

#[test]
fn times_that_cannot_be() {
    let mut ring = ring();
    let negative = Timespec { tv_sec: -1, tv_nsec: 0 };
    assert_eq!(result(&mut ring, op::Timeout::new(&negative)), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::TimeoutUpdate::new(7, &negative)), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::Timeout::new(std::ptr::null())), Err(Errno::EFAULT));
    let clocks = op::Timeout::new(&SHORT).boottime().realtime();
    assert_eq!(result(&mut ring, clocks), Err(Errno::EINVAL));
    let point = op::Timeout::new(&SHORT).multishot().absolute();
    assert_eq!(result(&mut ring, point), Err(Errno::EINVAL));
    assert_eq!(result(&mut ring, op::LinkTimeout::new(&SHORT)), Err(Errno::EINVAL));
}

#[test]
fn a_span_in_the_entry_itself() {
    match result(&mut ring(), op::Timeout::immediate(1_000_000)) {
        Err(Errno::EINVAL) => common::skip("a_span_in_the_entry_itself", "Linux 7.1 or later"),
        other => assert_eq!(other, Err(Errno::ETIME)),
    }
}
