//! Which operations the kernel says that it has.

use core::fmt;

use super::Register;
use crate::abi::{Op, Probe, ProbeOp, ProbeOpFlags, RegisterOp};
use crate::error::Result;
use crate::kernel::Kernel;

/// As many operations as there can be.
const OPS_MAX: usize = 256;

/// What the kernel answered to a probe.
///
/// ```
/// use annulus_ring::{LocalRing, abi::Op};
/// let ops = LocalRing::new(8)?.register().probe()?;
/// assert!(ops.is_supported(Op::READ) && !ops.is_supported(Op(250)));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_probe")]
#[derive(Clone)]
pub struct ProbedOps {
    last: Op,
    ops: [ProbeOp; OPS_MAX],
}

impl ProbedOps {
    /// Whether the kernel has this operation: its number is known, and it was built in.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Op};
    /// assert!(LocalRing::new(8)?.register().probe()?.is_supported(Op::NOP));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_opcode_supported")]
    pub fn is_supported(&self, op: Op) -> bool {
        self.ops[usize::from(op.raw())].flags.contains(ProbeOpFlags::SUPPORTED)
    }

    /// The last operation that the kernel knows, whether built in or not. One that is newer than
    /// this library has a number but no name.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Op};
    /// assert!(LocalRing::new(8)?.register().probe()?.last_op() >= Op::RECV);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn last_op(&self) -> Op {
        self.last
    }

    /// The operations that the kernel has, in order. The [private ones](crate::abi::private) of a
    /// kernel in user space are not among them: ask for [each](Self::is_supported).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Op};
    /// let ops = LocalRing::new(8)?.register().probe()?;
    /// assert_eq!(ops.supported().next(), Some(Op::NOP));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn supported(&self) -> impl Iterator<Item = Op> + '_ {
        (0..=self.last.raw()).map(Op).filter(|op| self.is_supported(*op))
    }
}

impl fmt::Debug for ProbedOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.supported()).finish()
    }
}

/// The kernel's form of the answer.
#[derive(Clone, Copy)]
#[repr(C)]
struct Answer {
    head: Probe,
    ops: [ProbeOp; OPS_MAX],
}

/// # Probing
impl<K: Kernel> Register<'_, K> {
    /// Asks which operations the kernel has. `IORING_REGISTER_PROBE`, Linux 5.6.
    ///
    /// It is a statement about the kernel, not about what a filter or a restriction lets through.
    ///
    /// # Errors
    /// [Those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_probe(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_probe.3.html>.
    ///
    /// ```
    /// let ops = annulus_ring::LocalRing::new(8)?.register().probe()?;
    /// assert!(ops.supported().count() >= 28); // those of 5.6
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_probe")]
    #[doc(alias = "io_uring_get_probe_ring")]
    #[doc(alias = "IORING_REGISTER_PROBE")]
    pub fn probe(&self) -> Result<ProbedOps> {
        let mut answer = Answer { head: Probe::default(), ops: [ProbeOp::default(); OPS_MAX] };
        // SAFETY: one `io_uring_probe` with room for as many operations as the count says.
        unsafe { self.with(RegisterOp::PROBE, &mut answer, OPS_MAX as u32) }?;
        Ok(ProbedOps { last: answer.head.last_op, ops: answer.ops })
    }
}
