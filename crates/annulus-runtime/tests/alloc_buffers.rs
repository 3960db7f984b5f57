//! What allocates nothing in the steady state: taking a fixed buffer and giving it back, waiting
//! for one, and the list of up to eight pieces.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Waker};

use annulus_runtime::buffer::{
    AlignedBuf, FixedPool, IoBuf, Iovecs, MemRegion, SharedMemory, regions_to_iovecs,
};

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter any more.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = if cfg!(miri) { 10 } else { 100_000 };

/// How often `f` allocates when it is done so many times, after the first time.
fn allocations(mut f: impl FnMut()) -> u64 {
    f();
    let before = COUNT.get();
    for _ in 0..ROUNDS {
        f();
    }
    COUNT.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(vec![0_u8; 8])), ROUNDS as u64);
}

#[test]
fn taking_and_giving_back() {
    let pool = FixedPool::new(4, 64).unwrap();
    assert_eq!(allocations(|| drop((pool.try_take(), pool.try_take()))), 0);
}

#[test]
fn waiting_for_one() {
    let pool = FixedPool::new(1, 64).unwrap();
    let round = || {
        let mut cx = Context::from_waker(Waker::noop());
        let taken = pool.try_take();
        let (mut first, mut second) = (pin!(pool.take()), pin!(pool.take()));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(taken);
        assert!(first.as_mut().poll(&mut cx).is_ready());
        assert!(second.as_mut().poll(&mut cx).is_ready());
    };
    assert_eq!(allocations(round), 0);
}

#[test]
fn the_list_of_eight_pieces() {
    let bufs: [_; 8] = std::array::from_fn(|_| AlignedBuf::zeroed(16));
    assert_eq!(allocations(|| assert_eq!(Iovecs::for_write(&bufs, 3).count(), 8)), 0);
    let memory = SharedMemory::new(4096);
    let list = [MemRegion { offset: 512, len: 16 }; 8];
    let iovecs = || regions_to_iovecs(&memory, &list).unwrap();
    assert_eq!(allocations(|| assert_eq!(iovecs().bytes(), 128)), 0);
    // And a slice is only put around a buffer.
    let mut buf = Some(vec![0; 64]);
    assert_eq!(allocations(|| buf = buf.take().map(|buf| buf.slice(8..16).into_inner())), 0);
}
