//! WAITID: what becomes of a child process.

use super::{address, bare_entry, operation};
use crate::abi::{IdType, Op, Siginfo, Sqe, WaitidOptions};

/// Waits until a child changes its state, as `waitid(2)` (`IORING_OP_WAITID`, Linux 6.7).
///
/// # Result
/// The result is 0, and the child stands in the [`Siginfo`]. With
/// [`WaitidOptions::NOHANG`] and nothing to report, its `si_pid` stays 0.
///
/// # Pointers
/// The [`Siginfo`]: until the completion.
///
/// # Errors
/// - `ECHILD`: no such child (of this process), or none left.
/// - `EINVAL`: no such kind of identifier, or nothing to wait for among the options.
/// - `EBADF`: not a process descriptor. `EFAULT`, `ECANCELED`.
///
/// See `io_uring_prep_waitid(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_waitid.3.html>, and `waitid(2)`,
/// <https://man7.org/linux/man-pages/man2/waitid.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::{IdType, Siginfo, WaitidOptions}, op};
/// let child = std::process::Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// let mut info = Siginfo::default();
/// let mut ring = LocalRing::new(8)?;
/// let wait = op::WaitId::new(IdType::PID, child.id(), WaitidOptions::EXITED).info(&mut info);
/// // SAFETY: the answer's memory lives on until the completion below.
/// unsafe { ring.push(wait)? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!((info.si_code, info.si_status), (Siginfo::CLD_EXITED, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_WAITID")]
#[doc(alias = "io_uring_prep_waitid")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct WaitId {
    sqe: Sqe,
}

impl WaitId {
    /// Waits for `options` of the child, or children, that `kind` and `id` name.
    ///
    /// ```
    /// use annulus_ring::{abi::{IdType, Op, WaitidOptions}, op::WaitId};
    /// let sqe = WaitId::new(IdType::PID, 7, WaitidOptions::EXITED).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len, sqe.splice_fd_in), (Op::WAITID, 7, 1, 4));
    /// ```
    #[inline]
    pub const fn new(kind: IdType, id: u32, options: WaitidOptions) -> Self {
        let (fd, options) = (id as i32, options.bits() as i32);
        let sqe = bare_entry(Op::WAITID);
        Self { sqe: Sqe { fd, len: kind.raw(), splice_fd_in: options, ..sqe } }
    }

    /// Writes which child it was, and what became of it, to `info`.
    ///
    /// ```
    /// use annulus_ring::{abi::{IdType, Siginfo, WaitidOptions}, op::WaitId};
    /// let mut info = Siginfo::default();
    /// let sqe = WaitId::new(IdType::ANY, 0, WaitidOptions::EXITED).info(&mut info).build();
    /// assert_eq!(sqe.off, &raw const info as u64);
    /// ```
    #[inline]
    pub fn info(mut self, info: *mut Siginfo) -> Self {
        self.sqe.off = address(info);
        self
    }
}

operation!(WaitId);
