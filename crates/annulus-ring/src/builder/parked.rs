//! [`Parked`]: a ring on its way to the thread where it stays.

use crate::abi::{Cqe, Sqe};
use crate::error::Result;
use crate::kernel::SetUp;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::Linux;
use crate::register::Register;
use crate::ring::{Local, RingOf};

/// A ring made for another thread: disabled until it is there. See
/// [`Builder::build_parked`](super::Builder::build_parked).
///
/// ```
/// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
/// let ring = parked.enable()?;
/// assert_eq!(ring.sq_entries(), 8);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Parked<S: SqeKind = Sqe, C: CqeKind = Cqe, K: SetUp = Linux> {
    ring: RingOf<Local, S, C, K>,
}

// SAFETY: a disabled ring is tied to no thread yet (`SetUp` promises it; Linux's has no issuer and
// no registered index), and nothing can be done with it but enabling, which ties it to the thread
// that does. Its kernel may move by the bound.
unsafe impl<S: SqeKind, C: CqeKind, K: SetUp + Send> Send for Parked<S, C, K> {}

impl<S: SqeKind, C: CqeKind, K: SetUp> Parked<S, C, K> {
    pub(super) fn new(ring: RingOf<Local, S, C, K>) -> Self {
        Self { ring }
    }

    /// Makes the ring this thread's.
    ///
    /// # Errors
    /// What registering answers; none in ordinary use.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
    /// let thread = std::thread::spawn(move || Ok(parked.enable()?.submit()?));
    /// let submitted: Result<u32, annulus_ring::Error> = thread.join().unwrap();
    /// assert_eq!(submitted?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn enable(self) -> Result<RingOf<Local, S, C, K>> {
        let mut ring = self.ring;
        ring.register().enable()?;
        ring.kernel_mut().settle();
        Ok(ring)
    }

    /// The disabled ring, for registrations and restrictions before it begins.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
    /// let _all_of_them = parked.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        self.ring.register()
    }

    /// How many submission entries it has: a power of two.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(5).build_parked()?;
    /// assert_eq!(parked.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn sq_entries(&self) -> u32 {
        self.ring.sq_entries()
    }

    /// The kernel that answers.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
    /// assert_eq!(parked.kernel().name(), "linux");
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(&self) -> &K {
        self.ring.kernel()
    }
}
