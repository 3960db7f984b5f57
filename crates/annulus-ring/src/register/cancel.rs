//! Cancelling, and waiting until it is done.

use core::time::Duration;

use super::Register;
use crate::abi::{CancelFlags, Op, RegisterOp, SyncCancelReg, Timespec};
use crate::errno::Errno;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::op::Target;
use crate::submitter::until;

/// How long the first and the longest slice of a wait are that the kernel does not end by itself.
const SLICE_MIN: Duration = Duration::from_micros(100);
/// As above.
const SLICE_MAX: Duration = Duration::from_millis(50);

/// What is to be cancelled, and how long to wait for it: for [`Register::sync_cancel`].
///
/// ```
/// use annulus_ring::{abi::Op, register::SyncCancel};
/// use std::time::Duration;
/// let reads = SyncCancel::any().op(Op::READ).timeout(Duration::from_millis(10));
/// assert!(format!("{reads:?}").contains("IORING_OP_READ"));
/// ```
#[doc(alias = "io_uring_sync_cancel_reg")]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SyncCancel {
    reg: SyncCancelReg,
    /// Whether `user_data` is one of the keys.
    by_user_data: bool,
    limit: Option<Duration>,
}

impl SyncCancel {
    /// The (first) operation whose entry carried this `user_data`.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, register::SyncCancel};
    /// let ring = LocalRing::new(8)?;
    /// let error = ring.register().sync_cancel(&SyncCancel::user_data(7)).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOENT));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn user_data(user_data: u64) -> Self {
        let reg = SyncCancelReg { addr: user_data, ..Default::default() };
        Self { reg, by_user_data: true, limit: None }
    }

    /// The (first) operation on this file.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, register::SyncCancel};
    /// assert!(format!("{:?}", SyncCancel::file(FixedFd(1))).contains("CANCEL_FD_FIXED"));
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_FD")]
    #[doc(alias = "IORING_ASYNC_CANCEL_FD_FIXED")]
    pub fn file(file: impl Into<Target>) -> Self {
        Self { reg: SyncCancelReg::default(), by_user_data: false, limit: None }.and_file(file)
    }

    /// Everything.
    ///
    /// ```
    /// use annulus_ring::register::SyncCancel;
    /// assert!(format!("{:?}", SyncCancel::any()).contains("CANCEL_ANY"));
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_ANY")]
    pub fn any() -> Self {
        let reg = SyncCancelReg { flags: CancelFlags::ANY, ..Default::default() };
        Self { reg, by_user_data: false, limit: None }
    }

    /// Adds a key. The kernel lets `ANY` override every key, and `user_data` yield to another key
    /// unless a flag says otherwise.
    fn key(mut self, key: CancelFlags) -> Self {
        if self.reg.flags.contains(CancelFlags::ANY) {
            self.reg.flags = self.reg.flags.difference(CancelFlags::ANY) | CancelFlags::MATCH_ALL;
        }
        if self.by_user_data {
            self.reg.flags |= CancelFlags::USERDATA;
        }
        self.reg.flags |= key;
        self
    }

    /// Only if it is on this file, too.
    ///
    /// ```
    /// use annulus_ring::register::SyncCancel;
    /// assert!(format!("{:?}", SyncCancel::user_data(1).and_file(3)).contains("fd: 3"));
    /// ```
    pub fn and_file(mut self, file: impl Into<Target>) -> Self {
        let file = file.into();
        self.reg.fd = file.fd();
        if file.flags().is_empty() {
            self.key(CancelFlags::FD)
        } else {
            self.key(CancelFlags::FD | CancelFlags::FD_FIXED)
        }
    }

    /// Only if it is this operation (Linux 6.6).
    ///
    /// ```
    /// use annulus_ring::{abi::Op, register::SyncCancel};
    /// assert!(format!("{:?}", SyncCancel::file(0).op(Op::READ)).contains("CANCEL_OP"));
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_OP")]
    pub fn op(mut self, op: Op) -> Self {
        self.reg.opcode = op;
        self.key(CancelFlags::OP)
    }

    /// Every operation that matches, not only the first.
    ///
    /// ```
    /// use annulus_ring::register::SyncCancel;
    /// assert!(format!("{:?}", SyncCancel::file(0).all()).contains("CANCEL_ALL"));
    /// ```
    #[doc(alias = "IORING_ASYNC_CANCEL_ALL")]
    pub fn all(mut self) -> Self {
        self.reg.flags |= CancelFlags::MATCH_ALL;
        self
    }

    /// Waits so long at most; without this, as long as it takes.
    ///
    /// ```
    /// use annulus_ring::register::SyncCancel;
    /// use std::time::Duration;
    /// let brief = SyncCancel::any().timeout(Duration::from_secs(2));
    /// assert!(format!("{brief:?}").contains("2s"));
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// # Cancellation
impl<K: Kernel> Register<'_, K> {
    /// Cancels what matches, and waits until it ended. Its completions follow: `ECANCELED`, or what
    /// the operation makes of a signal if a worker had begun it (`EINTR`, or 512, which is how the
    /// kernel says so inside). `IORING_REGISTER_SYNC_CANCEL`, Linux 6.0.
    ///
    /// Returns the kernel's count: with [`all`](SyncCancel::all) or [`any`](SyncCancel::any) how
    /// many were cancelled at once (those that it had to wait for are not counted), else 0.
    ///
    /// **It does not say that buffers are free**: only the completion of each operation does, as
    /// always.
    ///
    /// # Errors
    /// - `ENOENT`: nothing matches, and not all were asked for: none of all is an answer of 0.
    /// - `ETIME`: the time was up, and something is still under way.
    /// - `EINTR`: a signal came. Call again.
    /// - `EBADF`: the slot of the file table is empty.
    /// - `EINVAL`: the combination is not one that this kernel knows.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_sync_cancel(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_sync_cancel.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, op, register::SyncCancel};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let mut ring = LocalRing::new(8)?;
    /// let mut buf = [0u8; 8];
    /// // SAFETY: the buffer lives until the completion, which is waited for below.
    /// unsafe { ring.push(op::Read::new(&reader, buf.as_mut_ptr(), 8).build().user_data(7))? };
    /// ring.submit()?;
    /// ring.register().sync_cancel(&SyncCancel::user_data(7))?;
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ECANCELED));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "io_uring_register_sync_cancel")]
    #[doc(alias = "IORING_REGISTER_SYNC_CANCEL")]
    pub fn sync_cancel(&self, what: &SyncCancel) -> Result<u32> {
        self.cancel_in_slices(what)
    }

    fn cancel_once(&self, mut reg: SyncCancelReg) -> Result<u32> {
        // SAFETY: one `io_uring_sync_cancel_reg`, read during the call; no address is in it.
        unsafe { self.with(RegisterOp::SYNC_CANCEL, &mut reg, 1) }
    }

    /// A ring with `DEFER_TASKRUN` does not wake this wait (6.18), nor does any ring on 6.1: what a
    /// worker ends, it hands to the ring's thread, which sleeps here until the time is up, or for
    /// ever. So the wait is cut in slices, and after each it is looked again.
    fn cancel_in_slices(&self, what: &SyncCancel) -> Result<u32> {
        let now = || self.submitter.kernel.now();
        let deadline = what.limit.map(|limit| now().after(limit));
        let mut slice = SLICE_MIN;
        let mut is_first = true;
        // Bounded by the time limit; without one, by the operation that is waited for.
        loop {
            let left = deadline.map(|deadline| until(now(), deadline));
            let last = left.filter(|left| *left <= Timespec::from(slice));
            let timeout = last.unwrap_or(Timespec::from(slice));
            match self.cancel_once(SyncCancelReg { timeout, ..what.reg }) {
                Err(error) if error.is_timeout() && last.is_none() => {}
                // What there was to find at first has ended.
                Err(error) if error.errno() == Some(Errno::ENOENT) && !is_first => return Ok(0),
                answer => return answer,
            }
            is_first = false;
            slice = (slice * 2).min(SLICE_MAX);
        }
    }
}
