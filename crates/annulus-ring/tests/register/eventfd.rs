//! Eventfds.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use annulus_ring::{Errno, Ring, op};
use rustix::event::EventfdFlags;

use crate::errno;
use crate::rig::{push, ring, wait};

fn eventfd() -> OwnedFd {
    rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap()
}

/// How often it was signalled since it was last asked.
fn count(eventfd: &OwnedFd) -> u64 {
    let mut count = [0u8; 8];
    match rustix::io::read(eventfd, &mut count) {
        Ok(8) => u64::from_ne_bytes(count),
        Err(rustix::io::Errno::AGAIN) => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_completion_signals_it_until_it_is_unregistered() {
    let mut ring = Ring::new(8).unwrap();
    let signals = eventfd();
    ring.register().eventfd(signals.as_raw_fd()).unwrap();
    push(&mut ring, op::Nop::new());
    wait(&mut ring, 1);
    assert!(count(&signals) >= 1);

    assert_eq!(errno(ring.register().eventfd(signals.as_raw_fd())), Errno::EBUSY);
    assert_eq!(errno(ring.register().eventfd_async(signals.as_raw_fd())), Errno::EBUSY);
    ring.register().unregister_eventfd().unwrap();
    push(&mut ring, op::Nop::new());
    wait(&mut ring, 1);
    assert_eq!(count(&signals), 0);
    assert_eq!(errno(ring.register().unregister_eventfd()), Errno::ENXIO);
}

#[test]
fn switched_off_it_is_not_signalled() {
    let mut ring = Ring::new(8).unwrap();
    let signals = eventfd();
    ring.register().eventfd(signals.as_raw_fd()).unwrap();
    ring.parts().1.enable_eventfd(false);
    push(&mut ring, op::Nop::new());
    wait(&mut ring, 1);
    assert_eq!(count(&signals), 0);
    ring.parts().1.enable_eventfd(true);
    push(&mut ring, op::Nop::new());
    wait(&mut ring, 1);
    assert!(count(&signals) >= 1);
}

#[test]
fn the_other_kind_is_signalled_by_workers_only() {
    let mut ring = Ring::new(8).unwrap();
    let signals = eventfd();
    ring.register().eventfd_async(signals.as_raw_fd()).unwrap();
    push(&mut ring, op::Nop::new());
    wait(&mut ring, 1);
    assert_eq!(count(&signals), 0, "the submitter saw it by itself");

    // Nor is what task work completes: a worker has to.
    // Of a socket: what is read from a pipe, workers read before Linux 6.4.
    let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut buf = [0u8; 4];
    push(&mut ring, op::Recv::new(&there, buf.as_mut_ptr(), 4));
    ring.submit().unwrap();
    here.write_all(b"late").unwrap();
    wait(&mut ring, 1);
    assert_eq!(count(&signals), 0);

    let file = std::fs::File::open("Cargo.toml").unwrap();
    push(&mut ring, op::Fsync::new(&file));
    assert_eq!(wait(&mut ring, 1)[0].res, 0);
    crate::eventually("the eventfd is signalled", || count(&signals) > 0);
}

#[test]
fn a_local_ring_is_polled_by_its_eventfd() {
    let mut ring = ring();
    let signals = eventfd();
    ring.register().eventfd(signals.as_raw_fd()).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut buf = [0u8; 4];
    push(&mut ring, op::Read::new(&reader, buf.as_mut_ptr(), 4));
    ring.submit().unwrap();
    assert_eq!(count(&signals), 0);
    writer.write_all(b"late").unwrap();
    // Nobody entered the ring since: the signal comes before the completion does.
    crate::eventually("the eventfd is signalled", || count(&signals) > 0);
    assert_eq!(wait(&mut ring, 1)[0].res, 4);
}

#[test]
fn what_is_no_eventfd_is_refused() {
    let ring = ring();
    assert_eq!(errno(ring.register().eventfd(-1)), Errno::EBADF);
    // No number of one that was closed: another test may have it again.
    let closed = 1 << 30;
    assert!(matches!(errno(ring.register().eventfd(closed)), Errno::EBADF | Errno::EINVAL));
    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(errno(ring.register().eventfd_async(reader.as_raw_fd())), Errno::EINVAL);
}
