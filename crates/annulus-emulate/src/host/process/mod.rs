//! What a process has beside files and sockets: children that nobody waits for, and signals. They
//! are the operating system's on every kernel but a simulated one, and no ring has them.

mod orphans;
mod signals;

pub(super) use signals::arrived;

pub use orphans::adopt_child;
pub use signals::{SignalWatch, restore_signal};

use std::os::fd::OwnedFd;

use annulus_ring::Errno;

use super::sys;

/// A descriptor of a child of this process, which is readable when it has ended: for kernels whose
/// rings cannot wait for children.
///
/// # Errors
/// - `ESRCH`: there is no such process; `EINVAL`: no such number.
/// - `EMFILE`, `ENFILE`: there is no descriptor left. `ENOSYS`: Linux before 5.3.
///
/// See [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
///
/// ```
/// let mut child = std::process::Command::new("true").spawn()?;
/// assert!(annulus_emulate::child_fd(child.id()).is_ok());
/// child.wait()?;
/// assert!(annulus_emulate::child_fd(child.id()).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "pidfd_open")]
pub fn child_fd(pid: u32) -> Result<OwnedFd, Errno> {
    sys::wait::pidfd(pid)
}
