//! ASYNC_CANCEL: ends entries that were submitted before.

use super::{Target, bare_entry, operation};
use crate::abi::{CancelFlags, Op, Sqe, SqeFlags};

/// Cancels an entry, or all entries that match (`IORING_OP_ASYNC_CANCEL`, Linux 5.5).
///
/// # Result
/// The result is 0 when one was found and cancelled; with [`all`](Self::all) or
/// [`any`](Self::any), how many. Each cancelled entry completes by itself, mostly with
/// `ECANCELED`; *its* completion, not this one, says that its memory is free again.
///
/// Several keys narrow each other: [`fd`](Self::fd), [`and_op`](Self::and_op),
/// [`and_user_data`](Self::and_user_data).
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ENOENT`: nothing matches: it has completed, or never was.
/// - `EALREADY`: a worker is doing it. What waits there interruptibly is interrupted, and completes
///   with `EINTR` or, for some operations, with the kernel's own 512 (`ERESTARTSYS`); anything else
///   goes on. Wait for its completion.
/// - `EBADF`: no such descriptor. `EINVAL`: keys that exclude each other, or that this kernel does
///   not know. Do not rely on it: late releases of 6.1 take the keys of 6.6 and do not look at
///   them, so that `fd` with [`and_user_data`](Self::and_user_data) cancels any entry on the file,
///   and a key of `op` alone finds none.
///
/// See `io_uring_prep_cancel(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_cancel.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::PollEvents, op};
/// let (reader, _writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// let poll = op::PollAdd::new(&reader, PollEvents::IN).build().user_data(7);
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(poll)? };
/// // SAFETY: nor does this.
/// unsafe { ring.push(op::AsyncCancel::user_data(7).build().skip_success())? };
/// ring.submit_and_wait(1)?;
/// let cqe = ring.completions()?.next().unwrap();
/// assert_eq!((cqe.user_data, cqe.result()), (7, Err(Errno::ECANCELED)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_ASYNC_CANCEL")]
#[doc(alias = "io_uring_prep_cancel")]
#[doc(alias = "io_uring_prep_cancel64")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct AsyncCancel {
    sqe: Sqe,
}

impl AsyncCancel {
    /// The entry that carries `user_data`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::AsyncCancel};
    /// let sqe = AsyncCancel::user_data(7).build();
    /// assert_eq!((sqe.opcode, sqe.addr, sqe.rw_flags), (Op::ASYNC_CANCEL, 7, 0));
    /// ```
    #[inline]
    pub const fn user_data(user_data: u64) -> Self {
        Self { sqe: Sqe { addr: user_data, ..bare_entry(Op::ASYNC_CANCEL) } }
    }

    /// An entry on `file` (Linux 5.19; a slot of the file table: 6.0). Timeouts and futexes are on
    /// no file.
    ///
    /// ```
    /// use annulus_ring::{abi::{CancelFlags, FixedFd}, op::AsyncCancel};
    /// assert_eq!(AsyncCancel::fd(3).build().rw_flags, CancelFlags::FD.bits());
    /// let both = CancelFlags::FD | CancelFlags::FD_FIXED;
    /// assert_eq!(AsyncCancel::fd(FixedFd(3)).build().rw_flags, both.bits());
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_FD")]
    #[doc(alias = "IORING_ASYNC_CANCEL_FD_FIXED")]
    #[doc(alias = "io_uring_prep_cancel_fd")]
    #[inline]
    pub fn fd(file: impl Into<Target>) -> Self {
        let file = file.into();
        let cancel = Self { sqe: Sqe { fd: file.fd(), ..bare_entry(Op::ASYNC_CANCEL) } };
        // The slot is a key here, not a file to work on: a flag of the operation says so.
        if file.flags().contains(SqeFlags::FIXED_FILE) {
            cancel.with(CancelFlags::FD).with(CancelFlags::FD_FIXED)
        } else {
            cancel.with(CancelFlags::FD)
        }
    }

    /// An entry that asks for `op` (Linux 6.6).
    ///
    /// ```
    /// use annulus_ring::{abi::{CancelFlags, Op}, op::AsyncCancel};
    /// let sqe = AsyncCancel::op(Op::ACCEPT).build();
    /// assert_eq!((sqe.len, sqe.rw_flags), (13, CancelFlags::OP.bits()));
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_OP")]
    #[inline]
    pub const fn op(op: Op) -> Self {
        Self { sqe: Sqe { len: op.0 as u32, ..bare_entry(Op::ASYNC_CANCEL) } }.with(CancelFlags::OP)
    }

    /// Every entry of the ring (Linux 5.19).
    ///
    /// ```
    /// use annulus_ring::{abi::CancelFlags, op::AsyncCancel};
    /// assert_eq!(AsyncCancel::any().build().rw_flags, CancelFlags::ANY.bits());
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_ANY")]
    #[inline]
    pub const fn any() -> Self {
        Self { sqe: bare_entry(Op::ASYNC_CANCEL) }.with(CancelFlags::ANY)
    }

    /// Only if it carries `user_data` too (Linux 6.6).
    ///
    /// ```
    /// use annulus_ring::{abi::CancelFlags, op::AsyncCancel};
    /// let sqe = AsyncCancel::fd(3).and_user_data(7).build();
    /// assert_eq!((sqe.fd, sqe.addr), (3, 7));
    /// assert_eq!(sqe.rw_flags, (CancelFlags::FD | CancelFlags::USERDATA).bits());
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_USERDATA")]
    #[inline]
    pub const fn and_user_data(mut self, user_data: u64) -> Self {
        self.sqe.addr = user_data;
        self.with(CancelFlags::USERDATA)
    }

    /// Only if it asks for `op` too (Linux 6.6).
    ///
    /// ```
    /// use annulus_ring::{abi::{CancelFlags, Op}, op::AsyncCancel};
    /// let sqe = AsyncCancel::user_data(7).and_op(Op::RECV).build();
    /// assert_eq!((sqe.addr, sqe.len), (7, Op::RECV.raw() as u32));
    /// assert_eq!(sqe.rw_flags, (CancelFlags::USERDATA | CancelFlags::OP).bits());
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_OP")]
    #[inline]
    pub const fn and_op(mut self, op: Op) -> Self {
        // `user_data` counts by itself only while there is no other key.
        let keyed = CancelFlags(self.sqe.rw_flags);
        if !keyed
            .intersects(CancelFlags(CancelFlags::FD.0 | CancelFlags::OP.0 | CancelFlags::ANY.0))
        {
            self = self.with(CancelFlags::USERDATA);
        }
        self.sqe.len = op.0 as u32;
        self.with(CancelFlags::OP)
    }

    /// All that match, not the first alone (Linux 5.19). The result is how many.
    ///
    /// ```
    /// use annulus_ring::{abi::CancelFlags, op::AsyncCancel};
    /// let sqe = AsyncCancel::user_data(7).all().build();
    /// assert_eq!(sqe.rw_flags, CancelFlags::MATCH_ALL.bits());
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_ALL")]
    #[inline]
    pub const fn all(self) -> Self {
        self.with(CancelFlags::MATCH_ALL)
    }

    #[inline]
    const fn with(mut self, flag: CancelFlags) -> Self {
        self.sqe.rw_flags |= flag.bits();
        self
    }
}

operation!(AsyncCancel);
