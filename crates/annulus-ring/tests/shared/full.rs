//! A full queue: flushed, then waited for.

use std::thread::scope;

use annulus_ring::{SharedRing, Submitted};

use crate::common::{LIMIT, limit};
use crate::{nop, repeated, results, ring};

#[test]
fn a_push_to_a_full_queue_submits_it() {
    limit(LIMIT, || {
        let ring = ring(4);
        for n in 0..4 {
            ring.nop(n).unwrap();
        }
        assert_eq!(ring.counters().unwrap().enters, 0);
        ring.nop(4).unwrap();
        assert_eq!(ring.counters().unwrap().queued, 1);
        assert_eq!(ring.submit().unwrap(), Submitted::Taken(1));
        assert_eq!(results(&ring, 5).len(), 5);
    });
}

/// The 257th entry of a ring of 256.
#[test]
fn more_entries_than_the_queue_has() {
    limit(LIMIT, || {
        let ring = ring(256);
        for n in 0..300 {
            ring.nop(n).unwrap();
        }
        assert_eq!(results(&ring, 300).len(), 300);
    });
}

#[test]
fn a_group_waits_until_it_fits() {
    limit(LIMIT, || {
        let ring = ring(4);
        ring.nop(0).unwrap();
        // SAFETY: NOPs point to nothing.
        unsafe { ring.push_all(&[nop(1), nop(2), nop(3), nop(4)]) }.unwrap();
        assert_eq!(ring.counters().unwrap().queued, 4);
        assert_eq!(results(&ring, 5).len(), 5);
    });
}

/// Many push into one slot and nobody takes anything: all get through.
#[test]
fn pushers_wait_for_each_other() {
    repeated(|| {
        for ring in [
            SharedRing::new(1).unwrap(),
            SharedRing::builder().entries(1).submitter_thread().build().unwrap(),
        ] {
            scope(|scope| {
                for thread in 0..4 {
                    let ring = &ring;
                    scope.spawn(move || (0..50).for_each(|n| ring.nop(thread * 50 + n).unwrap()));
                }
            });
            assert_eq!(results(&ring, 200).len(), 200);
        }
    });
}
