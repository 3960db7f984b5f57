//! Operations allocate nothing in the steady state. A file of its own: it counts for the process.

mod common;
mod files;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annulus_runtime::Engine;
use annulus_runtime::buffer::{MemRegion, SharedMemory};
use futures::executor::block_on;

use common::{LIMIT, limit, may_not_lock, only_on_linux, times};
use files::{TempDir, begin, pipe};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: pairs with nothing: a count, looked at when all is quiet.
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the threads of the harness may allocate meanwhile: far below one in a round.
const NOISE: u64 = 20;

/// How many allocations `round` makes, once it has settled.
fn allocations(mut round: impl FnMut()) -> u64 {
    for _ in 0..100 {
        round();
    }
    // Relaxed: pairs with nothing, as above.
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..times(10_000) {
        round();
    }
    // Relaxed: as above; pairs with nothing.
    COUNT.load(Ordering::Relaxed) - before
}

/// One test, for what runs beside it would be counted.
#[test]
fn nothing_is_allocated_once_it_runs() {
    let name = "nothing_is_allocated_once_it_runs";
    if only_on_linux(name, "what waits in user space is allocated") || may_not_lock() {
        return;
    }
    limit(LIMIT, || {
        let dir = TempDir::new();
        let engine = Engine::builder().fixed_buffers(2, 4096).build().unwrap();
        let file = engine.file(dir.file("data", &[7; 4096]));
        let mut buf = Some(vec![0_u8; 64]);
        let mut eight = Some(vec![vec![0_u8; 8]; 8]);
        let mut five = Some([(); 5].map(|()| vec![0_u8; 8]));
        let memory = Arc::new(SharedMemory::new(4096));
        let list = [MemRegion { offset: 0, len: 64 }, MemRegion { offset: 512, len: 64 }];
        let at_once = allocations(|| {
            buf = Some(block_on(file.read_at(buf.take().unwrap(), 0)).unwrap().1);
            eight = Some(block_on(file.read_vectored_at(eight.take().unwrap(), 0)).unwrap().1);
            five = Some(block_on(file.read_vectored_at(five.take().unwrap(), 0)).unwrap().1);
            let read = file.read_mem_at(Arc::clone(&memory), &list, 0).unwrap();
            block_on(read).unwrap();
            block_on(file.metadata()).unwrap();
            block_on(file.readable()).unwrap();
        });
        assert!(at_once < NOISE, "at once: {at_once}");
        let (reader, writer) = pipe(&engine);
        let pool = engine.fixed_pool().unwrap();
        let by_the_ring = allocations(|| {
            let mut read = reader.read_vectored(eight.take().unwrap());
            begin(&mut read);
            block_on(writer.write("12345678")).unwrap();
            eight = Some(block_on(read).unwrap().1);
            let mut read = reader.read_vectored(five.take().unwrap());
            begin(&mut read);
            block_on(writer.write("12345678")).unwrap();
            five = Some(block_on(read).unwrap().1);
            let mut read = reader.read_mem(Arc::clone(&memory), &list).unwrap();
            begin(&mut read);
            block_on(writer.write("12345678")).unwrap();
            block_on(read).unwrap();
            let mut read = reader.read(pool.try_take().unwrap());
            begin(&mut read);
            let mut ready = reader.readable();
            begin(&mut ready);
            block_on(writer.write("12345678")).unwrap();
            block_on(read).unwrap();
            drop(ready);
        });
        assert!(by_the_ring < NOISE, "by the ring: {by_the_ring}");
        assert!(engine.metrics().shipped >= 4 * times(10_000));
    });
}
