//! Processes, by descriptors.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::Fd;
use annulus_ring::abi::{OpenFlags, Sqe, private};
use annulus_ring::kernel::{Descriptors, Process};

use super::file::OpenFile;
use super::{Engine, File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Making a descriptor of a process: see [`Engine::pidfd_open`].
#[derive(Debug)]
pub struct PidfdOpen {
    pid: u32,
}

/// Owns what the kernel opened.
///
/// # Safety
/// - `raw` is the result of PIDFD_OPEN, taken from its completion once.
unsafe fn adopt(raw: u32) -> OwnedFd {
    // SAFETY: the descriptor was made for this completion: nobody else has it.
    unsafe { Fd::from_raw(raw as i32, Process) }.into()
}

// SAFETY: the entry points to nothing, and names a process.
unsafe impl Operation for PidfdOpen {
    type Output = Result<OwnedFd, Error>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the entry points to nothing.
        match unsafe { Process.call(&entry) } {
            Err(Errno::EAGAIN) => None,
            done => Some(Completion::new(done)),
        }
    }

    fn entry(&mut self) -> Sqe {
        private::pidfd_open(self.pid.cast_signed(), OpenFlags::empty())
    }

    fn complete(self, completion: Completion) -> Self::Output {
        // SAFETY: the result of its entry, and this is the one call that takes it.
        completion.outcome().map(|raw| unsafe { adopt(raw) })
    }

    fn reclaim(self, completion: Completion) {
        if let Ok(raw) = completion.result {
            // SAFETY: the result of its entry, and this is the one call that takes it.
            drop(unsafe { adopt(raw) });
        }
    }
}

/// Sending a signal: see [`File::send_signal`].
#[derive(Debug)]
pub struct SendSignal {
    pidfd: Arc<OpenFile>,
    signal: u32,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for SendSignal {
    type Output = Result<(), Error>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the entry points to nothing.
        unsafe { self.pidfd.call_once(&entry) }
    }

    fn entry(&mut self) -> Sqe {
        private::pidfd_send_signal(self.pidfd.raw(), self.signal)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // What was sent is sent.
    }
}

/// # Processes
///
/// io_uring has no operation for these: they are done at once on this thread, since they cannot
/// block. In a chain ([`Op::then`]) they fail with `EINVAL`.
impl Engine {
    /// A descriptor of the process `pid` (`pidfd_open(2)`, Linux 5.3), which is
    /// [`readable`](File::readable) when that has ended, and never means another. Of a child that
    /// nobody has waited for, `pid` is surely that child.
    ///
    /// # Errors
    /// - `ESRCH` (3): no such process. `EINVAL`: 0, or more than a number can be.
    /// - `EMFILE`, `ENFILE`: no descriptor left. `ENODEV`, `ENOMEM`: the kernel is short of memory.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let mut child = std::process::Command::new("true").spawn()?;
    /// let pidfd = engine.file(block_on(engine.pidfd_open(child.id()))?);
    /// block_on(pidfd.readable())?; // it has ended
    /// assert!(child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pidfd_open(&self, pid: u32) -> Op<PidfdOpen> {
        Op::new(Arc::clone(self.ports()), PidfdOpen { pid })
    }
}

/// # Processes
impl File {
    /// Sends a signal to the process that this is a descriptor of (`pidfd_send_signal(2)`, Linux
    /// 5.1); the signal 0 asks whether it is there still.
    ///
    /// # Errors
    /// - `ESRCH` (3): it has ended, and was waited for. `EPERM`: it is another user's.
    /// - `EINVAL`: no such signal. `EBADF`: this is no descriptor of a process.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let mut child = std::process::Command::new("sleep").arg("600").spawn()?;
    /// let pidfd = engine.file(block_on(engine.pidfd_open(child.id()))?);
    /// block_on(pidfd.send_signal(9))?;
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pidfd_send_signal")]
    #[doc(alias = "kill")]
    pub fn send_signal(&self, signal: u32) -> Op<SendSignal> {
        self.op(SendSignal { pidfd: self.open(), signal })
    }
}
