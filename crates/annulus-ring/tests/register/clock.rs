//! The clock of waits.

use annulus_ring::abi::{ClockId, RegisterOp, Timespec};
use annulus_ring::{Errno, Wait};
use rustix::time::{ClockId as Clock, clock_gettime};

use crate::common::lacks_registration;
use crate::errno;
use crate::rig::ring;

#[test]
fn a_point_in_time_is_one_of_the_registered_clock() {
    if lacks_registration("a_point_in_time_is_one_of_the_registered_clock", RegisterOp::CLOCK) {
        return;
    }
    let mut ring = ring();
    for (clock, id) in
        [(ClockId::BOOTTIME, Clock::Boottime), (ClockId::MONOTONIC, Clock::Monotonic)]
    {
        ring.register().clock(clock).unwrap();
        let now = clock_gettime(id);
        // Half a second ahead of the other clock would be another half second or more away.
        let ns = now.tv_nsec + 5_000_000;
        let end = Timespec { tv_sec: now.tv_sec + ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 };
        let error = ring.submit_and_wait_with(1, &Wait::new().until(end)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let after = clock_gettime(id);
        assert!((after.tv_sec, after.tv_nsec) >= (end.tv_sec, end.tv_nsec), "{clock:?}: too early");
    }
}

#[test]
fn other_clocks_are_refused() {
    let ring = ring();
    assert_eq!(errno(ring.register().clock(ClockId::REALTIME)), Errno::EINVAL);
    assert_eq!(errno(ring.register().clock(ClockId(77))), Errno::EINVAL);
}
