//! Programs that judge entries: classic BPF, as seccomp has it, but with the entry in view.
//!
//! **Linux 7.0**: 6.18 knows none of this, and answers `EINVAL`.

use super::{Register, count_of, without_ring};
use crate::abi::{Bpf, BpfCommand, BpfFilter, BpfFilterFlags, BpfInstruction, Op, RegisterOp};
use crate::error::Result;
use crate::kernel::Kernel;

/// A program that judges the entries of one operation: it reads a [`BpfCtx`](crate::abi::BpfCtx),
/// and an entry for which it returns 0 ends in `EACCES`.
///
/// ```
/// use annulus_ring::{abi::{BpfInstruction, Op}, register::Filter};
/// let deny = [BpfInstruction { code: 6, k: 0, ..Default::default() }]; // return 0
/// let no_sockets = Filter::new(Op::SOCKET, &deny);
/// assert!(format!("{no_sockets:?}").contains("SOCKET"));
/// ```
#[doc(alias = "io_uring_bpf_filter")]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Filter<'a> {
    op: Op,
    program: &'a [BpfInstruction],
    flags: BpfFilterFlags,
    pdu_bytes: u8,
}

impl<'a> Filter<'a> {
    /// `program` judges entries of `op`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, register::Filter};
    /// let _empty = Filter::new(Op::SOCKET, &[]);
    /// ```
    pub fn new(op: Op, program: &'a [BpfInstruction]) -> Self {
        Self { op, program, flags: BpfFilterFlags::empty(), pdu_bytes: 0 }
    }

    /// Denies every operation that has no filter so far.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, register::Filter};
    /// assert!(format!("{:?}", Filter::new(Op::SOCKET, &[]).deny_rest()).contains("DENY_REST"));
    /// ```
    #[doc(alias = "IO_URING_BPF_FILTER_DENY_REST")]
    pub fn deny_rest(mut self) -> Self {
        self.flags |= BpfFilterFlags::DENY_REST;
        self
    }

    /// Expects so many bytes of the operation's own after the context; an error (`EMSGSIZE`) if the
    /// kernel has another number.
    ///
    /// ```
    /// use annulus_ring::{abi::{BpfSocket, Op}, register::Filter};
    /// let filter = Filter::new(Op::SOCKET, &[]).expect_bytes(size_of::<BpfSocket>() as u8);
    /// assert!(format!("{filter:?}").contains("SZ_STRICT"));
    /// ```
    #[doc(alias = "IO_URING_BPF_FILTER_SZ_STRICT")]
    pub fn expect_bytes(mut self, bytes: u8) -> Self {
        self.flags |= BpfFilterFlags::SZ_STRICT;
        self.pdu_bytes = bytes;
        self
    }

    fn argument(&self) -> Result<Bpf> {
        let filter = BpfFilter {
            opcode: u32::from(self.op.raw()),
            flags: self.flags,
            filter_len: count_of(self.program)?,
            pdu_size: self.pdu_bytes,
            filter_ptr: self.program.as_ptr() as u64,
            ..BpfFilter::default()
        };
        Ok(Bpf { cmd_type: BpfCommand::FILTER, filter, ..Bpf::default() })
    }
}

/// # Filters
impl<K: Kernel> Register<'_, K> {
    /// Lets a program judge entries of this ring. `IORING_REGISTER_BPF_FILTER`, **Linux 7.0**.
    ///
    /// Several may judge one operation: one that denies is enough.
    ///
    /// # Errors
    /// - `EINVAL`: the program is not one, or the operation has no filter; or this kernel cannot.
    /// - `EMSGSIZE`: not as many bytes as [`expect_bytes`](Filter::expect_bytes) said.
    /// - `EACCES`: neither `no_new_privs` nor `CAP_SYS_ADMIN`.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, abi::{BpfInstruction, Op}, register::Filter};
    /// let allow = [BpfInstruction { code: 6, k: 1, ..Default::default() }]; // return 1
    /// let answer = LocalRing::new(8)?.register().bpf_filter(&Filter::new(Op::SOCKET, &allow));
    /// assert!(answer.is_ok() || answer.unwrap_err().errno() == Some(Errno::EINVAL)); // before 7.0
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_bpf_filter")]
    #[doc(alias = "IORING_REGISTER_BPF_FILTER")]
    pub fn bpf_filter(&self, filter: &Filter<'_>) -> Result<()> {
        let mut argument = filter.argument()?;
        // SAFETY: one `io_uring_bpf` whose program is as long as it says, read during the call.
        unsafe { self.with(RegisterOp::BPF_FILTER, &mut argument, 1) }.map(drop)
    }
}

/// Lets a program judge entries of every ring that this thread, and its children, make from now on.
/// **Linux 7.0**. It cannot be undone.
///
/// # Errors
/// As [`Register::bpf_filter`].
///
/// ```
/// use annulus_ring::{abi::{BpfInstruction, Op}, register::{Filter, bpf_filter_task}};
/// let in_a_thread = std::thread::spawn(|| {
///     let allow = [BpfInstruction { code: 6, k: 1, ..Default::default() }]; // return 1
///     bpf_filter_task(&Filter::new(Op::SOCKET, &allow))
/// });
/// let answer = in_a_thread.join().unwrap();
/// assert!(answer.is_ok() || answer.unwrap_err().errno().is_some()); // before 7.0
/// ```
#[doc(alias = "io_uring_register_bpf_filter_task")]
pub fn bpf_filter_task(filter: &Filter<'_>) -> Result<()> {
    let mut argument = filter.argument()?;
    // SAFETY: one `io_uring_bpf` whose program is as long as it says, read during the call.
    unsafe { without_ring(RegisterOp::BPF_FILTER, &mut argument, 1) }.map(drop)
}
