//! Credentials that entries may run with instead of the submitter's.

use super::Register;
use crate::abi::{Personality, RegisterOp};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// # Personalities
impl<K: Kernel> Register<'_, K> {
    /// Keeps the credentials that this thread has now; an entry with
    /// [`personality`](crate::abi::Sqe::personality) runs with them, also after the thread gave
    /// them up. `IORING_REGISTER_PERSONALITY`, Linux 5.6.
    ///
    /// Whoever can push entries to the ring can use them: that is their purpose, and their danger.
    ///
    /// # Errors
    /// - `ENOMEM`, `EBUSY`: 65,535 are registered.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_personality(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_personality.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// let who = ring.register().personality()?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new().build().personality(who))? };
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
    /// ring.register().unregister_personality(who)?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_personality")]
    #[doc(alias = "IORING_REGISTER_PERSONALITY")]
    pub fn personality(&self) -> Result<Personality> {
        let answer = self.bare(RegisterOp::PERSONALITY)?;
        // The kernel gives 1 to 65,535: entries have 16 bits for it.
        u16::try_from(answer)
            .map(Personality)
            .map_err(|_| Error::usage("the kernel gave a personality that no entry can carry"))
    }

    /// Forgets registered credentials. Entries that run with them go on; later ones end in
    /// `EINVAL`. `IORING_UNREGISTER_PERSONALITY`, Linux 5.6.
    ///
    /// # Errors
    /// `EINVAL`: they are not registered.
    ///
    /// See `io_uring_unregister_personality(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_personality.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, abi::Personality};
    /// let ring = LocalRing::new(8)?;
    /// let error = ring.register().unregister_personality(Personality(7)).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EINVAL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_personality")]
    #[doc(alias = "IORING_UNREGISTER_PERSONALITY")]
    pub fn unregister_personality(&self, who: Personality) -> Result<()> {
        let op = RegisterOp::UNREGISTER_PERSONALITY;
        // SAFETY: the credentials are named by the count; there is no argument.
        unsafe { self.raw(op, core::ptr::null_mut(), u32::from(who.0)) }.map(drop)
    }
}
