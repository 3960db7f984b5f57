//! [`Allow`]: what a shared ring may do.

use crate::abi::{Op, RegisterOp, SqeFlags};
use crate::register::Restrictions;

/// The operations that every shared ring may use, whatever its list says: what this library needs
/// to cancel, to wake, to time and to clean up.
const OPS: [Op; 6] =
    [Op::NOP, Op::ASYNC_CANCEL, Op::TIMEOUT, Op::TIMEOUT_REMOVE, Op::LINK_TIMEOUT, Op::CLOSE];

/// The flags, likewise: chains, registered files, entries that complete in silence.
const FLAGS: SqeFlags = SqeFlags::IO_LINK
    .union(SqeFlags::IO_HARDLINK)
    .union(SqeFlags::FIXED_FILE)
    .union(SqeFlags::CQE_SKIP_SUCCESS);

/// The registrations, likewise: tables of files and buffers filled later, indices of the ring for
/// its threads, a probe, cancelling at once, the workers' number.
const REGISTRATIONS: [RegisterOp; 8] = [
    RegisterOp::PROBE,
    RegisterOp::FILES_UPDATE,
    RegisterOp::FILES_UPDATE2,
    RegisterOp::BUFFERS_UPDATE,
    RegisterOp::RING_FDS,
    RegisterOp::UNREGISTER_RING_FDS,
    RegisterOp::SYNC_CANCEL,
    RegisterOp::IOWQ_MAX_WORKERS,
];

/// What a [`SharedRing`](crate::SharedRing) may do: everything else completes with `EACCES`, as
/// does a registration that is not in the list. The kernel holds to it, for the ring's whole life.
///
/// Always in it is what the library itself needs: NOP, ASYNC_CANCEL, the timeouts, CLOSE; links,
/// registered files, silence on success; the registrations that fill tables, probe, cancel, and
/// bound the workers.
///
/// ```
/// use annulus_ring::{Allow, Errno, SharedRing, abi::Op, op};
/// let ring = SharedRing::builder().entries(8).allow(Allow::new().op(Op::FSYNC)).build()?;
/// let file = std::fs::File::open("/dev/null")?;
/// // SAFETY: the file stays open until the end.
/// unsafe { ring.push(op::Fadvise::new(&file, Default::default()).build().user_data(1))? };
/// ring.submit()?;
/// assert_eq!(ring.wait()?.next().unwrap().result(), Err(Errno::EACCES));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "URingAllowlist")]
#[derive(Clone, Debug)]
#[must_use]
pub struct Allow(pub(super) Restrictions);

impl Default for Allow {
    fn default() -> Self {
        Self::new()
    }
}

impl Allow {
    /// Nothing but what the library itself needs.
    ///
    /// ```
    /// use annulus_ring::{Allow, SharedRing};
    /// let ring = SharedRing::builder().entries(8).allow(Allow::new()).build()?;
    /// ring.nop(1)?;
    /// ring.submit()?;
    /// assert_eq!(ring.wait()?.next().unwrap().result(), Ok(0));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new() -> Self {
        let mut list = Restrictions::new().allow_flags(FLAGS);
        for op in OPS {
            list = list.allow(op);
        }
        for registration in REGISTRATIONS {
            list = list.allow_register(registration);
        }
        Self(list)
    }

    /// And this operation.
    ///
    /// ```
    /// use annulus_ring::{Allow, abi::Op};
    /// let _reads_and_writes = Allow::new().op(Op::READ).op(Op::WRITE);
    /// ```
    #[doc(alias = "allow_submit_operation")]
    pub fn op(self, op: Op) -> Self {
        Self(self.0.allow(op))
    }

    /// And these flags of entries.
    ///
    /// ```
    /// use annulus_ring::{Allow, abi::SqeFlags};
    /// let _in_order = Allow::new().flags(SqeFlags::IO_DRAIN);
    /// ```
    pub fn flags(self, flags: SqeFlags) -> Self {
        // The kernel keeps the last list of flags that it is given.
        Self(self.0.allow_flags(flags.union(FLAGS)))
    }

    /// And this registration.
    ///
    /// ```
    /// use annulus_ring::{Allow, abi::RegisterOp};
    /// let _notified = Allow::new().register(RegisterOp::EVENTFD);
    /// ```
    pub fn register(self, registration: RegisterOp) -> Self {
        Self(self.0.allow_register(registration))
    }
}
