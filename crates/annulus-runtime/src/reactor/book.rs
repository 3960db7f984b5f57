//! [`Book`]: what a reactor knows of its operations: which wait, which the kernel has, which are to
//! be cancelled, whose waker is due. It never touches the ring.
//!
//! Its methods ask for the port: the reactor's, always the same one.

use core::cell::Cell;
use core::task::Waker;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use annulus_ring::Errno;
use annulus_ring::abi::{Cqe, CqeFlags, Timespec};

use super::deadlines::Deadlines;
use super::list::List;
use crate::operation::{Advance, Completion, Origin};
use crate::port::Port;
use crate::slot::{Finished, Message, Phase, Slot, completion_of};

/// The completion of the doorbell's poll. No slot has this number.
pub(super) const BELL: u64 = u64::MAX - 1;
/// The completion of the timer after which that is tried again. No slot has this number.
pub(super) const BELL_AGAIN: u64 = u64::MAX - 4;
/// The completion of an entry whose end nobody cares for: a cancel of everything.
pub(super) const COMPANION: u64 = u64::MAX;
/// The completion of the timer for the next deadline. No slot has this number.
pub(super) const ALARM: u64 = u64::MAX - 2;

/// How long what was cancelled is given to end before it is cancelled once more: what was on its
/// way from one of the kernel's queues to another may have been missed.
pub(super) const CANCEL_AGAIN: Duration = Duration::from_millis(100);
/// The completion of the timer by which a reactor that does not wait cancels everything again.
pub(super) const AGAIN: u64 = u64::MAX - 3;
/// The completion of the poll of the ring beside. No slot has this number.
pub(super) const BESIDE: u64 = u64::MAX - 5;
/// With a slot's name: the completion of the cancel of what is in it. No slot's number has the bit.
pub(super) const CANCEL: u64 = 1 << 31;
/// With a slot's name: the completion of the timer after which it is cancelled again.
pub(super) const PAUSE: u64 = 1 << 30;
/// With a slot's name: the completion of the link timeout of what is in it. No slot's number has
/// the bit.
pub(super) const LIMIT: u64 = 1 << 29;

/// See above.
pub(super) struct Book {
    /// Operations that wait for room.
    pub(super) queued: List,
    /// Operations in the kernel whose cancel waits for room.
    pub(super) cancels: List,
    /// When those are to be ended that no link timeout reaches.
    pub(super) deadlines: Deadlines,
    /// For when the timer is set that tells of the next of them.
    pub(super) alarm: Option<Timespec>,
    /// That, where the kernel reads it.
    pub(super) alarm_time: Box<Cell<Timespec>>,
    /// Operations in the kernel whose cancel it has as well, which may find nothing.
    pub(super) asked: List,
    /// Operations in the kernel.
    pub(super) in_flight: u32,
    /// How many it is given at a time.
    pub(super) in_flight_max: u32,
    /// How many it was given in all.
    pub(super) submitted: u64,
    /// How many operations of this thread may go to the ring before the next turn; and of those,
    /// how many have not. What is between is in flight, and not counted as that yet.
    room_lent: u32,
    pub(super) room_left: u32,
    /// The time when the last turn was over, of a reactor on the thread of its tasks.
    pub(super) turned_ns: u64,
    /// Entries in the kernel beside them.
    pub(super) companions: u32,
    /// Whether the bell's poll is armed, or there is none; or a timer tells when to try again.
    pub(super) listens: bool,
    /// How often in a row that poll was refused, as it is without a descriptor left.
    pub(super) refusals: u8,
    /// The next try is due only after a pause.
    pub(super) is_put_off: bool,
    /// The ring beside is to be looked at: the poll of it has ended.
    pub(super) beside_called: bool,
    /// The time when the kernel was left last, once an operation had a limit.
    pub(super) now: Timespec,
    /// Whether one had.
    pub(super) has_limits: bool,
    /// Everything is being ended.
    pub(super) closing: bool,
    /// A cancel of everything waits for room in the ring.
    pub(super) cancels_all: bool,
    /// So does the timer after which that is done again, where nobody waits with a limit.
    pub(super) ticks: bool,
    /// Whether the threads that submit may end before what they submitted: that is cancelled then,
    /// and submitted again.
    pub(super) resubmits: bool,
    /// Wakers to be woken when the queues are left alone.
    pub(super) wakers: Vec<Waker>,
    /// Whether who has the reactor wakes them, once nothing of it is borrowed.
    pub(super) defers: bool,
}

impl Book {
    /// The book of one reactor.
    ///
    /// # Safety
    /// - Its methods, and those of its lists, are given `port` and no other.
    pub(super) unsafe fn new(port: &Port, in_flight_max: u32, wakers_max: usize) -> Self {
        // SAFETY: the caller's promise: all are used with that port's table.
        let [queued, cancels, asked] = [(); 3].map(|()| unsafe { List::new() });
        Self {
            listens: port.bell.entry().is_none(),
            refusals: 0,
            is_put_off: false,
            queued,
            cancels,
            deadlines: Deadlines::default(),
            alarm: None,
            alarm_time: Box::default(),
            asked,
            in_flight: 0,
            in_flight_max,
            submitted: 0,
            room_lent: 0,
            room_left: 0,
            turned_ns: 0,
            companions: 0,
            beside_called: false,
            now: Timespec::default(),
            has_limits: false,
            closing: false,
            cancels_all: false,
            ticks: false,
            resubmits: false,
            wakers: Vec::with_capacity(wakers_max),
            defers: false,
        }
    }

    /// Takes what came by the inbox. What is plain goes to the ring at once by `push`, as long as
    /// that says so and nobody waits who came before; `now` tells the time, should somebody want to
    /// know.
    pub(super) fn open_mail(
        &mut self,
        port: &Port,
        now: impl Fn() -> Timespec,
        mut push: impl FnMut(&Slot) -> bool,
    ) {
        // SAFETY: futures ship slots of the port whose inbox it is (`Port::ship`).
        let mail = unsafe { port.inbox.take(&port.slots) };
        // Behind that: what comes after the port was closed finds no room.
        let (mut room, mut pushed, mut shipped) = (self.room(port), 0, 0);
        for (slot, message) in mail {
            let begins = pushed < room && message == Message::Ship && may_begin(slot);
            if begins && push(slot) {
                slot.phase.set(Phase::InFlight);
                pushed += 1;
                continue;
            }
            shipped += u64::from(pushed);
            self.pushed(core::mem::take(&mut pushed));
            match message {
                Message::Ship => shipped += self.accept(port, slot, &now),
                Message::Cancel => self.cancel(port, slot),
            }
            room = self.room(port);
        }
        self.pushed(pushed);
        port.counts.shipped.add(shipped + u64::from(pushed));
    }

    /// How many operations that come may go to the ring before those that come with them are looked
    /// at. None once the port is closed: they are queued, and refused in the same turn.
    fn room(&self, port: &Port) -> u32 {
        let is_open = self.queued.is_empty() && !port.is_closing();
        if is_open { self.in_flight_max.saturating_sub(self.in_flight) } else { 0 }
    }

    /// Says how many operations of the reactor's own thread may go to the ring before its next
    /// turn. What was lent before was taken back.
    pub(super) fn lend_room(&mut self, port: &Port) {
        debug_assert!(self.room_lent == 0, "room is lent once");
        self.room_lent = self.room(port);
        self.room_left = self.room_lent;
    }

    /// Takes note of those that went.
    #[inline(always)]
    pub(super) fn take_room_back(&mut self) {
        let begun = core::mem::take(&mut self.room_lent) - core::mem::take(&mut self.room_left);
        self.pushed(begun);
    }

    /// Takes note that so many operations were pushed to the ring.
    #[inline(always)]
    pub(super) fn pushed(&mut self, operations: u32) {
        self.in_flight += operations;
        self.submitted += u64::from(operations);
    }

    /// Whether there is something to do, after completions, that needs nothing to come.
    pub(super) fn has_to_go_on(&self) -> bool {
        self.has_to_push() || self.alarm_due().is_some()
    }

    /// The same, but for an alarm: none is due without a deadline.
    #[inline(always)]
    pub(super) fn has_to_push(&self) -> bool {
        self.closing | self.cancels_all | self.ticks
            || !self.queued.is_empty()
            || !self.cancels.is_empty()
    }

    /// Closes the inbox: what is in it is refused, and nothing comes any more.
    pub(super) fn close_mail(&mut self, port: &Port) {
        // SAFETY: as in `open_mail`.
        for (slot, message) in unsafe { port.inbox.close(&port.slots) } {
            match message {
                Message::Ship => {
                    port.counts.shipped.add(self.accept(port, slot, Timespec::default));
                }
                Message::Cancel => self.cancel(port, slot),
            }
        }
    }

    /// Queues an operation, or a group by its first. How many operations that are.
    pub(super) fn accept(&mut self, port: &Port, slot: &Slot, now: impl Fn() -> Timespec) -> u64 {
        let group = core::iter::successors(Some(slot), |slot| slot.group_next(&port.slots));
        let mut has_limits = false;
        let operations = group.inspect(|slot| has_limits |= slot.begin_limit(&now)).count() as u32;
        self.has_limits |= has_limits;
        if self.closing {
            self.refuse_group(port, slot, Origin::Closed);
            return operations.into();
        }
        self.queue(port, slot, operations);
        operations.into()
    }

    /// Has so many operations, one or a group by its first, wait for their turn: not longer than
    /// they are given.
    fn queue(&mut self, port: &Port, slot: &Slot, operations: u32) {
        let waits = !self.queued.is_empty() || self.in_flight + operations > self.in_flight_max;
        if let Some(time) = slot.limit().filter(|_| waits) {
            self.deadlines.insert(time, slot.user_data());
        }
        slot.phase.set(Phase::Queued);
        self.queued.push(&port.slots, slot);
    }

    /// Has an operation cancelled that the kernel has.
    fn cancel_due(&mut self, port: &Port, slot: &Slot) {
        slot.phase.set(Phase::CancelDue);
        self.cancels.push(&port.slots, slot);
    }

    /// Takes note that the kernel is given an operation's cancel, or the timer before that. Of one
    /// of a group it may find nothing, and of what a thread of the kernel does: for a moment that
    /// is in none of its lists (seen on Linux 6.1, where a FIFO was waited for ever after).
    pub(super) fn cancel_pushed(&mut self, port: &Port, slot: &Slot) {
        self.cancels.remove(&port.slots, slot);
        if slot.is_grouped() || slot.waits_in_worker() {
            slot.phase.set(Phase::Asked);
            self.asked.push(&port.slots, slot);
        } else {
            slot.phase.set(Phase::InFlight);
        }
    }

    /// Begins to end everything, once the port is closed.
    pub(super) fn close_if_asked(&mut self, port: &Port) {
        if self.closing || !port.is_closing() {
            return;
        }
        self.closing = true;
        while let Some(slot) = self.queued.first(&port.slots) {
            self.queued.remove_first(&port.slots, slot);
            self.refuse_group(port, slot, Origin::Closed);
        }
        self.cancels_all = true;
    }

    /// Says that the reactor sleeps from here on: whoever ships something rings the bell. Not if
    /// there is something to do first.
    pub(super) fn falls_asleep(&self, port: &Port) -> bool {
        // Closed before it was seen to sleep: nobody rings.
        port.inbox.sleep() && (self.closing || !port.is_closing())
    }

    /// Ends an operation that the kernel never saw, and those that go with it.
    pub(super) fn refuse_group(&mut self, port: &Port, first: &Slot, origin: Origin) {
        if let Some(time) = first.limit() {
            self.deadlines.remove(time, first.user_data());
        }
        let mut next = Some(first);
        while let Some(slot) = next {
            // Read before the slot is somebody else's.
            next = slot.group_next(&port.slots);
            slot.phase.set(Phase::Idle);
            self.finish(port, slot, Completion::refused(origin));
        }
    }

    /// Ends a group that has private operations in it, which no ring of Linux has: as a ring in
    /// user space says it.
    pub(super) fn refuse_private(&mut self, port: &Port, first: &Slot) {
        if let Some(time) = first.limit() {
            self.deadlines.remove(time, first.user_data());
        }
        let mut next = Some(first);
        while let Some(slot) = next {
            // Read before the slot is somebody else's.
            next = slot.group_next(&port.slots);
            let errno = if slot.is_private() { Errno::EINVAL } else { Errno::ECANCELED };
            self.fail(port, slot, errno);
        }
    }

    /// Ends an operation that no kernel saw with an error.
    pub(super) fn fail(&mut self, port: &Port, slot: &Slot, errno: Errno) {
        if let Some(time) = slot.limit() {
            self.deadlines.remove(time, slot.user_data());
        }
        slot.phase.set(Phase::Idle);
        self.finish(port, slot, Completion::new(Err(errno)));
    }

    /// Takes a request to cancel.
    fn cancel(&mut self, port: &Port, slot: &Slot) {
        // Read while the link still keeps the slot from being used again.
        let phase = slot.phase.get();
        if slot.unlink() {
            // SAFETY: its future has taken the operation out and left the slot to this.
            unsafe { port.slots.give(slot) };
            return;
        }
        match phase {
            Phase::Queued => {
                // Of a group the first alone is in the list: a later one goes when that goes.
                self.queued.remove(&port.slots, slot);
                self.refuse_group(port, slot, Origin::Cancelled);
            }
            Phase::InFlight => self.cancel_due(port, slot),
            // Over: the slot is its future's alone by now.
            Phase::Idle => {}
            Phase::CancelDue | Phase::Asked => {}
        }
    }

    /// Takes note of the deadlines of a group that the kernel has now, given by its first: the
    /// kernel keeps those that it can.
    pub(super) fn watch(&mut self, port: &Port, first: &Slot) {
        let group = core::iter::successors(Some(first), |slot| slot.group_next(&port.slots));
        for slot in group {
            if let Some(time) = slot.own_limit() {
                self.deadlines.insert(time, slot.user_data());
            } else if let Some(time) = slot.link_limit() {
                self.deadlines.remove(time, slot.user_data());
            }
        }
    }

    /// The next deadline, if no timer is set that tells of it.
    pub(super) fn alarm_due(&self) -> Option<Timespec> {
        let (time, _) = self.deadlines.first()?;
        self.alarm.is_none_or(|set| time < set).then_some(time)
    }

    /// Has those cancelled whose time has come: more than once, for a cancel does not find what is
    /// on its way from one of the kernel's queues to another, or behind another in a group.
    pub(super) fn pass(&mut self, port: &Port, now: Timespec) {
        while let Some(user_data) = self.deadlines.pop(now) {
            let Some(slot) = port.slots.get(user_data as u32) else { continue };
            if slot.phase.get() == Phase::Queued {
                self.queued.remove(&port.slots, slot);
                self.refuse_group(port, slot, Origin::Deadline);
                continue;
            }
            let again = now.after(CANCEL_AGAIN);
            slot.pass_limit(again);
            self.deadlines.insert(again, user_data);
            if slot.phase.get() == Phase::InFlight {
                self.cancel_due(port, slot);
            }
        }
    }

    /// Takes a completion. With `LOCAL` most are of operations of this thread.
    // Always inline: it is called where completions are taken and nowhere else, and what it does
    // with most of them is little more than what a call saves and restores.
    #[inline(always)]
    pub(super) fn complete<const LOCAL: bool>(&mut self, port: &Port, cqe: Cqe) {
        // Field by field, so that it goes through no memory.
        let Cqe { user_data, res, flags } = cqe;
        let slot = port.slots.get(user_data as u32);
        match slot.filter(|slot| slot.user_data() == user_data) {
            Some(slot) => self.complete_slot::<LOCAL>(port, slot, res, flags),
            None => self.complete_own(port, user_data, res, flags),
        }
    }

    /// Takes the completion of what has no slot: of an entry of the reactor's own, whose names no
    /// slot has.
    #[inline(never)]
    fn complete_own(&mut self, port: &Port, user_data: u64, res: i32, flags: CqeFlags) {
        let cqe = Cqe { user_data, res, flags };
        match user_data {
            // Another operation has the slot by now: the kernel has told the end of this before.
            user_data if user_data & (CANCEL | PAUSE | LIMIT) == 0 => port.counts.strays.add(1),
            COMPANION => self.companions = self.companions.saturating_sub(1),
            ALARM => self.alarm = None,
            BELL => self.heard(&cqe),
            BESIDE => self.beside_called = true,
            BELL_AGAIN => (self.listens, self.is_put_off) = (false, false),
            AGAIN => {
                self.companions = self.companions.saturating_sub(1);
                self.cancels_all = true;
            }
            user_data if user_data & LIMIT != 0 => {
                self.companions = self.companions.saturating_sub(1);
                self.limit_ended(port, user_data & !LIMIT, cqe.result());
            }
            user_data if user_data & CANCEL != 0 => {
                self.companions = self.companions.saturating_sub(1);
                match cqe.result() {
                    Err(Errno::ENOENT) => self.cancel_again(port, user_data & !CANCEL, true),
                    _ => self.cancel_found(port, user_data & !CANCEL),
                }
            }
            user_data => {
                self.companions = self.companions.saturating_sub(1);
                self.cancel_again(port, user_data & !PAUSE, false);
            }
        }
    }

    /// Takes the end of a link timeout: it has passed, and the kernel ends what it is of; or that
    /// was over. Or a thread is gone that submitted both, and what it is of may go on without it: a
    /// poll does (seen on Linux 6.18). Then the reactor keeps the time.
    fn limit_ended(&mut self, port: &Port, name: u64, result: Result<u32, Errno>) {
        let slot = port.slots.get(name as u32).filter(|slot| slot.user_data() == name);
        let Some(slot) = slot else { return };
        match slot.phase.get() {
            Phase::Idle | Phase::Queued => {}
            _ if result == Err(Errno::ETIME) => slot.note_passed(),
            _ => {
                if let Some(time) = slot.link_limit() {
                    self.deadlines.insert(time, name);
                }
            }
        }
    }

    /// Takes a report of the bell's poll. One that was refused would be at once again: until it is
    /// armed, what is shipped is seen a pause later.
    fn heard(&mut self, cqe: &Cqe) {
        self.listens &= cqe.flags.contains(CqeFlags::MORE);
        match cqe.result() {
            Ok(_) => self.refusals = 0,
            // With everything else, at the end.
            Err(Errno::ECANCELED) => {}
            Err(_) => {
                self.refusals = self.refusals.saturating_add(1);
                self.is_put_off = true;
            }
        }
    }

    /// Takes note that the kernel knows that an operation is to end. One of a group may not have
    /// begun all the same.
    fn cancel_found(&mut self, port: &Port, user_data: u64) {
        let found = self.asked.find(&port.slots, |slot| slot.user_data() == user_data);
        if let Some(slot) = found.filter(|slot| !slot.is_grouped()) {
            self.asked.remove(&port.slots, slot);
            slot.phase.set(Phase::InFlight);
        }
    }

    /// Has an operation cancelled again, after a pause if that is said, whose cancel found nothing
    /// and may have to: the kernel begins the next of a group a moment after it told the end of the
    /// one before, and what its threads do is in none of its lists while one takes it up. Any other
    /// is being completed, or beyond cancels.
    fn cancel_again(&mut self, port: &Port, user_data: u64, pauses: bool) {
        let slots = &port.slots;
        // Its slot may be somebody else's by now: only where it is in the list it is looked at.
        let Some(slot) = self.asked.find(slots, |slot| slot.user_data() == user_data) else {
            return;
        };
        if !slot.is_behind.get() {
            self.asked.remove(slots, slot);
            slot.tries.set(slot.tries.get().saturating_add(u8::from(pauses)));
            slot.pauses.set(pauses);
            self.cancel_due(port, slot);
        }
    }

    /// Takes the completion of what is in a slot.
    #[inline(always)]
    fn complete_slot<const LOCAL: bool>(
        &mut self,
        port: &Port,
        slot: &Slot,
        res: i32,
        flags: CqeFlags,
    ) {
        if is_bare_success(res, flags) && slot.phase.get() == Phase::InFlight {
            let completion = Completion::new(Ok(res as u32));
            // What most are is asked first; where they are not, `complete_other` does as well.
            if LOCAL && slot.is_over_local(res as u32) {
                return self.end_local(port, slot, completion);
            }
            if slot.is_bare() {
                self.in_flight -= 1;
                slot.phase.set(Phase::Idle);
                // SAFETY: the slot is filled, and the reactor's: the kernel has done with it.
                let finished = unsafe { slot.finish_shared(completion) };
                return self.finished(port, slot, finished);
            }
        }
        if flags.contains(CqeFlags::MORE) {
            return self.shot(port, slot, res, flags);
        }
        let result = Cqe { user_data: slot.user_data(), res, flags }.result();
        self.complete_other(port, slot, completion_of(result, flags));
    }

    /// Ends an operation of this thread, of which the kernel has told the only result.
    #[inline(always)]
    fn end_local(&mut self, port: &Port, slot: &Slot, completion: Completion) {
        self.in_flight -= 1;
        slot.phase.set(Phase::Idle);
        // SAFETY: the slot is filled, and the reactor's: the kernel has done with it. It is this
        // thread's.
        let finished = unsafe { slot.finish_local(completion) };
        self.finished(port, slot, finished);
    }

    /// Takes a result that is not the last. Of an operation that is to have one it means nothing.
    #[inline]
    fn shot(&mut self, port: &Port, slot: &Slot, res: i32, flags: CqeFlags) {
        if !slot.is_several() {
            return;
        }
        // SAFETY: the slot is filled, and the reactor's: the kernel has not done with it.
        let (stops, waker) = unsafe { slot.keep_shot(res, flags) };
        if stops || waker.is_some() {
            self.shot_otherwise(port, slot, stops, waker);
        }
    }

    /// What a result is followed by, where it is more than a task that is woken.
    #[cold]
    fn shot_otherwise(&mut self, port: &Port, slot: &Slot, stops: bool, waker: Option<Waker>) {
        self.wakers.extend(waker);
        if stops && slot.phase.get() == Phase::InFlight {
            self.cancel_due(port, slot);
        }
    }

    /// Takes a completion that is an error, of one of a group or with a limit, of one that may go
    /// on, or none of ours.
    #[inline(never)]
    fn complete_other(&mut self, port: &Port, slot: &Slot, mut completion: Completion) {
        match slot.phase.get() {
            Phase::InFlight => {}
            Phase::CancelDue => self.cancels.remove(&port.slots, slot),
            Phase::Asked => self.asked.remove(&port.slots, slot),
            Phase::Idle | Phase::Queued => {
                port.counts.strays.add(1);
                return;
            }
        }
        self.in_flight -= 1;
        if let Some(time) = slot.limit() {
            self.deadlines.remove(time, slot.user_data());
        }
        completion.origin = self.origin(slot, &completion);
        if self.resubmits
            && completion.origin == Origin::Kernel
            && may_be_by_exit(slot, &completion)
        {
            return self.queue(port, slot, 1);
        }
        if slot.is_grouped() && completion.result.is_ok() {
            self.begin_next(port, slot.group_next(&port.slots));
        }
        self.advance(port, slot, completion);
    }

    /// Takes note that `next` is begun, the one before it in its group being over, and has it
    /// cancelled if that was asked for: until now the kernel found nothing to cancel. It is in
    /// flight still: of a group the completions come in order.
    fn begin_next(&mut self, port: &Port, next: Option<&Slot>) {
        let Some(next) = next else { return };
        next.is_behind.set(false);
        match next.phase.get() {
            Phase::InFlight if self.closing || next.is_cancelled() => {}
            Phase::Asked => self.asked.remove(&port.slots, next),
            Phase::Idle | Phase::Queued | Phase::InFlight | Phase::CancelDue => return,
        }
        next.pauses.set(false);
        self.cancel_due(port, next);
    }

    /// Shows an operation its completion: it goes on, or has its result.
    fn advance(&mut self, port: &Port, slot: &Slot, mut completion: Completion) {
        // SAFETY: the kernel has done with the slot, so it is the reactor's.
        let advance = guarded(port, || unsafe { slot.advance(&mut completion) });
        // One of a group is not submitted again alone: what comes behind it has gone before then.
        let goes_on = advance == Some(Advance::Again) && !slot.is_grouped();
        if goes_on && completion.origin == Origin::Kernel {
            let Some(origin) = self.ended_by(slot) else {
                port.counts.short.add(1);
                return self.queue(port, slot, 1);
            };
            // It came short of its end because somebody ended it.
            completion = Completion::refused(origin);
        }
        slot.phase.set(Phase::Idle);
        self.finish(port, slot, completion);
    }

    /// Who has an operation end that would go on, if anybody.
    fn ended_by(&self, slot: &Slot) -> Option<Origin> {
        if self.closing {
            Some(Origin::Closed)
        } else if slot.is_cancelled() {
            Some(Origin::Cancelled)
        } else {
            slot.has_passed().then_some(Origin::Deadline)
        }
    }

    /// Who ended an operation.
    fn origin(&self, slot: &Slot, completion: &Completion) -> Origin {
        match completion.result {
            Err(Errno::ECANCELED | Errno::EINTR) if slot.is_cancelled() => Origin::Cancelled,
            Err(Errno::ECANCELED | Errno::EINTR) if self.closing => Origin::Closed,
            Err(Errno::ECANCELED | Errno::EINTR) if self.is_past(slot) => Origin::Deadline,
            _ => Origin::Kernel,
        }
    }

    /// Whether it was a slot's time limit that ended it. In a group a link may have broken instead.
    fn is_past(&self, slot: &Slot) -> bool {
        let by_link = |time| !slot.is_grouped() || time <= self.now;
        slot.has_passed() || slot.link_limit().is_some_and(by_link)
    }

    /// Gives an operation its result. The slot is its future's afterwards, or free.
    #[inline]
    fn finish(&mut self, port: &Port, slot: &Slot, completion: Completion) {
        if matches!(completion.origin, Origin::Cancelled | Origin::Closed) {
            port.counts.cancelled.add(1);
        }
        // SAFETY: the slot is filled, and the reactor's: neither the kernel nor a list has it.
        let finished = unsafe { slot.finish(completion) };
        self.finished(port, slot, finished);
    }

    /// Takes note of an operation that has its result.
    #[inline(always)]
    fn finished(&mut self, port: &Port, slot: &Slot, how: (Finished, Option<Waker>)) {
        port.counts.completed.add(1);
        let (finished, waker) = how;
        if let Some(waker) = waker {
            self.wakers.push(waker);
        }
        if finished == Finished::Nobody {
            reclaim(port, slot);
        }
    }

    /// Whether so many wakers may become due without an allocation.
    pub(super) fn has_room_to_wake(&self, completions: u32) -> bool {
        self.defers || completions as usize <= self.wakers.capacity() - self.wakers.len()
    }

    /// Wakes who is due. Nothing of the reactor is borrowed by what runs here.
    pub(super) fn wake(&mut self, port: &Port) {
        if self.wakers.is_empty() || self.defers {
            return;
        }
        let mut wakers = core::mem::take(&mut self.wakers);
        for waker in wakers.drain(..) {
            // One that panics, by our caller's fault, does not keep the others asleep.
            guarded(port, || waker.wake());
        }
        self.wakers = wakers;
    }
}

/// Whether a completion is no error and has no flag: of both words in one look.
#[inline(always)]
fn is_bare_success(res: i32, flags: CqeFlags) -> bool {
    (u64::from(flags.bits()) << u32::BITS | u64::from(res as u32)) >> (u32::BITS - 1) == 0
}

/// Whether an operation that comes may go to the ring at once. One that is cancelled waits for the
/// message that says so: it shall not begin.
#[inline(always)]
fn may_begin(slot: &Slot) -> bool {
    slot.is_plain() && !slot.is_cancelled()
}

/// Has an operation that nobody waits for take care of its result, and releases its slot.
#[cold]
fn reclaim(port: &Port, slot: &Slot) {
    // SAFETY: nobody waits, and the slot's operation is not used again.
    let reclaimed = guarded(port, || unsafe { slot.reclaim() });
    // A panic was counted.
    let _ = reclaimed;
    if !slot.release_unless_linked() {
        // SAFETY: the operation is gone, the future too, and the inbox has no link.
        unsafe { port.slots.give(slot) };
    }
}

/// Runs what is not ours: a panic there is counted, and everything else goes on.
fn guarded<R>(port: &Port, foreign: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(foreign)) {
        Ok(answer) => Some(answer),
        Err(what) => {
            port.counts.panics.add(1);
            // What it panicked with is not ours either; what that panics with is let go.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(what)));
            dropped.unwrap_or_else(core::mem::forget);
            None
        }
    }
}

/// Whether an operation may have been ended by the end of the thread that submitted it, or by a
/// signal to that: a few times it is believed.
fn may_be_by_exit(slot: &Slot, completion: &Completion) -> bool {
    const TRIES_MAX: u8 = 8;
    let ended = matches!(completion.result, Err(Errno::ECANCELED | Errno::EINTR));
    let tries = slot.tries.get();
    if !ended || slot.is_grouped() || tries == TRIES_MAX {
        return false;
    }
    slot.tries.set(tries + 1);
    true
}
