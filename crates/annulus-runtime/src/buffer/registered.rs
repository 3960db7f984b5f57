//! [`Registered`]: which buffer of which pool a buffer is, so that an operation can name it by
//! index.

use annulus_ring::abi::BufIndex;

/// A pool of fixed buffers, told from every other one of the process: never given twice.
///
/// ```
/// use annulus_runtime::buffer::FixedPool;
/// let (one, two) = (FixedPool::new(1, 4096)?, FixedPool::new(1, 4096)?);
/// assert!(one.id() != two.id() && one.id() == one.clone().id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub(super) u64);

/// The place of a buffer in the table of a ring with which its pool is registered.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registered {
    /// Its pool: the index means nothing in a ring with which another one is registered.
    pub pool: PoolId,
    /// Its place, counted from the pool's first buffer.
    pub index: BufIndex,
}
