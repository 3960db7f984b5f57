//! [`SharedBuilder`]: how a shared ring is made.

use super::SharedRingOf;
use super::allow::Allow;
use crate::abi::{Cqe, Sqe};
use crate::builder::BuilderOf;
use crate::error::Result;
use crate::kernel::SetUp;
use crate::linux::Linux;

/// Makes a [`SharedRing`](super::SharedRing).
///
/// ```
/// use annulus_ring::SharedRing;
/// let ring = SharedRing::builder().entries(64).cq_entries(512).build()?;
/// assert_eq!((ring.sq_entries(), ring.cq_entries()), (64, 512));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub type SharedBuilder = SharedBuilderOf<Linux>;

/// What [`SharedBuilder`] is, of any kernel.
#[derive(Debug)]
#[must_use]
pub struct SharedBuilderOf<K: SetUp> {
    ring: BuilderOf<Sqe, Cqe, K>,
    allow: Option<Allow>,
    thread: bool,
}

impl<K: SetUp> From<BuilderOf<Sqe, Cqe, K>> for SharedBuilderOf<K> {
    /// With the options of any ring that is tied to no thread.
    fn from(ring: BuilderOf<Sqe, Cqe, K>) -> Self {
        Self { ring, allow: None, thread: false }
    }
}

impl<K: SetUp> SharedBuilderOf<K> {
    /// Which kernel makes the ring, and how: see [`Builder::kernel`](crate::Builder::kernel).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::builder().entries(8).kernel(()).build()?;
    /// assert_eq!(ring.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(mut self, choice: impl Into<K::Choice>) -> Self {
        self.ring = self.ring.kernel(choice);
        self
    }

    /// How many submission entries, rounded up to a power of two; at most 32,768. 256 if not said.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SharedRing::builder().entries(9).build()?.sq_entries(), 16);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn entries(mut self, entries: u32) -> Self {
        self.ring = self.ring.entries(entries);
        self
    }

    /// How many completion entries, rounded up to a power of two; twice the submission's if not
    /// said. More completions than that are kept by the kernel, and come later.
    ///
    /// ```
    /// let builder = annulus_ring::SharedRing::builder().entries(8);
    /// assert_eq!(builder.cq_entries(100).build()?.cq_entries(), 128);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.ring = self.ring.cq_entries(entries);
        self
    }

    /// What the ring may do; everything, if not said. It is made disabled, restricted, and enabled.
    ///
    /// ```
    /// use annulus_ring::{Allow, Errno, SharedRing, abi::Op};
    /// let builder = SharedRing::builder().entries(8);
    /// let ring = builder.allow(Allow::new().op(Op::READ)).build()?;
    /// ring.poll_remove(3, 1)?;
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Err(Errno::EACCES));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_RESTRICTIONS")]
    pub fn allow(mut self, allow: Allow) -> Self {
        self.allow = Some(allow);
        self
    }

    /// Submits from a thread of the ring's own, which lives as long as the ring: for entries pushed
    /// by threads that may end before them (see [the type](super::SharedRing#when-a-thread-ends)).
    ///
    /// The thread sleeps while there is nothing to submit. A submit costs a wake-up of it, some
    /// microseconds, instead of a system call of the caller's own.
    ///
    /// ```
    /// use annulus_ring::{SharedRing, Submitted};
    /// let ring = SharedRing::builder().entries(8).submitter_thread().build()?;
    /// ring.nop(1)?;
    /// assert_eq!(ring.submit()?, Submitted::Left); // to that thread
    /// assert_eq!(ring.wait()?.next().unwrap().user_data, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submitter_thread(mut self) -> Self {
        self.thread = true;
        self
    }

    /// Makes the ring.
    ///
    /// # Errors
    /// As [`Builder::build`](crate::Builder::build); `EINVAL` for what
    /// [`SharedRing::from_ring`](super::SharedRing::from_ring) refuses; `EAGAIN`: no thread left.
    ///
    /// ```
    /// annulus_ring::SharedRing::builder().entries(8).build()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn build(self) -> Result<SharedRingOf<K>>
    where
        K: Send + Sync + 'static,
    {
        let ring = match &self.allow {
            None => self.ring.build()?,
            Some(allow) => {
                let ring = self.ring.disabled().build()?;
                ring.register().restrict(&allow.0)?;
                ring.register().enable()?;
                ring
            }
        };
        if self.thread { SharedRingOf::with_thread(ring) } else { SharedRingOf::from_ring(ring) }
    }
}

impl<K: SetUp> BuilderOf<Sqe, Cqe, K> {
    /// Makes a ring that any thread submits to, and any thread takes completions from.
    ///
    /// # Errors
    /// As [`SharedBuilder::build`].
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).build_shared()?;
    /// ring.nop(1)?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn build_shared(self) -> Result<SharedRingOf<K>>
    where
        K: Send + Sync + 'static,
    {
        SharedBuilderOf::from(self).build()
    }
}
