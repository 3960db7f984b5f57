//! A slot whose future is on the reactor's own thread. It is handed to nobody: the state word is
//! read and written without an exchange, and who waits is counted without an atomic.
//!
//! Its requests to cancel go by the inbox like all others: the reactor may be in the middle of a
//! turn when a future is dropped.

use core::hint::cold_path;
use core::mem::MaybeUninit;
use core::task::Waker;

use annulus_ring::abi::{CqeFlags, Sqe};

use super::several::{Several, Waiting};
use super::{
    ADVANCES, Abandoned, CANCEL, DONE, DROPPED, Finished, LINKED, NEVER, OWN_THREAD, Operation,
    Polled, RESULT, SEVERAL, Slot, SlotPtr, Slots, WAKER, advances_of, entry_of, finishes_with_of,
    fits, place, private, take,
};
use crate::executor::LocalWaker;
use crate::operation::places::NOWHERE;
use crate::operation::{Completion, Multishot};
use crate::sync::Ordering;

impl Slot {
    /// The state of a local slot.
    #[inline(always)]
    fn local_state(&self) -> u32 {
        // Relaxed: pairs with nothing: the word is this thread's.
        self.state.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_local_state(&self, state: u32) {
        // Relaxed: pairs with nothing: the word is this thread's.
        self.state.store(state, Ordering::Relaxed);
    }

    /// Puts an operation into a slot whose future stays on this thread, which is the reactor's.
    ///
    /// # Safety
    /// - The slot is the caller's alone, and empty.
    /// - The slot is used on this thread alone, until it is released.
    #[inline(always)]
    pub(crate) unsafe fn put_local<T: Operation>(&self, operation: T) {
        // SAFETY: the caller's promise.
        unsafe { self.lay(operation) };
        self.traits.set(OWN_THREAD | private::<T>());
    }

    /// Says that what [`put_local`](Self::put_local) has put there has many results.
    ///
    /// # Safety
    /// - A `Several<M>` lies there, and nobody but its future has it.
    pub(crate) unsafe fn expect_several<M: Multishot>(&self) {
        const { assert!(fits::<Several<M>>(), "it lies in the slot, where its results are kept") };
        self.traits.set(self.traits.get() | SEVERAL);
    }

    /// What lies in the slot, with results that wait.
    ///
    /// # Safety
    /// - A `Several<M>` lies there, and the caller is its future, which does not keep what this
    ///   gives beyond its poll.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the slot's payload is who has the slot")]
    pub(crate) unsafe fn several_local<M: Multishot>(&self) -> &mut Several<M> {
        // SAFETY: it is there (the caller's promise).
        let several = unsafe { place::<Several<M>>(self.payload()) };
        // SAFETY: it is this thread's, and no turn is made while a future is polled.
        unsafe { &mut *several }
    }

    /// Keeps a result that is not the last. Whether the kernel is to be asked to end it; and who is
    /// to be woken, if that is no task of this thread: a task is woken here.
    ///
    /// # Safety
    /// - The slot [has several](Self::is_several), and is filled; the caller is the reactor.
    #[inline]
    pub(crate) unsafe fn keep_shot(&self, res: i32, flags: CqeFlags) -> (bool, Option<Waker>) {
        let waiting = self.payload().cast::<Waiting>();
        // SAFETY: it comes first in what lies there (`expect_several`), which is this thread's.
        let at = match unsafe { (*waiting).arrived() } {
            // SAFETY: what it is of lies there, where nobody else uses it: no future is polled.
            Some(arrived) => unsafe { arrived(self.payload(), res, flags) },
            None => NOWHERE,
        };
        // SAFETY: as above.
        let stops = unsafe { (*waiting).keep(res, flags, at) };
        let state = self.local_state();
        // SAFETY: the slot is this thread's; that it is gone is noted below.
        let waker = unsafe { self.take_local_waker(state) };
        self.set_local_state(state & !WAKER);
        (stops, waker.and_then(LocalWaker::wake_task))
    }

    /// Asks the operation for its entry, which has the name of this use of the slot then.
    ///
    /// # Safety
    /// - A `T` lies there, put by [`put_local`](Self::put_local), and nobody but its future has it.
    #[inline(always)]
    pub(crate) unsafe fn local_entry<T: Operation>(&self) -> Sqe {
        // SAFETY: a `T` is there, and stays in place from here on (the caller's promise).
        let entry = unsafe { entry_of::<T>(self.payload()) };
        // SAFETY: as above.
        if unsafe { advances_of::<T>(self.payload()) } {
            self.traits.set(self.traits.get() | ADVANCES);
            // SAFETY: as above.
            let count = unsafe { finishes_with_of::<T>(self.payload()) };
            self.finishes_with.set(count.unwrap_or(NEVER));
        }
        self.keep_summary(&entry);
        Sqe { user_data: self.user_data(), ..entry }
    }

    /// Has the operation do it at once, if it can: see [`Operation::attempt`].
    ///
    /// # Safety
    /// - A `T` lies there, put by [`put_local`](Self::put_local), and nobody but its future has it.
    pub(crate) unsafe fn attempt_local<T: Operation>(&self) -> Option<Completion> {
        // SAFETY: a `T` is there (the caller's promise).
        let operation = unsafe { place::<T>(self.payload()) };
        // SAFETY: it is its future's alone.
        let operation = unsafe { &mut *operation };
        operation.may_attempt().then(|| operation.attempt())?
    }

    /// Keeps the entry until there is room for it.
    #[cold]
    pub(crate) fn keep_entry(&self, entry: Sqe) {
        self.entry.set(entry);
    }

    /// Keeps of the entry what [`OpInfo`](crate::inside::OpInfo) tells: the rest is in the ring.
    #[inline(always)]
    fn keep_summary(&self, entry: &Sqe) {
        #[cfg(not(loom))]
        {
            let kept = self.entry.as_ptr();
            // SAFETY: the cell is this thread's, and nobody has a reference into it.
            unsafe { (*kept).opcode = entry.opcode };
            // SAFETY: as above.
            unsafe { (*kept).fd = entry.fd };
        }
        #[cfg(loom)]
        // A cell that watches its uses has no address.
        self.entry.set(*entry);
    }

    /// Puts who waits into the slot.
    ///
    /// # Safety
    /// - The slot is this thread's, and no waker lies there.
    #[inline(always)]
    unsafe fn keep(&self, waker: LocalWaker) {
        // SAFETY: it is taken out by `take_local_waker`, on this thread (the caller's promise).
        let waker = unsafe { waker.into_inner() };
        // SAFETY: the slot is this thread's (the caller's promise).
        unsafe { self.waker.write(MaybeUninit::new(waker)) };
    }

    /// Takes out who waits, if a waker lies there, as the `state` says.
    ///
    /// # Safety
    /// - The slot is this thread's, which notes that it is gone; the state is the slot's.
    #[inline(always)]
    unsafe fn take_local_waker(&self, state: u32) -> Option<LocalWaker> {
        if state & WAKER == 0 {
            return None;
        }
        // SAFETY: `WAKER` says that one lies there, which is taken once (the caller's promise).
        let waker = unsafe { self.take_waker() };
        // SAFETY: `keep` put it there, on this thread.
        Some(unsafe { LocalWaker::from_inner(waker) })
    }

    /// Whether its future is on the reactor's own thread.
    #[inline(always)]
    pub(crate) fn is_local(&self) -> bool {
        self.has(OWN_THREAD)
    }

    /// The same, and any result of it is the end of it.
    #[inline(always)]
    pub(crate) fn is_bare_local(&self) -> bool {
        self.traits.get() == OWN_THREAD
    }

    /// The same, or this count is.
    #[inline(always)]
    pub(crate) fn is_over_local(&self, count: u32) -> bool {
        if self.is_bare_local() {
            return true;
        }
        cold_path();
        self.traits.get() == OWN_THREAD | ADVANCES && self.finishes_with.get() == count
    }

    /// Whether the result is there.
    ///
    /// # Safety
    /// - As [`poll_local`](Self::poll_local).
    #[inline(always)]
    pub(crate) unsafe fn is_done_local(&self) -> bool {
        self.local_state() & DONE != 0
    }

    /// Looks whether the result is there; else sees to it that `waker` is woken when it is.
    ///
    /// # Safety
    /// - The caller is the future that filled the slot by [`put_local`](Self::put_local), and has
    ///   not abandoned it.
    #[inline]
    pub(crate) unsafe fn poll_local(&self, waker: &Waker) -> Polled {
        if self.local_state() & DONE != 0 {
            return Polled::Done;
        }
        // SAFETY: the slot is this thread's; one is put back below.
        let waits = unsafe { self.take_local_waker(self.local_state()) };
        let waits = waits.filter(|own| own.will_wake(waker));
        // SAFETY: the slot is this thread's, and the waker was taken out.
        unsafe { self.keep(waits.unwrap_or_else(|| LocalWaker::of(waker))) };
        self.set_local_state(self.local_state() | WAKER);
        Polled::Pending
    }

    /// Has `waker` woken by the next result, if nobody waits and there is none: whether that was
    /// so.
    ///
    /// # Safety
    /// - As [`poll_local`](Self::poll_local).
    #[inline(always)]
    pub(crate) unsafe fn wait_again_local(&self, waker: &Waker) -> bool {
        let state = self.local_state();
        if state & (DONE | WAKER) != 0 {
            return false;
        }
        // Where this is not our code, and panics, nobody waits.
        let waker = LocalWaker::of(waker);
        // SAFETY: the slot is this thread's, and no waker lies there.
        unsafe { self.keep(waker) };
        self.set_local_state(state | WAKER);
        true
    }

    /// Says that nobody waits any more: what is left to do, and who waited, to be dropped when that
    /// is done.
    ///
    /// # Safety
    /// - As [`poll_local`](Self::poll_local); it is the last call of this future, but for what is
    ///   left to do.
    pub(crate) unsafe fn abandon_local(&self) -> (Abandoned, Option<LocalWaker>) {
        // SAFETY: the slot is this thread's; that it is gone is noted below.
        let waker = unsafe { self.take_local_waker(self.local_state()) };
        let state = self.local_state() & !WAKER;
        if state & DONE != 0 {
            self.set_local_state(state);
            return (Abandoned::Done, waker);
        }
        self.set_local_state(state | DROPPED | LINKED | CANCEL);
        let abandoned = if state & LINKED != 0 { Abandoned::Reactor } else { Abandoned::Link };
        (abandoned, waker)
    }

    /// Says that nobody waits any more for what is to go on to its end: whether the result is there
    /// already, to be reclaimed by the caller, and who waited. The reactor reclaims it otherwise.
    ///
    /// # Safety
    /// - As [`abandon_local`](Self::abandon_local).
    pub(crate) unsafe fn detach_local(&self) -> (bool, Option<LocalWaker>) {
        // SAFETY: the slot is this thread's; that it is gone is noted below.
        let waker = unsafe { self.take_local_waker(self.local_state()) };
        let state = self.local_state() & !WAKER;
        let is_done = state & DONE != 0;
        self.set_local_state(if is_done { state } else { state | DROPPED });
        (is_done, waker)
    }

    /// Takes the operation out of a slot that was filled and not begun, and who waits for it.
    ///
    /// # Safety
    /// - The slot was filled with a `T` by [`put_local`](Self::put_local), and is the caller's.
    #[cold]
    pub(crate) unsafe fn take_back_local<T: Operation>(&self) -> (T, Option<LocalWaker>) {
        // SAFETY: the slot is this thread's, and is renewed by the caller.
        let waker = unsafe { self.take_local_waker(self.local_state()) };
        // SAFETY: the operation is there, and taken once.
        (unsafe { take::<T>(self.payload()) }, waker)
    }

    /// Gives it its result. Whoever waits is woken, if it is a task of this thread, else to be
    /// woken by the caller.
    ///
    /// # Safety
    /// - As [`finish`](Slot::finish).
    #[inline(always)]
    pub(crate) unsafe fn finish_local(&self, completion: Completion) -> (Finished, Option<Waker>) {
        // SAFETY: the slot is the reactor's (the caller's promise).
        unsafe { self.result.write(completion) };
        let state = self.local_state();
        // SAFETY: the slot is this thread's; that it is gone is noted below.
        let waker = unsafe { self.take_local_waker(state) };
        self.set_local_state(state & !WAKER | RESULT | DONE);
        let finished = if state & DROPPED == 0 { Finished::Waited } else { Finished::Nobody };
        (finished, waker.and_then(LocalWaker::wake_task))
    }

    /// Gives it a result that no reactor gave. A waker that lies there is forgotten.
    ///
    /// # Safety
    /// - The slot is this thread's, and no reactor has it.
    #[cold]
    pub(crate) unsafe fn settle_local(&self, completion: Completion) {
        // SAFETY: the slot is this thread's (the caller's promise).
        unsafe { self.result.write(completion) };
        self.set_local_state(RESULT | DONE);
    }

    /// Keeps who waits for what was begun a moment ago, in a slot without a waker.
    ///
    /// # Safety
    /// - As [`poll_local`](Self::poll_local); the reactor had no turn since the slot was put.
    #[inline(always)]
    pub(crate) unsafe fn wait_local(&self, waker: LocalWaker) {
        debug_assert!(self.local_state() == 0, "it was begun a moment ago");
        // SAFETY: the slot is this thread's, and no waker lies there.
        unsafe { self.keep(waker) };
        self.set_local_state(WAKER);
    }
}

/// Free slots of one thread: taken and given without an exchange.
#[derive(Debug, Default)]
pub(crate) struct LocalFree {
    first: core::cell::Cell<Option<SlotPtr>>,
}

impl LocalFree {
    /// A free slot of `slots`.
    ///
    /// # Safety
    /// - All slots given to this are of that table.
    #[inline]
    pub(crate) unsafe fn take<'a>(&self, slots: &'a Slots) -> &'a Slot {
        let Some(first) = self.first.get() else { return slots.take() };
        // SAFETY: it is a slot of the table (the caller's promise), which is borrowed.
        let slot = unsafe { first.as_ref() };
        self.first.set(slot.list_next.take());
        slot
    }

    /// Keeps a slot for the next use on this thread.
    ///
    /// # Safety
    /// - The slot is empty, and the caller's alone, who does not touch it again.
    #[inline]
    pub(crate) unsafe fn give(&self, slot: &Slot) {
        // SAFETY: the caller's promise.
        unsafe { slot.renew() };
        slot.list_next.set(self.first.replace(Some(SlotPtr::from(slot))));
    }
}
