//! [`FixedBuf`]: one buffer of a pool, whose it is until dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use annulus_ring::abi::BufIndex;

use super::super::registered::{PoolId, Registered};
use super::super::{IoBuf, IoBufMut};
use super::Shared;

/// A buffer of a [`FixedPool`](super::FixedPool), owned until it is dropped: then it is the next
/// one's.
///
/// Like a `Vec<u8>` it has a capacity, and a length of initialised bytes at its front, which is 0
/// when it was taken; unlike one it never grows. An operation on it, or on a slice of it, names it
/// by index in a ring with which its pool is registered, and by address elsewhere.
///
/// ```
/// use annulus_runtime::buffer::{FixedPool, IoBufMut};
/// let pool = FixedPool::new(1, 4096)?;
/// let mut buf = pool.try_take().unwrap();
/// assert_eq!((buf.len(), buf.bytes_total()), (0, 4096));
/// buf.extend_from_slice(b"ring");
/// assert_eq!(buf[..], *b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FixedBuf {
    pool: Arc<Shared>,
    index: u16,
    len: usize,
}

impl FixedBuf {
    /// `index` is nobody's but the caller's.
    pub(super) fn new(pool: Arc<Shared>, index: u16) -> Self {
        Self { pool, index, len: 0 }
    }

    /// Its place in a table with which its pool is registered from the first slot on.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let pool = FixedPool::new(2, 4096)?;
    /// assert!(usize::from(pool.try_take().unwrap().index().0) < pool.count());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn index(&self) -> BufIndex {
        BufIndex(self.index)
    }

    /// Which pool it is of.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let pool = FixedPool::new(1, 4096)?;
    /// assert_eq!(pool.try_take().unwrap().pool_id(), pool.id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pool_id(&self) -> PoolId {
        self.pool.id
    }

    /// How many bytes it has room for.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// assert_eq!(FixedPool::new(1, 4096)?.try_take().unwrap().capacity(), 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.pool.buf_bytes
    }

    /// All of its bytes, which makes it as long as it can be. What is behind its length before is
    /// left over from whoever had the buffer, or zero: write it.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let mut buf = FixedPool::new(1, 4096)?.try_take().unwrap();
    /// buf.full_mut().fill(7);
    /// assert_eq!(buf[..], [7; 4096]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn full_mut(&mut self) -> &mut [u8] {
        self.len = self.capacity();
        self
    }

    /// Forgets what is behind the first `len` bytes.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let mut buf = FixedPool::new(1, 4096)?.try_take().unwrap();
    /// buf.extend_from_slice(b"ring");
    /// buf.truncate(1);
    /// assert_eq!(buf[..], *b"r");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Forgets what is in it.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let mut buf = FixedPool::new(1, 4096)?.try_take().unwrap();
    /// buf.extend_from_slice(b"ring");
    /// buf.clear();
    /// assert!(buf.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it `len` bytes long: shorter, or filled up with `value`.
    ///
    /// # Panics
    /// Where `len` is over the [capacity](Self::capacity).
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let mut buf = FixedPool::new(1, 4096)?.try_take().unwrap();
    /// buf.resize(2, 7);
    /// assert_eq!(buf[..], [7, 7]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn resize(&mut self, len: usize, value: u8) {
        assert!(len <= self.capacity(), "{len} bytes do not fit in {}", self.capacity());
        let before = std::mem::replace(&mut self.len, len);
        if before < len {
            self[before..].fill(value);
        }
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// Where they do not fit: it never grows.
    ///
    /// ```
    /// use annulus_runtime::buffer::FixedPool;
    /// let mut buf = FixedPool::new(1, 4096)?.try_take().unwrap();
    /// buf.extend_from_slice(b"ring");
    /// assert_eq!(buf[..], *b"ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let (before, room) = (self.len, self.capacity() - self.len);
        assert!(bytes.len() <= room, "{} bytes do not fit in the {room} left", bytes.len());
        self.len += bytes.len();
        self[before..].copy_from_slice(bytes);
    }
}

impl Drop for FixedBuf {
    fn drop(&mut self) {
        self.pool.give_back(self.index);
    }
}

impl Deref for FixedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the pool's memory was zeroed at the start, so all of it is initialised; it stays
        // as long as this value, and the bytes of this index are this value's alone.
        unsafe { std::slice::from_raw_parts(self.pool.start(self.index), self.len) }
    }
}

impl DerefMut for FixedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.pool.start(self.index), self.len) }
    }
}

impl AsRef<[u8]> for FixedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for FixedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for FixedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedBuf")
            .field("pool", &self.pool.id)
            .field("index", &self.index)
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish()
    }
}

// SAFETY: the bytes are in the pool's memory, which never moves and stays as long as this value;
// those of this index are this value's alone. The index is its own, and the pool's id too.
unsafe impl IoBuf for FixedBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.pool.start(self.index)
    }

    fn bytes_init(&self) -> usize {
        self.len
    }

    fn slice_max(&self) -> usize {
        self.capacity()
    }

    fn registered(&self) -> Option<Registered> {
        Some(Registered { pool: self.pool.id, index: self.index() })
    }
}

// SAFETY: as above, with all of its capacity.
unsafe impl IoBufMut for FixedBuf {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.pool.start(self.index)
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_init(&mut self, count: usize) {
        debug_assert!(count <= self.capacity());
        self.len = self.len.max(count);
    }
}
