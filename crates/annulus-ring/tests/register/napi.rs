//! Busy polling.

use std::time::Duration;

use annulus_ring::abi::NapiTracking;
use annulus_ring::register::{BusyPoll, NapiId};
use annulus_ring::{Builder, Errno};

use crate::common;
use crate::errno;
use crate::rig::ring;

/// Whether this kernel can poll at all.
fn can_poll(test: &str) -> bool {
    let off = ring().register().unregister_napi();
    if off.is_err_and(|e| e.is_unsupported()) {
        common::skip(test, "a kernel with CONFIG_NET_RX_BUSY_POLL");
        return false;
    }
    true
}

/// Why a test of how queues are tracked is skipped, where the answer says nothing of it.
const TOLD_NOTHING: &str = "the kernel tracks in one way alone before Linux 6.13";

#[test]
fn the_answer_is_how_it_was() {
    if !can_poll("the_answer_is_how_it_was") {
        return;
    }
    let ring = ring();
    let first = BusyPoll::dynamic(Duration::from_micros(40)).prefer(true);
    let before = ring.register().napi(first).unwrap();
    assert_eq!((before.time_us, before.prefer), (0, false));
    if before.tracking != NapiTracking::INACTIVE {
        return common::skip("the_answer_is_how_it_was", TOLD_NOTHING);
    }
    let second = BusyPoll::fixed(Duration::from_micros(60));
    assert_eq!(ring.register().napi(second).unwrap(), first);
    let last = ring.register().unregister_napi().unwrap();
    assert_eq!((last.time_us, last.prefer), (60, false));
    assert_eq!(ring.register().unregister_napi().unwrap().time_us, 0);
}

#[test]
fn queues_are_added_and_removed_where_the_program_names_them() {
    if !can_poll("queues_are_added_and_removed_where_the_program_names_them") {
        return;
    }
    let ring = ring();
    let queue = NapiId(1 << 20);
    assert_eq!(errno(ring.register().napi_add(queue)), Errno::EINVAL, "nothing is tracked");
    let before = ring.register().napi(BusyPoll::dynamic(Duration::from_micros(40))).unwrap();
    if before.tracking != NapiTracking::INACTIVE {
        let name = "queues_are_added_and_removed_where_the_program_names_them";
        return common::skip(name, TOLD_NOTHING);
    }
    assert_eq!(errno(ring.register().napi_add(queue)), Errno::EINVAL, "the kernel tracks");
    let before = ring.register().napi(BusyPoll::fixed(Duration::from_micros(40))).unwrap();
    assert_eq!(before.tracking, NapiTracking::DYNAMIC);
    ring.register().napi_add(queue).unwrap();
    assert_eq!(errno(ring.register().napi_add(queue)), Errno::EEXIST);
    ring.register().napi_remove(queue).unwrap();
    assert_eq!(errno(ring.register().napi_remove(queue)), Errno::ENOENT);
    assert_eq!(errno(ring.register().napi_add(NapiId(0))), Errno::EINVAL, "no queue has this");
}

#[test]
fn what_cannot_be_polled_is_refused() {
    if !can_poll("what_cannot_be_polled_is_refused") {
        return;
    }
    let unknown = BusyPoll { time_us: 1, prefer: false, tracking: NapiTracking(7) };
    assert_eq!(errno(ring().register().napi(unknown)), Errno::EINVAL);
    let polled = Builder::new().entries(8).iopoll().build().unwrap();
    let poll = BusyPoll::dynamic(Duration::from_micros(40));
    assert_eq!(errno(polled.register().napi(poll)), Errno::EINVAL);
}
