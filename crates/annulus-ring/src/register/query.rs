//! Questions to the kernel that need no ring.

use core::ptr;

use super::{Register, without_ring};
use crate::abi::{QueryHdr, QueryOp, QueryOpcode, QueryScq, QueryZcrx, QueryZcrxEvent, RegisterOp};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// An answer that the kernel can be asked for: the type is the question.
///
/// # Safety
/// Whoever implements it promises:
/// - It is plain numbers, any pattern of which is a value, laid out as the kernel writes the answer
///   to `OP`.
pub unsafe trait Question: Copy + Default {
    /// Which question.
    const OP: QueryOp;
}

// SAFETY: `struct io_uring_query_opcode`, of numbers.
unsafe impl Question for QueryOpcode {
    const OP: QueryOp = QueryOp::OPCODES;
}

// SAFETY: `struct io_uring_query_zcrx`, of numbers.
unsafe impl Question for QueryZcrx {
    const OP: QueryOp = QueryOp::ZCRX;
}

// SAFETY: `struct io_uring_query_scq`, of numbers.
unsafe impl Question for QueryScq {
    const OP: QueryOp = QueryOp::SCQ;
}

// SAFETY: `struct io_uring_query_zcrx_event`, of numbers.
unsafe impl Question for QueryZcrxEvent {
    const OP: QueryOp = QueryOp::ZCRX_EVENT;
}

/// Asks by `register`, and sorts the answer out. What the kernel does not know of `Q` stays zero.
fn ask<Q: Question>(register: impl FnOnce(&mut QueryHdr) -> Result<u32>) -> Result<Q> {
    let mut answer = Q::default();
    let mut head = QueryHdr {
        query_data: ptr::from_mut(&mut answer) as u64,
        query_op: Q::OP,
        size: size_of::<Q>() as u32,
        ..QueryHdr::default()
    };
    register(&mut head)?;
    if head.result < 0 {
        // The call itself was let through.
        return Err(Error::register(false, Errno::from_raw(-head.result), RegisterOp::QUERY));
    }
    Ok(answer)
}

/// Asks the kernel what it can do, without a ring. `IORING_REGISTER_QUERY` with descriptor −1,
/// Linux 6.18.
///
/// The question is the type asked for: [`QueryOpcode`] (what there is), and from Linux 6.19 on
/// [`QueryZcrx`] and [`QueryScq`], from 7.2 on [`QueryZcrxEvent`].
///
/// # Errors
/// - `EOPNOTSUPP` ([`is_unsupported`](Error::is_unsupported)): the kernel does not know the
///   question.
/// - `EINVAL` ([`is_unsupported`](Error::is_unsupported)): it knows none.
///
/// See `io_uring_register(2)`,
/// <https://man7.org/linux/man-pages/man2/io_uring_register.2.html>.
///
/// ```
/// use annulus_ring::{abi::{QueryOpcode, SetupFlags}, register::query};
/// let answer = query::<QueryOpcode>();
/// # if answer.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.18
/// let known = answer?;
/// assert!(known.nr_request_opcodes >= 63 && known.nr_register_opcodes >= 36);
/// assert!(SetupFlags(known.ring_setup_flags as u32).contains(SetupFlags::CQE_MIXED));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_register_query")]
#[doc(alias = "IORING_REGISTER_QUERY")]
pub fn query<Q: Question>() -> Result<Q> {
    ask(|head| {
        // The kernel demands a count of 0 with this one.
        // SAFETY: one `io_uring_query_hdr` whose address is that of an answer of the length it
        // says.
        unsafe { without_ring(RegisterOp::QUERY, head, 0) }
    })
}

/// # Queries
impl<K: Kernel> Register<'_, K> {
    /// Asks this ring's kernel what it can do: as [`query`], also of a kernel that is not Linux.
    ///
    /// # Errors
    /// As [`query`]; [those of every registration](super#errors-of-every-registration).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::QueryOpcode};
    /// let answer = LocalRing::new(8)?.register().query::<QueryOpcode>();
    /// # if answer.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.18
    /// assert!(answer?.nr_request_opcodes >= 63);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn query<Q: Question>(&self) -> Result<Q> {
        ask(|head| {
            // SAFETY: one `io_uring_query_hdr` whose address is that of an answer of the length it
            // says.
            unsafe { self.with(RegisterOp::QUERY, head, 0) }
        })
    }
}
