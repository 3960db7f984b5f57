//! The rings of a reactor that a task drives: one for each thread that is busy with it.
//!
//! Linux tells the end of an operation on the thread that submitted it, under the lock of its ring,
//! which a submit takes too. With one ring for all, the ends of what one thread submitted wait, and
//! spin, while another submits: with two threads a seventh of all the time. So each thread submits
//! to a ring of its own, and who drives takes what completed from all of them.
//!
//! The reactor's own ring is that of the thread which drives it at the moment; the others are here.
//! A slot knows by a [`Lane`]'s number where its entry is: there it is cancelled.

use annulus_ring::abi::{Cqe, CqeFlags, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Place, RingOf, SubmissionQueue};

use super::Reactor;
use super::book::Book;
use crate::port::Port;
use crate::slot::Slot;

/// How many rings a reactor may have.
pub(crate) const LANES_MAX: usize = 64;

/// Whose a ring is, and what it has to tell.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Counted from 0 in the order in which they were made.
    number: u8,
    /// The number of the thread that submits to it.
    thread: Option<usize>,
    /// Entries that the kernel took, and has not told the end of.
    pub(super) pending: u32,
}

impl Lane {
    /// Says that `slot`'s entry goes there.
    #[inline(always)]
    pub(super) fn takes(&self, slot: &Slot) {
        slot.lane.set(self.number);
    }
}

/// A ring of another thread.
pub(super) struct Other<P: Place, K: Kernel> {
    ring: RingOf<P, Sqe, Cqe, K>,
    lane: Lane,
}

impl<P: Place, K: Kernel> Other<P, K> {
    /// Where to push what it is to do: nobody waits for its thread to submit that.
    pub(super) fn queue(&mut self) -> &mut SubmissionQueue {
        self.ring.parts().0
    }

    /// Whether there may be something to cancel, or to wait for.
    pub(super) fn is_busy(&self) -> bool {
        !is_free(&self.ring, &self.lane)
    }
}

/// The queue where `slot`'s entry went: that of `lane`, or of one of the others.
pub(super) fn queue_of<'a, P: Place, K: Kernel>(
    slot: &Slot,
    lane: &Lane,
    own: &'a mut SubmissionQueue,
    others: &'a mut [Other<P, K>],
) -> &'a mut SubmissionQueue {
    let number = slot.lane.get();
    if number == lane.number {
        return own;
    }
    others.iter_mut().find(|other| other.lane.number == number).map_or(own, Other::queue)
}

/// Gives every completion of a ring to its slot. How many there were.
#[inline(always)]
pub(super) fn take<const LOCAL: bool, P: Place, K: Kernel>(
    ring: &mut RingOf<P, Sqe, Cqe, K>,
    lane: &mut Lane,
    book: &mut Book,
    port: &Port,
) -> u32 {
    let mut count = 0;
    loop {
        let (mut ended, strays) = (0, port.counts.strays.get());
        let overflows = ring.has_overflow();
        if overflows {
            port.counts.overflows.add(1);
        }
        // It brings what overflowed, and what waits for this thread.
        let Ok(completions) = ring.completions() else { return count };
        // No more than the queue holds: for so many there is room, and all before were woken.
        debug_assert!(book.has_room_to_wake(completions.slots_left()));
        for cqe in completions {
            count += 1;
            ended += u32::from(!LOCAL && !cqe.flags.contains(CqeFlags::MORE));
            book.complete::<LOCAL>(port, cqe);
        }
        if !LOCAL {
            // Not what somebody else has posted there.
            let strange = port.counts.strays.get() - strays;
            lane.pending = lane.pending.saturating_sub(ended.saturating_sub(strange as u32));
        }
        // What overflows after that look the next one finds, and so does an enter that waits.
        if !overflows {
            return count;
        }
        book.wake(port);
    }
}

/// Whether nothing of a ring is under way: any thread may have it.
fn is_free<P: Place, K: Kernel>(ring: &RingOf<P, Sqe, Cqe, K>, lane: &Lane) -> bool {
    lane.pending == 0 && ring.sq_len() == 0
}

impl<P: Place, K: Kernel> Reactor<P, K> {
    /// Whether there is something that the kernel is to take.
    pub(super) fn has_to_submit(&self) -> bool {
        self.ring.sq_len() > 0 || self.others.iter().any(|other| other.ring.sq_len() > 0)
    }

    /// Whether a completion waits to be taken.
    pub(super) fn has_completions(&self) -> bool {
        let there = |ring: &RingOf<P, Sqe, Cqe, K>| ring.cq_len() > 0 || ring.has_overflow();
        let there_too = |other: &Other<P, K>| other.lane.pending > 0 && there(&other.ring);
        there(&self.ring) || self.others.iter().any(there_too)
    }

    /// The rings that have something to tell, by their numbers.
    pub(crate) fn busy(&self) -> impl Iterator<Item = usize> {
        let others = self.others.iter().map(|other| &other.lane);
        let lanes = core::iter::once(&self.lane).chain(others);
        lanes.filter(|lane| lane.pending > 0).map(|lane| lane.number.into())
    }

    /// Submits what was pushed to the rings of other threads. Whether the kernel took it: else the
    /// error is kept.
    pub(super) fn submit_others(&mut self) -> bool {
        let mut is_taken = true;
        for Other { ring, lane } in &mut self.others {
            if ring.sq_len() == 0 {
                continue;
            }
            match ring.submit() {
                Ok(taken) => lane.pending += taken,
                Err(error) => {
                    self.failed = Some(error);
                    is_taken = false;
                }
            }
            self.port.counts.enters.add(1);
        }
        is_taken
    }

    /// Gives the completions of other threads' rings to their slots, and wakes. How many they were.
    pub(super) fn take_from_others(&mut self) -> u32 {
        let Self { others, book, port, .. } = self;
        let mut count = 0;
        for Other { ring, lane } in others {
            // Where another thread is to run what brings them, to enter here is in vain.
            if lane.pending > 0 && (ring.cq_len() > 0 || ring.has_overflow()) {
                count += take::<false, P, K>(ring, lane, book, port);
                book.wake(port);
            }
        }
        count
    }

    /// Has `thread` submit to a ring of its own from here on: one that it had, one of which nothing
    /// is under way, or one that `make` makes, like the one that it is shown. If there is none, to
    /// that of another.
    #[inline]
    pub(crate) fn turn_to(
        &mut self,
        thread: usize,
        make: impl FnOnce(&RingOf<P, Sqe, Cqe, K>) -> Option<RingOf<P, Sqe, Cqe, K>>,
    ) {
        if self.lane.thread != Some(thread) {
            self.look_for(thread, make);
        }
    }

    #[inline(never)]
    fn look_for(
        &mut self,
        thread: usize,
        make: impl FnOnce(&RingOf<P, Sqe, Cqe, K>) -> Option<RingOf<P, Sqe, Cqe, K>>,
    ) {
        if let Some(at) = self.others.iter().position(|other| other.lane.thread == Some(thread)) {
            return self.exchange(at);
        }
        let has_work = !self.port.inbox.is_quiet() || self.book.has_to_push();
        if !has_work || self.book.closing {
            // It comes to take what completed, or to end everything: that needs no ring.
            return;
        }
        // What has completed keeps no ring from being another's.
        self.gather::<false>(Some(0), false);
        let free = self.others.iter().position(|other| !other.is_busy());
        if is_free(&self.ring, &self.lane) {
            // Most often: nobody is busy.
        } else if let Some(at) = free {
            self.exchange(at);
        } else if let Some(ring) = make(&self.ring) {
            self.add(ring);
        }
        self.lane.thread = Some(thread);
    }

    /// Makes `ring` the reactor's own.
    fn add(&mut self, ring: RingOf<P, Sqe, Cqe, K>) {
        let at = self.others.len();
        debug_assert!(at < LANES_MAX - 1, "a lane's number is a byte");
        let lane = Lane { number: at as u8 + 1, ..Lane::default() };
        self.others.push(Other { ring, lane });
        self.exchange(at);
        self.port.counts.rings.add(1);
    }

    /// Turns to a ring that has something to tell, if this one has not: to wait there.
    pub(super) fn turn_to_busy(&mut self) {
        if is_free(&self.ring, &self.lane)
            && let Some(at) = self.others.iter().position(Other::is_busy)
        {
            self.exchange(at);
        }
    }

    /// Makes another ring the reactor's own.
    fn exchange(&mut self, at: usize) {
        let Self { ring, lane, others, .. } = self;
        core::mem::swap(ring, &mut others[at].ring);
        core::mem::swap(lane, &mut others[at].lane);
    }
}
