//! Waiting on a word of memory by the ring: futexes, private to the process or shared with others.

use core::fmt;
use core::sync::atomic::AtomicU32;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::{Futex2Flags, Sqe};
use annulus_ring::op;

use crate::buffer::{BackingMemory, InvalidRegion, MemRegion};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// A word of memory that is waited on: `&'static AtomicU32`, `Arc<AtomicU32>`, or a word of memory
/// that processes share, a [`MappedWord`].
///
/// ```
/// use annulus_runtime::runtime::futex::FutexWord;
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// let word = Arc::new(AtomicU32::new(7));
/// assert_eq!(word.word().load(Ordering::Relaxed), 7);
/// ```
///
/// # Safety
/// Whoever implements it promises:
/// - [`word`](Self::word) is always the same, and valid until `self` is dropped, also while it is
///   moved.
pub unsafe trait FutexWord: Clone + Send + 'static {
    /// Whether other processes may have it mapped too: then the kernel finds those who wait by the
    /// memory, and not by its address.
    const IS_SHARED: bool;

    /// The word.
    ///
    /// ```
    /// use annulus_runtime::runtime::futex::FutexWord;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// static WORD: AtomicU32 = AtomicU32::new(7);
    /// assert_eq!((&WORD).word().load(Ordering::Relaxed), 7);
    /// ```
    fn word(&self) -> &AtomicU32;
}

// SAFETY: it stays where it is, for ever.
unsafe impl FutexWord for &'static AtomicU32 {
    const IS_SHARED: bool = false;

    fn word(&self) -> &AtomicU32 {
        self
    }
}

// SAFETY: it is on the heap, where it stays as long as this has a count.
unsafe impl FutexWord for Arc<AtomicU32> {
    const IS_SHARED: bool = false;

    fn word(&self) -> &AtomicU32 {
        self
    }
}

/// A word of memory that others may have mapped too, as that of a guest or of another process.
///
/// ```
/// use annulus_runtime::buffer::SharedMemory;
/// use annulus_runtime::runtime::futex::{FutexWord, MappedWord};
/// use std::sync::{Arc, atomic::Ordering};
/// let memory = Arc::new(SharedMemory::new(4096));
/// let word = MappedWord::new(Arc::clone(&memory), 64)?;
/// memory.write(64, &7_u32.to_ne_bytes())?;
/// assert_eq!(word.word().load(Ordering::Acquire), 7);
/// assert!(MappedWord::new(Arc::clone(&memory), 63).is_err()); // not aligned
/// assert!(MappedWord::new(memory, 4096).is_err()); // outside
/// # Ok::<(), annulus_runtime::buffer::InvalidRegion>(())
/// ```
pub struct MappedWord<M> {
    memory: Arc<M>,
    start: *const AtomicU32,
}

impl<M: BackingMemory + 'static> MappedWord<M> {
    /// The word at `offset`, in bytes.
    ///
    /// Everybody else must use it as one word of 32 bits, too.
    ///
    /// # Errors
    /// [`InvalidRegion`]: it is not within the memory, not in one piece, or not aligned to its four
    /// bytes.
    ///
    /// ```
    /// use annulus_runtime::{buffer::SharedMemory, runtime::futex::MappedWord};
    /// assert!(MappedWord::new(std::sync::Arc::new(SharedMemory::new(4)), 0).is_ok());
    /// ```
    pub fn new(memory: Arc<M>, offset: u64) -> Result<Self, InvalidRegion> {
        let region = MemRegion { offset, len: size_of::<AtomicU32>() };
        let mut found = None;
        memory.pieces(region, &mut |piece, bytes| {
            found = (bytes == region.len).then_some(piece.cast::<AtomicU32>());
        })?;
        match found.filter(|start| start.is_aligned()) {
            Some(start) => Ok(Self { memory, start: start.as_ptr() }),
            None => Err(InvalidRegion::new(region)),
        }
    }
}

// SAFETY: the pointer is to memory of an `Arc` that is here, which may be sent and shared
// (`BackingMemory`), and is used as an atomic alone.
unsafe impl<M: BackingMemory + 'static> Send for MappedWord<M> {}

// SAFETY: as above.
unsafe impl<M: BackingMemory + 'static> Sync for MappedWord<M> {}

// SAFETY: the word is of the memory that is kept here, which stays in place as long as that.
unsafe impl<M: BackingMemory + 'static> FutexWord for MappedWord<M> {
    const IS_SHARED: bool = true;

    fn word(&self) -> &AtomicU32 {
        // SAFETY: it is valid for reads and writes as long as the memory (`BackingMemory`), and
        // aligned, as `new` saw. Whoever else uses it does so atomically, or is another process.
        unsafe { &*self.start }
    }
}

impl<M> Clone for MappedWord<M> {
    fn clone(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), start: self.start }
    }
}

impl<M> fmt::Debug for MappedWord<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MappedWord").field(&self.start).finish()
    }
}

/// What the kernel is to know of a word.
fn flags<W: FutexWord>() -> Futex2Flags {
    if W::IS_SHARED { Futex2Flags::SIZE_U32 } else { Futex2Flags::SIZE_U32 | Futex2Flags::PRIVATE }
}

/// Waiting until a word is woken, while it has a value: whether it was woken; it was not where it
/// had another value from the beginning.
///
/// Dropped, it may have been woken already, and nobody knows: who hands something on by a wake must
/// wake another then.
///
/// # Errors
/// - `EINVAL`: the kernel has no such operation (Linux before 6.7).
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_FUTEX_WAIT`, Linux 6.7). See
/// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
///
/// ```
/// use annulus_runtime::runtime::futex::FutexWait;
/// use std::sync::{Arc, atomic::AtomicU32};
/// let word = Arc::new(AtomicU32::new(1));
/// let woken = annulus_runtime::run(async {
///     annulus_runtime::submit(FutexWait::new(word, 2)).await
/// })?;
/// # if woken.is_err_and(|why| why.kind() == std::io::ErrorKind::InvalidInput) { return Ok(()) }
/// assert!(!woken?, "it is not 2");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAIT")]
#[derive(Debug)]
pub struct FutexWait<W> {
    word: W,
    value: u32,
}

impl<W: FutexWord> FutexWait<W> {
    /// Waits while `word` is `value`.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::futex::FutexWait};
    /// static WORD: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    /// let entry = FutexWait::new(&WORD, 7).entry();
    /// assert_eq!((entry.opcode, entry.off), (Op::FUTEX_WAIT, 7));
    /// ```
    pub fn new(word: W, value: u32) -> Self {
        Self { word, value }
    }
}

// SAFETY: the entry points to the word, which stays as long as `word` is here (`FutexWord`). The
// kernel reads it alone. It names no descriptor.
unsafe impl<W: FutexWord> Operation for FutexWait<W> {
    type Output = Result<bool, Error>;

    fn entry(&mut self) -> Sqe {
        op::FutexWait::new(self.word.word(), self.value).flags(flags::<W>()).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        match completion.result {
            Err(Errno::EAGAIN) => Ok(false),
            _ => completion.outcome().map(|_| true),
        }
    }

    fn reclaim(self, _: Completion) {
        // Who was woken by it has lost that: its page says so.
    }
}

/// Waking those who wait on a word, by the ring or by `futex(2)`, in this process or, where the
/// word [is shared](FutexWord::IS_SHARED), in any: how many.
///
/// # Errors
/// Those of [`FutexWait`].
///
/// By the ring (`IORING_OP_FUTEX_WAKE`, Linux 6.7). See
/// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
///
/// ```
/// use annulus_runtime::runtime::futex::FutexWake;
/// use std::sync::{Arc, atomic::AtomicU32};
/// let word = Arc::new(AtomicU32::new(0));
/// let woken = annulus_runtime::run(async {
///     annulus_runtime::submit(FutexWake::new(word, 1)).await
/// })?;
/// # if woken.is_err_and(|why| why.kind() == std::io::ErrorKind::InvalidInput) { return Ok(()) }
/// assert_eq!(woken?, 0, "nobody waits");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAKE")]
#[derive(Debug)]
pub struct FutexWake<W> {
    word: W,
    count: u32,
}

impl<W: FutexWord> FutexWake<W> {
    /// Wakes `count` of them at most.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::futex::FutexWake};
    /// static WORD: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    /// let entry = FutexWake::new(&WORD, 7).entry();
    /// assert_eq!((entry.opcode, entry.off), (Op::FUTEX_WAKE, 7));
    /// ```
    pub fn new(word: W, count: u32) -> Self {
        Self { word, count }
    }
}

// SAFETY: as of `FutexWait`.
unsafe impl<W: FutexWord> Operation for FutexWake<W> {
    type Output = Result<u32, Error>;

    fn entry(&mut self) -> Sqe {
        op::FutexWake::new(self.word.word(), self.count).flags(flags::<W>()).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome()
    }

    fn reclaim(self, _: Completion) {
        // They are awake.
    }
}
