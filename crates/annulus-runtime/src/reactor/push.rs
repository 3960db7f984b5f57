//! What a reactor puts into its ring: cancels, timers and the bell's poll first, then operations,
//! as far as there is room.

use annulus_ring::abi::{Sqe, Timespec};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Place, SubmissionQueue, op};

use super::Reactor;
use super::beside::Beside;
use super::book::{AGAIN, ALARM, BELL, BELL_AGAIN, Book, CANCEL, COMPANION, LIMIT, PAUSE};
use super::lanes::{self, Lane};
use crate::port::Port;
use crate::slot::{Phase, Slot, Slots};

/// After how long a reactor that does not wait cancels everything again.
static TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long until something is tried again, by how often it was.
static PAUSES: [Timespec; 8] = {
    let mut pauses = [Timespec { tv_sec: 0, tv_nsec: 0 }; 8];
    let mut n = 0;
    while n < pauses.len() {
        pauses[n].tv_nsec = 1_000_000 << n;
        n += 1;
    }
    pauses
};

impl<P: Place, K: Kernel> Reactor<P, K> {
    /// Puts into the ring what waits for it, as far as there is room. Whether all of it went in
    /// that may be in the kernel at a time.
    pub(super) fn push(&mut self) -> bool {
        if !self.push_bell() {
            return false;
        }
        let Self { ring, port, book, beside, lane, others, .. } = self;
        let (sq, _, _) = ring.parts();
        if book.cancels_all {
            let all = op::AsyncCancel::any().all().build().user_data(COMPANION);
            // SAFETY: a cancel points to nothing.
            if unsafe { sq.push(all) }.is_err() {
                return false;
            }
            book.companions += 1;
            for other in others.iter_mut().filter(|other| other.is_busy()) {
                // SAFETY: as above.
                if unsafe { other.queue().push(all) }.is_err() {
                    return false;
                }
                book.companions += 1;
            }
            if let Some(beside) = beside
                && beside.is_used()
            {
                book.companions += u32::from(beside.push(all).is_ok());
            }
            book.cancels_all = false;
            book.ticks = book.resubmits;
        }
        if book.ticks {
            let again = op::Timeout::new(&TICK).build().user_data(AGAIN);
            // SAFETY: the span is there for good.
            if unsafe { sq.push(again) }.is_err() {
                return false;
            }
            book.companions += 1;
            book.ticks = false;
        }
        if !book.cancels.is_empty() {
            let queue = |slot: &Slot, entry| {
                // SAFETY: a cancel points to nothing, and a timer to a span that is there for good.
                unsafe { lanes::queue_of(slot, lane, sq, others).push(entry) }.is_ok()
            };
            if !push_cancels(queue, port, book, beside) {
                return false;
            }
        }
        let all_pushed = book.queued.is_empty() || push_queued(sq, port, book, beside, lane);
        let all_pushed = all_pushed && beside.as_mut().is_none_or(|beside| beside.show(sq));
        // Also where there was no room for all: what went in may have a deadline.
        self.set_alarm() && all_pushed
    }

    /// Puts the bell's poll into the ring, unless it is armed, or the timer after which that is
    /// tried again. Whether there was room.
    pub(super) fn push_bell(&mut self) -> bool {
        let Self { ring, port, book, .. } = self;
        if book.listens {
            return true;
        }
        let Some(entry) = port.bell.entry() else { return true };
        let entry = match book.is_put_off {
            false => entry.user_data(BELL),
            true => op::Timeout::new(pause_after(book.refusals)).build().user_data(BELL_AGAIN),
        };
        let (sq, _, _) = ring.parts();
        // SAFETY: the port's bell is kept as long as the ring, and the span for good.
        let is_pushed = unsafe { sq.push(entry) }.is_ok();
        // The tests must find the broken one: nobody tries again.
        book.listens = is_pushed || cfg!(broken = "bell_tried_once");
        is_pushed
    }

    /// Sets a timer for the next deadline that no link timeout tells of. Whether there was room.
    fn set_alarm(&mut self) -> bool {
        let Some(time) = self.book.alarm_due() else { return true };
        self.book.alarm_time.set(time);
        let alarm = op::Timeout::new(self.book.alarm_time.as_ptr()).absolute().build();
        let (sq, _, _) = self.ring.parts();
        // SAFETY: the time is read when the entry is submitted, from a box that the book keeps. One
        // that is set until then is earlier, which is as well.
        if unsafe { sq.push(alarm.user_data(ALARM)) }.is_err() {
            return false;
        }
        self.book.alarm = Some(time);
        true
    }
}

/// How long to wait after so many tries.
fn pause_after(tries: u8) -> &'static Timespec {
    &PAUSES[usize::from(tries).min(PAUSES.len() - 1)]
}

/// Gives the cancels that wait for it to `push`, as far as there is room where their operations
/// went. Whether all went in.
fn push_cancels(
    mut push: impl FnMut(&Slot, Sqe) -> bool,
    port: &Port,
    book: &mut Book,
    beside: &mut Option<Beside>,
) -> bool {
    while let Some(slot) = book.cancels.first(&port.slots) {
        let name = slot.user_data();
        let entry = if slot.pauses.get() {
            op::Timeout::new(pause_after(slot.tries.get())).build()
        } else {
            op::AsyncCancel::user_data(name).build()
        };
        let bit = if slot.pauses.get() { PAUSE } else { CANCEL };
        if let Some(beside) = beside.as_mut().filter(|_| slot.is_private()) {
            // It has room always; and without a ring there was nothing to cancel.
            book.companions += u32::from(beside.push(entry.user_data(name | bit)).is_ok());
            book.cancel_pushed(port, slot);
            continue;
        }
        if !push(slot, entry.user_data(name | bit)) {
            return false;
        }
        book.companions += 1;
        book.cancel_pushed(port, slot);
    }
    true
}

/// Puts into the queue what waits for it, as far as there is room. Whether all of it went in that
/// may be in the kernel at a time.
fn push_queued(
    sq: &mut SubmissionQueue,
    port: &Port,
    book: &mut Book,
    beside: &mut Option<Beside>,
    lane: &Lane,
) -> bool {
    while let Some(slot) = book.queued.first(&port.slots) {
        if book.in_flight >= book.in_flight_max {
            break;
        }
        if slot.is_plain() {
            lane.takes(slot);
            // SAFETY: an operation owns what its entry points to, and its slot keeps it until the
            // completion (`Operation`).
            if unsafe { sq.push(slot) }.is_err() {
                return false;
            }
            book.queued.remove_first(&port.slots, slot);
            slot.phase.set(Phase::InFlight);
            book.pushed(1);
            continue;
        }
        let group = Group::of(&port.slots, slot);
        if book.in_flight > 0 && book.in_flight + group.operations > book.in_flight_max {
            break;
        }
        if let Some(beside) = beside.as_mut().filter(|_| group.has_private) {
            book.queued.remove_first(&port.slots, slot);
            push_private(port, book, beside, slot);
            continue;
        }
        let Ok(room) = sq.reserve(group.entries) else { return false };
        book.queued.remove_first(&port.slots, slot);
        let mut entries = Entries::new(&port.slots, slot, lane);
        // SAFETY: as above; a slot's time limit is read when the entry is submitted.
        unsafe { room.fill(|_| entries.next()) };
        book.pushed(group.operations);
        book.companions += group.entries - group.operations;
        book.watch(port, slot);
    }
    true
}

/// Gives an operation that Linux has no number for to the ring beside. A group has none of them.
fn push_private(port: &Port, book: &mut Book, beside: &mut Beside, slot: &Slot) {
    if slot.is_grouped() {
        return book.refuse_private(port, slot);
    }
    match beside.push(slot.entry()) {
        Ok(()) => {
            slot.phase.set(Phase::InFlight);
            book.pushed(1);
            book.watch(port, slot);
        }
        Err(errno) => book.fail(port, slot, errno),
    }
}

/// What is submitted together.
struct Group {
    operations: u32,
    /// With the time limits among them.
    entries: u32,
    /// Whether one is private.
    has_private: bool,
}

impl Group {
    fn of(slots: &Slots, first: &Slot) -> Self {
        let mut group = Self { operations: 0, entries: 0, has_private: false };
        let mut next = Some(first);
        while let Some(slot) = next {
            group.operations += 1;
            group.has_private |= slot.is_private();
            group.entries += 1 + u32::from(slot.link_limit().is_some());
            next = slot.group_next(slots);
        }
        group
    }
}

/// The entries of a group, in order.
struct Entries<'a> {
    slots: &'a Slots,
    lane: &'a Lane,
    /// The next operation.
    next: Option<&'a Slot>,
    /// The operation whose time limit comes first.
    limited: Option<&'a Slot>,
}

impl<'a> Entries<'a> {
    fn new(slots: &'a Slots, first: &'a Slot, lane: &'a Lane) -> Self {
        Self { slots, lane, next: Some(first), limited: None }
    }

    #[inline(always)]
    fn next(&mut self) -> Sqe {
        if let Some(slot) = self.limited.take() {
            let limit = op::LinkTimeout::new(slot.time_ptr()).absolute().build();
            let limit = limit.user_data(slot.user_data() | LIMIT);
            return if slot.group_next(self.slots).is_none() { limit } else { limit.link() };
        }
        // As many are asked for as `Group` counted: a NOP would answer to nobody.
        let Some(slot) = self.next else { return op::Nop::new().build().user_data(COMPANION) };
        slot.phase.set(Phase::InFlight);
        self.lane.takes(slot);
        self.next = slot.group_next(self.slots);
        let mut entry = slot.entry();
        if slot.link_limit().is_some() {
            self.limited = Some(slot);
            entry = entry.link();
        } else if self.next.is_some() {
            entry = entry.link();
        }
        entry
    }
}
