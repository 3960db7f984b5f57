//! Direct reads under way when their buffers are freed: closing a ring waits for none of them.

use std::fs::File;
use std::time::Duration;

use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{Linux, LocalRing, Place, Ring, RingOf, op};

use super::common::detector::{self, Options, Report, mark_thread};
use super::common::files::{TempFile, first_difference};
use super::common::{child, limit, skip, slower};
use super::handle::{reads, shared_ring};

const COUNT: usize = 64;
const BYTES: usize = 1 << 20;

/// How often a race is tried for that is lost nearly always.
const TRIES: usize = 200;

const LIMIT: Duration = Duration::from_secs(120);

/// Begins 64 reads of 1 MiB into buffers of their own. They are touched before: else the kernel
/// takes longer to begin the reads than the device to end most of them.
fn begin<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>, file: &File) -> Vec<Vec<u8>> {
    let mut buffers: Vec<Vec<u8>> = (0..COUNT).map(|_| vec![1; BYTES]).collect();
    for (n, buffer) in buffers.iter_mut().enumerate() {
        let read = op::Read::new(file, buffer.as_mut_ptr(), BYTES as u32);
        // SAFETY: none where the ring is dropped with reads in flight, which is what the tests are
        // of: the allocator gives the memory to nobody else.
        unsafe { ring.push(read.offset((n * BYTES) as u64).build()) }.expect("room");
    }
    assert_eq!(ring.submit().expect("submitted"), COUNT as u32);
    buffers
}

/// Takes the completions of all of them.
fn reap<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>) {
    let mut missing = COUNT;
    while missing > 0 {
        ring.submit_and_wait(missing as u32).expect("they end");
        for cqe in ring.completions().expect("a queue to read") {
            assert_eq!(cqe.result(), Ok(BYTES as u32));
            missing -= 1;
        }
    }
}

/// Whether the race of the test `name`, which is skipped, is lost each time: against a device that
/// is as fast as ever, by an emulated processor.
fn is_lost(name: &str) -> bool {
    if slower() > 1 {
        skip(name, "an emulated processor is slower than its disk");
    }
    slower() > 1
}

/// Repeats `round` until the detector finds writes after the free, and says how long that took.
fn bites(file: &TempFile, options: Options, mut round: impl FnMut()) -> Report {
    limit(LIMIT, || {
        for n in 1..=TRIES {
            let watch = options.watch();
            round();
            file.settle();
            let report = watch.check();
            assert_eq!(report.unwatched_count, 0, "{report}");
            if !report.changed.is_empty() {
                eprintln!("found in round {n}: {report}");
                return report;
            }
        }
        panic!("{TRIES} rounds, and nothing found");
    })
}

/// What landed is what the reads were of: it is them that the detector saw.
fn landed_from_the_file(report: &Report) {
    for change in &report.changed {
        assert_eq!(change.bytes, BYTES);
        let found = (0..COUNT).any(|n| {
            let offset = n * BYTES + change.first_offset;
            first_difference(offset as u64, &change.sample).is_none()
        });
        assert!(found, "from elsewhere: {change}");
    }
}

fn ring_dropped(name: &str, options: Options) {
    if is_lost(name) {
        return;
    }
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    let Some(direct) = file.direct(name) else { return };
    let local = bites(&file, options, || {
        let mut ring = LocalRing::new(64).expect("a ring");
        let buffers = begin(&mut ring, &direct);
        drop(ring);
        drop(buffers);
    });
    landed_from_the_file(&local);
    let movable = bites(&file, options, || {
        let mut ring = Ring::new(64).expect("a ring");
        let buffers = begin(&mut ring, &direct);
        drop(ring);
        drop(buffers);
    });
    landed_from_the_file(&movable);
}

#[test]
fn a_ring_dropped_before_its_reads_ended_is_found() {
    if child::is_blocked_here() {
        return skip("a_ring_dropped_before_its_reads_ended_is_found", child::BLOCKED_HERE);
    }
    ring_dropped("a_ring_dropped_before_its_reads_ended_is_found", Options::new());
}

/// A device has the pages, and does not ask who may touch the addresses.
#[test]
fn so_it_is_where_freed_memory_is_inaccessible() {
    if child::is_blocked_here() {
        return skip("so_it_is_where_freed_memory_is_inaccessible", child::BLOCKED_HERE);
    }
    ring_dropped("so_it_is_where_freed_memory_is_inaccessible", Options::new().protect());
}

#[test]
fn a_handle_that_does_not_wait_is_found() {
    if child::is_blocked_here() {
        return skip("a_handle_that_does_not_wait_is_found", child::BLOCKED_HERE);
    }
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    let name = "a_handle_that_does_not_wait_is_found";
    if is_lost(name) {
        return;
    }
    let Some(direct) = file.direct(name) else { return };
    let report = bites(&file, Options::new(), || {
        let ring = shared_ring();
        drop(reads(&ring, &direct, COUNT, BYTES));
    });
    landed_from_the_file(&report);
}

#[test]
fn reads_that_were_waited_for_are_clean() {
    if child::is_blocked_here() {
        return skip("reads_that_were_waited_for_are_clean", child::BLOCKED_HERE);
    }
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    let Some(direct) = file.direct("reads_that_were_waited_for_are_clean") else { return };
    limit(LIMIT, || {
        mark_thread(true);
        for options in [Options::new(), Options::new().protect()] {
            let watch = options.marked_threads().watch();
            for _ in 0..5 {
                let mut ring = LocalRing::new(64).expect("a ring");
                let buffers = begin(&mut ring, &direct);
                reap(&mut ring);
                for (n, buffer) in buffers.iter().enumerate() {
                    assert_eq!(first_difference((n * BYTES) as u64, buffer), None);
                }
                drop(ring);
                drop(buffers);
            }
            file.settle();
            watch.check().assert_clean(5 * COUNT * BYTES);
        }
        mark_thread(false);
    });
}

/// What the others' checks gain by: nobody has taken a completion, and all bytes are there. Not in
/// every round, since the kernel may leave a read to a worker thread, which has not begun it.
#[test]
fn settling_waits_for_direct_reads() {
    if child::is_blocked_here() {
        return skip("settling_waits_for_direct_reads", child::BLOCKED_HERE);
    }
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    let Some(direct) = file.direct("settling_waits_for_direct_reads") else { return };
    limit(LIMIT, || {
        // For buffers that are aligned.
        let _watch = detector::watch();
        let mut missing = Vec::new();
        for _ in 0..10 {
            let mut ring = Ring::new(64).expect("a ring");
            let buffers = begin(&mut ring, &direct);
            file.settle();
            let incomplete = buffers.iter().enumerate().filter(|(n, buffer)| {
                let mut end = [0; 512];
                let at = BYTES - end.len();
                let from = buffer.as_ptr().wrapping_add(at);
                // SAFETY: it lies in the buffer; what the kernel may write meanwhile is copied.
                unsafe { from.copy_to_nonoverlapping(end.as_mut_ptr(), 512) };
                first_difference((n * BYTES + at) as u64, &end).is_some()
            });
            missing.push(incomplete.count());
            reap(&mut ring);
        }
        let settled = missing.iter().filter(|count| **count == 0).count();
        assert!(settled >= 5, "reads not done in each round: {missing:?}");
    });
}

#[test]
fn a_handle_that_waits_is_clean() {
    if child::is_blocked_here() {
        return skip("a_handle_that_waits_is_clean", child::BLOCKED_HERE);
    }
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    let Some(direct) = file.direct("a_handle_that_waits_is_clean") else { return };
    limit(LIMIT, || {
        let watch = detector::watch();
        for _ in 0..COUNT {
            let ring = shared_ring();
            let read = reads(&ring, &direct, 1, BYTES).pop().expect("one");
            drop(read.waiting());
        }
        file.settle();
        watch.check().assert_clean(COUNT * BYTES);
    });
}
