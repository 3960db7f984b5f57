//! [`annulus_ring::register`], of any kernel.

use annulus_ring::abi::QueryHdr;
use annulus_ring::{Errno, Error, Result};

use crate::choice::{AnyKernel, KernelChoice};
use crate::host;

#[doc(no_inline)]
pub use annulus_ring::register::*;

/// [`annulus_ring::register::Register`], of any kernel.
pub type Register<'a, K = AnyKernel> = annulus_ring::register::Register<'a, K>;
/// [`annulus_ring::register::BufRing`], of any kernel.
pub type BufRing<'r, K = AnyKernel> = annulus_ring::register::BufRing<'r, K>;
/// [`annulus_ring::register::BufferRing`], of any kernel.
pub type BufferRing<'r, K = AnyKernel> = annulus_ring::register::BufferRing<'r, K>;
/// [`annulus_ring::register::Buffer`], of any kernel.
pub type Buffer<'b, 'r, K = AnyKernel> = annulus_ring::register::Buffer<'b, 'r, K>;

/// [`annulus_ring::register::send_message`], to a ring of any kernel.
///
/// # Safety
/// - As there.
///
/// # Errors
/// As there. Where Linux's io_uring is blocked, no descriptor is one of its rings: `EBADF`,
/// `EBADFD`. So it is said of what is no ring where Linux cannot tell, before 6.13.
///
/// ```
/// use annulus_emulate::{Builder, KernelChoice, register::{Message, send_message}};
/// let mut ring = Builder::new().entries(8).kernel(KernelChoice::Host).build()?;
/// // SAFETY: what comes is taken for what it is.
/// unsafe { send_message(&Message::new(ring.raw_fd(), 7).result(42))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().map(|cqe| (cqe.user_data, cqe.res)), Some((7, 42)));
/// # Ok::<(), annulus_emulate::Error>(())
/// ```
pub unsafe fn send_message(message: &Message) -> Result<()> {
    let entry = message.entry();
    let is_ours = host::is_ring_here(entry.fd);
    if !is_ours && !is_blocked() {
        // SAFETY: the caller's promise.
        let sent = unsafe { annulus_ring::register::send_message(message) };
        let cannot_tell = sent.as_ref().is_err_and(Error::is_unsupported);
        if !cannot_tell || host::may_be_ring_of_linux(entry.fd) {
            return sent;
        }
    }
    let sent = host::send_message(&entry).map(drop);
    sent.map_err(|errno| Error::os(errno, "sending a message to a ring in user space"))
}

/// Whether rings run in user space because Linux's io_uring is blocked.
fn is_blocked() -> bool {
    KernelChoice::Environment.decide().is_ok_and(|decision| decision.error().is_some())
}

/// [`annulus_ring::register::query`], of the kernel that a ring would be made of where the program
/// does not say: see [`KernelChoice::Environment`].
///
/// # Errors
/// As there.
///
/// ```
/// use annulus_emulate::{abi::QueryOpcode, register::query};
/// match query::<QueryOpcode>() {
///     Ok(known) => assert!(known.nr_request_opcodes > 50),
///     Err(error) => assert!(error.is_unsupported()), // Linux before 6.18
/// }
/// ```
pub fn query<Q: Question>() -> Result<Q> {
    if !KernelChoice::Environment.decide()?.is_host() {
        return annulus_ring::register::query();
    }
    let mut answer = Q::default();
    let mut head = QueryHdr {
        query_data: core::ptr::from_mut(&mut answer).expose_provenance() as u64,
        query_op: Q::OP,
        size: size_of::<Q>() as u32,
        ..QueryHdr::default()
    };
    let failed = |errno| Error::os(errno, "asking what the kernel in user space can do");
    // SAFETY: one `io_uring_query_hdr` whose address is that of an answer of the length it says.
    unsafe { host::query(core::ptr::from_mut(&mut head).cast()) }.map_err(failed)?;
    if head.result < 0 {
        return Err(failed(Errno::from_raw(-head.result)));
    }
    Ok(answer)
}
