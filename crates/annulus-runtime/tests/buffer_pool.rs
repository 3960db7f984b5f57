//! The pool of fixed buffers: whose turn it is, and what becomes of a buffer whatever happens to
//! who waits for it. Without a system call: for Miri too, with many schedules.

mod common;

use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use annulus_runtime::buffer::{FixedBuf, FixedPool, IoBufMut, Take};

use common::{LIMIT, limit};

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A future, and how often it was woken.
struct Waiting(Pin<Box<Take>>, Arc<Count>);

impl Waiting {
    /// One that waits already.
    fn new(pool: &FixedPool) -> Self {
        let mut new = Self(Box::pin(pool.take()), Arc::default());
        assert!(new.poll().is_pending());
        new
    }

    fn poll(&mut self) -> Poll<FixedBuf> {
        let waker = Waker::from(Arc::clone(&self.1));
        self.0.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn ready(&mut self) -> FixedBuf {
        match self.poll() {
            Poll::Ready(buf) => buf,
            Poll::Pending => panic!("no buffer for who was woken {} times", self.1.get()),
        }
    }

    fn woken(&self) -> usize {
        self.1.get()
    }
}

fn all(pool: &FixedPool) -> Vec<FixedBuf> {
    std::iter::from_fn(|| pool.try_take()).collect()
}

#[test]
fn buffers_are_apart_and_aligned() {
    for (bytes, alignment) in [(1, 1), (24, 32), (4096, 4096), (5000, 4096), (512, 512)] {
        let pool = FixedPool::new(3, bytes).unwrap();
        let mut bufs = all(&pool);
        let mut starts = HashSet::new();
        for buf in &mut bufs {
            assert_eq!((buf.len(), buf.capacity(), buf.bytes_total()), (0, bytes, bytes));
            assert!(starts.insert(buf.as_ptr().addr()) && buf.as_ptr().addr() % alignment == 0);
            let index = buf.index().0;
            buf.full_mut().fill(index as u8 + 1);
        }
        for buf in &bufs {
            assert!(buf.iter().all(|byte| *byte == buf.index().0 as u8 + 1));
        }
        let pieces: Vec<_> = pool.iovecs().collect();
        for buf in &bufs {
            let piece = pieces[usize::from(buf.index().0)];
            assert_eq!((piece.iov_base.cast(), piece.iov_len), (buf.as_ptr().cast_mut(), bytes));
        }
        assert_eq!((bufs.len(), pieces.len()), (3, 3));
    }
}

#[test]
fn what_a_pool_cannot_be() {
    for (count, bytes) in [(0, 1), (1, 0), (16385, 1), (1, (1 << 30) + 1), (usize::MAX, 4096)] {
        let error = FixedPool::new(count, bytes).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(FixedPool::new(16384, 1).unwrap().iovecs().len(), 16384);
}

#[test]
fn a_buffer_is_empty_when_taken_again() {
    let pool = FixedPool::new(1, 64).unwrap();
    let mut buf = pool.try_take().unwrap();
    buf.extend_from_slice(b"secret");
    drop(buf);
    let mut buf = pool.try_take().unwrap();
    assert!(buf.is_empty());
    buf.resize(8, 0);
    assert_eq!(buf[..], [0; 8]);
    buf.truncate(3);
    assert_eq!(buf.len(), 3);
    let full = AssertUnwindSafe(|| buf.extend_from_slice(&[0; 62]));
    assert!(catch_unwind(full).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| buf.resize(65, 0))).is_err());
    assert_eq!(buf.len(), 3);
}

#[test]
fn the_memory_outlives_the_pool() {
    let pool = FixedPool::new(2, 64).unwrap();
    let mut buf = pool.try_take().unwrap();
    drop(pool);
    buf.extend_from_slice(b"ring");
    assert_eq!(buf[..], *b"ring");
}

#[test]
fn who_came_first_is_served_first() {
    let pool = FixedPool::new(2, 64).unwrap();
    let mut bufs = all(&pool);
    let mut waiting: Vec<_> = (0..4).map(|_| Waiting::new(&pool)).collect();
    bufs.pop();
    bufs.pop();
    assert_eq!(waiting.iter().map(Waiting::woken).collect::<Vec<_>>(), [1, 1, 0, 0]);
    // Handed over, not up for grabs: nobody overtakes, also not before the poll.
    assert!(pool.try_take().is_none() && pool.free_count() == 0);
    assert!(waiting[2].poll().is_pending() && waiting[3].poll().is_pending());
    let second = waiting[1].ready();
    let first = waiting[0].ready();
    drop((first, second));
    assert_eq!(waiting.iter().map(Waiting::woken).collect::<Vec<_>>(), [1, 1, 1, 1]);
    let last: Vec<_> = waiting[2..].iter_mut().map(Waiting::ready).collect();
    assert_eq!((last.len(), pool.free_count()), (2, 0));
}

#[test]
fn who_gives_up_loses_nothing_for_others() {
    let pool = FixedPool::new(1, 64).unwrap();
    let buf = pool.try_take();
    let [first, second, third, mut fourth] = [(); 4].map(|()| Waiting::new(&pool));
    // From the middle, while nothing was there for it.
    drop(second);
    drop(buf);
    assert_eq!((first.woken(), third.woken()), (1, 0));
    // Woken, and dropped before the poll: the buffer goes on.
    drop(first);
    assert_eq!(third.woken(), 1);
    drop(third);
    assert_eq!(fourth.woken(), 1);
    drop(fourth.ready());
    assert_eq!(pool.free_count(), 1);
    // Nobody waits: what a dropped one had is free.
    let buf = pool.try_take();
    let last = Waiting::new(&pool);
    drop(buf);
    assert_eq!(pool.free_count(), 0);
    drop(last);
    assert_eq!(pool.free_count(), 1);
}

#[test]
fn the_last_waker_counts() {
    let pool = FixedPool::new(1, 64).unwrap();
    let buf = pool.try_take();
    let mut waiting = Waiting::new(&pool);
    let before = std::mem::take(&mut waiting.1);
    assert!(waiting.poll().is_pending());
    assert_eq!(Arc::strong_count(&before), 1, "the old waker is dropped");
    drop(buf);
    assert_eq!((before.get(), waiting.woken()), (0, 1));
    drop(waiting.ready());
}

#[test]
fn a_future_that_gave_a_buffer_waits_for_the_next() {
    let pool = FixedPool::new(1, 64).unwrap();
    let buf = pool.try_take();
    let mut waiting = Waiting::new(&pool);
    drop(buf);
    let buf = waiting.ready();
    assert!(waiting.poll().is_pending());
    drop(buf);
    assert_eq!(waiting.woken(), 2);
    drop(waiting.ready());
}

#[test]
fn a_forgotten_future_keeps_its_turn_and_breaks_nothing() {
    let pool = FixedPool::new(2, 64).unwrap();
    let mut bufs = all(&pool);
    // As `mem::forget` leaves it, but for the leak, of which Miri and sanitizers would tell.
    let mut forgotten = ManuallyDrop::new(Waiting::new(&pool));
    let mut next = Waiting::new(&pool);
    bufs.pop();
    assert!(next.poll().is_pending());
    bufs.pop();
    drop(next.ready());
    assert_eq!((forgotten.woken(), pool.free_count()), (1, 1));
    // SAFETY: it is not used again.
    unsafe { ManuallyDrop::drop(&mut forgotten) };
    assert_eq!(pool.free_count(), 2);
}

/// Panics when woken, as a broken executor's may.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_breaks_nothing() {
    let pool = FixedPool::new(1, 64).unwrap();
    let buf = pool.try_take();
    let broken = Waker::from(Arc::new(Broken));
    let mut first = Box::pin(pool.take());
    assert!(first.as_mut().poll(&mut Context::from_waker(&broken)).is_pending());
    let mut second = Waiting::new(&pool);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(buf))).is_err());
    drop(first);
    drop(second.ready());
    assert_eq!(pool.free_count(), 1);
}

/// Comes back to the pool from within its wake and its drop: fails by a deadlock if one of them
/// runs under the lock.
struct Back(FixedPool);

impl Wake for Back {
    fn wake(self: Arc<Self>) {
        assert!(self.0.try_take().is_none());
    }
}

impl Drop for Back {
    fn drop(&mut self) {
        self.0.free_count();
    }
}

#[test]
fn wakers_run_outside_of_the_lock() {
    limit(LIMIT, || {
        let pool = FixedPool::new(1, 64).unwrap();
        let back = || Waker::from(Arc::new(Back(pool.clone())));
        let mut buf = pool.try_take();
        for dropped in [false, true] {
            let mut take = Box::pin(pool.take());
            // The second replaces, and drops, the first.
            for waker in [back(), back()] {
                assert!(take.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            if dropped {
                drop(take);
            } else {
                drop(buf.take());
                let mut cx = Context::from_waker(Waker::noop());
                let Poll::Ready(own) = take.as_mut().poll(&mut cx) else { panic!("no buffer") };
                buf = Some(own);
            }
        }
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a buffer on this thread; gives up after `patience` wake-ups or spurious ones.
fn wait(pool: &FixedPool, patience: usize) -> Option<FixedBuf> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut take = pin!(pool.take());
    for _ in 0..patience {
        match take.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(buf) => return Some(buf),
            Poll::Pending if patience == usize::MAX => thread::park(),
            Poll::Pending => thread::yield_now(),
        }
    }
    None
}

#[test]
fn threads_take_give_and_give_up() {
    limit(LIMIT, || {
        const THREADS: usize = 5;
        let rounds = if cfg!(miri) { 8 } else { 4_000 };
        let pool = FixedPool::new(2, 64).unwrap();
        let threads: Vec<_> = (0..THREADS)
            .map(|own| {
                let pool = pool.clone();
                thread::spawn(move || use_buffers(&pool, own as u8, rounds))
            })
            .collect();
        for thread in threads {
            let (taken, asked) = thread.join().unwrap();
            assert!(asked > 0 && taken >= asked / 2, "{taken} of {asked}");
        }
        assert_eq!(pool.free_count(), 2);
    });
}

/// Each second round waits as long as it takes, and each other gives up at some time: says how
/// often there was a buffer, and how often it asked. While one has it, nobody else writes to it.
fn use_buffers(pool: &FixedPool, own: u8, rounds: usize) -> (usize, usize) {
    let (mut taken, began) = (0, std::time::Instant::now());
    for round in 0..rounds {
        // To yield takes long where others do nothing else, too.
        if began.elapsed() > LIMIT / 4 {
            return (taken, round);
        }
        let patience = if round % 2 == 0 { usize::MAX } else { 1 + round % 5 };
        let Some(mut buf) = wait(pool, patience) else { continue };
        taken += 1;
        buf.full_mut().fill(own);
        thread::yield_now();
        assert!(buf.iter().all(|byte| *byte == own), "somebody else has this buffer too");
        if round % (rounds / 4) == 0 {
            // Dropped by another thread.
            thread::scope(|scope| drop(scope.spawn(move || drop(buf)).join()));
        }
    }
    (taken, rounds)
}
