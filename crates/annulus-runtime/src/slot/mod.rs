//! Slots: where an operation lives from the moment it is handed to a reactor until its result is
//! taken.
//!
//! Everything that the kernel dereferences lies in a slot, or is owned by what lies there: never in
//! a future. So a future may be dropped or forgotten at any time, and no operation allocates: slots
//! are used again. They never move and are never unmapped before their table. A generation, changed
//! at each release, goes into the entry's `user_data`: a late completion, or a late cancel, never
//! hits a stranger.

mod inbox;
pub(crate) mod local;
mod several;
mod state;
mod table;

pub(crate) use inbox::{Inbox, Message, Posted};
pub(crate) use several::{Bytes, Several};
pub(crate) use table::Slots;

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::task::Waker;
use core::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Sqe, Timespec};

use crate::operation::{Advance, Completion, Operation, Origin};
use crate::sync::{AtomicU32, Cell, Ordering, Turn};
use inbox::Hook;
use state::{CANCEL, DONE, DROPPED, LINKED, RELEASED, RESULT, WAKER};

/// How many bytes an operation may have to lie in its slot; a larger one is boxed. Enough for one
/// with a list of eight pieces and four vectors beside it.
const PAYLOAD_BYTES: usize = 320;

#[repr(C, align(16))]
struct Payload([MaybeUninit<u8>; PAYLOAD_BYTES]);

/// No slot: where a slot's number is expected.
const NONE: u32 = 0;

/// A slot.
///
/// The `Cell`s of the first group are the future's until it ships the slot and the reactor's from
/// then on; those of the second are the reactor's alone.
#[repr(C, align(64))]
pub(crate) struct Slot {
    state: AtomicU32,
    /// The number of the next free slot, while it is free.
    free_next: AtomicU32,
    /// Its number, and above that how often it was used. An atomic of its own, outside of the
    /// protocol: should the kernel ever complete what it has completed before, the reactor compares
    /// it while the slot is another's.
    user_data: core::sync::atomic::AtomicU64,
    /// By what it hangs in the inbox while it is shipped.
    shipped: Hook,
    /// By what it hangs there while a cancel is asked for.
    cancelled: Hook,
    waker: Turn<MaybeUninit<Waker>>,
    result: Turn<Completion>,

    /// The next of a group that is submitted together.
    group_next: Cell<Option<SlotPtr>>,
    vtable: Cell<Option<&'static Vtable>>,
    /// When the operation is to be ended, if it takes long: see `limit`. The kernel reads it here.
    time: core::cell::Cell<Timespec>,
    limit: Cell<Limit>,
    /// [`GROUPED`], [`LIMITED`], [`ADVANCES`], [`OWN_THREAD`], [`SEVERAL`] and [`PRIVATE`]: none of
    /// them for most.
    traits: Cell<u8>,
    /// Whether one before it in its group has not succeeded yet.
    pub(crate) is_behind: Cell<bool>,

    /// How often it was submitted again after the end of a thread, or its cancel.
    pub(crate) tries: Cell<u8>,
    /// Whether a pause comes before its cancel.
    pub(crate) pauses: Cell<bool>,
    /// Which of the reactor's rings has its entry.
    pub(crate) lane: Cell<u8>,
    /// [`Phase::Idle`] again when the slot is given back: nobody else has to set it.
    pub(crate) phase: Cell<Phase>,
    /// Links of the reactor's lists.
    pub(crate) list_prev: Cell<Option<SlotPtr>>,
    pub(crate) list_next: Cell<Option<SlotPtr>>,

    /// When it was begun, of one on the reactor's own thread, by a coarse clock of theirs.
    pub(crate) begun: Cell<u32>,
    /// The count with which one that advances is over, of those on the reactor's own thread.
    finishes_with: Cell<u32>,
    /// The entry that is to be submitted. Of one that went to the ring at once, on the reactor's
    /// own thread, only what it does, and on which descriptor.
    entry: Cell<Sqe>,
    payload: Turn<Payload>,
}

// A power of two, so that a slot's place is found by a shift.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 512);

// SAFETY: a slot is handed from the future to the reactor by the inbox and back by `DONE`; only who
// has it touches the cells. The operation in it is `Send` (`fill`), as is a waker.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

/// It is one of a group.
const GROUPED: u8 = 1;
/// Its operation is to be ended if it takes long: see [`Limit`].
const LIMITED: u8 = 1 << 1;
/// Its operation is to be shown its completions.
const ADVANCES: u8 = 1 << 2;
/// Its future is on the reactor's own thread, and so is whoever it wakes: the state word is read
/// and written by that thread alone.
const OWN_THREAD: u8 = 1 << 3;
/// No count: none is as high.
const NEVER: u32 = u32::MAX;
/// Its operation has many results, which are kept where it lies ([`Waiting`](several::Waiting)
/// comes first there). Its future is on the reactor's own thread.
const SEVERAL: u8 = 1 << 4;
/// Its entries are private: the reactor sees to where they go.
const PRIVATE: u8 = 1 << 5;

/// The trait of an operation whose entries are private.
const fn private<T: Operation>() -> u8 {
    if T::IS_PRIVATE { PRIVATE } else { 0 }
}

/// When an operation is to be ended that has a limit: what the slot's time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// So long after the reactor has it.
    After,
    /// At this time of the kernel's monotonic clock.
    At,
    /// The time is over, and the operation was cancelled: once more at this time.
    Passed,
}

/// Where the reactor has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// On its way, or over.
    Idle,
    /// Waiting for room in the ring.
    Queued,
    /// The kernel has its entry.
    InFlight,
    /// The kernel has its entry, and a cancel waits for room in the ring.
    CancelDue,
    /// The kernel has its entry, which is one of a group, and the cancel.
    Asked,
}

/// What is done with an operation whose type is forgotten.
#[derive(Debug)]
pub(crate) struct Vtable {
    entry: unsafe fn(*mut u8) -> Sqe,
    advance: unsafe fn(*mut u8, &mut Completion) -> Advance,
    waits_in_worker: bool,
    reclaim: unsafe fn(*mut u8, Completion),
}

/// Whether an operation lies in its slot, and not in a box that its slot points to.
const fn fits<T>() -> bool {
    size_of::<T>() <= PAYLOAD_BYTES && align_of::<T>() <= align_of::<Payload>()
}

/// Where the operation is that a slot's payload holds.
///
/// # Safety
/// - `payload` holds a `T`, put there by [`Slot::fill`].
unsafe fn place<T>(payload: *mut u8) -> *mut T {
    if fits::<T>() {
        payload.cast()
    } else {
        // SAFETY: `fill` put a pointer there.
        unsafe { payload.cast::<*mut T>().read() }
    }
}

/// Takes the operation out of a slot's payload.
///
/// # Safety
/// - `payload` holds a `T`, put there by [`Slot::fill`], and is not used as one again.
unsafe fn take<T>(payload: *mut u8) -> T {
    // SAFETY: the caller's promise.
    let at = unsafe { place::<T>(payload) };
    if fits::<T>() {
        // SAFETY: the value is there, and is taken once (the caller's promise).
        unsafe { at.read() }
    } else {
        // SAFETY: `fill` leaked the box, and it is taken once (the caller's promise).
        *unsafe { Box::from_raw(at) }
    }
}

unsafe fn entry_of<T: Operation>(payload: *mut u8) -> Sqe {
    // SAFETY: the caller's promise: a `T` is there.
    let at = unsafe { place::<T>(payload) };
    // SAFETY: it is the reactor's, or the filling future's, alone.
    unsafe { (*at).entry() }
}

unsafe fn advances_of<T: Operation>(payload: *mut u8) -> bool {
    // SAFETY: the caller's promise: a `T` is there.
    let at = unsafe { place::<T>(payload) };
    // SAFETY: it is the filling future's alone.
    unsafe { (*at).advances() }
}

unsafe fn finishes_with_of<T: Operation>(payload: *mut u8) -> Option<u32> {
    // SAFETY: the caller's promise: a `T` is there.
    let at = unsafe { place::<T>(payload) };
    // SAFETY: it is the filling future's alone.
    unsafe { (*at).finishes_with() }
}

unsafe fn advance_of<T: Operation>(payload: *mut u8, completion: &mut Completion) -> Advance {
    // SAFETY: the caller's promise: a `T` is there.
    let at = unsafe { place::<T>(payload) };
    // SAFETY: it is the reactor's alone.
    unsafe { (*at).advance(completion) }
}

unsafe fn reclaim_of<T: Operation>(payload: *mut u8, completion: Completion) {
    // SAFETY: the caller's promise: a `T` is there, and nobody uses it again.
    let operation = unsafe { take::<T>(payload) };
    operation.reclaim(completion);
}

/// Drops the operation that a payload holds, where what was to be done with it comes to no end.
struct Filled<T>(*mut u8, PhantomData<T>);

impl<T> Drop for Filled<T> {
    fn drop(&mut self) {
        // SAFETY: whoever made this found a `T` there, and goes no further: nobody uses it again.
        drop(unsafe { take::<T>(self.0) });
    }
}

/// The table of an operation's functions.
struct TableOf<T>(PhantomData<T>);

impl<T: Operation> TableOf<T> {
    const TABLE: &'static Vtable = &Vtable {
        entry: entry_of::<T>,
        advance: advance_of::<T>,
        waits_in_worker: T::WAITS_IN_WORKER || T::IS_PRIVATE,
        reclaim: reclaim_of::<T>,
    };
}

/// What polling a slot finds.
pub(crate) enum Polled {
    /// The result lies in the slot, which is the future's again.
    Done,
    /// The waker is in place.
    Pending,
}

impl Slot {
    fn new(index: u32) -> Self {
        Self {
            state: AtomicU32::new(0),
            free_next: AtomicU32::new(NONE),
            user_data: core::sync::atomic::AtomicU64::new(index.into()),
            shipped: Hook::new(),
            cancelled: Hook::new(),
            waker: Turn::new(MaybeUninit::uninit()),
            result: Turn::new(Completion::refused(Origin::Kernel)),
            group_next: Cell::new(None),
            vtable: Cell::new(None),
            time: core::cell::Cell::new(Timespec { tv_sec: 0, tv_nsec: 0 }),
            limit: Cell::new(Limit::After),
            traits: Cell::new(0),
            is_behind: Cell::new(false),
            tries: Cell::new(0),
            pauses: Cell::new(false),
            lane: Cell::new(0),
            phase: Cell::new(Phase::Idle),
            list_prev: Cell::new(None),
            list_next: Cell::new(None),
            begun: Cell::new(0),
            finishes_with: Cell::new(NEVER),
            entry: Cell::new(Sqe::default()),
            payload: Turn::new(Payload([MaybeUninit::uninit(); PAYLOAD_BYTES])),
        }
    }

    /// Its number in its table.
    #[inline(always)]
    pub(crate) fn index(&self) -> u32 {
        self.user_data() as u32
    }

    /// The next of its group.
    #[inline(always)]
    pub(crate) fn group_next<'a>(&self, _table: &'a Slots) -> Option<&'a Slot> {
        // SAFETY: `set_group_next`'s promise: it is of this slot's table, which is borrowed.
        self.group_next.get().map(|next| unsafe { next.as_ref() })
    }

    fn has(&self, traits: u8) -> bool {
        self.traits.get() & traits != 0
    }

    /// Whether it is one of a group.
    #[inline(always)]
    pub(crate) fn is_grouped(&self) -> bool {
        self.has(GROUPED)
    }

    /// Makes it one of a group.
    pub(crate) fn set_grouped(&self) {
        self.traits.set(self.traits.get() | GROUPED);
    }

    /// Has `next` submitted behind it, in one group.
    ///
    /// # Safety
    /// - Both are of one table, and the caller's.
    pub(crate) unsafe fn set_group_next(&self, next: &Slot) {
        self.group_next.set(Some(SlotPtr::from(next)));
    }

    /// Has the reactor end the operation if it takes longer than `limit` from when it has it.
    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return };
        self.time.set(Timespec::default().after(limit));
        self.limit.set(Limit::After);
        self.traits.set(self.traits.get() | LIMITED);
    }

    /// Whether it is submitted alone, and without a time limit, to the reactor's own ring.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        !self.has(GROUPED | LIMITED | PRIVATE)
    }

    /// Whether its entries are private: see [`Operation::IS_PRIVATE`].
    pub(crate) fn is_private(&self) -> bool {
        self.has(PRIVATE)
    }

    /// Whether any result of it is the end of it, and no more is to be known; its future may be on
    /// any thread.
    #[inline(always)]
    pub(crate) fn is_bare(&self) -> bool {
        self.traits.get() == 0
    }

    /// What names it, in this use of it, to the kernel.
    #[inline(always)]
    pub(crate) fn user_data(&self) -> u64 {
        // Relaxed: pairs with nothing: the slot is handed over with it, and for a stray any value
        // will do.
        self.user_data.load(Ordering::Relaxed)
    }

    /// Whether its operation has many results.
    #[inline(always)]
    pub(crate) fn is_several(&self) -> bool {
        self.has(SEVERAL)
    }

    fn payload(&self) -> *mut u8 {
        self.payload.as_ptr().cast()
    }

    /// Asks the operation for its entry, and gives that the name of this use of the slot.
    ///
    /// # Safety
    /// - The slot is filled, and the caller's alone; `ask` is of its operation's [`Vtable`].
    #[inline(always)]
    unsafe fn renew_entry(&self, ask: unsafe fn(*mut u8) -> Sqe) {
        // SAFETY: the caller's promise.
        let entry = unsafe { ask(self.payload()) };
        self.entry.set(Sqe { user_data: self.user_data(), ..entry });
    }

    /// Puts an operation into the payload.
    ///
    /// # Safety
    /// - The slot is the caller's alone, and empty.
    #[inline(always)]
    unsafe fn lay<T: Operation>(&self, operation: T) {
        let payload = self.payload();
        if fits::<T>() {
            // SAFETY: the payload has the room and the alignment, and is the caller's.
            unsafe { payload.cast::<T>().write(operation) };
        } else {
            let boxed = Box::into_raw(Box::new(operation));
            // SAFETY: the payload has room for a pointer, and is the caller's.
            unsafe { payload.cast::<*mut T>().write(boxed) };
        }
        self.vtable.set(Some(TableOf::<T>::TABLE));
    }

    /// Puts an operation and its waker into a slot that was taken from the free list, and asks the
    /// operation for its entry. Without a waker nobody is woken before [`poll`](Self::poll) gave
    /// one. Should the operation panic, the slot is empty again.
    ///
    /// # Safety
    /// - The slot is the caller's alone, and empty.
    #[inline]
    pub(crate) unsafe fn fill<T: Operation + Send>(&self, operation: T, waker: Option<Waker>) {
        // SAFETY: the caller's promise.
        unsafe { self.lay(operation) };
        let payload = self.payload();
        let filled = Filled::<T>(payload, PhantomData);
        // SAFETY: a `T` was put there a moment ago, and it stays in place from here on.
        unsafe { self.renew_entry(entry_of::<T>) };
        // SAFETY: as above.
        let advances = unsafe { advances_of::<T>(payload) };
        self.traits.set(private::<T>() | if advances { ADVANCES } else { 0 });
        core::mem::forget(filled);
        let Some(waker) = waker else { return };
        // SAFETY: the slot is the caller's alone.
        unsafe { self.waker.write(MaybeUninit::new(waker)) };
        // Relaxed: pairs with nothing; the inbox hands the slot over.
        self.state.store(WAKER, Ordering::Relaxed);
    }

    /// Takes the operation and its result out; the slot is empty then.
    ///
    /// # Safety
    /// - The slot was filled with a `T`, and [`poll`](Self::poll) found it done (or
    ///   [`abandon`](Self::abandon) did); this is called once.
    #[inline]
    pub(crate) unsafe fn take<T: Operation>(&self) -> (T, Completion) {
        // SAFETY: since `DONE` nobody writes the result.
        let completion = unsafe { self.result.read() };
        // SAFETY: the operation is there and the caller's alone, who takes it once.
        let operation = unsafe { take::<T>(self.payload()) };
        (operation, completion)
    }

    /// Completes the operation by its result, of which `tell` hears first, from where it lies; the
    /// slot is empty then.
    ///
    /// # Safety
    /// - As [`take`](Self::take), in place of which this is called.
    #[inline(always)]
    pub(crate) unsafe fn complete<T: Operation>(
        &self,
        tell: impl FnOnce(&Completion),
    ) -> T::Output {
        // SAFETY: since `DONE` nobody writes the result.
        let completion = unsafe { self.result.read() };
        let payload = self.payload();
        // Not our code, where somebody traces: whatever that does, nothing is left behind.
        let filled = Filled::<T>(payload, PhantomData);
        tell(&completion);
        core::mem::forget(filled);
        if fits::<T>() {
            // SAFETY: the operation is there and the caller's alone, who uses it once.
            unsafe { T::complete_at(payload.cast(), completion) }
        } else {
            // SAFETY: as above.
            unsafe { take::<T>(payload) }.complete(completion)
        }
    }

    /// Takes the waker out.
    ///
    /// # Safety
    /// - A waker lies there, it is the caller's by the state's bits, and it is taken once.
    #[inline(always)]
    unsafe fn take_waker(&self) -> Waker {
        // SAFETY: nobody writes the cell meanwhile (the caller's promise).
        let lies = unsafe { self.waker.read() };
        // SAFETY: it is a waker, and used as one once (the caller's promise).
        unsafe { lies.assume_init() }
    }

    /// Takes the operation out of a slot that was filled and not shipped; the slot is empty then.
    /// The waker, if it has one, is to be dropped when that is done: it is not our code that runs
    /// then.
    ///
    /// # Safety
    /// - The slot was filled with a `T`, and is the caller's alone.
    #[cold]
    pub(crate) unsafe fn take_back<T: Operation>(&self) -> (T, Option<Waker>) {
        // Relaxed: pairs with `fill`'s store, made by this thread.
        let has_waker = self.state.load(Ordering::Relaxed) & WAKER != 0;
        let waker = has_waker.then(|| {
            // SAFETY: `fill` put a waker there, which nobody has taken.
            unsafe { self.take_waker() }
        });
        // SAFETY: the operation is there, and taken once.
        (unsafe { take::<T>(self.payload()) }, waker)
    }

    /// Takes the operation out in a forked child, whose copy of the slot nobody will finish; the
    /// slot is not used again.
    ///
    /// # Safety
    /// - The slot was filled with a `T`, and is the caller's alone: no other thread has this copy.
    #[cold]
    pub(crate) unsafe fn take_copy<T: Operation>(&self) -> T {
        // SAFETY: the operation is there, and taken once. A waker that lies there is left alone:
        // the reactor may have been about to take it.
        unsafe { take::<T>(self.payload()) }
    }

    /// Looks whether the result is there; else sees to it that `waker` is woken when it is.
    ///
    /// # Safety
    /// - The caller is the one future that shipped the slot, and has not abandoned it.
    #[inline]
    pub(crate) unsafe fn poll(&self, waker: &Waker) -> Polled {
        // Acquire: pairs with the release of `DONE` in `finish`: the result comes before it.
        let state = self.state.load(Ordering::Acquire);
        if state & DONE != 0 {
            return Polled::Done;
        }
        // While `RESULT` is not set the waker lies there and lives; should the reactor take it
        // meanwhile, its bits still tell whether it is this one, which then is woken.
        if state & (RESULT | WAKER) == WAKER {
            // SAFETY: only this future writes the cell, which holds the bits of a waker.
            let lies = unsafe { &*self.waker.as_const_ptr() };
            // SAFETY: as above; the bits are compared, never used.
            if unsafe { lies.assume_init_ref() }.will_wake(waker) {
                return Polled::Pending;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.replace_waker(waker) }
    }

    /// Puts another waker into the slot.
    ///
    /// # Safety
    /// - As [`poll`](Self::poll).
    #[cold]
    unsafe fn replace_waker(&self, waker: &Waker) -> Polled {
        // SAFETY: the caller's promise.
        let (state, old) = unsafe { self.take_waker_back() };
        if state & RESULT == 0 {
            drop(old);
            // SAFETY: without `WAKER` the reactor does not look at the cell.
            unsafe { self.waker.write(MaybeUninit::new(waker.clone())) };
            // Release: pairs with the acquire in `finish`: the waker comes before its bit.
            let state = self.state.fetch_or(WAKER, Ordering::AcqRel);
            // The models must find the seeded one: nobody wakes this waker.
            if cfg!(seeded_bug = "waker_after_result") || state & RESULT == 0 {
                return Polled::Pending;
            }
            // The result came without a waker to be taken: the one put there is ours still.
            // Relaxed: pairs with nothing, since the reactor does not look at the bit any more.
            self.state.fetch_and(!WAKER, Ordering::Relaxed);
            // SAFETY: as said: it was put there above, and nobody else takes it.
            drop(unsafe { self.take_waker() });
        }
        // Acquire: pairs with the release of `DONE` in `finish`.
        if self.state.load(Ordering::Acquire) & DONE != 0 {
            return Polled::Done;
        }
        // The reactor is between its two steps: its result is a moment away.
        waker.wake_by_ref();
        Polled::Pending
    }

    /// Takes the waker out, unless the reactor has it. What the state was.
    ///
    /// # Safety
    /// - As [`poll`](Self::poll).
    unsafe fn take_waker_back(&self) -> (u32, Option<Waker>) {
        // Acquire: pairs with `finish`'s release, as in `poll`. Release: with its acquire.
        let state = self.state.fetch_and(!WAKER, Ordering::AcqRel);
        let waker = (state & (RESULT | WAKER) == WAKER).then(|| {
            // SAFETY: `WAKER` was set and is taken back before `RESULT`: the value is ours.
            unsafe { self.take_waker() }
        });
        (state, waker)
    }

    /// Says that nobody waits any more, and what is left to do. The waker, if one lay there, is to
    /// be dropped when that is done: it is not our code that runs then.
    ///
    /// # Safety
    /// - As [`poll`](Self::poll); it is the last call of this future, but for what is left to do.
    pub(crate) unsafe fn abandon(&self) -> (Abandoned, Option<Waker>) {
        // Before the slot is given up: where a request to cancel was on its way already, nothing
        // keeps the slot from being another's a moment later.
        #[cfg(not(seeded_bug = "waker_taken_late"))]
        // SAFETY: the caller's promise.
        let (_, waker) = unsafe { self.take_waker_back() };
        // Relaxed: pairs with nothing: a guess for the exchange below.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = match state & RESULT {
                0 => state | DROPPED | LINKED | CANCEL,
                _ => state | DROPPED,
            };
            // Acquire: pairs with the release of `finish`: the result comes before `DONE`.
            // Release: pairs with the acquire there.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            match self.state.compare_exchange_weak(state, next, success, failure) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        #[cfg(seeded_bug = "waker_taken_late")]
        // SAFETY: none: the models must find this one.
        let (_, waker) = unsafe { self.take_waker_back() };
        let abandoned = if state & DONE != 0 {
            Abandoned::Done
        } else if state & (RESULT | LINKED) != 0 {
            Abandoned::Reactor
        } else {
            Abandoned::Link
        };
        (abandoned, waker)
    }

    /// Asks for a cancel. Whether the caller is to put the slot into the inbox for it.
    pub(crate) fn ask_to_cancel(&self) -> bool {
        // Relaxed: pairs with nothing: a guess for the exchange below.
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (RESULT | LINKED) == 0 {
            let next = state | LINKED | CANCEL;
            // Acquire: pairs with the release in `unlink`: the reactor has read the link of the
            // last request before this one's is written.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            match self.state.compare_exchange_weak(state, next, success, failure) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Whether the slot hangs in the inbox. Once a future knows its result, nobody links it again.
    pub(crate) fn is_linked(&self) -> bool {
        // Acquire: pairs with the release in `unlink`: the reactor has done with the link.
        self.state.load(Ordering::Acquire) & LINKED != 0
    }

    /// Says that nobody needs the slot any more but the inbox. Whether it still hangs there: then
    /// who takes it out releases it.
    pub(crate) fn release_unless_linked(&self) -> bool {
        // Acquire and release: pair with `unlink`: one of the two sees the other's bit.
        let state = self.state.fetch_or(RELEASED, Ordering::AcqRel);
        // The models must find the seeded one: the slot is another's while it hangs in the inbox.
        cfg!(not(seeded_bug = "released_though_linked")) && state & LINKED != 0
    }

    // The reactor's side.

    /// The entry, with the name of this use of the slot.
    #[inline(always)]
    pub(crate) fn entry(&self) -> Sqe {
        self.entry.get()
    }

    /// Takes the slot out of the inbox, where it was with a request to cancel. Whether it is the
    /// caller's to release.
    pub(crate) fn unlink(&self) -> bool {
        #[cfg(not(seeded_bug = "unlink_relaxed"))]
        // Acquire and release: pair with `release_unless_linked`.
        let state = self.state.fetch_and(!LINKED, Ordering::AcqRel);
        #[cfg(seeded_bug = "unlink_relaxed")]
        // The models must find this one: it pairs with nothing.
        let state = self.state.fetch_and(!LINKED, Ordering::Relaxed);
        state & RELEASED != 0
    }

    /// Whether somebody asked for a cancel.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Relaxed: pairs with nothing; the reactor reads it after the request came by the inbox.
        self.state.load(Ordering::Relaxed) & CANCEL != 0
    }

    /// Begins its time limit, if it has one: the reactor has it at `now`. Whether it has.
    pub(crate) fn begin_limit(&self, now: impl FnOnce() -> Timespec) -> bool {
        if self.has(LIMITED) && self.limit.get() == Limit::After {
            let span = self.time.get();
            let span = Duration::new(span.tv_sec.unsigned_abs(), span.tv_nsec as u32);
            self.time.set(now().after(span));
            self.limit.set(Limit::At);
        }
        self.has(LIMITED)
    }

    /// When its operation is to be ended, if that was said.
    pub(crate) fn limit(&self) -> Option<Timespec> {
        let is_set = self.has(LIMITED) && self.limit.get() != Limit::After;
        is_set.then(|| self.time.get())
    }

    /// When its operation is to be ended by a link timeout, if it is.
    #[inline(always)]
    pub(crate) fn link_limit(&self) -> Option<Timespec> {
        self.limit().filter(|_| self.limit.get() == Limit::At && !self.waits_in_worker())
    }

    /// Where the kernel reads when that is.
    #[inline(always)]
    pub(crate) fn time_ptr(&self) -> *const Timespec {
        self.time.as_ptr()
    }

    /// When its operation is to be cancelled by the reactor, if it is.
    #[inline(always)]
    pub(crate) fn own_limit(&self) -> Option<Timespec> {
        self.limit().filter(|_| self.waits_in_worker())
    }

    /// Takes note that the reactor has found its time over, and when it looks again.
    pub(crate) fn pass_limit(&self, again: Timespec) {
        self.time.set(again);
        self.limit.set(Limit::Passed);
    }

    /// Takes note that the kernel has found its time over, and ends it.
    pub(crate) fn note_passed(&self) {
        self.limit.set(Limit::Passed);
    }

    /// Whether its time was found to be over.
    pub(crate) fn has_passed(&self) -> bool {
        self.has(LIMITED) && self.limit.get() == Limit::Passed
    }

    pub(crate) fn waits_in_worker(&self) -> bool {
        self.vtable.get().is_some_and(|vtable| vtable.waits_in_worker)
    }

    /// Shows the operation a completion. Whether there is more to do: the next entry is in place.
    ///
    /// # Safety
    /// - The slot is filled and the reactor's, which is the caller.
    #[inline]
    pub(crate) unsafe fn advance(&self, completion: &mut Completion) -> Advance {
        let Some(vtable) = self.vtable.get() else { return Advance::Finished };
        // SAFETY: the table is that of the operation that lies there, which is the reactor's.
        let advance = unsafe { (vtable.advance)(self.payload(), completion) };
        if advance == Advance::Again {
            // SAFETY: as above.
            unsafe { self.renew_entry(vtable.entry) };
        }
        advance
    }

    /// Puts the result in. What becomes of it, and the waker to be woken.
    ///
    /// # Safety
    /// - The slot is filled and the reactor's, which is the caller and does not touch it
    ///   afterwards, unless the answer says that it is the reactor's still.
    #[inline]
    pub(crate) unsafe fn finish(&self, completion: Completion) -> (Finished, Option<Waker>) {
        if self.is_local() {
            // SAFETY: the caller's promise.
            unsafe { self.finish_local(completion) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.finish_shared(completion) }
        }
    }

    /// The same, where its future may be on any thread.
    ///
    /// # Safety
    /// - As [`finish`](Self::finish).
    #[inline(always)]
    pub(crate) unsafe fn finish_shared(&self, completion: Completion) -> (Finished, Option<Waker>) {
        // Each bit is set once, so it is added: an `or` whose old value is asked for is a loop.
        // SAFETY: until `DONE` the result is the reactor's.
        unsafe { self.result.write(completion) };
        // Acquire: pairs with the release of `WAKER`: the waker comes before its bit. Release:
        // pairs with the acquire in `abandon`.
        #[cfg(not(seeded_bug = "done_in_one_step"))]
        let state = self.state.fetch_add(RESULT, Ordering::AcqRel);
        #[cfg(seeded_bug = "done_in_one_step")]
        // The models must find this one: it pairs as above, and the slot goes with the waker.
        let state = self.state.fetch_add(RESULT | DONE, Ordering::AcqRel);
        let waker = (state & WAKER != 0).then(|| {
            // SAFETY: the waker lay there when `RESULT` came: it is the reactor's now.
            unsafe { self.take_waker() }
        });
        #[cfg(not(seeded_bug = "done_relaxed"))]
        // Release: pairs with the acquire in `poll` and `abandon`: result and waker are done with.
        // Acquire: pairs with the release of `DROPPED`.
        let state = self.state.fetch_add(DONE, Ordering::AcqRel);
        #[cfg(seeded_bug = "done_relaxed")]
        // The models must find this one: it pairs with nothing.
        let state = self.state.fetch_add(DONE, Ordering::Relaxed);
        let finished = if state & DROPPED == 0 { Finished::Waited } else { Finished::Nobody };
        (finished, waker)
    }

    /// Has the operation of an abandoned slot take care of its result.
    ///
    /// # Safety
    /// - [`finish`](Self::finish) said that nobody waits; this is called once.
    pub(crate) unsafe fn reclaim(&self) {
        let Some(vtable) = self.vtable.get() else { return };
        // SAFETY: since `DONE` with `DROPPED` the slot is the reactor's alone.
        let completion = unsafe { self.result.read() };
        // SAFETY: the operation is there and used for the last time.
        unsafe { (vtable.reclaim)(self.payload(), completion) };
    }

    /// Frees what lies in the slot while the kernel has it: what all of this is there to prevent,
    /// for builds that the tests must find to be broken.
    #[cfg(any(broken = "freed_when_dropped", broken = "freed_at_the_end"))]
    pub(crate) unsafe fn free_under_way(&self) {
        let Some(vtable) = self.vtable.take() else { return };
        // SAFETY: none: the kernel may write to it still.
        unsafe { (vtable.reclaim)(self.payload(), Completion::refused(Origin::Closed)) };
    }

    /// Makes the slot ready for its next use, under another name.
    ///
    /// # Safety
    /// - The slot is empty, and nobody else touches it.
    unsafe fn renew(&self) {
        // Relaxed: pairs with nothing: see `user_data`; nobody else changes it.
        let used = self.user_data.load(Ordering::Relaxed);
        // Relaxed: as above; pairs with nothing.
        self.user_data.store(used.wrapping_add(1 << u32::BITS), Ordering::Relaxed);
        self.group_next.set(None);
        self.traits.set(0);
        self.is_behind.set(false);
        self.tries.set(0);
        self.pauses.set(false);
        // Relaxed: pairs with nothing; the free list hands the slot over.
        self.state.store(0, Ordering::Relaxed);
    }
}

/// So that the queue copies the entry from the slot to its place, and only if there is room.
impl From<&Slot> for Sqe {
    #[inline(always)]
    fn from(slot: &Slot) -> Self {
        slot.entry()
    }
}

/// What a future finds that gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// The result is there: take it, reclaim it, release the slot.
    Done,
    /// The reactor does all that.
    Reactor,
    /// So it does, and the caller puts a request to cancel into the inbox.
    Link,
}

/// For whom a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// A future has it, or will have.
    Waited,
    /// Nobody: the slot is the reactor's still, to reclaim and release.
    Nobody,
}

/// A completion as the kernel posted it.
pub(crate) fn completion_of(result: Result<u32, Errno>, flags: CqeFlags) -> Completion {
    let mut completion = Completion::new(result.map_err(interrupted));
    completion.flags = flags;
    completion
}

/// The kernel's own words for "interrupted, and to be done again", which no system call lets out:
/// a completion does (an open of a FIFO that was cancelled, on 6.18).
fn interrupted(errno: Errno) -> Errno {
    match errno.raw() {
        512..=514 | 516 => Errno::EINTR,
        _ => errno,
    }
}

/// A slot of a table that is kept alive by something else.
pub(crate) type SlotPtr = NonNull<Slot>;
