//! Why a ring could not be made: the cause, the evidence and the cure.

use core::fmt;

use crate::abi::SetupFlags;
use crate::errno::Errno;

/// Why `io_uring_setup(2)` refused.
///
/// ```
/// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
/// let setup = error.setup_error().unwrap();
/// assert_eq!(setup.errno(), annulus_ring::Errno::EINVAL);
/// ```
#[derive(Clone, Debug)]
pub struct SetupError {
    errno: Errno,
    entries: u32,
    flags: SetupFlags,
}

impl SetupError {
    pub(crate) fn new(errno: Errno, entries: u32, flags: SetupFlags) -> Self {
        Self { errno, entries, flags }
    }

    /// The kernel's error number.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert_eq!(error.setup_error().unwrap().errno(), annulus_ring::Errno::EINVAL);
    /// ```
    pub fn errno(&self) -> Errno {
        self.errno
    }

    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(
            self.errno,
            Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP
        )
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "io_uring_setup({} entries, {:?}): {}", self.entries, self.flags, self.errno)
    }
}
