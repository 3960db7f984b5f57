//! Registrations: what a ring is told once instead of with every entry (`io_uring_register(2)`).

use core::ffi::c_void;
use core::ptr;

use crate::abi::{Params, RegisterOp};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::Linux;
use crate::ring::{Place, RingOf};
use crate::submitter::Submitter;

/// The registrations of one ring: `ring.register()`.
///
/// ```
/// let ring = annulus_ring::Builder::new().entries(8).disabled().build()?;
/// ring.register().enable()?;
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Register<'a, K: Kernel = Linux> {
    submitter: &'a Submitter<K>,
}

impl<P: Place, S: SqeKind, C: CqeKind, K: Kernel> RingOf<P, S, C, K> {
    /// The ring's registrations.
    ///
    /// ```
    /// let ring = annulus_ring::LocalRing::new(8)?;
    /// let _all_of_them = ring.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        self.submitter().register()
    }
}

impl<K: Kernel> Submitter<K> {
    /// The ring's registrations.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let _all_of_them = ring.parts().2.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        Register { submitter: self }
    }
}

impl<K: Kernel> Register<'_, K> {
    /// Any registration by its number: what the typed ones are made of, for what they do not know.
    ///
    /// # Safety
    /// - `arg` is what `op` says it is, `count` of them, valid as long as `op` demands.
    ///
    /// # Errors
    /// What `io_uring_register(2)` names for `op`; [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::RegisterOp};
    /// let ring = LocalRing::new(8)?;
    /// // SAFETY: a number that no kernel knows looks at no argument.
    /// let answer = unsafe { ring.register().raw(RegisterOp(0x7000), std::ptr::null_mut(), 0) };
    /// assert!(answer.unwrap_err().is_unsupported());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn raw(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32> {
        self.submitter.check()?;
        // SAFETY: the caller's promise.
        let answer = unsafe { self.submitter.kernel.register(op, arg, count) };
        answer.map_err(|errno| Error::register(errno, op))
    }

    /// How the ring was made.
    pub(crate) fn params(&self) -> &Params {
        &self.submitter.params
    }

    /// Lets a ring that was made disabled begin (`IORING_REGISTER_ENABLE_RINGS`, Linux 5.10).
    ///
    /// # Errors
    /// `EBADFD`: it is enabled already.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).disabled().build()?;
    /// ring.register().enable()?;
    /// assert!(ring.register().enable().is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_enable_rings")]
    #[doc(alias = "IORING_REGISTER_ENABLE_RINGS")]
    pub fn enable(&self) -> Result<()> {
        // SAFETY: this registration has no argument.
        unsafe { self.raw(RegisterOp::ENABLE_RINGS, ptr::null_mut(), 0) }.map(drop)
    }
}
