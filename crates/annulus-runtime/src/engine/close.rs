//! Giving a file up: closing it and hearing how that went, or taking its descriptor out.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use annulus_ring::abi::Sqe;
use annulus_ring::{Errno, Fd, op};

use super::helper::Helper;
use super::{Engine, File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Closing a file: see [`File::close`].
#[derive(Debug)]
pub struct Close {
    state: State,
    /// Kept, for the handle is gone: the last one would end the engine before the close begins.
    _engine: Engine,
}

#[derive(Debug)]
enum State {
    /// To be closed on the caller's thread (`is_local`), or by a helper.
    Open { fd: Fd, is_local: bool },
    /// Others have it still.
    Shared,
    /// A helper closes it.
    Helped(Helper),
    /// It is closed.
    Closed,
}

// SAFETY: the entry points to nothing, and names the helper's descriptor, which is kept open here.
unsafe impl Operation for Close {
    type Output = Result<(), Error>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    // Never an `IORING_OP_CLOSE`: if that is cancelled, or a file system answers as if it were,
    // nobody knows whether the number is free already, and may be another file's.
    fn attempt(&mut self) -> Option<Completion> {
        let result = match core::mem::replace(&mut self.state, State::Closed) {
            State::Open { fd, is_local: true } => fd.close().map(|()| 0),
            State::Open { fd, is_local: false } => {
                match Helper::start(move || fd.close().map(|()| 0)) {
                    Ok(helper) => {
                        self.state = State::Helped(helper);
                        return None;
                    }
                    // It is closed, by the drop of what the helper was to do.
                    Err(errno) => Err(errno),
                }
            }
            State::Shared => Err(Errno::EBUSY),
            State::Helped(_) | State::Closed => unreachable!("a file is closed once"),
        };
        Some(Completion::new(result))
    }

    fn entry(&mut self) -> Sqe {
        match &self.state {
            State::Helped(helper) => helper.entry(),
            // In a chain nothing is attempted. It waits for its turn, and closes afterwards.
            _ => op::Nop::new().build(),
        }
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome()?;
        let result = match self.state {
            State::Helped(helper) => helper.result().map(drop),
            State::Open { fd, .. } => fd.close(),
            State::Shared => Err(Errno::EBUSY),
            State::Closed => Ok(()),
        };
        result.map_err(Error::os)
    }

    fn reclaim(self, _: Completion) {
        // The helper closes it, whoever waits.
    }
}

/// # The descriptor
impl File {
    /// Closes the file and says what `close(2)` said. Dropping the last handle closes it too, and
    /// nobody hears of an error.
    ///
    /// It has to be the last handle, and no operation may be under way (one that was dropped is so
    /// until the kernel has done with it): else this handle is gone, the file stays open until the
    /// others are, and the answer is `EBUSY`. Dropped before its end, the future closes the file
    /// all the same.
    ///
    /// To be sure that data is on the device, [`sync_all`](Self::sync_all) first.
    ///
    /// # Errors
    /// The descriptor is gone after each of these but the first.
    /// - `EBUSY`: others have it. [`try_into_fd`](Self::try_into_fd) gives the handle back instead.
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): what was written earlier could not be stored. Only
    ///   network file systems and FUSE say so here.
    /// - `EMFILE`, `ENFILE`, `EAGAIN`: there was no thread or descriptor to wait for a server with:
    ///   it was closed, and nobody knows how that went.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// On this thread where no server is asked, as a drop does; else on a thread of its own.
    ///
    /// See [close(2)](https://man7.org/linux/man-pages/man2/close.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let clone = file.clone();
    /// assert_eq!(block_on(clone.close()).unwrap_err().errno(), Some(Errno::EBUSY));
    /// block_on(file.close())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(self) -> Op<Close> {
        let (open, engine) = self.into_parts();
        let ports = Arc::clone(engine.ports());
        let state = match Arc::try_unwrap(open) {
            Ok(open) => {
                let is_local = open.is_local();
                State::Open { fd: open.into_fd(), is_local }
            }
            Err(_shared) => State::Shared,
        };
        Op::new(ports, Close { state, _engine: engine })
    }

    /// Takes the descriptor out, if this is the last handle and no operation is under way; else
    /// gives the handle back.
    ///
    /// # Errors
    /// - The handle: others have the file still. Await or drop them, and try again.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let clone = file.clone();
    /// let file = file.try_into_fd().unwrap_err();
    /// drop(clone);
    /// let std_file = std::fs::File::from(file.try_into_fd().unwrap());
    /// assert!(std_file.metadata()?.len() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "try_into_std")]
    #[doc(alias = "into_source")]
    pub fn try_into_fd(self) -> Result<OwnedFd, Self> {
        let (open, engine) = self.into_parts();
        match Arc::try_unwrap(open) {
            Ok(open) => Ok(open.into_fd().into()),
            Err(open) => Err(Self::from_parts(open, engine)),
        }
    }
}
