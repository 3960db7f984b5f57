//! Entries into the queue, from any thread.
//!
//! A short lock lies around the writes to slots and the store of the tail, so a group is contiguous
//! and is shown whole. Nobody enters the kernel under it.

use core::time::Duration;

use super::hand_over::HandOver;
use super::inner::{Inner, Producer};
use super::iovecs::List;
use super::take::WAKE;
use crate::abi::{Features, Iovec, Sqe, SqeFlags};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::sync::{MutexGuard, Ordering, fence, lock};

/// An entry with one of these says that the next one belongs to it.
const LINKS: SqeFlags = SqeFlags::IO_LINK.union(SqeFlags::IO_HARDLINK);

/// How long a push waits, in milliseconds, try by try, while the kernel is short of something.
const BUSY_WAITS_MS: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

impl<K: Kernel> Inner<K> {
    /// Queues one entry. Inlined, but for what happens seldom: a call and its frame would cost as
    /// much as the push.
    ///
    /// # Safety
    /// - As [`SharedRing::push`](crate::SharedRing::push).
    #[inline(always)]
    pub(super) unsafe fn push(&self, entry: Sqe) -> Result<()> {
        self.check()?;
        if entry.user_data == WAKE || entry.flags.intersects(LINKS) {
            return Err(refused(entry.user_data));
        }
        // SAFETY: the caller's promise.
        unsafe { self.push_own(entry) }
    }

    /// Queues one entry, which may be the ring's own.
    ///
    /// # Safety
    /// - As [`push`](Self::push).
    #[inline(always)]
    pub(super) unsafe fn push_own(&self, entry: Sqe) -> Result<()> {
        {
            let mut sq = lock(&self.sq);
            // SAFETY: the caller's promise.
            if unsafe { sq.queue.raw.push(entry) }.is_none() {
                sq.show(1);
                return Ok(());
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.push_later(entry) }
    }

    /// Queues one entry that found no room. By value: a reference would have the entry made in
    /// memory first, and copied to its slot from there.
    ///
    /// # Safety
    /// - As [`push`](Self::push).
    #[cold]
    #[inline(never)]
    unsafe fn push_later(&self, entry: Sqe) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.push_when_there_is_room(&[entry]) }
    }

    /// Queues all of `entries`, contiguous and shown at once, or none.
    ///
    /// # Safety
    /// - As [`push`](Self::push), for each.
    pub(super) unsafe fn push_all(&self, entries: &[Sqe]) -> Result<()> {
        self.check()?;
        if let Some(wrong) = entries.iter().find(|entry| entry.user_data == WAKE) {
            return Err(refused(wrong.user_data));
        }
        if let Some(last) = entries.last().filter(|last| last.flags.intersects(LINKS)) {
            return Err(refused(last.user_data));
        }
        if entries.len() > self.entries as usize {
            return Err(Error::usage(
                "the group is longer than the submission queue: make the ring longer, or the group \
                 shorter",
            ));
        }
        // SAFETY: the caller's promise.
        unsafe { self.push_when_there_is_room(entries) }
    }

    /// Queues `entries`, which are no more than the queue holds; waits for room if need be.
    ///
    /// # Safety
    /// - As [`push`](Self::push), for each.
    unsafe fn push_when_there_is_room(&self, entries: &[Sqe]) -> Result<()> {
        loop {
            {
                let mut sq = lock(&self.sq);
                // SAFETY: the caller's promise.
                match unsafe { sq.queue.push_all(entries) } {
                    Ok(()) => {
                        sq.show(entries.len() as u64);
                        return Ok(());
                    }
                    Err(error) if error.is_queue_full() => {}
                    Err(error) => return Err(error),
                }
            }
            self.wait_for_room(entries.len() as u32)?;
        }
    }

    /// Queues the entry that `make` makes of where the iovecs lie, which is valid until the kernel
    /// has taken the entry.
    ///
    /// # Safety
    /// - As [`push`](Self::push).
    pub(super) unsafe fn push_vectored(
        &self,
        list: List,
        make: impl Fn(*const Iovec, u32) -> Sqe,
    ) -> Result<()> {
        self.check()?;
        if !self.submitter.params.features.contains(Features::SUBMIT_STABLE) {
            let doing = "giving iovecs to a kernel that reads them after it took the entry";
            return Err(Error::os(Errno::EOPNOTSUPP, doing));
        }
        let blank = make(core::ptr::null(), 0);
        if blank.user_data == WAKE || blank.flags.intersects(LINKS) {
            return Err(refused(blank.user_data));
        }
        let count = list.count();
        let mut sq = self.with_room()?;
        let Producer { queue, iovecs, .. } = &mut *sq;
        iovecs.prepare(self.entries);
        let (at, old) = iovecs.put(queue.raw.tail(), list);
        // SAFETY: the caller's promise; there is room, and the iovecs stay until the kernel has
        // taken the entry.
        let no_room = unsafe { queue.raw.push(make(at, count)) };
        debug_assert!(no_room.is_none(), "there was room: {no_room:?}");
        sq.show(1);
        drop(sq);
        // Freed here, outside the lock.
        drop(old);
        Ok(())
    }

    /// The queue, with room for an entry.
    fn with_room(&self) -> Result<MutexGuard<'_, Producer>> {
        loop {
            let mut sq = lock(&self.sq);
            if sq.queue.raw.make_room(1).is_none() {
                return Ok(sq);
            }
            drop(sq);
            self.wait_for_room(1)?;
        }
    }

    /// Sees to it that the kernel takes what is queued, and returns when it is worth looking for
    /// room for `count` again.
    #[cold]
    fn wait_for_room(&self, count: u32) -> Result<()> {
        if let Some(hand_over) = &self.hand_over {
            return self.sleep_for_room(hand_over, count);
        }
        let mut waits = BUSY_WAITS_MS.iter();
        loop {
            // Whether or not another submits: that one may be far from running.
            let Err(error) = self.flush() else { return Ok(()) };
            let Some(ms) = waits.next().filter(|_| error.is_busy()) else { return Err(error) };
            // Others may take completions meanwhile, or memory be freed.
            let sq = lock(&self.sq);
            drop(self.room.wait_timeout(sq, Duration::from_millis(*ms)));
        }
    }

    /// Has the ring's own thread submit, and sleeps until there is room.
    fn sleep_for_room(&self, hand_over: &HandOver, count: u32) -> Result<()> {
        let mut sq = lock(&self.sq);
        // Relaxed: pairs with the load in `is_room_wanted`; the fence below orders it.
        self.waiting_for_room.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `make_room_known`: one of the two sees the other. And the lock is
        // not let go before this thread sleeps, so a notification finds it asleep.
        fence(Ordering::SeqCst);
        let end = loop {
            if sq.queue.space_left() >= count {
                break Ok(());
            }
            if let Err(error) = self.told() {
                break Err(error);
            }
            hand_over.request();
            sq = self.room.wait(sq).unwrap_or_else(std::sync::PoisonError::into_inner);
        };
        // Relaxed: pairs with the load in `is_room_wanted`: a notification too many does no harm.
        self.waiting_for_room.fetch_sub(1, Ordering::Relaxed);
        end
    }

    /// Whether anybody sleeps until there is room.
    pub(super) fn is_room_wanted(&self) -> bool {
        // Relaxed: pairs with the addition in `sleep_for_room`, by the fences on both sides.
        self.waiting_for_room.load(Ordering::Relaxed) != 0
    }

    /// Wakes those that wait for room, after the kernel may have made some.
    pub(super) fn make_room_known(&self) {
        // Pairs with the fence in `sleep_for_room`: either that one sees the room, or this its
        // count.
        fence(Ordering::SeqCst);
        if self.is_room_wanted() && cfg!(not(seeded_bug = "shared_room_lost")) {
            // Who has counted itself, and not slept yet, holds the lock.
            drop(lock(&self.sq));
            self.room.notify_all();
        }
    }
}

impl Producer {
    /// Shows the kernel what was queued: `count` more entries.
    #[inline(always)]
    fn show(&mut self, count: u64) {
        self.queue.raw.show();
        self.pushed = self.pushed.wrapping_add(count);
    }
}

/// Why an entry is not taken.
#[cold]
fn refused(user_data: u64) -> Error {
    Error::usage(if user_data == WAKE {
        "user_data u64::MAX is the ring's own, which wakes waiters with it: use another"
    } else {
        "a link to the next entry, which another thread may push: push the whole chain with \
         push_all(), the last entry without a link"
    })
}
