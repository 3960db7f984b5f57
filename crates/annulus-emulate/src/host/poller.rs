//! [`Poller`]: which open files are waited for, in one epoll; and the bell that ends its wait.
//!
//! A file is known by a descriptor of our own (a duplicate), so the program may close or reuse the
//! number that it used. Several requests may wait for one file: it is armed for all they want, once
//! (`EPOLLONESHOT`), and what is left is armed again. A watch that goes on has a descriptor to
//! itself, armed for changes (`EPOLLET`) until it is taken back.
//!
//! Around the epoll is another, which is what others poll: readable while a file is ready, or a
//! timer's time has come.

use core::ffi::c_void;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
/// What an epoll takes for events.
const EVENT_BITS: u32 = 0xffff;

/// Who waits for a file.
#[derive(Debug)]
enum Watched {
    Once(Vec<(Token, PollEvents)>),
    Changes { token: Token, _own: OwnedFd },
}

#[derive(Debug, Default)]
struct Book {
    /// By our own descriptors.
    files: HashMap<RawFd, Watched>,
    tokens: HashMap<Token, RawFd>,
}

/// See above.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
    outer: OwnedFd,
    timer: OwnedFd,
    book: Mutex<Book>,
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
        Ok(Self { epoll, bell, outer, timer, book: Mutex::default() })
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

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a wait, now or the next one, and all until it is [silenced](Self::silence).
    pub(super) fn ring(&self) {
        sys::signal(self.bell.as_raw_fd());
    }

    pub(super) fn silence(&self) {
        sys::drain(self.bell.as_raw_fd());
    }

    fn control(&self, op: core::ffi::c_int, fd: RawFd, events: u32) -> Result<(), Errno> {
        sys::epoll_ctl(&self.epoll, op, fd, events, fd as u64).map(drop)
    }

    /// Tells of `fd`, one of our own, when it may be ready for `events`; with
    /// [`PollEvents::ET`], at every change until it is taken back.
    pub(super) fn watch(&self, token: Token, fd: RawFd, events: PollEvents) -> Result<(), Errno> {
        let mut book = self.book();
        let Book { files, tokens } = &mut *book;
        if events.contains(PollEvents::ET) {
            let own = sys::duplicate(fd)?;
            let fd = own.as_raw_fd();
            let wants = events.bits() & EVENT_BITS | libc::EPOLLET as u32;
            self.control(libc::EPOLL_CTL_ADD, fd, wants)?;
            files.insert(fd, Watched::Changes { token, _own: own });
            tokens.insert(token, fd);
            return Ok(());
        }
        match files.entry(fd) {
            Entry::Vacant(place) => {
                let waiters = vec![(token, events)];
                self.control(libc::EPOLL_CTL_ADD, fd, wanted(&waiters))?;
                place.insert(Watched::Once(waiters));
            }
            Entry::Occupied(mut place) => {
                let Watched::Once(waiters) = place.get_mut() else { return Err(Errno::EBUSY) };
                waiters.push((token, events));
                if let Err(errno) = self.control(libc::EPOLL_CTL_MOD, fd, wanted(waiters)) {
                    waiters.pop();
                    return Err(errno);
                }
            }
        }
        tokens.insert(token, fd);
        Ok(())
    }

    /// Takes a watch back.
    pub(super) fn unwatch(&self, token: Token) {
        let mut book = self.book();
        let Book { files, tokens } = &mut *book;
        let Some(fd) = tokens.remove(&token) else { return };
        let Entry::Occupied(mut place) = files.entry(fd) else { return };
        let changed = match place.get_mut() {
            Watched::Once(waiters) if waiters.len() > 1 => {
                waiters.retain(|(other, _)| *other != token);
                self.control(libc::EPOLL_CTL_MOD, fd, wanted(waiters))
            }
            // Not left there without events: that a file hangs up is told all the same.
            Watched::Once(_) | Watched::Changes { .. } => {
                let gone = self.control(libc::EPOLL_CTL_DEL, fd, 0);
                place.remove();
                gone
            }
        };
        debug_assert!(changed.is_ok(), "{changed:?}");
    }

    /// Forgets a descriptor of ours that is about to be closed.
    pub(super) fn forget(&self, fd: RawFd) {
        let mut book = self.book();
        let Some(watched) = book.files.remove(&fd) else { return };
        if let Watched::Once(waiters) = watched {
            for (token, _) in waiters {
                book.tokens.remove(&token);
            }
        }
        // It is there: nobody else takes it out.
        let gone = self.control(libc::EPOLL_CTL_DEL, fd, 0);
        debug_assert!(gone.is_ok(), "{gone:?}");
    }

    /// Whether nobody waits for a file.
    pub(super) fn is_idle(&self) -> bool {
        self.book().tokens.is_empty()
    }

    /// Waits for files and the bell, at most `limit`: who waited for what came.
    ///
    /// # Errors
    /// `EINTR`: a signal came.
    pub(super) fn wait(
        &self,
        limit: Option<Duration>,
        mask: *const c_void,
    ) -> Result<Vec<Token>, Errno> {
        let mut found = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let exact = match limit {
            Some(limit) if !limit.is_zero() => {
                Some(sys::epoll_wait_exactly(&self.epoll, &mut found, limit, mask))
            }
            _ => None,
        };
        let count = match exact {
            // Linux before 5.11, or a filter: to the millisecond.
            None | Some(Err(Errno::ENOSYS | Errno::EPERM)) => {
                sys::epoll_wait(&self.epoll, &mut found, limit, mask)?
            }
            Some(count) => count?,
        };
        let mut ready = Vec::new();
        let mut book = self.book();
        for event in &found[..count as usize] {
            let (data, came) = (event.u64, PollEvents(event.events));
            if data != BELL {
                self.collect(&mut book, data as RawFd, came, &mut ready);
            }
        }
        Ok(ready)
    }

    /// Takes out who waited for what came, and arms the file for the others.
    fn collect(&self, book: &mut Book, fd: RawFd, came: PollEvents, ready: &mut Vec<Token>) {
        let Book { files, tokens } = book;
        let waiters = match files.get_mut(&fd) {
            Some(Watched::Once(waiters)) => waiters,
            Some(Watched::Changes { token, .. }) => return ready.push(*token),
            None => return,
        };
        let always = PollEvents::ERR | PollEvents::HUP;
        waiters.retain(|(token, wants)| {
            let is_due = came.intersects(*wants | always);
            if is_due {
                ready.push(*token);
                tokens.remove(token);
            }
            !is_due
        });
        if !waiters.is_empty() {
            let armed = self.control(libc::EPOLL_CTL_MOD, fd, wanted(waiters));
            debug_assert!(armed.is_ok(), "{armed:?}");
        }
    }
}

/// What all of them want.
fn wanted(waiters: &[(Token, PollEvents)]) -> u32 {
    let all = waiters.iter().fold(0, |all, (_, events)| all | events.bits());
    all & EVENT_BITS | libc::EPOLLONESHOT as u32
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
