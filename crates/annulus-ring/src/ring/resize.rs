//! Changing the lengths of a ring's queues while it is used.

use super::{Local, RingOf};
use crate::abi::SetupFlags;
use crate::cq::OwnCq;
use crate::error::{Error, Result};
use crate::fork;
use crate::kernel::{Resized, SetUp};
use crate::layout::{CqeKind, SqeKind};
use crate::sq::OwnSq;
use crate::submitter::{Submitter, Words};

impl<S: SqeKind, C: CqeKind, K: SetUp> RingOf<Local, S, C, K> {
    /// Changes the lengths of the queues (`IORING_REGISTER_RESIZE_RINGS`, Linux 6.13): entries and
    /// completions that are in them stay, in order.
    ///
    /// Lengths are rounded up to powers of two. Memory that the caller gave
    /// ([`Builder::memory`](crate::Builder::memory)) is not resized.
    ///
    /// # Errors
    /// The ring goes on as before:
    /// - `EOVERFLOW`: what is in a queue does not fit in the new one: submit, or take completions.
    /// - `EINVAL`: a length of 0 or above the kernel's limit; or this kernel cannot.
    /// - `ENOMEM`: no memory, or over the limit on locked memory.
    /// - `EOPNOTSUPP`: a kernel other than Linux cannot.
    ///
    /// A ring that is to be [left out of children](crate::Builder::dontfork), and whose new memory
    /// could not be, goes on with the new lengths all the same; the error says so.
    ///
    /// Only if the new memory cannot be mapped (out of address space) is the ring
    /// [lost](crate::Error::is_lost): the kernel has switched over by then, and this and every
    /// later use is an error.
    ///
    /// See `io_uring_resize_rings(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_resize_rings.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(4)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new().build().user_data(1))? };
    /// # if ring.resize(64, 128).is_err_and(|e| e.is_unsupported()) { return Ok(()); } // < 6.13
    /// ring.resize(64, 128)?;
    /// assert_eq!((ring.sq_entries(), ring.cq_entries(), ring.sq_len()), (64, 128, 1));
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_resize_rings")]
    #[doc(alias = "IORING_REGISTER_RESIZE_RINGS")]
    pub fn resize(&mut self, sq_entries: u32, cq_entries: u32) -> Result<()> {
        self.sq.check()?;
        if self.setup_flags().contains(SetupFlags::NO_MMAP) {
            return Err(Error::usage("a ring in memory of the caller's own is not resized"));
        }
        // The queues that come get cells of their own.
        fork::prepare().map_err(|errno| Error::os(errno, "mapping the page that shows a fork"))?;
        // What was pushed must be in the queue that the kernel copies.
        self.sq.raw.publish();
        let Submitter { kernel, params, .. } = &mut self.submitter;
        match kernel.resize::<S, C>(params, sq_entries, cq_entries) {
            Ok(resized) => self.take_over(resized),
            Err(error) => {
                if error.is_lost() {
                    self.give_up();
                }
                Err(error)
            }
        }
    }

    /// Takes up the memory that the kernel has switched to.
    fn take_over(&mut self, resized: Resized<S, C::Slot>) -> Result<()> {
        let Resized { memory, params, kept_from_children } = resized;
        // SAFETY: the kernel keeps the memory from here on; this ring is still the only producer,
        // and the words hold the indices it had (`SetUp::resize`).
        self.sq = unsafe { OwnSq::new(&memory.sq) };
        // SAFETY: as above, for the only consumer.
        self.cq = unsafe { OwnCq::new(&memory.cq) };
        self.submitter.words = Words::of(&self.sq, &self.cq);
        self.submitter.params = params;
        let failed = |errno| Error::os(errno, "keeping a ring's memory from forked children");
        kept_from_children.map_err(failed)
    }

    /// Makes every later use an error: what is mapped here, the kernel does not look at any more.
    fn give_up(&mut self) {
        self.sq.raw.give_up();
        self.cq.raw.give_up();
        self.submitter.give_up();
    }
}
