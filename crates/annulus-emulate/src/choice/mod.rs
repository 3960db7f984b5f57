//! Which kernel a ring is made of: [`KernelChoice`], and [`AnyKernel`], which is either.

mod decision;
#[cfg_attr(feature = "tracing", path = "listener/enabled.rs")]
#[cfg_attr(not(feature = "tracing"), path = "listener/disabled.rs")]
mod listener;
mod notice;
mod options;
mod proof;
mod select;

pub use decision::Decision;

use core::ffi::c_void;
use core::fmt;
use std::os::fd::BorrowedFd;

use annulus_ring::abi::{EnterFlags, Params, RegisterOp, Sqe, Timespec};
use annulus_ring::kernel::{Kernel, Plan, Pollable, Process, Resized, RingMemory, SetUp};
use annulus_ring::{CqeKind, Errno, Error, Linux, Result, SqeKind};

use crate::host::Host;
pub use options::KernelOptions;

/// The variable of the environment that says which kernel it is, where the program does not:
/// `linux`, `host` or `auto`.
pub const KERNEL_VARIABLE: &str = "ANNULUS_KERNEL";

/// Which kernel is to answer.
///
/// ```
/// use annulus_emulate::{Builder, KernelChoice};
/// let ring = Builder::new().entries(8).kernel(KernelChoice::Host).build()?;
/// assert!(ring.kernel().is_host());
/// # Ok::<(), annulus_emulate::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelChoice {
    /// What the environment says (`ANNULUS_KERNEL`), and [`Auto`](Self::Auto) where it says
    /// nothing.
    #[default]
    Environment,
    /// Linux's io_uring where it works, which a NOP proves once in a process; else the host kernel.
    ///
    /// Where a limit on locked memory is in the way (`ENOMEM`), a ring of Linux is made shorter
    /// first, down to an eighth of what was asked for, and to 8: see
    /// [`sq_entries`](annulus_ring::LocalRing::sq_entries).
    ///
    /// What is not as it was asked for is said once in a process, in one line on standard error,
    /// with the cause, the cure, and how to refuse it; with the feature `tracing` it is a warning
    /// event instead, if a subscriber listens.
    ///
    /// A request that would be refused of any ring here (too long, or with a flag that this Linux
    /// does not know) is an error as it is on Linux, and never the reason to fall back.
    Auto,
    /// Linux's io_uring as it was asked for, or an error that says why not, and what to do: no
    /// shorter ring, and no other kernel.
    Linux,
    /// The kernel in user space.
    Host,
}

impl KernelChoice {
    /// What it is, the environment asked.
    ///
    /// # Errors
    /// `EINVAL`: the environment names a kernel that there is not.
    pub fn resolve(self) -> Result<Self> {
        if self != Self::Environment {
            return Ok(self);
        }
        let named = std::env::var_os(KERNEL_VARIABLE).unwrap_or_default();
        match named.to_str() {
            Some("" | "auto") => Ok(Self::Auto),
            Some("linux") => Ok(Self::Linux),
            Some("host") => Ok(Self::Host),
            _ => Err(Error::os(Errno::EINVAL, "ANNULUS_KERNEL must be linux, host or auto")),
        }
    }
}

/// The kernel that answers a ring: Linux, or the one in user space.
///
/// An enumeration, and not a trait object: what is Linux costs a branch that is always the same.
pub enum AnyKernel {
    /// Linux's io_uring.
    Linux(Linux),
    /// The kernel in user space.
    Host(Host),
}

/// A ring that was made: its kernel, its memory, and what it is.
type Made<S, C> = (AnyKernel, RingMemory<S, <C as CqeKind>::Slot>, Params);

impl AnyKernel {
    /// Whether it is the kernel in user space.
    ///
    /// ```
    /// use annulus_emulate::{KernelChoice, LocalRing, Builder};
    /// let ring = Builder::new().entries(8).kernel(KernelChoice::Host).build_local()?;
    /// assert!(ring.kernel().is_host());
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host(_))
    }

    /// Its name, as `ANNULUS_KERNEL` has it.
    ///
    /// ```
    /// let ring = annulus_emulate::Ring::new(8)?;
    /// assert!(["linux", "host"].contains(&ring.kernel().name()));
    /// # Ok::<(), annulus_emulate::Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linux(_) => "linux",
            Self::Host(_) => "host",
        }
    }
}

impl fmt::Debug for AnyKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linux(linux) => linux.fmt(f),
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// Does the same with whichever it is.
macro_rules! either {
    ($self:ident, $kernel:ident => $do:expr) => {
        match $self {
            AnyKernel::Linux($kernel) => $do,
            AnyKernel::Host($kernel) => $do,
        }
    };
}

// SAFETY: every call goes to one kernel, whose promises are its own.
unsafe impl Kernel for AnyKernel {
    type Descriptors = Process;

    #[inline(always)]
    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> core::result::Result<u32, Errno> {
        match self {
            // SAFETY: the caller's promises are this call's.
            Self::Linux(linux) => unsafe {
                linux.enter(to_submit, min_complete, flags, arg, arg_bytes)
            },
            // SAFETY: as above.
            Self::Host(host) => unsafe {
                host.enter(to_submit, min_complete, flags, arg, arg_bytes)
            },
        }
    }

    unsafe fn register(
        &self,
        op: RegisterOp,
        arg: *mut c_void,
        count: u32,
    ) -> core::result::Result<u32, Errno> {
        // SAFETY: the caller's promises are this call's.
        either!(self, kernel => unsafe { kernel.register(op, arg, count) })
    }

    #[inline]
    unsafe fn call(&self, sqe: &Sqe) -> core::result::Result<u32, Errno> {
        // SAFETY: the caller's promises are this call's.
        either!(self, kernel => unsafe { kernel.call(sqe) })
    }

    #[inline]
    fn now(&self) -> Timespec {
        either!(self, kernel => kernel.now())
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        either!(self, kernel => kernel.poll_fd())
    }

    fn descriptors(&self) -> Process {
        Process
    }

    fn is_linux(&self) -> bool {
        !self.is_host()
    }

    fn map(
        &self,
        offset: u64,
        bytes: usize,
    ) -> core::result::Result<annulus_ring::kernel::Mapping, Errno> {
        either!(self, kernel => kernel.map(offset, bytes))
    }
}

// SAFETY: each makes a ring of its own kind, and promises what is to be promised of it.
unsafe impl SetUp for AnyKernel {
    type Choice = KernelOptions;

    fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
        options: &KernelOptions,
    ) -> Result<Made<S, C>> {
        select::set_up::<S, C>(plan, *options)
    }

    fn settle(&mut self) {
        if let Self::Linux(linux) = self {
            linux.settle();
        }
    }

    fn is_descriptor_registered(&self) -> bool {
        matches!(self, Self::Linux(linux) if linux.is_descriptor_registered())
    }

    fn close_descriptor(&mut self) -> Result<()> {
        match self {
            Self::Linux(linux) => linux.close_descriptor(),
            Self::Host(_) => Err(Error::os(
                Errno::EOPNOTSUPP,
                "closing the descriptor of a ring in user space, which needs it",
            )),
        }
    }

    fn resize<S: SqeKind, C: CqeKind>(
        &mut self,
        params: &Params,
        sq_entries: u32,
        cq_entries: u32,
    ) -> Result<Resized<S, C::Slot>> {
        match self {
            Self::Linux(linux) => linux.resize::<S, C>(params, sq_entries, cq_entries),
            Self::Host(_) => Err(Error::os(Errno::EOPNOTSUPP, "resizing a ring in user space")),
        }
    }
}

impl Pollable for AnyKernel {}
