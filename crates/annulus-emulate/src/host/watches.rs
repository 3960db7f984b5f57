//! [`Watches`]: which open files are waited for, and by whom.
//!
//! A file is known by a descriptor of our own (a duplicate, [`Kept`]), so the program may close or
//! reuse the number that it used. It is put into the epoll when it is first waited for, and stays
//! there, armed for changes (`EPOLLET`): who was told that nothing is there waits without a system
//! call. Whoever cannot know what it waits for has the epoll look again (`EPOLL_CTL_MOD`).
//!
//! ```text
//! told that nothing is there ─▶ wait
//! anything else ─▶ have the epoll look, for this too ─▶ wait
//! a change ─▶ all that wait for one like it go on
//! ```
//!
//! Who is told of every change has a descriptor of its own: to have the epoll look again for
//! another would be a change.
//!
//! Why no change is lost: a ring's lock is held both where somebody finds nothing and waits, and
//! where changes are looked through. So a change comes before somebody looked, or finds it waiting.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::PollEvents;

use super::poller::{Events, Poller};
use crate::world::Token;

/// What an epoll takes for events.
const EVENT_BITS: u32 = 0xffff;
/// What is told although nobody asked for it.
const ALWAYS: PollEvents = PollEvents(PollEvents::ERR.0 | PollEvents::HUP.0);
/// So many changes that nobody waits for, and the file is taken out of the epoll.
const UNHEARD_MAX: u8 = 4;

/// Who waits for a file.
#[derive(Debug)]
struct Waiter {
    token: Token,
    events: PollEvents,
    /// It is told of every change, until it is taken back.
    goes_on: bool,
}

/// A file's place.
#[derive(Debug)]
struct Watched {
    /// How often the place was used before.
    generation: u32,
    is_used: bool,
    kept: Weak<Kept>,
    /// What the epoll tells of; nothing: the file is not in it.
    armed: Option<u32>,
    waiters: VecDeque<Waiter>,
    /// Changes since somebody waited.
    unheard: u8,
}

/// See above.
#[derive(Debug)]
pub(super) struct Watches {
    poller: Arc<Poller>,
    places: Vec<Watched>,
    vacant: Vec<u32>,
    /// Where files that are gone are looked for next.
    hand: usize,
    waiting: usize,
}

impl Watches {
    pub(super) fn new(poller: Arc<Poller>) -> Self {
        Self { poller, places: Vec::new(), vacant: Vec::new(), hand: 0, waiting: 0 }
    }

    /// Whether nobody waits for a file.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// Gives a descriptor of our own a place. `is_apart`: it is one request's alone.
    pub(super) fn keep(&mut self, fd: OwnedFd, is_apart: bool) -> Arc<Kept> {
        self.sweep();
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.places.push(Watched {
                generation: 0,
                is_used: false,
                kept: Weak::new(),
                armed: None,
                waiters: VecDeque::new(),
                unheard: 0,
            });
            (self.places.len() - 1) as u32
        });
        let watched = &mut self.places[place as usize];
        watched.generation = watched.generation.wrapping_add(1);
        (watched.is_used, watched.armed, watched.unheard) = (true, None, 0);
        let kept = Arc::new(Kept {
            fd,
            is_apart,
            poller: Arc::clone(&self.poller),
            place,
            generation: watched.generation,
            is_armed: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            look: AtomicU64::new(0),
            kind: OnceLock::new(),
            socket: OnceLock::new(),
        });
        watched.kept = Arc::downgrade(&kept);
        kept
    }

    /// Looks whether files are gone, at a few places each time: a third more places than files are
    /// enough.
    fn sweep(&mut self) {
        const PLACES: usize = 4;
        for _ in 0..PLACES.min(self.places.len()) {
            self.hand = (self.hand + 1) % self.places.len();
            let watched = &mut self.places[self.hand];
            if watched.kept.strong_count() == 0 && core::mem::take(&mut watched.is_used) {
                self.vacant.push(self.hand as u32);
            }
        }
    }

    /// Has `token` be told of `kept`. `is_unready`: it is known that nothing is there.
    ///
    /// # Errors
    /// `EPERM`: a file that is never waited for.
    pub(super) fn watch(
        &mut self,
        token: Token,
        kept: &Kept,
        events: PollEvents,
        is_unready: bool,
    ) -> Result<(), Errno> {
        let watched = &mut self.places[kept.place as usize];
        let mut wanted = events.bits() & EVENT_BITS;
        if events.contains(PollEvents::IN) {
            // Whether what comes is the last is to be known.
            wanted |= libc::EPOLLRDHUP as u32;
        }
        // What is one request's alone tells of nothing that it waited for before.
        let before = watched.armed.filter(|_| !kept.is_apart);
        let all = before.unwrap_or(0) | wanted;
        match watched.armed {
            None => {
                self.poller.add(kept.raw(), all, kept.name())?;
                // Relaxed: pairs with the load in `drop`, ordered by the count of the `Arc`.
                kept.is_armed.store(true, Ordering::Relaxed);
            }
            Some(armed) if armed == all && is_unready => {}
            Some(_) => self.poller.change(kept.raw(), all, kept.name())?,
        }
        (watched.armed, watched.unheard) = (Some(all), 0);
        let goes_on = events.contains(PollEvents::ET);
        watched.waiters.push_back(Waiter { token, events, goes_on });
        self.waiting += 1;
        Ok(())
    }

    /// Takes a watch back.
    pub(super) fn unwatch(&mut self, token: Token, kept: &Kept) {
        let Some(watched) = self.places.get_mut(kept.place as usize) else { return };
        // Who came first is looked for first, and has few before it: many are taken back in order.
        let place = watched.waiters.iter().position(|waiter| waiter.token == token);
        if place.and_then(|place| watched.waiters.remove(place)).is_some() {
            self.waiting -= 1;
        }
    }

    /// Adds to `ready` who waits for what has come by now.
    #[cold]
    pub(super) fn gather(&mut self, ready: &mut Vec<Token>) {
        let poller = Arc::clone(&self.poller);
        let mut told = Events::default();
        loop {
            // Without waiting it fails for no reason that matters: nothing is told then.
            let _ = poller.wait(Some(Duration::ZERO), core::ptr::null(), &mut told);
            self.tell(&told, ready);
            if !told.is_full() {
                return;
            }
        }
    }

    /// Adds to `ready` who waited for what came.
    #[inline(always)]
    pub(super) fn tell(&mut self, events: &Events, ready: &mut Vec<Token>) {
        for (name, came) in events.iter() {
            let (place, generation) = (name as u32, (name >> 32) as u32);
            let Some(watched) = self.places.get_mut(place as usize) else { continue };
            // Of one that is gone: it was told before.
            if watched.generation != generation {
                continue;
            }
            let before = watched.waiters.len();
            watched.tell(PollEvents(came), &self.poller, ready);
            self.waiting -= before - watched.waiters.len();
        }
    }
}

impl Watched {
    fn tell(&mut self, came: PollEvents, poller: &Poller, ready: &mut Vec<Token>) {
        self.waiters.retain(|waiter| {
            let is_due = came.intersects(waiter.events | ALWAYS);
            if is_due {
                ready.push(waiter.token);
            }
            !is_due || waiter.goes_on
        });
        let Some(kept) = self.kept.upgrade() else { return };
        let is_calm = !came.intersects(ALWAYS | PollEvents::RDHUP | PollEvents::PRI);
        kept.set_calm(is_calm && came.contains(PollEvents::IN));
        self.unheard = self.unheard.saturating_add(1);
        if self.waiters.is_empty() && self.unheard > UNHEARD_MAX && self.armed.take().is_some() {
            // Nobody waits for it any more: it wakes nobody either.
            // Relaxed: pairs with the load in `drop`, ordered by the count of the `Arc`.
            kept.is_armed.store(false, Ordering::Relaxed);
            poller.remove(kept.raw());
        }
    }
}

/// A descriptor of our own.
#[derive(Debug)]
pub(super) struct Kept {
    fd: OwnedFd,
    /// It is watched by one request alone.
    pub(super) is_apart: bool,
    poller: Arc<Poller>,
    place: u32,
    generation: u32,
    is_armed: AtomicBool,
    /// A change brought data, and nothing else, and nobody has looked since.
    calm: AtomicBool,
    /// The look that it waits for, or waited for last.
    look: AtomicU64,
    /// What [`File`](super::machine::File) found that it is.
    pub(super) kind: OnceLock<Option<libc::mode_t>>,
    /// A socket's domain and type.
    pub(super) socket: OnceLock<Option<(i32, i32)>>,
}

impl Kept {
    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What the epoll calls it.
    fn name(&self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    fn set_calm(&self, is_calm: bool) {
        // Relaxed: pairs with the swap in `take_calm`, ordered by the ring's lock.
        self.calm.store(is_calm, Ordering::Relaxed);
    }

    /// Whether what has come is data, and the stream goes on: that it says once.
    pub(super) fn take_calm(&self) -> bool {
        // Relaxed: pairs with the stores in `set_calm` and here, ordered by the ring's lock.
        let is_calm = self.calm.load(Ordering::Relaxed);
        if is_calm {
            self.set_calm(false);
        }
        is_calm
    }

    pub(super) fn wait_for_look(&self, look: u64) {
        // Relaxed: pairs with the load in `waits_for_look`, ordered by the ring's lock.
        self.look.store(look, Ordering::Relaxed);
    }

    pub(super) fn waits_for_look(&self, look: u64) -> bool {
        // Relaxed: pairs with the store in `wait_for_look`, ordered by the ring's lock.
        self.look.load(Ordering::Relaxed) == look
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Before it is closed: as long as another descriptor of the file is open, epoll would go on
        // to tell of it.
        // Relaxed: pairs with the stores in `Watches`, ordered by the count of the `Arc`.
        if self.is_armed.load(Ordering::Relaxed) {
            self.poller.remove(self.raw());
        }
    }
}
