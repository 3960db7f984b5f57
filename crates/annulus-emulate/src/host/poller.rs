//! [`Poller`]: which open files are waited for, in one epoll; and the bell that ends its wait.
//!
//! A file is known by a descriptor of our own (a duplicate), so the program may close or reuse the
//! number that it used. Several requests may wait for one file: it is armed for all they want, once
//! (`EPOLLONESHOT`), and what is left is armed again.

use core::ffi::c_void;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::PollEvents;

use super::sys;
use crate::world::Token;

/// The bell among the events.
const BELL: u64 = u64::MAX;
/// How many events are taken at once.
const EVENTS: usize = 64;

/// Who waits for a file.
#[derive(Debug, Default)]
struct Watched {
    waiters: Vec<(Token, PollEvents)>,
}

/// See above.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
    /// By our own descriptors.
    watched: Mutex<HashMap<RawFd, Watched>>,
}

/// What a wait brought.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) ready: Vec<(Token, PollEvents)>,
}

impl Poller {
    pub(super) fn new() -> Result<Self, Errno> {
        let (epoll, bell) = (sys::epoll()?, sys::eventfd()?);
        sys::epoll_ctl(&epoll, libc::EPOLL_CTL_ADD, bell.as_raw_fd(), libc::EPOLLIN as u32, BELL)?;
        Ok(Self { epoll, bell, watched: Mutex::default() })
    }

    /// Readable while something is to be done.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<RawFd, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a wait, now or the next one.
    pub(super) fn ring(&self) {
        sys::signal(self.bell.as_raw_fd());
    }

    /// Tells of `fd`, one of our own, when it may be ready for `events`.
    pub(super) fn watch(&self, token: Token, fd: RawFd, events: PollEvents) -> Result<(), Errno> {
        let mut watched = self.watched();
        let found = watched.entry(fd);
        let is_new = matches!(found, std::collections::hash_map::Entry::Vacant(_));
        let entry = found.or_default();
        entry.waiters.push((token, events));
        let op = if is_new { libc::EPOLL_CTL_ADD } else { libc::EPOLL_CTL_MOD };
        let armed = sys::epoll_ctl(&self.epoll, op, fd, wanted(&entry.waiters), fd as u64);
        if let Err(errno) = armed {
            entry.waiters.pop();
            if is_new {
                watched.remove(&fd);
            }
            return Err(errno);
        }
        Ok(())
    }

    /// Forgets who waits for `fd`.
    pub(super) fn unwatch(&self, token: Token) {
        for watched in self.watched().values_mut() {
            watched.waiters.retain(|(other, _)| *other != token);
        }
    }

    /// Forgets a descriptor of ours that is about to be closed.
    pub(super) fn forget(&self, fd: RawFd) {
        if self.watched().remove(&fd).is_some() {
            // It is there: nobody else takes it out.
            let gone = sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
            debug_assert!(gone.is_ok(), "{gone:?}");
        }
    }

    /// Whether anybody waits for a file.
    pub(super) fn is_idle(&self) -> bool {
        self.watched().values().all(|watched| watched.waiters.is_empty())
    }

    /// Waits for files and the bell, at most `limit`.
    ///
    /// # Errors
    /// `EINTR`: a signal came.
    pub(super) fn wait(
        &self,
        limit: Option<Duration>,
        mask: *const c_void,
    ) -> Result<Events, Errno> {
        let mut found = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let count = sys::epoll_wait(&self.epoll, &mut found, limit, mask)?;
        let mut events = Events::default();
        for event in &found[..count as usize] {
            let (data, bits) = (event.u64, event.events);
            if data == BELL {
                sys::drain(self.bell.as_raw_fd());
            } else {
                self.collect(data as RawFd, PollEvents(bits), &mut events);
            }
        }
        Ok(events)
    }

    /// Takes out who waited for what came, and arms the file for the others.
    fn collect(&self, fd: RawFd, came: PollEvents, events: &mut Events) {
        let mut watched = self.watched();
        let Some(found) = watched.get_mut(&fd) else { return };
        let always = PollEvents::ERR | PollEvents::HUP;
        found.waiters.retain(|(token, wants)| {
            let is_due = came.intersects(*wants | always);
            if is_due {
                events.ready.push((*token, came));
            }
            !is_due
        });
        if !found.waiters.is_empty() {
            let wants = wanted(&found.waiters);
            let armed = sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_MOD, fd, wants, fd as u64);
            debug_assert!(armed.is_ok(), "{armed:?}");
        }
    }
}

/// What all of them want.
fn wanted(waiters: &[(Token, PollEvents)]) -> u32 {
    let all = waiters.iter().fold(0, |all, (_, events)| all | events.bits());
    all | libc::EPOLLONESHOT as u32
}

/// A descriptor of our own.
#[derive(Debug)]
pub(super) struct Kept {
    fd: OwnedFd,
    poller: Arc<Poller>,
}

impl Kept {
    pub(super) fn new(fd: OwnedFd, poller: Arc<Poller>) -> Self {
        Self { fd, poller }
    }

    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Before it is closed: as long as another descriptor of the file is open, epoll would go on
        // to tell of it, under a number that is another file's.
        self.poller.forget(self.raw());
    }
}
