//! What waits for others, and how it is cancelled.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use annulus_ring::abi::private::{self, FlockOperation};
use annulus_ring::{Errno, LocalRing, op};

use crate::answer;
use crate::common::{LIMIT, limit};
use crate::files::{TempDir, ring};

/// Takes a completion.
fn next(ring: &mut LocalRing) -> (u64, Result<u32, Errno>) {
    ring.submit_and_wait(1).unwrap();
    let cqe = ring.completions().unwrap().next().expect("one was waited for");
    (cqe.user_data, cqe.result())
}

#[test]
fn a_lock_is_waited_for_and_a_cancel_ends_the_wait() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (one, other) = (dir.file("a", b""), dir.file("a", b""));
        let mut ring = ring();
        let lock = |file: &std::fs::File, how| private::flock(file.as_raw_fd(), how);
        let Some(locked) = answer(&mut ring, lock(&one, FlockOperation::EX)) else { return };
        assert_eq!(locked, Ok(0));
        let busy = answer(&mut ring, lock(&other, FlockOperation::EX_NB));
        assert_eq!(busy, Some(Err(Errno::EAGAIN)));
        // SAFETY: it points to nothing.
        unsafe { ring.push(lock(&other, FlockOperation::EX).user_data(1)) }.unwrap();
        ring.submit().unwrap();
        let unlocked = lock(&one, FlockOperation::UN).user_data(2);
        // SAFETY: as above.
        unsafe { ring.push(unlocked) }.unwrap();
        let mut both = [next(&mut ring), next(&mut ring)];
        both.sort_by_key(|(user_data, _)| *user_data);
        assert_eq!(both, [(1, Ok(0)), (2, Ok(0))], "one lets the other have it");
        // SAFETY: as above.
        unsafe { ring.push(lock(&one, FlockOperation::SH).user_data(3)) }.unwrap();
        ring.submit().unwrap();
        // SAFETY: a cancel points to nothing.
        unsafe { ring.push(op::AsyncCancel::user_data(3).build().user_data(4)) }.unwrap();
        let mut both = [next(&mut ring), next(&mut ring)];
        both.sort_by_key(|(user_data, _)| *user_data);
        let ended = matches!(both[0], (3, Err(Errno::ECANCELED | Errno::EINTR)));
        assert!(ended && both[1].0 == 4, "{both:?}");
    });
}

#[test]
fn a_file_that_nobody_takes_is_sent_until_a_cancel() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let file = dir.file("a", &vec![1; 4 << 20]);
        let (_here, there) = UnixStream::pair().unwrap();
        let mut ring = ring();
        let send = private::sendfile(there.as_raw_fd(), file.as_raw_fd(), 0, 4 << 20);
        if answer(&mut ring, private::sendfile(-1, -1, 0, 1)).is_none() {
            return;
        }
        // SAFETY: it points to nothing.
        unsafe { ring.push(send.user_data(1)) }.unwrap();
        ring.submit().unwrap();
        // SAFETY: a cancel points to nothing.
        unsafe { ring.push(op::AsyncCancel::user_data(1).build().user_data(2)) }.unwrap();
        let mut both = [next(&mut ring), next(&mut ring)];
        both.sort_by_key(|(user_data, _)| *user_data);
        // It may have sent a part, which is told then.
        assert!(both[0].0 == 1 && both[0].1 != Ok(4 << 20), "{both:?}");
    });
}

#[test]
fn the_end_of_a_ring_ends_what_waits() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (one, other) = (dir.file("a", b""), dir.file("a", b""));
        let mut ring = ring();
        let lock = |file: &std::fs::File| private::flock(file.as_raw_fd(), FlockOperation::EX);
        let Some(locked) = answer(&mut ring, lock(&one)) else { return };
        assert_eq!(locked, Ok(0));
        // SAFETY: it points to nothing.
        unsafe { ring.push(lock(&other).user_data(1)) }.unwrap();
        ring.submit().unwrap();
        drop(ring);
        drop(one);
        other.try_lock().expect("the wait has ended, and did not get it");
    });
}
