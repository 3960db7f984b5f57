//! [`Inbox`]: how slots reach a reactor, from any thread, without a lock or an allocation.
//!
//! ```text
//! head = EMPTY │ SLEEPING │ CLOSED │ (slot, kind) → (slot, kind) → … → end     newest first
//!
//! put:    next of the slot = head;  head → (slot, kind).   It was SLEEPING? Then ring the bell.
//! take:   head → EMPTY, all at once; turned round it is oldest first.
//! sleep:  head: EMPTY → SLEEPING, or there is something to do first.
//! ```
//!
//! One word says both what there is and whether the reactor sleeps, so a wake-up cannot be lost
//! between the two; and whoever finds it asleep is the only one to ring. Whoever has something else
//! to say than a message, in a flag of its own, changes this word as well (`poke`): of two changes
//! of one word the later sees the earlier, so neither needs a fence.
//!
//! A slot may hang here twice, shipped and with a request to cancel: each kind has a link of its
//! own.

use super::{NONE, Slot, Slots};
use crate::sync::{AtomicU64, Ordering};

/// Why a slot is in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// It is to be submitted.
    Ship,
    /// It is to be cancelled.
    Cancel,
}

const EMPTY: u64 = u64::MAX;
const SLEEPING: u64 = u64::MAX - 1;
const CLOSED: u64 = u64::MAX - 2;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "who finds the reactor asleep wakes it; a closed inbox takes nothing"]
pub(crate) enum Posted {
    /// The reactor is awake, and will find it.
    Seen,
    /// The reactor sleeps: ring.
    Asleep,
    /// The reactor is gone: the slot is the caller's still.
    Closed,
}

/// A link: the slot's number, and the kind in the lowest bit; `NONE` in both ends a chain.
const END: u32 = NONE;

fn link_of(slot: &Slot, message: Message) -> u32 {
    slot.index() << 1 | u32::from(message == Message::Cancel)
}

/// See above.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicU64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { head: AtomicU64::new(EMPTY) }
    }

    /// Puts a slot in, unless the inbox is closed.
    ///
    /// The slot may be another's from here on: a shipped one the reactor's.
    ///
    /// # Safety
    /// - The slot is of the reactor's table, filled, and not in the inbox for the same reason.
    #[inline]
    pub(crate) unsafe fn put(&self, slot: &Slot, message: Message) -> Posted {
        let link = match message {
            Message::Ship => &slot.next,
            Message::Cancel => &slot.cancel_next,
        };
        let own = u64::from(link_of(slot, message));
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                return Posted::Closed;
            }
            let next = if head >= CLOSED { END } else { head as u32 };
            // Relaxed: pairs with the load in `Chain`, ordered by the release below.
            link.store(next, Ordering::Relaxed);
            #[cfg(not(seeded_bug = "ship_relaxed"))]
            // Release: pairs with the acquire in `take`: the slot's contents come before it.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            #[cfg(seeded_bug = "ship_relaxed")]
            // The models must find this one: it pairs with nothing.
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, own, success, failure) {
                Ok(_) if head == SLEEPING => return Posted::Asleep,
                Ok(_) => return Posted::Seen,
                Err(now) => head = now,
            }
        }
    }

    /// Ends a sleep without a message, for who has set a flag that the reactor looks at before it
    /// sleeps. Whether it slept: then the caller rings.
    #[must_use = "who finds the reactor asleep wakes it"]
    pub(crate) fn poke(&self) -> bool {
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Written even where nothing changes: else a reactor that sleeps a moment later would
            // not have to see the flag.
            let next = if head == SLEEPING { EMPTY } else { head };
            #[cfg(seeded_bug = "poke_that_looks")]
            // The models must find this one.
            if head != SLEEPING {
                return false;
            }
            // Release: pairs with the acquire in `sleep`: the flag comes before it.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, next, success, failure) {
                Ok(_) => return head == SLEEPING,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything, oldest first, and ends a sleep.
    #[inline]
    pub(crate) fn take(&self, slots: &Slots) -> Chain {
        self.exchange(EMPTY, slots)
    }

    /// Takes everything for the last time: nothing can be put in any more.
    pub(crate) fn close(&self, slots: &Slots) -> Chain {
        self.exchange(CLOSED, slots)
    }

    #[inline]
    fn exchange(&self, then: u64, slots: &Slots) -> Chain {
        // Acquire: pairs with the release in `put`.
        let head = self.head.swap(then, Ordering::Acquire);
        let mut chain = Chain { first: END };
        let mut link = if head >= CLOSED { END } else { head as u32 };
        while let Some((slot, message)) = resolve(slots, link) {
            let at = match message {
                Message::Ship => &slot.next,
                Message::Cancel => &slot.cancel_next,
            };
            // Relaxed: pairs with the store in `put`, ordered by the acquire above.
            let older = at.load(Ordering::Relaxed);
            // Relaxed: pairs with nothing: the chain is the reactor's alone.
            at.store(chain.first, Ordering::Relaxed);
            chain.first = link;
            link = older;
        }
        chain
    }

    /// Says that the reactor sleeps from here on, unless something is there.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        // Acquire: pairs with the release in `poke`: if that came before, its flag is seen by a
        // look after this; if it comes later, it sees that the reactor sleeps.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        #[cfg(not(seeded_bug = "sleep_over_mail"))]
        let sleeps = self.head.compare_exchange(EMPTY, SLEEPING, success, failure).is_ok();
        #[cfg(seeded_bug = "sleep_over_mail")]
        // The models must find this one: what came since the last look is lost.
        let sleeps =
            self.head.load(failure) == EMPTY && self.head.swap(SLEEPING, success) != CLOSED;
        sleeps
    }
}

/// What a link names.
#[inline]
fn resolve(slots: &Slots, link: u32) -> Option<(&Slot, Message)> {
    if link == END {
        return None;
    }
    let message = if link & 1 == 0 { Message::Ship } else { Message::Cancel };
    slots.get(link >> 1).map(|slot| (slot, message))
}

/// What was taken from an inbox.
pub(crate) struct Chain {
    first: u32,
}

impl Chain {
    /// The next message. Whatever is done with its slot afterwards does not touch the chain.
    #[inline]
    pub(crate) fn next<'a>(&mut self, slots: &'a Slots) -> Option<(&'a Slot, Message)> {
        let (slot, message) = resolve(slots, self.first)?;
        let at = match message {
            Message::Ship => &slot.next,
            Message::Cancel => &slot.cancel_next,
        };
        // Relaxed: pairs with the store in `take`, made by this thread.
        self.first = at.load(Ordering::Relaxed);
        Some((slot, message))
    }
}
