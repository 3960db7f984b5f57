//! The clock that a ring's waits are measured by.

use super::Register;
use crate::abi::{ClockId, ClockRegister, RegisterOp};
use crate::error::Result;
use crate::kernel::Kernel;

/// # Clock
impl<K: Kernel> Register<'_, K> {
    /// Sets the clock of the ring's waits: [`ClockId::MONOTONIC`] (as without it) or
    /// [`ClockId::BOOTTIME`], which goes on while the machine sleeps. It may be changed again.
    /// `IORING_REGISTER_CLOCK`, Linux 6.12.
    ///
    /// It is what [`Wait::until`](crate::Wait::until) refers to. Timeout *operations* name their
    /// clock themselves.
    ///
    /// # Errors
    /// - `EINVAL`: another clock; or this kernel cannot.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_clock(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_clock.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, abi::ClockId};
    /// let ring = LocalRing::new(8)?;
    /// let answer = ring.register().clock(ClockId::BOOTTIME);
    /// # if answer.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.12
    /// assert!(answer.is_ok());
    /// let error = ring.register().clock(ClockId::REALTIME).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EINVAL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_clock")]
    #[doc(alias = "IORING_REGISTER_CLOCK")]
    pub fn clock(&self, clock: ClockId) -> Result<()> {
        let mut arg = ClockRegister { clockid: clock, ..Default::default() };
        // The kernel demands a count of 0 with this one.
        // SAFETY: one `io_uring_clock_register`, read during the call.
        unsafe { self.with(RegisterOp::CLOCK, &mut arg, 0) }.map(drop)
    }
}
