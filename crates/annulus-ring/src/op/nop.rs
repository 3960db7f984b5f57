//! The operation that does nothing: for measuring, for waking a waiter, and for testing.

use super::{ZERO, operation};
use crate::abi::{Op, Sqe};

/// Completes with 0 and does nothing else (`IORING_OP_NOP`, Linux 5.1).
///
/// # Errors
/// None of its own.
///
/// See `io_uring_prep_nop(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_nop.3.html>.
///
/// ```
/// use annulus_ring::{abi::Op, op::Nop};
/// assert_eq!(Nop::new().build().opcode, Op::NOP);
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

impl Default for Nop {
    fn default() -> Self {
        Self::new()
    }
}

operation!(Nop);
