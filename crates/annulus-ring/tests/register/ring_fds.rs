//! The thread's table of rings.

use std::fs::File;
use std::os::fd::AsRawFd;

use annulus_ring::register::RingIndex;
use annulus_ring::{Errno, Ring};

use crate::errno;

#[test]
fn a_thread_has_sixteen_places() {
    if crate::common::only_on_linux(
        "a_thread_has_sixteen_places",
        "a thread's table of rings is the kernel's",
    ) {
        return;
    }
    let ring = Ring::new(8).unwrap();
    let register = ring.register();
    let first = register.ring_fd(ring.raw_fd(), Some(RingIndex(5))).unwrap();
    assert_eq!(first, RingIndex(5));
    let taken = register.ring_fd(ring.raw_fd(), Some(RingIndex(5)));
    assert_eq!(errno(taken), Errno::EBUSY);
    let rest: Vec<RingIndex> =
        (0..15).map(|_| register.ring_fd(ring.raw_fd(), None).unwrap()).collect();
    assert!(!rest.contains(&first));
    let full = register.ring_fd(ring.raw_fd(), None).unwrap_err();
    assert_eq!(full.errno(), Some(Errno::EBUSY));
    assert!(full.to_string().contains("16"), "{full}");
    for index in rest.into_iter().chain([first]) {
        // SAFETY: the index is given up: no ring is entered by it any more.
        unsafe { register.unregister_ring_fd(index) }.unwrap();
    }
    // A place that is free is no error.
    // SAFETY: the index is given up: no ring is entered by it any more.
    unsafe { register.unregister_ring_fd(first) }.unwrap();
    assert_eq!(register.ring_fd(ring.raw_fd(), Some(first)).unwrap(), first);
    // SAFETY: the index is given up: no ring is entered by it any more.
    unsafe { register.unregister_ring_fd(first) }.unwrap();
}

#[test]
fn what_is_no_ring_has_no_place() {
    if crate::common::only_on_linux(
        "what_is_no_ring_has_no_place",
        "a thread's table of rings is the kernel's",
    ) {
        return;
    }
    let ring = Ring::new(8).unwrap();
    let null = File::open("/dev/null").unwrap();
    assert_eq!(errno(ring.register().ring_fd(9999, None)), Errno::EBADF);
    assert_eq!(errno(ring.register().ring_fd(null.as_raw_fd(), None)), Errno::EOPNOTSUPP);
    let beyond = ring.register().ring_fd(ring.raw_fd(), Some(RingIndex(16)));
    assert_eq!(errno(beyond), Errno::EINVAL);
    // SAFETY: the index is given up: no ring is entered by it any more.
    assert_eq!(errno(unsafe { ring.register().unregister_ring_fd(RingIndex(16)) }), Errno::EINVAL);
}
