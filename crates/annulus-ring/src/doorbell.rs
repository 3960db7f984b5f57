//! [`Doorbell`]: waking the owner of a ring, which sleeps in the kernel, from any thread.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;

use crate::abi::{PollEvents, Sqe};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::op;

/// An eventfd that the ring's owner polls through its ring, and anybody writes to.
///
/// The owner pushes the [`entry`](Self::entry) once. From then on each
/// [`ring`](Self::ring) posts a completion there, and so ends a wait, whatever is queued and
/// however full the submission queue is. A completion without [`MORE`](crate::abi::CqeFlags::MORE)
/// says that the kernel listens no more: push the entry again. What was rung in between is not
/// lost, since the new poll finds the eventfd readable.
///
/// It costs the ringer a system call: ring when the owner sleeps, not at each occasion.
///
/// ```
/// use annulus_ring::{Doorbell, LocalRing};
/// use std::sync::Arc;
///
/// let bell = Arc::new(Doorbell::new()?);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bell outlives the ring.
/// unsafe { ring.push(bell.entry().user_data(1))? };
/// let ringer = std::thread::spawn({
///     let bell = Arc::clone(&bell);
///     move || bell.ring()
/// });
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().user_data, 1);
/// # ringer.join().unwrap();
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Doorbell {
    event: OwnedFd,
}

impl Doorbell {
    /// A doorbell that nobody listens to yet.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptor left. `ENOMEM`.
    ///
    /// ```
    /// annulus_ring::Doorbell::new()?.ring(); // heard by the first who listens
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        let made = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let event = made.map_err(|error| {
            Error::os(Errno::from_raw(error.raw_os_error()), "making the eventfd of a doorbell")
        })?;
        Ok(Self { event })
    }

    /// Wakes whoever listens.
    ///
    /// What the ringing thread wrote before is seen by the owner only through their own memory (a
    /// queue, a flag): ring after writing it, with a full fence on both sides if the owner says by
    /// a flag that it sleeps.
    ///
    /// ```
    /// let bell = annulus_ring::Doorbell::new()?;
    /// bell.ring();
    /// bell.ring(); // once more does no harm
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn ring(&self) {
        // It fails only where the counter is full (2⁶⁴ − 2 rings): then it is readable already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// The entry that listens: a poll that stays armed (`POLL_ADD`, multishot, Linux 5.13). The
    /// doorbell must be kept until the poll's last completion, or until its ring is gone.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// let bell = annulus_ring::Doorbell::new()?;
    /// assert_eq!(bell.entry().opcode, Op::POLL_ADD);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn entry(&self) -> Sqe {
        op::PollAdd::new(self.event.as_raw_fd(), PollEvents::IN).multishot().build()
    }
}

/// A counter of the kernel's, at 0: an eventfd, which a read waits for until somebody adds to it.
///
/// # Errors
/// `EMFILE`, `ENFILE`: there is no descriptor left: raise `RLIMIT_NOFILE`.
///
/// See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html).
///
/// ```
/// use std::io::{Read, Write};
/// let mut event = std::fs::File::from(annulus_ring::eventfd()?);
/// event.write_all(&3_u64.to_ne_bytes())?;
/// let mut count = [0; 8];
/// event.read_exact(&mut count)?;
/// assert_eq!(u64::from_ne_bytes(count), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn eventfd() -> Result<OwnedFd> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC)
        .map_err(|error| Error::os(Errno::from_raw(error.raw_os_error()), "making an eventfd"))
}

impl AsFd for Doorbell {
    /// For another loop to listen by epoll: readable once rung.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
