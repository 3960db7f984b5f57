//! A shared ring in a child: refused before any lock is taken, which another thread may hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annulus_ring::abi::{Cqe, Iovec};
use annulus_ring::{Errno, SharedRing};

use crate::child::{Child, fork};
use crate::common::{LIMIT, limit};
use crate::nop;

/// Every use of it.
fn all(ring: &SharedRing, child: &Child) {
    let mut out = [Cqe::default(); 2];
    child.refused(ring.nop(9));
    // SAFETY: NOPs point to nothing.
    child.refused(unsafe { ring.push(nop(9)) });
    // SAFETY: as above.
    child.refused(unsafe { ring.push_all(&[nop(9); 2]) });
    let iovec = Iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    // SAFETY: nothing is read into nowhere.
    child.refused(unsafe { ring.readv(0, &[iovec], None, 9) });
    child.refused(ring.cancel(1, 9));
    child.refused(ring.submit());
    child.refused(ring.wait());
    child.refused(ring.wait_timeout(Duration::ZERO));
    child.refused(ring.wait_into(&mut out));
    child.refused(ring.peek());
    child.refused(ring.peek_into(&mut out));
    child.refused(ring.wake());
    child.refused(ring.wake_all());
    child.refused(ring.counters());
    child.refused(ring.register().probe());
    child.ensure(ring.sq_entries() == 8 && ring.cq_entries() == 16);
    child.ensure(format!("{ring:?}").contains("0/8"));
}

/// The parent's ring goes on, whatever the child did.
fn goes_on(ring: &SharedRing) {
    let _ = ring.submit().unwrap();
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 2 {
        seen.extend(ring.wait().unwrap().map(|cqe| cqe.user_data));
    }
    assert_eq!(seen, [0, 1]);
}

fn in_a_child(ring: SharedRing) {
    ring.nop(0).unwrap();
    let _ = ring.submit().unwrap();
    ring.nop(1).unwrap();
    let mut ring = Some(ring);
    fork(|child| {
        all(ring.as_ref().unwrap(), child);
        // Dropping does nothing: the parent's descriptor and memory stay, its thread is not joined.
        drop(ring.take());
        // And the child makes one of its own.
        let Ok(own) = SharedRing::new(4) else { return child.ensure(false) };
        child.ensure(own.nop(3).is_ok());
        child.ensure(own.wait().is_ok_and(|mut batch| batch.next().unwrap().user_data == 3));
    });
    goes_on(ring.as_ref().unwrap());
}

#[test]
fn a_shared_ring_is_its_parents() {
    limit(LIMIT, || in_a_child(SharedRing::new(8).unwrap()));
}

#[test]
fn a_shared_ring_with_a_thread_is_its_parents() {
    limit(LIMIT, || {
        in_a_child(SharedRing::builder().entries(8).submitter_thread().build().unwrap());
    });
}

/// Forked while other threads push, submit and wait: whatever lock they hold, the child takes none.
#[test]
fn a_fork_in_the_middle_of_other_threads_uses() {
    limit(LIMIT, || {
        let (ring, end) = (SharedRing::new(8).unwrap(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // Pairs with the store below.
                    while !end.load(Ordering::Relaxed) {
                        ring.nop(7).unwrap();
                        let _ = ring.submit().unwrap();
                        let taken = ring.peek_into(&mut [Cqe::default(); 8]);
                        assert!(taken.is_ok());
                    }
                });
            }
            for _ in 0..20 {
                fork(|child| all(&ring, child));
            }
            // Pairs with the loads above.
            end.store(true, Ordering::Relaxed);
        });
        assert_ne!(ring.counters().unwrap().submitted, 0);
        assert_eq!(Errno::EINVAL, ring.wait_into(&mut []).unwrap_err().errno().unwrap());
    });
}
