//! What a shared ring allocates: nothing per operation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;

use annulus_ring::SharedRing;
use annulus_ring::abi::{Cqe, Iovec};

use common::{LIMIT, limit, only_on_linux};

/// The system's allocator, counted by thread: those of the test harness allocate as well.
struct Counted;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // It has no destructor, so it is there to the thread's end.
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// How many allocations `body` makes.
fn allocations(body: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    body();
    ALLOCATIONS.get() - before
}

/// `rounds` vectored reads of `count` parts each, eight at a time.
fn reads(ring: &SharedRing, file: &File, rounds: usize, count: usize) {
    let mut buffers = [[0u8; 16]; 32];
    let mut out = [Cqe::default(); 8];
    for round in 0..rounds as u64 {
        let parts = buffers.iter_mut().take(count);
        let iovecs = parts.map(|b| Iovec { iov_base: b.as_mut_ptr().cast(), iov_len: b.len() });
        // SAFETY: the buffers are not touched before the completion; the file stays open.
        unsafe { ring.readv_iter(file, iovecs, Some(0), round) }.unwrap();
        if round % 8 == 7 {
            let mut left = 8;
            while left > 0 {
                let taken = ring.wait_into(&mut out).unwrap();
                assert!(out[..taken].iter().all(|cqe| cqe.res == 16 * count as i32), "{out:?}");
                left -= taken;
            }
        }
    }
}

#[test]
fn vectored_operations_allocate_nothing() {
    let name = "vectored_operations_allocate_nothing";
    if only_on_linux(name, "what waits in user space is allocated") {
        return;
    }
    limit(LIMIT, || {
        let ring = SharedRing::new(4).unwrap();
        let file = File::open("/dev/zero").unwrap();
        // The first one makes the places of all slots.
        assert_eq!(allocations(|| reads(&ring, &file, 8, 8)), 1);
        for count in [1, 4, 8] {
            assert_eq!(allocations(|| reads(&ring, &file, 10_000, count)), 0, "{count} iovecs");
        }
        // A longer list is one allocation, which its slot keeps until it is used again.
        assert_eq!(allocations(|| reads(&ring, &file, 800, 9)), 800);
        assert_eq!(allocations(|| reads(&ring, &file, 10_000, 8)), 0);
        let rest = allocations(|| {
            for n in 0..10_000 {
                ring.nop(n).unwrap();
                ring.wait().unwrap().for_each(drop);
            }
            ring.wake().unwrap();
            assert!(ring.wait().unwrap().is_empty());
        });
        assert_eq!(rest, 0, "for NOPs, batches and wake-ups");
    });
}
