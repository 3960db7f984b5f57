//! What the three system calls answer when nothing is asked of them.
//!
//! Each call below has one answer that only the kernel's own io_uring gives. An error in its place
//! came from before io_uring was reached:
//!
//! ```text
//!                                      setup(8)  setup(0, null)  enter(-1)  register(-1)
//! usable                               a ring    EFAULT          EBADF      EINVAL or EBADF
//! a filter on all three (any errno)    EPERM     EPERM           EPERM      EPERM
//! a filter on set-up, or the sysctl    EPERM     EPERM           EBADF      EINVAL or EBADF
//! a security module, at the file       EACCES    EFAULT          EBADF      EINVAL or EBADF
//! no locked memory left                ENOMEM    EFAULT          EBADF      EINVAL or EBADF
//! no io_uring in the kernel            ENOSYS    ENOSYS          ENOSYS     ENOSYS
//! ```
//!
//! So two calls on a descriptor that cannot be one separate a filter from everything else.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::abi::{EnterFlags, Params, RegisterOp, SetupFlags};
use crate::errno::Errno;
use crate::syscall;

/// A registration that no kernel knows.
const NO_REGISTRATION: RegisterOp = RegisterOp(0x7000);

/// What one call answered: the kernel's error number, or that it agreed.
pub type Answer = Result<(), Errno>;

/// What the three system calls answered when nothing was asked of them.
///
/// ```
/// use annulus_ring::{Errno, LocalRing};
/// let error = LocalRing::new(1 << 20).unwrap_err();
/// let answers = error.setup_error().unwrap().evidence().answers.unwrap();
/// assert_eq!(answers.enter, Err(Errno::EBADF)); // io_uring itself answered
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answers {
    /// `io_uring_setup(8, …)`: an ordinary small ring.
    pub setup: Answer,
    /// `io_uring_setup(0, NULL)`.
    pub setup_null: Answer,
    /// `io_uring_enter(-1, …)`.
    pub enter: Answer,
    /// `io_uring_register(-1, …)` with a number that no kernel knows.
    pub register: Answer,
}

impl Answers {
    /// Asks. `None` where no system call can be made (under an interpreter).
    pub(super) fn ask() -> Option<Self> {
        if cfg!(any(miri, loom)) {
            return None;
        }
        Some(Self {
            setup: small_ring(Params::default()),
            setup_null: null_setup(),
            enter: enter_nothing(),
            register: register_nothing(),
        })
    }

    /// Whether something other than io_uring answers `io_uring_setup`.
    pub(super) fn setup_is_cut_off(&self) -> bool {
        self.setup_null != Err(Errno::EFAULT)
    }

    /// Whether something other than io_uring answers `io_uring_enter`.
    pub(super) fn enter_is_cut_off(&self) -> bool {
        self.enter != Err(Errno::EBADF)
    }

    /// Whether something other than io_uring answers `io_uring_register`.
    pub(super) fn register_is_cut_off(&self) -> bool {
        !matches!(self.register, Err(Errno::EINVAL | Errno::EBADF))
    }
}

/// The flags that this kernel refuses each by itself, of `flags`.
pub(super) fn unknown_flags(flags: SetupFlags) -> SetupFlags {
    let mut unknown = SetupFlags::empty();
    for bit in (0..u32::BITS).map(|n| SetupFlags(1 << n)) {
        if flags.contains(bit) && !is_known(bit) {
            unknown |= bit;
        }
    }
    unknown
}

/// Whether the kernel knows a flag: without memory or a second ring, which it misses only after it
/// has read the flags.
fn is_known(flag: SetupFlags) -> bool {
    try_flag(flag, -1) != Err(Errno::EINVAL)
}

/// Makes a ring with `flag`, what that demands beside it, and `other` to attach to.
pub(crate) fn try_flag(flag: SetupFlags, other: RawFd) -> Answer {
    let needs = match flag {
        SetupFlags::TASKRUN_FLAG => SetupFlags::COOP_TASKRUN,
        SetupFlags::DEFER_TASKRUN => SetupFlags::SINGLE_ISSUER,
        SetupFlags::REGISTERED_FD_ONLY => SetupFlags::NO_MMAP,
        SetupFlags::HYBRID_IOPOLL => SetupFlags::IOPOLL,
        SetupFlags::SQ_REWIND => SetupFlags::NO_SQARRAY,
        SetupFlags::SQ_AFF => SetupFlags::SQPOLL,
        _ => SetupFlags::empty(),
    };
    let params = Params {
        flags: flag | needs,
        cq_entries: 16,
        sq_thread_cpu: rustix::thread::sched_getcpu() as u32,
        wq_fd: other as u32,
        ..Params::default()
    };
    small_ring(params)
}

/// Makes a ring of 8 entries, and closes it.
fn small_ring(mut params: Params) -> Answer {
    // SAFETY: no address is given: with NO_MMAP the kernel finds none, and refuses.
    let fd = unsafe { syscall::setup(8, &mut params) }?;
    // SAFETY: the descriptor is new and nobody else's: without NO_MMAP there is one.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

fn null_setup() -> Answer {
    // SAFETY: the kernel refuses a null pointer.
    unsafe { syscall::call4(syscall::IO_URING_SETUP, [0; 4]) }.map(drop)
}

fn enter_nothing() -> Answer {
    // SAFETY: descriptor −1 is no ring.
    unsafe { syscall::enter_raw(-1, EnterFlags::empty()) }.map(drop)
}

fn register_nothing() -> Answer {
    // SAFETY: descriptor −1 is no ring, and no kernel knows the number, so none reads an argument.
    unsafe { syscall::register_raw(-1, NO_REGISTRATION, core::ptr::null_mut(), 0) }.map(drop)
}
