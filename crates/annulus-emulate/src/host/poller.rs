//! [`Poller`]: one epoll for the open files that are waited for, and the bell that ends its wait.
//! Who waits for which of them is for [`Watches`](super::watches::Watches) to know.
//!
//! Around the epoll is another, which is what others poll: readable while a file is ready, or a
//! timer's time has come.

use core::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use annulus_ring::Errno;

use super::sys;

/// The bell among the events.
const BELL: u64 = u64::MAX;
/// How many events are taken at once.
const EVENTS: usize = 64;

/// See above.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
    outer: OwnedFd,
    timer: OwnedFd,
}

/// What an epoll told.
pub(super) struct Events {
    found: [libc::epoll_event; EVENTS],
    count: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self { found: [libc::epoll_event { events: 0, u64: 0 }; EVENTS], count: 0 }
    }
}

impl Events {
    /// Forgets what was told.
    fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether there may be more than there was room for.
    pub(super) fn is_full(&self) -> bool {
        self.count == EVENTS
    }

    /// What files told, but for the bell: their names, and the events.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let found = self.found[..self.count].iter().map(|event| (event.u64, event.events));
        found.filter(|(name, _)| *name != BELL)
    }
}

impl Poller {
    /// `name` is what the outer epoll says that it is.
    pub(super) fn new(name: u64) -> Result<Self, Errno> {
        let (epoll, bell) = (sys::epoll()?, sys::eventfd()?);
        let (outer, timer) = (sys::epoll()?, sys::timerfd()?);
        let readable = libc::EPOLLIN as u32;
        sys::epoll_ctl(&epoll, libc::EPOLL_CTL_ADD, bell.as_raw_fd(), readable, BELL)?;
        for fd in [epoll.as_raw_fd(), timer.as_raw_fd()] {
            sys::epoll_ctl(&outer, libc::EPOLL_CTL_ADD, fd, readable, name)?;
        }
        Ok(Self { epoll, bell, outer, timer })
    }

    /// Readable while a file is ready that is waited for, or the timer's time has come.
    pub(super) fn outer(&self) -> BorrowedFd<'_> {
        self.outer.as_fd()
    }

    /// Has the outer epoll be readable from a time on.
    pub(super) fn arm_timer(&self, at: Option<Duration>) {
        let armed = sys::arm(&self.timer, at);
        debug_assert!(armed.is_ok(), "{armed:?}");
    }

    /// Ends a wait, now or the next one, and all until it is [silenced](Self::silence).
    pub(super) fn ring(&self) {
        sys::signal(self.bell.as_raw_fd());
    }

    pub(super) fn silence(&self) {
        sys::drain(self.bell.as_raw_fd());
    }

    /// Has it tell, by this name, of changes of `fd` to one of `events`, and now, if it is ready.
    pub(super) fn add(&self, fd: RawFd, events: u32, name: u64) -> Result<(), Errno> {
        let events = events | libc::EPOLLET as u32;
        sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_ADD, fd, events, name).map(drop)
    }

    /// As [`add`](Self::add), of one that it knows.
    pub(super) fn change(&self, fd: RawFd, events: u32, name: u64) -> Result<(), Errno> {
        let events = events | libc::EPOLLET as u32;
        sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_MOD, fd, events, name).map(drop)
    }

    /// Has it tell no more of one that it knows.
    pub(super) fn remove(&self, fd: RawFd) {
        // What cannot be taken out tells of changes under a name that is nobody's any more.
        let _ = sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Waits for files and the bell, at most `limit`.
    ///
    /// # Errors
    /// `EINTR`: a signal came.
    pub(super) fn wait(
        &self,
        limit: Option<Duration>,
        mask: *const c_void,
        told: &mut Events,
    ) -> Result<(), Errno> {
        told.clear();
        let found = &mut told.found;
        let exact = match limit {
            Some(limit) if !limit.is_zero() => {
                Some(sys::epoll_wait_exactly(&self.epoll, found, limit, mask))
            }
            _ => None,
        };
        let count = match exact {
            // Linux before 5.11, or a filter: to the millisecond.
            None | Some(Err(Errno::ENOSYS | Errno::EPERM)) => {
                sys::epoll_wait(&self.epoll, found, limit, mask)?
            }
            Some(count) => count?,
        };
        told.count = count as usize;
        Ok(())
    }
}
