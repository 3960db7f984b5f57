//! A reactor on the thread of its tasks: they give it operations between its turns, and who runs
//! them says when it may wait, and how long.

use core::task::Waker;
use core::time::Duration;
use std::sync::Arc;

use annulus_ring::abi::{Cqe, Sqe, Timespec};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::Register;
use annulus_ring::{Local, RingOf};

use super::{BesidePlan, Habits, LocalReactor, Reactor, Rest};
use crate::inside::{OpInfo, OpStage};
use crate::port::Ports;
use crate::slot::{Phase, Slot};

/// How long a turn may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    For(Duration),
    /// Until something comes.
    Endless,
}

impl<K: Kernel> LocalReactor<K> {
    /// A reactor whose turns somebody makes who also wakes who is due: see
    /// [`swap_wakers`](Self::swap_wakers).
    pub(crate) fn of_executor(
        ring: RingOf<Local, Sqe, Cqe, K>,
        ports: Arc<Ports>,
        index: usize,
        habits: Habits,
        beside: BesidePlan,
    ) -> Self {
        let mut reactor = Reactor::new(ring, ports, index, habits, beside);
        reactor.book.defers = true;
        reactor.listen_first();
        reactor.book.lend_room(&reactor.port);
        reactor
    }

    /// The time of its kernel, in nanoseconds of the monotonic clock.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        ns_of(self.ring.kernel().now())
    }

    /// The time when its last turn was over.
    #[inline(always)]
    pub(crate) fn turned_ns(&self) -> u64 {
        self.book.turned_ns
    }

    /// Takes an operation of this thread into the ring, to be submitted by the next turn, if there
    /// is room and nobody waits who came before. Whether that was so; `entry` makes its entry then,
    /// in its place. In a child of `fork(2)` there is no room.
    ///
    /// # Safety
    /// - The slot is of this reactor's port, was filled on this thread, and is not in the inbox.
    /// - It is [plain](Slot::is_plain).
    /// - The entry is that of the operation that lies there.
    #[inline(always)]
    pub(crate) unsafe fn begin(&mut self, slot: &Slot, entry: impl FnOnce() -> Sqe) -> bool {
        let Self { ring, book, .. } = self;
        debug_assert!(slot.is_plain(), "what is not plain waits for the next turn");
        if book.room_left == 0 {
            return false;
        }
        let (sq, ..) = ring.parts();
        // SAFETY: an operation owns what its entry points to, and its slot keeps it until the
        // completion (`Operation`).
        match unsafe { sq.push(Asked(entry)) } {
            Ok(()) => {}
            Err(_full) => return false,
        }
        slot.phase.set(Phase::InFlight);
        slot.begun.set(coarse(book.turned_ns));
        book.room_left -= 1;
        true
    }

    /// Has an operation of this thread, with its entry, wait for room.
    ///
    /// # Safety
    /// - As [`begin`](Self::begin), which said no.
    #[cold]
    pub(crate) unsafe fn begin_later(&mut self, slot: &Slot, entry: Sqe) {
        let Self { ring, port, book, .. } = self;
        slot.keep_entry(entry);
        slot.begun.set(coarse(book.turned_ns));
        book.take_room_back();
        let kernel = ring.kernel();
        book.accept(port, slot, || kernel.now());
        book.lend_room(port);
    }

    /// Its ring, to register something with.
    pub(crate) fn register(&self) -> Register<'_, K> {
        self.ring.register()
    }

    /// The operations that are not over.
    pub(crate) fn ops(&self) -> Vec<OpInfo> {
        let now = coarse(self.now_ns());
        let slots = self.port.slots.all().filter_map(|slot| {
            let stage = match slot.phase.get() {
                Phase::Idle => return None,
                Phase::Queued => OpStage::Queued,
                Phase::InFlight if slot.is_cancelled() || self.book.closing => OpStage::Cancelling,
                Phase::InFlight => OpStage::InFlight,
                Phase::CancelDue | Phase::Asked => OpStage::Cancelling,
            };
            let age = u64::from(now.wrapping_sub(slot.begun.get())) << COARSE_LOG2_NS;
            let age = slot.is_local().then(|| Duration::from_nanos(age));
            Some(OpInfo::new(&slot.entry(), stage, age))
        });
        slots.collect()
    }

    /// Ends everything, waiting until `limit` is over. Whether that was enough.
    pub(crate) fn end(&mut self, limit: Duration) -> bool {
        self.book.take_room_back();
        let end_ns = self.now_ns().saturating_add(limit.as_nanos().try_into().unwrap_or(u64::MAX));
        loop {
            // Once at least, if there is anything: what is done at once needs no time.
            if self.drain(0) {
                return true;
            }
            if self.now_ns() >= end_ns {
                return false;
            }
        }
    }

    /// Submits what waits, takes what completed, and waits for more as long as it may, if there is
    /// nothing else to do and `may_sleep` says so. Whether there will be more: not so once the port
    /// is closed and nothing is left.
    pub(crate) fn turn_local(
        &mut self,
        patience: Patience,
        may_sleep: impl FnOnce() -> bool,
    ) -> bool {
        self.book.take_room_back();
        let is_settled = if self.is_quiet() {
            self.publish_counts();
            true
        } else {
            let before = self.port.counts.completed.get();
            let Some(all_pushed) = self.prepare() else { return false };
            // A task of this thread that was refused is due: nobody wakes who sleeps for it.
            all_pushed && !self.book.closing && self.port.counts.completed.get() == before
        };
        let sleeps = patience != Patience::None
            && is_settled
            && self.book.wakers.is_empty()
            && self.book.falls_asleep(&self.port)
            && may_sleep();
        let taken = match patience {
            Patience::For(limit) if sleeps => self.enter::<true>(Rest::SleepFor(limit)),
            Patience::Endless if sleeps => self.enter::<true>(Rest::Sleep),
            _ if self.ring.sq_len() > 0 => self.enter::<true>(Rest::No),
            _ => Some(0),
        };
        let waited = sleeps && patience == Patience::Endless;
        if !self.gather::<true>(taken, waited).goes_on {
            (self.habits.pause)(self.pause());
        }
        self.book.turned_ns = self.now_ns();
        self.listen_first();
        self.book.lend_room(&self.port);
        true
    }

    /// Has the bell listened to before room is lent: tasks that fill the ring each turn would leave
    /// none for its poll, and have every turn look for some.
    #[inline(always)]
    fn listen_first(&mut self) {
        // The tests must find the broken one, which leaves it to a turn that finds no room.
        if !self.book.listens && cfg!(not(broken = "bell_tried_once")) {
            // Without room it is tried again by the next turn.
            let _ = self.push_bell();
        }
    }

    /// Whether there is nothing to do but to enter the kernel.
    #[inline(always)]
    fn is_quiet(&self) -> bool {
        let book = &self.book;
        self.port.inbox.is_quiet()
            && book.listens
            && !book.has_to_push()
            && book.deadlines.is_empty()
            && !self.tends_beside()
            && !self.port.is_closing()
    }

    /// Whether somebody is to be woken by who runs this.
    #[inline(always)]
    pub(crate) fn has_wakers(&self) -> bool {
        !self.book.wakers.is_empty()
    }

    /// Exchanges the wakers that are due for an empty list, to be woken with nothing borrowed.
    pub(crate) fn swap_wakers(&mut self, wakers: &mut Vec<Waker>) {
        core::mem::swap(&mut self.book.wakers, wakers);
    }
}

/// A time in nanoseconds: enough for 584 years of uptime.
#[inline(always)]
fn ns_of(time: Timespec) -> u64 {
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// The unit of the clock by which ages are told: about a millisecond.
const COARSE_LOG2_NS: u32 = 20;

/// A time by that clock. It goes round in 52 days.
#[inline(always)]
fn coarse(time_ns: u64) -> u32 {
    (time_ns >> COARSE_LOG2_NS) as u32
}

/// An entry that is made where it goes.
struct Asked<F>(F);

impl<F: FnOnce() -> Sqe> From<Asked<F>> for Sqe {
    #[inline(always)]
    fn from(asked: Asked<F>) -> Self {
        (asked.0)()
    }
}
