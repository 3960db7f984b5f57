//! [`FixedPool`] and [`FixedBuf`]: memory that the kernel pinned once, lent out buffer by buffer.

mod buf;
mod waiters;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use annulus_ring::abi::Iovec;

use super::aligned::AlignedBuf;
use super::registered::PoolId;
use waiters::{Left, Place, Waiters};

pub use buf::FixedBuf;

/// A pool of buffers for registration with rings: an operation on one of them spares the kernel the
/// way through the page tables.
///
/// It is a handle: clones are the same pool. The memory is one allocation, zeroed at the start, and
/// stays until the last handle *and* the last [`FixedBuf`] are gone; so whoever registers it
/// ([`iovecs`](Self::iovecs)) keeps a handle until the registration ended. Taking a buffer and
/// giving it back allocates nothing.
///
/// ```
/// use annulus_runtime::buffer::FixedPool;
/// let pool = FixedPool::new(2, 4096)?;
/// let (one, two) = (pool.try_take().unwrap(), pool.try_take().unwrap());
/// assert!(pool.try_take().is_none());
/// assert!(one.index() != two.index());
/// drop(one);
/// assert!(pool.try_take().is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct FixedPool(Arc<Shared>);

/// What all handles and buffers of a pool share.
struct Shared {
    id: PoolId,
    /// Never dereferenced: the bytes of a buffer belong to who holds its index.
    memory: AlignedBuf,
    buf_bytes: usize,
    /// From the beginning of one buffer to that of the next.
    stride_bytes: usize,
    count: u16,
    state: Mutex<State>,
}

/// Whose the indices are. While somebody waits, none is free.
struct State {
    /// The last one given back is the first one taken: it is in the processor's cache.
    free: Vec<u16>,
    waiters: Waiters,
}

impl FixedPool {
    /// As many buffers as a ring's table holds at most.
    pub const COUNT_MAX: usize = 1 << 14;

    /// As many bytes as the kernel takes for one registered buffer at most.
    pub const BYTES_MAX: usize = 1 << 30;

    /// A pool of `count` buffers of `bytes` each. The first begins at a multiple of 4096, and each
    /// other at a multiple of 4096 or, where it is smaller, of `bytes` rounded up to a power of
    /// two.
    ///
    /// # Errors
    /// - `InvalidInput`: no buffer, or more than [`COUNT_MAX`](Self::COUNT_MAX); of no byte, or of
    ///   more than [`BYTES_MAX`](Self::BYTES_MAX).
    /// - `OutOfMemory`: there is not so much memory.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let pool = FixedPool::new(16, 64 << 10)?;
    /// assert_eq!((pool.count(), pool.buf_bytes()), (16, 65536));
    /// assert!(FixedPool::new(0, 4096).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(count: usize, bytes: usize) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        if !(1..=Self::COUNT_MAX).contains(&count) {
            let max = Self::COUNT_MAX;
            return Err(invalid(format!("a pool has 1 to {max} buffers, not {count}")));
        }
        if !(1..=Self::BYTES_MAX).contains(&bytes) {
            let max = Self::BYTES_MAX;
            return Err(invalid(format!("a fixed buffer has 1 to {max} bytes, not {bytes}")));
        }
        let alignment = bytes.next_power_of_two().min(AlignedBuf::ALIGNMENT);
        let stride_bytes = bytes.next_multiple_of(alignment);
        let all_bytes = stride_bytes.saturating_mul(count);
        let memory = AlignedBuf::try_zeroed(all_bytes, AlignedBuf::ALIGNMENT)?;
        let count = count as u16;
        // Index 0 is taken first.
        let state = State { free: (0..count).rev().collect(), waiters: Waiters::new() };
        let id = PoolId(next_id());
        let state = Mutex::new(state);
        Ok(Self(Arc::new(Shared { id, memory, buf_bytes: bytes, stride_bytes, count, state })))
    }

    /// Which pool this is.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(1, 4096)?;
    /// assert_eq!(pool.try_take().unwrap().pool_id(), pool.id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn id(&self) -> PoolId {
        self.0.id
    }

    /// How many buffers it has, taken or not.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(3, 4096)?;
    /// assert_eq!(pool.count(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn count(&self) -> usize {
        self.0.count.into()
    }

    /// How many bytes each of its buffers has.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(3, 1000)?;
    /// assert_eq!(pool.try_take().unwrap().capacity(), pool.buf_bytes());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn buf_bytes(&self) -> usize {
        self.0.buf_bytes
    }

    /// How many buffers are free at this moment.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(3, 4096)?;
    /// let taken = pool.try_take();
    /// assert_eq!(pool.free_count(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn free_count(&self) -> usize {
        self.0.lock().free.len()
    }

    /// Its buffers in the order of their indices, for the registration with a ring: the first gets
    /// the pool's index 0. Who registers them keeps a handle of the pool until they are not
    /// registered any more, and every operation on them is done.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(3, 4096)?;
    /// let pieces: Vec<_> = pool.iovecs().collect();
    /// assert_eq!((pieces.len(), pieces[2].iov_len), (3, 4096));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn iovecs(&self) -> impl ExactSizeIterator<Item = Iovec> + '_ {
        let piece =
            |index| Iovec { iov_base: self.0.start(index).cast(), iov_len: self.0.buf_bytes };
        (0..self.0.count).map(piece)
    }

    /// A buffer, if one is free. It is empty, as a new vector with a capacity is.
    ///
    /// ```
    /// let pool = annulus_runtime::buffer::FixedPool::new(1, 4096)?;
    /// let mut buf = pool.try_take().unwrap();
    /// buf.extend_from_slice(b"ring");
    /// assert!(pool.try_take().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_take(&self) -> Option<FixedBuf> {
        let index = self.0.lock().free.pop()?;
        Some(FixedBuf::new(Arc::clone(&self.0), index))
    }

    /// A buffer, as soon as one is free: who asked first gets the first, and nobody overtakes.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// # use std::future::Future;
    /// let pool = annulus_runtime::buffer::FixedPool::new(1, 4096)?;
    /// let taken = pool.try_take();
    /// let mut take = std::pin::pin!(pool.take());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(take.as_mut().poll(&mut cx).is_pending());
    /// drop(taken);
    /// assert!(take.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take(&self) -> Take {
        Take { pool: self.clone(), place: None }
    }
}

impl fmt::Debug for FixedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedPool")
            .field("id", &self.0.id)
            .field("count", &self.0.count)
            .field("buf_bytes", &self.0.buf_bytes)
            .finish_non_exhaustive()
    }
}

/// A number that no other pool of the process has.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Pairs with nothing: only that no two get the same counts. 2^64 pools do not happen.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Shared {
    /// No code of a user runs under this lock (no waker is cloned, woken or dropped), so nothing
    /// in there panics or comes back here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a buffer begins.
    fn start(&self, index: u16) -> *mut u8 {
        debug_assert!(index < self.count);
        self.memory.as_ptr().cast_mut().wrapping_add(usize::from(index) * self.stride_bytes)
    }

    /// Takes a buffer back: for who waits first, or to be taken.
    fn give_back(&self, index: u16) {
        let waker = self.lock().give(index);
        wake(waker);
    }
}

impl State {
    fn give(&mut self, index: u16) -> Option<Waker> {
        let waker = self.waiters.give(index);
        if waker.is_none() {
            self.free.push(index);
        }
        waker
    }

    /// A buffer for who is at `place`, or for who never waited.
    fn try_take(&mut self, place: &mut Option<Place>) -> Option<u16> {
        match place.take_if(|place| self.waiters.has(place)) {
            Some(had) => match self.waiters.leave(had) {
                Left::Given(index) => Some(index),
                Left::Waiting(_) => unreachable!("it has its buffer"),
            },
            None if place.is_none() => self.free.pop(),
            None => None,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Waits for a buffer of a pool: see [`FixedPool::take`].
///
/// Its turn comes by its first poll. Dropped, it passes its turn on, and its buffer too if one was
/// handed to it already. Forgotten ([`std::mem::forget`]), it keeps both for ever. Polled after it
/// gave a buffer, it waits for another.
#[must_use = "futures do nothing unless polled"]
pub struct Take {
    pool: FixedPool,
    place: Option<Place>,
}

impl Future for Take {
    type Output = FixedBuf;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FixedBuf> {
        let Take { pool, place } = &mut *self;
        let shared = &pool.0;
        let taken = |index| Poll::Ready(FixedBuf::new(Arc::clone(shared), index));
        {
            let mut state = shared.lock();
            if let Some(index) = state.try_take(place) {
                return taken(index);
            }
            let waker = place.as_ref().and_then(|place| state.waiters.waker(place));
            if waker.is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
        }
        // A waker's code is the user's: it is cloned, and the old one dropped, outside of the lock.
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        if let Some(index) = state.try_take(place) {
            return taken(index);
        }
        let old = match place {
            Some(place) => Some(state.waiters.replace_waker(place, waker)),
            None => {
                *place = Some(state.waiters.join(waker));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let mut state = self.pool.0.lock();
        let waker = match state.waiters.leave(place) {
            Left::Waiting(own) => {
                drop(state);
                drop(own);
                return;
            }
            Left::Given(index) => state.give(index),
        };
        drop(state);
        wake(waker);
    }
}

impl fmt::Debug for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = self.place.is_some();
        f.debug_struct("Take").field("pool", &self.pool).field("waits", &waits).finish()
    }
}
