//! FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAITV: waiting on words of memory by the ring.
//!
//! A futex is four bytes, aligned: an [`AtomicU32`](core::sync::atomic::AtomicU32). What waits by
//! the ring and what waits by `futex(2)` wake each other, where both call it private or neither
//! does.

use core::sync::atomic::AtomicU32;

use super::{address, bare_entry, operation};
use crate::abi::{FUTEX_BITSET_MATCH_ANY, Futex2Flags, FutexWaitv, Op, Sqe};

/// Waits on a futex, as `futex(2)` with `FUTEX_WAIT_BITSET` (`IORING_OP_FUTEX_WAIT`, Linux 6.7).
///
/// # Result
/// The result is 0 when it was woken. A wake that comes for another reason is possible, as with
/// every futex: look at the word.
///
/// # Pointers
/// The word: until the completion.
///
/// # Errors
/// - `EAGAIN`: the word has another value. Look at it again.
/// - `EINVAL`: not aligned to four bytes, a mask of 0, or flags that this kernel does not know.
/// - `EFAULT`, `ENOMEM`, `ECANCELED`.
///
/// See `io_uring_prep_futex_wait(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_futex_wait.3.html>, and `futex(2)`,
/// <https://man7.org/linux/man-pages/man2/futex.2.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// use std::sync::atomic::AtomicU32;
/// let word = AtomicU32::new(1);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the word lives on until the completion below.
/// unsafe { ring.push(op::FutexWait::new(&word, 2))? };
/// ring.submit_and_wait(1)?;
/// // The word is not 2: there is nothing to wait for.
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EAGAIN));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAIT")]
#[doc(alias = "io_uring_prep_futex_wait")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FutexWait {
    sqe: Sqe,
}

impl FutexWait {
    /// Waits while the word is `value`: of 32 bits, private to the process.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::FutexWait};
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// let sqe = FutexWait::new(&word, 5).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.addr3), (Op::FUTEX_WAIT, 5, 0xffff_ffff));
    /// ```
    #[inline]
    pub fn new(word: *const AtomicU32, value: u32) -> Self {
        Self { sqe: one_futex(Op::FUTEX_WAIT, word, value) }
    }

    /// Is woken by those wakes alone whose mask has a bit in common with `mask`.
    ///
    /// ```
    /// use annulus_ring::op::FutexWait;
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// assert_eq!(FutexWait::new(&word, 5).mask(1).build().addr3, 1);
    /// ```
    #[inline]
    pub const fn mask(mut self, mask: u32) -> Self {
        self.sqe.addr3 = mask as u64;
        self
    }

    /// What kind of futex it is, instead of 32 bits and private: see [`Futex2Flags`]. Memory that
    /// processes share needs [`Futex2Flags::SIZE_U32`] alone.
    ///
    /// ```
    /// use annulus_ring::{abi::Futex2Flags, op::FutexWait};
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// assert_eq!(FutexWait::new(&word, 5).flags(Futex2Flags::SIZE_U32).build().fd, 2);
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: Futex2Flags) -> Self {
        self.sqe.fd = flags.bits() as i32;
        self
    }
}

/// Wakes waiters of a futex, as `futex(2)` with `FUTEX_WAKE_BITSET` (`IORING_OP_FUTEX_WAKE`, Linux
/// 6.7). The result is how many were woken.
///
/// # Pointers
/// The word: until the completion. It is not read, but must be mapped.
///
/// # Errors
/// - `EINVAL`: not aligned to four bytes, a mask of 0, or flags that this kernel does not know.
/// - `EFAULT`.
///
/// See `io_uring_prep_futex_wake(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_futex_wake.3.html>, and `futex(2)`,
/// <https://man7.org/linux/man-pages/man2/futex.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::sync::atomic::AtomicU32;
/// let word = AtomicU32::new(1);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the word lives on until the completions below.
/// unsafe { ring.push(op::FutexWait::new(&word, 1).build().user_data(1))? };
/// // SAFETY: as above.
/// unsafe { ring.push(op::FutexWake::new(&word, 1).build().user_data(2))? };
/// ring.submit_and_wait(2)?;
/// for cqe in ring.completions()? {
///     assert_eq!(cqe.result(), Ok(if cqe.user_data == 2 { 1 } else { 0 }));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAKE")]
#[doc(alias = "io_uring_prep_futex_wake")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FutexWake {
    sqe: Sqe,
}

impl FutexWake {
    /// Wakes up to `count` waiters of the word: of 32 bits, private to the process.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::FutexWake};
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// let sqe = FutexWake::new(&word, 1).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.fd), (Op::FUTEX_WAKE, 1, 0x82));
    /// ```
    #[inline]
    pub fn new(word: *const AtomicU32, count: u32) -> Self {
        Self { sqe: one_futex(Op::FUTEX_WAKE, word, count) }
    }

    /// Wakes those alone whose mask has a bit in common with `mask`.
    ///
    /// ```
    /// use annulus_ring::op::FutexWake;
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// assert_eq!(FutexWake::new(&word, 1).mask(2).build().addr3, 2);
    /// ```
    #[inline]
    pub const fn mask(mut self, mask: u32) -> Self {
        self.sqe.addr3 = mask as u64;
        self
    }

    /// What kind of futex it is, instead of 32 bits and private: see [`Futex2Flags`].
    ///
    /// ```
    /// use annulus_ring::{abi::Futex2Flags, op::FutexWake};
    /// let word = std::sync::atomic::AtomicU32::new(0);
    /// assert_eq!(FutexWake::new(&word, 1).flags(Futex2Flags::SIZE_U32).build().fd, 2);
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: Futex2Flags) -> Self {
        self.sqe.fd = flags.bits() as i32;
        self
    }
}

/// Waits on several futexes at once, as `futex_waitv(2)` (`IORING_OP_FUTEX_WAITV`, Linux 6.7).
///
/// # Result
/// The result is the index of one that was woken.
///
/// # Pointers
/// The words: until the completion. The array: until the kernel has taken the entry.
///
/// # Errors
/// - `EAGAIN`: one of the words has another value.
/// - `EINVAL`: none, or over [`FUTEX_WAITV_MAX`](crate::abi::FUTEX_WAITV_MAX); or an element that
///   is not aligned, has flags that this kernel does not know, or a reserved word that is not 0.
/// - `EFAULT`, `ENOMEM`, `ECANCELED`.
///
/// See `io_uring_prep_futex_waitv(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_futex_waitv.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::{Futex2Flags, FutexWaitv}, op};
/// use std::sync::atomic::AtomicU32;
/// let words = [AtomicU32::new(1), AtomicU32::new(2)];
/// let flags = Futex2Flags::SIZE_U32 | Futex2Flags::PRIVATE;
/// // Both are waited for at 1: the second has another value.
/// let waits = words.each_ref().map(|word| {
///     FutexWaitv { val: 1, uaddr: std::ptr::from_ref(word) as u64, flags, ..Default::default() }
/// });
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the array and the words live on until the completion below.
/// unsafe { ring.push(op::FutexWaitV::new(waits.as_ptr(), 2))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EAGAIN));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAITV")]
#[doc(alias = "io_uring_prep_futex_waitv")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FutexWaitV {
    sqe: Sqe,
}

impl FutexWaitV {
    /// Waits on the `count` futexes of the array at `futexes`, 1 to 128.
    ///
    /// ```
    /// use annulus_ring::{abi::{FutexWaitv, Op}, op::FutexWaitV};
    /// let waits = [FutexWaitv::default(); 2];
    /// let sqe = FutexWaitV::new(waits.as_ptr(), 2).build();
    /// assert_eq!((sqe.opcode, sqe.len, sqe.fd), (Op::FUTEX_WAITV, 2, 0));
    /// ```
    #[inline]
    pub fn new(futexes: *const FutexWaitv, count: u32) -> Self {
        let sqe = bare_entry(Op::FUTEX_WAITV);
        Self { sqe: Sqe { fd: 0, addr: address(futexes), len: count, ..sqe } }
    }
}

/// What FUTEX_WAIT and FUTEX_WAKE share: `fd` holds the flags, `off` the value.
#[inline]
fn one_futex(op: Op, word: *const AtomicU32, value: u32) -> Sqe {
    Sqe {
        fd: Futex2Flags::SIZE_U32.union(Futex2Flags::PRIVATE).bits() as i32,
        addr: address(word),
        off: u64::from(value),
        addr3: u64::from(FUTEX_BITSET_MATCH_ANY),
        ..bare_entry(op)
    }
}

operation!(FutexWait, FutexWake, FutexWaitV);
