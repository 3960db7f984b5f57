//! Waiting until a file is ready, without doing anything to it.

use std::sync::Arc;

use annulus_ring::abi::{PollEvents, Sqe};
use annulus_ring::op;

use super::file::OpenFile;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Waiting for readiness: see [`File::poll`].
#[derive(Debug)]
pub struct PollOnce {
    file: Arc<OpenFile>,
    events: PollEvents,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for PollOnce {
    type Output = Result<PollEvents, Error>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the entry points to nothing.
        unsafe { self.file.call_once(&entry) }
    }

    fn entry(&mut self) -> Sqe {
        op::PollAdd::new(self.file.raw(), self.events).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(PollEvents)
    }

    fn reclaim(self, _: Completion) {
        // Whatever was ready is so still.
    }
}

/// # Readiness
///
/// Reads and writes here wait by themselves, and need no readiness first. It is for what is done
/// past the engine: a library that has a descriptor and wants to be called when it is ready, a
/// device's own `ioctl`s, an `accept` or a handshake of somebody else's.
impl File {
    /// Waits until one of `events` is so, as `poll(2)`, and says which are. `ERR` and `HUP` are
    /// reported unasked. Regular files are ready always.
    ///
    /// It is about a moment: another reader may have taken what was there by the time it is
    /// looked at. So keep the descriptor non-blocking where others read too.
    ///
    /// # Errors
    /// - `EINVAL`: an event that Linux does not know.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// At once on this thread where it is ready already, else by the ring (`IORING_OP_POLL_ADD`,
    /// Linux 5.1).
    ///
    /// See [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html).
    ///
    /// ```
    /// use annulus_ring::abi::PollEvents;
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let reader = engine.file(reader);
    /// drop(writer);
    /// let ready = futures::executor::block_on(reader.poll(PollEvents::IN))?;
    /// assert_eq!(ready, PollEvents::HUP);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_POLL_ADD")]
    pub fn poll(&self, events: PollEvents) -> Op<PollOnce> {
        self.op(PollOnce { file: self.open(), events })
    }

    /// Waits until a read would not wait: there is something, or the end, or an error.
    ///
    /// # Errors
    /// Those of [`poll`](Self::poll).
    ///
    /// ```
    /// use annulus_ring::abi::PollEvents;
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let zero = engine.file(std::fs::File::open("/dev/zero")?);
    /// let ready = futures::executor::block_on(zero.readable())?;
    /// assert!(ready.contains(PollEvents::IN));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "wait_readable")]
    pub fn readable(&self) -> Op<PollOnce> {
        self.poll(PollEvents::IN)
    }

    /// Waits until a write would not wait: there is room, or nobody to read it any more.
    ///
    /// # Errors
    /// Those of [`poll`](Self::poll).
    ///
    /// ```
    /// use annulus_ring::abi::PollEvents;
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let (_reader, writer) = std::io::pipe()?;
    /// let ready = futures::executor::block_on(engine.file(writer).writable())?;
    /// assert_eq!(ready, PollEvents::OUT);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn writable(&self) -> Op<PollOnce> {
        self.poll(PollEvents::OUT)
    }
}
