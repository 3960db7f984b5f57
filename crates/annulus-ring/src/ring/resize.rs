//! Changing the lengths of a ring's queues while it is used.

use super::{Local, RingOf};
use crate::abi::{Params, RegisterOp, SetupFlags};
use crate::cq::OwnCq;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fork;
use crate::kernel::Kernel;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::{Linux, Maps};
use crate::sq::OwnSq;
use crate::submitter::Words;

/// Without a descriptor the new memory could not be mapped.
const NO_DESCRIPTOR: &str = "a ring whose descriptor is closed cannot be resized";

/// What of the set-up flags a resize takes along: the kernel refuses the others.
const CARRIED: SetupFlags = SetupFlags::CQSIZE.union(SetupFlags::CLAMP);

impl<S: SqeKind, C: CqeKind> RingOf<Local, S, C, Linux> {
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
        if self.submitter.kernel.fd().is_none() {
            return Err(Error::usage(NO_DESCRIPTOR));
        }
        // The queues that come get cells of their own.
        fork::prepare().map_err(|errno| Error::os(errno, "mapping the page that shows a fork"))?;
        // What was pushed must be in the queue that the kernel copies.
        self.sq.raw.publish();
        let mut asked = Params {
            sq_entries,
            cq_entries,
            flags: SetupFlags::CQSIZE | (self.setup_flags() & CARRIED),
            ..Params::default()
        };
        let op = RegisterOp::RESIZE_RINGS;
        // SAFETY: `asked` is one `io_uring_params`, read and written during the call only.
        let answer = unsafe { self.submitter.kernel.register(op, (&raw mut asked).cast(), 1) };
        answer.map_err(|errno| Error::register(errno, op))?;
        self.take_over(&asked)
    }

    /// Maps the memory that the kernel has switched to, and takes it up.
    fn take_over(&mut self, answered: &Params) -> Result<()> {
        let mut params = self.submitter.params;
        params.sq_entries = answered.sq_entries;
        params.cq_entries = answered.cq_entries;
        params.sq_off = answered.sq_off;
        params.cq_off = answered.cq_off;
        let fd = self.submitter.kernel.fd();
        let mapped = fd.ok_or(Errno::EBADF).and_then(|fd| Maps::of_kernel(fd, &params));
        let taken = mapped.and_then(|maps| Ok((maps.memory::<S, C::Slot>(&params)?, maps)));
        let Ok((memory, maps)) = taken else {
            self.give_up();
            return Err(Error::dead(true));
        };
        // SAFETY: the mapping is kept by the kernel from the next lines on; this ring is still the
        // only producer, and the words hold the indices it had.
        self.sq = unsafe { OwnSq::new(&memory.sq) };
        // SAFETY: as above, for the only consumer.
        self.cq = unsafe { OwnCq::new(&memory.cq) };
        self.submitter.words = Words::of(&self.sq, &self.cq);
        self.submitter.params = params;
        let kept = self.linux_mut().replace_maps(maps);
        kept.map_err(|errno| Error::os(errno, "keeping a ring's memory from forked children"))
    }

    /// Makes every later use an error: what is mapped here, the kernel does not look at any more.
    fn give_up(&mut self) {
        self.sq.raw.give_up();
        self.cq.raw.give_up();
        self.submitter.give_up();
    }
}
