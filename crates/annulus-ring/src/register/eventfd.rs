//! An eventfd that completions signal: how a ring is waited for by epoll, or by another runtime.

use std::os::fd::RawFd;

use super::Register;
use crate::abi::RegisterOp;
use crate::error::Result;
use crate::kernel::Kernel;

/// # Eventfd
///
/// One per ring. [`enable_eventfd`](crate::CompletionQueue::enable_eventfd) switches the signals
/// off and on without a system call.
impl<K: Kernel> Register<'_, K> {
    /// Signals the eventfd at each completion. `IORING_REGISTER_EVENTFD`, Linux 5.2.
    ///
    /// The way to have a [`LocalRing`](crate::LocalRing) in an epoll: it is signalled when task
    /// work for the ring's thread comes, and the completions appear when that thread enters. The
    /// kernel keeps the eventfd; the caller's descriptor may be closed.
    ///
    /// # Errors
    /// - `EBUSY`: there is one: unregister it first.
    /// - `EBADF`, `EINVAL`: the descriptor is not open, or no eventfd.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_eventfd(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_eventfd.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// let ring = LocalRing::new(8)?;
    /// let error = ring.register().eventfd(-1).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EBADF));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_eventfd")]
    #[doc(alias = "IORING_REGISTER_EVENTFD")]
    pub fn eventfd(&self, mut descriptor: RawFd) -> Result<()> {
        // SAFETY: the kernel reads one descriptor.
        unsafe { self.with(RegisterOp::EVENTFD, &mut descriptor, 1) }.map(drop)
    }

    /// Signals the eventfd at those completions only that a worker posts: what completes in the
    /// submit, or when the thread runs its task work, it sees by itself.
    /// `IORING_REGISTER_EVENTFD_ASYNC`, Linux 5.6.
    ///
    /// # Errors
    /// As [`eventfd`](Self::eventfd).
    ///
    /// See `io_uring_register_eventfd_async(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_eventfd_async.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// let ring = LocalRing::new(8)?;
    /// // Standard input is no eventfd.
    /// let error = ring.register().eventfd_async(0).unwrap_err();
    /// assert!(matches!(error.errno(), Some(Errno::EINVAL | Errno::EBADF)));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_eventfd_async")]
    #[doc(alias = "IORING_REGISTER_EVENTFD_ASYNC")]
    pub fn eventfd_async(&self, mut descriptor: RawFd) -> Result<()> {
        // SAFETY: the kernel reads one descriptor.
        unsafe { self.with(RegisterOp::EVENTFD_ASYNC, &mut descriptor, 1) }.map(drop)
    }

    /// Signals no eventfd any more, of either kind. `IORING_UNREGISTER_EVENTFD`, Linux 5.2.
    ///
    /// # Errors
    /// `ENXIO`: there is none.
    ///
    /// See `io_uring_unregister_eventfd(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_eventfd.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// let error = LocalRing::new(8)?.register().unregister_eventfd().unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENXIO));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_eventfd")]
    #[doc(alias = "IORING_UNREGISTER_EVENTFD")]
    pub fn unregister_eventfd(&self) -> Result<()> {
        self.bare(RegisterOp::UNREGISTER_EVENTFD).map(drop)
    }
}
