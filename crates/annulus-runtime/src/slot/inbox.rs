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
//! A slot may hang here twice, shipped and with a request to cancel: each kind has a hook of its
//! own, and the chain goes from hook to hook.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr::{NonNull, null_mut, without_provenance_mut};

use super::{Slot, SlotPtr, Slots};
use crate::sync::{AtomicPtr, Ordering};

/// Why a slot is in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// It is to be submitted.
    Ship,
    /// It is to be cancelled.
    Cancel,
}

/// By what a slot hangs in an inbox.
#[derive(Debug)]
pub(super) struct Hook {
    /// The message before this one.
    older: AtomicPtr<Hook>,
}

impl Hook {
    pub(super) fn new() -> Self {
        Self { older: AtomicPtr::new(END) }
    }
}

/// A message: the address of its hook, and the kind in the lowest bit, which is free there. The
/// pointer is made of one to the whole slot, so it leads there too.
type Link = *mut Hook;

/// The bit of a cancel.
const CANCEL: usize = 1;
/// The end of a chain, and an inbox that is empty.
const END: Link = null_mut();
const EMPTY: Link = END;
/// Two more addresses that no hook has.
const SLEEPING: Link = without_provenance_mut(2);
const CLOSED: Link = without_provenance_mut(4);

// The bits that tell a kind, and a message from the rest, are free.
const _: () = assert!(align_of::<Hook>() > 1 && align_of::<Slot>() > 4);

/// Whether it is a message.
#[inline(always)]
fn is_message(link: Link) -> bool {
    link.addr() > CLOSED.addr()
}

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

impl Message {
    /// Where in a slot its hook is.
    #[inline(always)]
    const fn offset(self) -> usize {
        match self {
            Self::Ship => offset_of!(Slot, shipped),
            Self::Cancel => offset_of!(Slot, cancelled),
        }
    }

    #[inline(always)]
    fn hook(self, slot: &Slot) -> &Hook {
        match self {
            Self::Ship => &slot.shipped,
            Self::Cancel => &slot.cancelled,
        }
    }

    #[inline(always)]
    fn link(self, slot: &Slot) -> Link {
        let bit = if self == Self::Cancel { CANCEL } else { 0 };
        let hook = SlotPtr::from(slot).as_ptr().wrapping_byte_add(self.offset());
        hook.map_addr(|addr| addr | bit).cast()
    }
}

/// The hook that a link names.
#[inline(always)]
fn hook(link: Link) -> Option<NonNull<Hook>> {
    NonNull::new(link.map_addr(|addr| addr & !CANCEL))
}

/// See above.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicPtr<Hook>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(EMPTY) }
    }

    /// Puts a slot in, unless the inbox is closed.
    ///
    /// The slot may be another's from here on: a shipped one the reactor's.
    ///
    /// # Safety
    /// - The slot is of the reactor's table, filled, and not in the inbox for the same reason.
    #[inline]
    pub(crate) unsafe fn put(&self, slot: &Slot, message: Message) -> Posted {
        let (hook, own) = (message.hook(slot), message.link(slot));
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                return Posted::Closed;
            }
            let next = if is_message(head) { head } else { END };
            // Relaxed: pairs with the load in `Chain`, ordered by the release below.
            hook.older.store(next, Ordering::Relaxed);
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
    ///
    /// # Safety
    /// - What was put in is of `slots`.
    #[inline]
    pub(crate) unsafe fn take<'a>(&self, slots: &'a Slots) -> Chain<'a> {
        // SAFETY: the caller's promise.
        unsafe { self.exchange(EMPTY, slots) }
    }

    /// Takes everything for the last time: nothing can be put in any more.
    ///
    /// # Safety
    /// - As [`take`](Self::take).
    pub(crate) unsafe fn close<'a>(&self, slots: &'a Slots) -> Chain<'a> {
        // SAFETY: the caller's promise.
        unsafe { self.exchange(CLOSED, slots) }
    }

    /// # Safety
    /// - As [`take`](Self::take).
    #[inline]
    unsafe fn exchange<'a>(&self, then: Link, _slots: &'a Slots) -> Chain<'a> {
        // Acquire: pairs with the release in `put`.
        let head = self.head.swap(then, Ordering::Acquire);
        let mut chain = Chain { first: END, slots: PhantomData };
        let mut link = if is_message(head) { head } else { END };
        while let Some(hook) = hook(link) {
            // SAFETY: `put` was called with slots of this table (the caller's promise), which
            // lives.
            let hook = unsafe { hook.as_ref() };
            // Relaxed: pairs with the store in `put`, ordered by the acquire above.
            let older = hook.older.load(Ordering::Relaxed);
            // Relaxed: pairs with nothing: the chain is the reactor's alone. It goes the other way
            // from here on.
            hook.older.store(chain.first, Ordering::Relaxed);
            chain.first = link;
            link = older;
        }
        chain
    }

    /// Whether a message is there, or nothing is taken any more: it may come a moment later.
    #[inline(always)]
    pub(crate) fn is_quiet(&self) -> bool {
        // Relaxed: pairs with nothing: what is missed now is seen before the reactor sleeps.
        matches!(self.head.load(Ordering::Relaxed), EMPTY | SLEEPING)
    }

    /// Says that the reactor sleeps from here on, unless something is there.
    ///
    /// A reactor need not end its sleep where it finds nothing: as long as it is said to sleep,
    /// whoever ships something rings, which wakes it if it does.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        // Relaxed: pairs with nothing: should that have changed, who did it rings.
        if self.head.load(Ordering::Relaxed) == SLEEPING {
            return true;
        }
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

/// What was taken from an inbox.
pub(crate) struct Chain<'a> {
    /// The end, or a message whose slot is of the table.
    first: Link,
    slots: PhantomData<&'a Slots>,
}

impl<'a> Iterator for Chain<'a> {
    type Item = (&'a Slot, Message);

    /// The next message. Whatever is done with its slot afterwards does not touch the chain.
    #[inline]
    fn next(&mut self) -> Option<(&'a Slot, Message)> {
        let at = hook(self.first)?;
        let (slot, message) = if self.first.addr() & CANCEL == 0 {
            // SAFETY: it is the hook of a slot that was shipped.
            (unsafe { slot_of(at, Message::Ship) }, Message::Ship)
        } else {
            // SAFETY: it is the hook of a slot that somebody wants cancelled.
            (unsafe { cancelled(at) }, Message::Cancel)
        };
        // SAFETY: the links of a chain are of the table, which is borrowed for `'a`.
        let slot = unsafe { slot.as_ref() };
        // Relaxed: pairs with the store in `exchange`, made by this thread.
        self.first = message.hook(slot).older.load(Ordering::Relaxed);
        Some((slot, message))
    }
}

/// The slot that hangs by a hook.
///
/// # Safety
/// - It is the hook of a slot for that message.
#[inline(always)]
unsafe fn slot_of(hook: NonNull<Hook>, message: Message) -> SlotPtr {
    // SAFETY: it lies so far from the beginning of its slot (the caller's promise).
    unsafe { hook.byte_sub(message.offset()) }.cast()
}

/// The slot that hangs by a hook for cancels: out of the way of those that are shipped.
///
/// # Safety
/// - It is the hook of a slot for cancels.
#[cold]
#[inline(never)]
unsafe fn cancelled(hook: NonNull<Hook>) -> SlotPtr {
    // SAFETY: the caller's promise.
    unsafe { slot_of(hook, Message::Cancel) }
}
