//! Waiting for a child by the ring; and what the kernel below has of children and signals.

use annulus_ring::abi::{IdType, Sqe, WaitidOptions};
use annulus_ring::op;

use crate::error::Error;
use crate::operation::{Completion, Operation};

#[doc(no_inline)]
pub use annulus_emulate::{SignalWatch, adopt_child, child_fd, restore_signal};

/// Waiting until a child has ended. It is not taken from the list of children: that is left to who
/// asks for its status, so nothing is lost where nobody does.
///
/// # Errors
/// - `ECHILD`: this process has no such child, or has waited for it.
/// - `EINVAL`: the kernel has no such operation (Linux before 6.7): poll
///   [its descriptor](child_fd).
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_WAITID`, Linux 6.7). See
/// [waitid(2)](https://man7.org/linux/man-pages/man2/waitid.2.html).
///
/// ```
/// use annulus_runtime::runtime::process::WaitChild;
/// let mut child = std::process::Command::new("true").spawn()?;
/// let waited = annulus_runtime::run(annulus_runtime_wait(child.id()))?;
/// async fn annulus_runtime_wait(pid: u32) -> Result<(), annulus_runtime::Error> {
///     annulus_runtime::submit(WaitChild::new(pid)).await
/// }
/// # if waited.is_err_and(|why| why.kind() == std::io::ErrorKind::InvalidInput) { return Ok(()) }
/// assert!(waited.is_ok());
/// assert!(child.try_wait()?.unwrap().success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_WAITID")]
#[derive(Debug)]
pub struct WaitChild {
    pid: u32,
}

impl WaitChild {
    /// Waits for the child of this number.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::process::WaitChild};
    /// assert_eq!(WaitChild::new(7).entry().opcode, Op::WAITID);
    /// ```
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }
}

// SAFETY: the entry points to nothing: nobody asks what became of the child. It names no
// descriptor.
unsafe impl Operation for WaitChild {
    type Output = Result<(), Error>;

    fn entry(&mut self) -> Sqe {
        let options = WaitidOptions::EXITED | WaitidOptions::NOWAIT;
        op::WaitId::new(IdType::PID, self.pid, options).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // The child is there to be waited for again.
    }
}
