//! The operation that does nothing: for measuring, for waking a waiter, and for testing.

use super::{Target, ZERO, operation};
use crate::abi::{BufIndex, NopFlags, Op, Sqe, Sqe128, SqeFlags};

/// Completes with 0 and does nothing else (`IORING_OP_NOP`, Linux 5.1). Its flags make it pass
/// through more of the ring, for tests of the ring itself.
///
/// # Result
/// 0, or what [`inject_result`](Self::inject_result) set.
///
/// # Errors
/// None without flags. With them:
/// - `EINVAL`: a flag that the kernel does not know; [`big_completion`](Self::big_completion) on a
///   ring with neither `CQE32` nor `CQE_MIXED`.
/// - `EBADF`, `EFAULT`: no such [`file`](Self::file) or [`fixed_buffer`](Self::fixed_buffer).
///   Kernels before Linux 7.1 and its stable fixes (6.18.44 has it) break the link, and yet
///   complete with 0.
///
/// See [io_uring_prep_nop(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_nop.3.html).
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: a NOP points to nothing.
/// unsafe { ring.push(op::Nop::new().build().user_data(7))? };
/// ring.submit_and_wait(1)?;
/// let cqe = ring.completions()?.next().unwrap();
/// assert_eq!((cqe.user_data, cqe.result()), (7, Ok(0)));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "IORING_OP_NOP")]
#[doc(alias = "io_uring_prep_nop")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Nop {
    sqe: Sqe,
}

impl Nop {
    /// A NOP.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::Nop::new().build().user_data, 0);
    /// ```
    #[inline]
    pub const fn new() -> Self {
        // All of the entry stays zero (liburing sets fd to −1): four vector stores instead of five.
        Self { sqe: Sqe { opcode: Op::NOP, ..ZERO } }
    }
}

/// A NOP in an entry of 128 bytes, for rings whose queue mixes both sizes
/// (`IORING_OP_NOP128`, Linux 6.19).
///
/// # Result
/// As [`Nop`].
///
/// # Errors
/// Those of [`Nop`], and:
/// - `EINVAL`: a kernel before 6.19, or a ring that has no 128-byte entries.
///
/// See `io_uring_prep_nop128(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_nop128.3.html>.
///
/// ```
/// use annulus_ring::{abi::Op, op};
/// assert_eq!(op::Nop128::new().build().sqe.opcode, Op::NOP128);
/// ```
#[doc(alias = "IORING_OP_NOP128")]
#[doc(alias = "io_uring_prep_nop128")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Nop128 {
    sqe: Sqe,
}

impl Nop128 {
    /// A NOP.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::Nop128::new().build().extra, [0; 64]);
    /// ```
    #[inline]
    pub const fn new() -> Self {
        Self { sqe: Sqe { opcode: Op::NOP128, ..ZERO } }
    }

    /// The entry, ready to be pushed.
    ///
    /// ```
    /// let wide = annulus_ring::op::Nop128::new().build();
    /// assert_eq!(size_of_val(&wide), 128);
    /// ```
    #[inline]
    #[must_use]
    pub const fn build(self) -> Sqe128 {
        // Not `operation!`: an ordinary entry cannot hold it.
        Sqe128 { sqe: self.sqe, extra: [0; 64] }
    }
}

impl From<Nop128> for Sqe128 {
    #[inline]
    fn from(op: Nop128) -> Self {
        op.build()
    }
}

/// The setters of both; `$entry` is the path from what `build` makes to its `Sqe`.
macro_rules! nop_setters {
    ($($Type:ident, $entry:literal;)*) => {$(
        impl Default for $Type {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $Type {
            /// Completes with `result`; below zero it counts as a failure, and breaks a link
            /// (`IORING_NOP_INJECT_RESULT`, Linux 6.10).
            ///
            /// ```
            #[doc = concat!("let op = annulus_ring::op::", stringify!($Type), "::new();")]
            #[doc = concat!("let sqe = op.inject_result(-5).build()", $entry, ";")]
            /// assert_eq!((sqe.len as i32, sqe.rw_flags), (-5, 1));
            /// ```
            #[doc(alias = "IORING_NOP_INJECT_RESULT")]
            #[inline]
            pub const fn inject_result(mut self, result: i32) -> Self {
                self.sqe.len = result as u32;
                self.and(NopFlags::INJECT_RESULT)
            }

            /// Looks `file` up, as an operation on it would (`IORING_NOP_FILE`, Linux 6.13).
            ///
            /// ```
            /// use annulus_ring::{abi::FixedFd, op};
            #[doc = concat!("let op = op::", stringify!($Type), "::new();")]
            #[doc = concat!("assert_eq!(op.file(3).build()", $entry, ".rw_flags, 2);")]
            #[doc = concat!("let sqe = op.file(FixedFd(3)).build()", $entry, ";")]
            /// assert_eq!((sqe.fd, sqe.rw_flags), (3, 6));
            /// ```
            #[doc(alias = "IORING_NOP_FILE")]
            #[doc(alias = "IORING_NOP_FIXED_FILE")]
            #[inline]
            pub fn file(mut self, file: impl Into<Target>) -> Self {
                let file: Target = file.into();
                self.sqe.fd = file.fd();
                // A NOP says by a flag of its own that it means a slot.
                if file.flags().contains(SqeFlags::FIXED_FILE) {
                    self.and(NopFlags::FILE.union(NopFlags::FIXED_FILE))
                } else {
                    self.and(NopFlags::FILE)
                }
            }

            /// Looks a registered buffer up (`IORING_NOP_FIXED_BUFFER`, Linux 6.13).
            ///
            /// ```
            /// use annulus_ring::{abi::BufIndex, op};
            #[doc = concat!("let op = op::", stringify!($Type), "::new();")]
            #[doc = concat!("let sqe = op.fixed_buffer(BufIndex(3)).build()", $entry, ";")]
            /// assert_eq!((sqe.buf_index, sqe.rw_flags), (3, 8));
            /// ```
            #[doc(alias = "IORING_NOP_FIXED_BUFFER")]
            #[inline]
            pub const fn fixed_buffer(mut self, buffer: BufIndex) -> Self {
                self.sqe.buf_index = buffer.0;
                self.and(NopFlags::FIXED_BUFFER)
            }

            /// Completes by task work, as what finishes later does (`IORING_NOP_TW`, Linux 6.16).
            ///
            /// ```
            #[doc = concat!("let op = annulus_ring::op::", stringify!($Type), "::new();")]
            #[doc = concat!("assert_eq!(op.task_work().build()", $entry, ".rw_flags, 16);")]
            /// ```
            #[doc(alias = "IORING_NOP_TW")]
            #[inline]
            pub const fn task_work(self) -> Self {
                self.and(NopFlags::TW)
            }

            /// Completes with 32 bytes, `extra` in the second half (`IORING_NOP_CQE32`, Linux
            /// 6.18).
            ///
            /// ```
            #[doc = concat!("let op = annulus_ring::op::", stringify!($Type), "::new();")]
            #[doc = concat!("let sqe = op.big_completion([7, 8]).build()", $entry, ";")]
            /// assert_eq!((sqe.off, sqe.addr, sqe.rw_flags), (7, 8, 32));
            /// ```
            #[doc(alias = "IORING_NOP_CQE32")]
            #[inline]
            pub const fn big_completion(mut self, extra: [u64; 2]) -> Self {
                [self.sqe.off, self.sqe.addr] = extra;
                self.and(NopFlags::CQE32)
            }

            const fn and(mut self, flags: NopFlags) -> Self {
                self.sqe.rw_flags |= flags.0;
                self
            }
        }
    )*};
}

nop_setters! {
    Nop, "";
    Nop128, ".sqe";
}
operation!(Nop);
