//! The detector as an allocator: memory is what it has to be, addresses come once, counts are
//! exact, and limits are said.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Barrier;

use super::ALLOCATOR;
use super::common::child::Child;
use super::common::detector::{self, FREED, Options, mark_thread};
use super::common::process::this_thread;

const BYTES: usize = 100_000;

/// Writes to freed memory as a kernel in error would.
fn write_late(block: *mut u8, at: usize, byte: u8) {
    // SAFETY: none by the language's rules; the detector keeps freed memory mapped and to itself.
    unsafe { block.wrapping_add(at).write_volatile(byte) };
}

#[test]
fn a_late_write_is_reported_with_its_place() {
    let watch = Options::new().bytes_min(BYTES).watch();
    let mut blocks: Vec<Vec<u8>> = (0..3).map(|_| vec![7; BYTES]).collect();
    let address = blocks[1].as_mut_ptr();
    drop(blocks.remove(1));
    watch.check().assert_clean(BYTES);
    write_late(address, 5000, 1);
    write_late(address, 5001, 2);
    write_late(address, BYTES - 1, 3);
    // It happens to be the pattern: that cannot be seen.
    write_late(address, 9, FREED);
    for _ in 0..2 {
        let report = watch.check();
        assert_eq!((report.changed.len(), report.changed_bytes()), (1, 3), "{report}");
        let change = &report.changed[0];
        assert_eq!((change.address, change.bytes), (address.addr(), BYTES));
        assert_eq!((change.first_offset, &change.sample[..3]), (5000, &[1, 2, FREED][..]));
        assert_eq!((change.allocated_by, change.freed_by), (this_thread(), this_thread()));
        let text = report.to_string();
        assert!(text.contains("1 of ") && text.contains("3 changed, the first at 5000"), "{text}");
    }
    drop(watch);
    // What one watch found the next does not find again.
    let watch = detector::watch();
    assert_eq!(watch.check().changed, []);
}

#[test]
fn a_block_that_another_thread_frees_says_so() {
    let watch = Options::new().bytes_min(BYTES).watch();
    let mut block = vec![1_u8; BYTES];
    let address = block.as_mut_ptr().expose_provenance();
    let freed_by = std::thread::spawn(move || {
        drop(block);
        this_thread()
    });
    let freed_by = freed_by.join().unwrap();
    write_late(std::ptr::with_exposed_provenance_mut(address), 0, 0);
    let report = watch.check();
    let by = report.changed.iter().map(|c| (c.allocated_by, c.freed_by)).collect::<Vec<_>>();
    assert_eq!(by, [(this_thread(), freed_by)]);
}

#[test]
fn addresses_come_once_aligned_and_zeroed() {
    let _watch = detector::watch();
    let mut seen = BTreeSet::new();
    for n in 0..300 {
        let align = 1 << (n % 22);
        let layout = Layout::from_size_align(4096 + n * 100, align).unwrap();
        // SAFETY: the size is not 0.
        let block = unsafe { ALLOCATOR.alloc_zeroed(layout) };
        assert!(block.addr().is_multiple_of(align.max(4096)), "{block:p} for {align}");
        // SAFETY: the allocator gave so many bytes, all zeros.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(1);
        assert!(seen.insert(block.addr()), "twice");
        // SAFETY: it came from there, with this layout.
        unsafe { ALLOCATOR.dealloc(block, layout) };
    }
}

#[test]
fn a_block_that_grows_or_shrinks_keeps_its_bytes() {
    for options in [Options::new(), Options::new().protect()] {
        let watch = options.watch();
        let mut bytes: Vec<u8> = Vec::with_capacity(10);
        let mut expected = Vec::new();
        for n in 0..30_000_u32 {
            bytes.push(n as u8);
            expected.push(n as u8);
        }
        let address = bytes.as_ptr();
        bytes.truncate(5000);
        bytes.shrink_to_fit();
        assert_ne!(bytes.as_ptr(), address, "the old place may be the kernel's");
        assert_eq!(bytes, expected[..5000]);
        bytes.truncate(20);
        bytes.shrink_to_fit();
        assert_eq!(bytes, expected[..20]);
        watch.check().assert_clean(30_000);
    }
}

#[test]
fn blocks_pass_from_and_to_a_watch() {
    let before = vec![1_u8; BYTES];
    let watch = Options::new().bytes_min(BYTES).marked_threads().watch();
    mark_thread(true);
    let during = vec![2_u8; BYTES];
    drop(before);
    let report = watch.check();
    assert_eq!((report.freed_count, report.live_count), (0, 1), "only what it gave");
    drop(watch);
    assert!(during.iter().all(|byte| *byte == 2));
    let options = Options::new().bytes_min(BYTES).freed_bytes_max(BYTES).marked_threads();
    let next = options.watch();
    drop(during);
    assert_eq!(next.check().freed_count, 0, "it was of the watch before");
    drop(vec![3_u8; BYTES]);
    next.check().assert_clean(BYTES);
    mark_thread(false);
    drop(vec![4_u8; BYTES]);
    assert_eq!(next.check().freed_count, 1, "an unmarked thread's");
}

#[test]
fn what_is_over_the_limit_is_said() {
    let options = Options::new().bytes_min(BYTES).freed_bytes_max(2 * BYTES).marked_threads();
    let watch = options.watch();
    mark_thread(true);
    drop([vec![1_u8; BYTES], vec![2; BYTES], vec![3; BYTES]]);
    mark_thread(false);
    let report = watch.check();
    assert_eq!((report.freed_count, report.unwatched_count), (2, 1), "{report}");
    let message = std::panic::catch_unwind(|| report.assert_clean(0)).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("incomplete") && message.contains("1 not watched"), "{message}");
}

#[test]
fn a_check_of_nothing_proves_nothing() {
    let watch = Options::new().marked_threads().watch();
    let report = watch.check();
    report.assert_clean(0);
    assert!(std::panic::catch_unwind(|| report.assert_clean(1)).is_err());
}

#[test]
fn a_protected_block_cannot_be_read() {
    let child = Child::of("allocator::a_protected_block_cannot_be_read");
    let body = |_: &str| {
        let _watch = Options::new().protect().watch();
        let block = vec![1_u8; BYTES];
        let address = block.as_ptr();
        drop(block);
        // SAFETY: none: the process is to end here.
        black_box(unsafe { address.read_volatile() });
    };
    let Some(outcome) = child.run(body) else { return };
    assert_eq!(outcome.signal(), Some(libc::SIGSEGV), "{outcome}");
}

#[test]
fn a_block_freed_twice_ends_the_process() {
    let child = Child::of("allocator::a_block_freed_twice_ends_the_process");
    let body = |_: &str| {
        let _watch = detector::watch();
        let layout = Layout::new::<[u8; 8192]>();
        // SAFETY: the size is not 0.
        let block = unsafe { ALLOCATOR.alloc(layout) };
        for _ in 0..2 {
            // SAFETY: the second time there is none: the process is to end here.
            unsafe { ALLOCATOR.dealloc(block, layout) };
        }
    };
    let Some(outcome) = child.run(body) else { return };
    assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{outcome}");
    assert!(outcome.stderr.contains("freed twice"), "{outcome}");
}

#[test]
fn allocations_of_this_thread_are_counted() {
    let before = detector::thread_allocations();
    let other = std::thread::spawn(|| {
        let before = detector::thread_allocations();
        black_box([Box::new(1), Box::new(2)]);
        detector::thread_allocations() - before
    });
    assert_eq!(other.join().unwrap(), 2);
    let own = detector::thread_allocations();
    assert!(own > before, "a thread is not started without");
    let mut bytes: Vec<u8> = black_box(Vec::with_capacity(1));
    bytes.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    black_box(vec![0_u8; 1 << 20]);
    assert_eq!(detector::thread_allocations() - own, 3, "one, a larger one, and zeros");
    for n in 0..1000_u32 {
        black_box(n);
    }
    drop(bytes);
    assert_eq!(detector::thread_allocations() - own, 3, "frees are none");
}

#[test]
fn allocations_of_the_process_are_counted() {
    let child = Child::of("allocator::allocations_of_the_process_are_counted");
    let body = |_: &str| {
        // Unlike a channel, a barrier never allocates.
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // To start, a thread allocates.
                barrier.wait();
                for _ in 0..3 {
                    barrier.wait();
                    black_box((0..10).map(Box::new).collect::<Vec<_>>());
                    barrier.wait();
                }
            });
            barrier.wait();
            for _ in 0..3 {
                let before = (detector::allocations(), detector::thread_allocations());
                barrier.wait();
                barrier.wait();
                assert_eq!(detector::allocations() - before.0, 11);
                assert_eq!(detector::thread_allocations(), before.1);
            }
        });
    };
    let Some(outcome) = child.run(body) else { return };
    outcome.success();
}

#[test]
fn live_bytes_are_those_not_freed() {
    let child = Child::of("allocator::live_bytes_are_those_not_freed");
    let body = |_: &str| {
        let before = detector::live_bytes();
        let live = || detector::live_bytes().wrapping_sub(before).wrapping_add(32 << 10);
        let mut bytes = vec![0_u8; 10 << 20];
        assert_eq!(live() >> 20, 10);
        bytes.resize(20 << 20, 0);
        assert_eq!(live() >> 20, 20);
        let watch = detector::watch();
        let watched = bytes.clone();
        assert_eq!(live() >> 20, 40);
        drop((bytes, watched));
        assert_eq!(live() >> 20, 0);
        watch.check().assert_clean(20 << 20);
    };
    let Some(outcome) = child.run(body) else { return };
    outcome.success();
}

#[test]
fn a_trace_shows_who_allocates() {
    let child = Child::of("allocator::a_trace_shows_who_allocates");
    let Some(outcome) = child.run(|_| {
        detector::trace(1);
        allocate_12345();
        allocate_12345();
    }) else {
        return;
    };
    outcome.success();
    assert_eq!(outcome.stderr.matches("12345 bytes allocated").count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("allocate_12345"), "{outcome}");
}

#[inline(never)]
fn allocate_12345() {
    black_box(vec![1_u8; 12_345]);
}
