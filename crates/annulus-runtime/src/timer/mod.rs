//! [`Wheel`]: the timers of one thread. It knows times and wakers, and neither a clock nor a
//! kernel: who has it says how late it is, and asks how long it may wait.
//!
//! ```text
//! level 0   64 slots of 1 tick (2¹⁰ ns)                 what is due within 65 µs
//! level 1   64 slots of 64 ticks                        within 4 ms
//! level 2   64 slots of 64² ticks                       within 268 ms
//!   …
//! level 8   64 slots of 64⁸ ticks                       all that 64 bits of nanoseconds hold
//! ```
//!
//! A timer is put into the level of the highest digit, in base 64, in which its time differs from
//! now: a shift and a few writes, wherever it falls. When time reaches a slot of a higher level its
//! timers are dealt out to the levels below. So to set one and to take it back, which is what
//! happens to most, costs the same for any number of them; and those of a lower level are always
//! due before those of a higher.
//!
//! A timer that is set for a while from now is not in a slot at first: those of one turn are given
//! their times together, at its end, by one look at the clock. So it fires a turn later than so
//! long after it was set, and never earlier; and one that is taken back in the same turn, as by an
//! operation that was done at once, costs next to nothing.
//!
//! Each slot knows the earliest time in it, so that nobody wakes up merely to deal out timers.

mod entries;

pub(crate) use entries::Key;
use entries::{Entries, NONE, Place};

use core::task::Waker;

use crate::executor::LocalWaker;

/// A tick, as a power of two of nanoseconds.
const TICK_LOG2: u32 = 10;
/// The slots of a level, as a power of two.
const SLOTS_LOG2: u32 = 6;
const SLOTS: usize = 1 << SLOTS_LOG2;
const LEVELS: usize = 9;

// All 64 bits of a time have a level.
const _: () = assert!(TICK_LOG2 + LEVELS as u32 * SLOTS_LOG2 >= u64::BITS);

/// The slots of one level.
struct Level {
    /// Which slots have timers.
    occupied: u64,
    /// The first timer of each.
    first: [u32; SLOTS],
    /// No timer of a slot is earlier than this tick.
    earliest: [u64; SLOTS],
}

/// See above.
pub(crate) struct Wheel {
    levels: Box<[Level; LEVELS]>,
    /// Which levels have timers.
    occupied: u32,
    entries: Entries,
    /// The first timer whose time is not known yet.
    fresh: u32,
    /// The tick up to which everything is over.
    elapsed: u64,
}

/// The last tick there is.
const TICK_MAX: u64 = u64::MAX >> TICK_LOG2;

/// The first tick that is not before a time, as far as there are ticks.
#[inline(always)]
fn tick_of(time_ns: u64) -> u64 {
    time_ns.div_ceil(1 << TICK_LOG2).min(TICK_MAX)
}

impl Wheel {
    /// One without timers, for times from `now_ns` on.
    pub(crate) fn new(now_ns: u64) -> Self {
        let empty = || Level { occupied: 0, first: [NONE; SLOTS], earliest: [u64::MAX; SLOTS] };
        let levels = Box::new(core::array::from_fn(|_| empty()));
        let elapsed = (now_ns >> TICK_LOG2).min(TICK_MAX - 1);
        Self { levels, occupied: 0, entries: Entries::default(), fresh: NONE, elapsed }
    }

    /// Sets a timer for `time_ns`: it fires then, or a moment later, never before.
    #[inline]
    pub(crate) fn insert_at(&mut self, time_ns: u64) -> Key {
        let key = self.entries.insert(0);
        self.settle_at(key.index(), time_ns);
        key
    }

    /// Sets a timer for `span_ns` after the next [`settle`](Self::settle), which is told what time
    /// it is: whoever sets many, and takes them back, never looks at the clock.
    #[inline]
    pub(crate) fn insert_after(&mut self, span_ns: u64) -> Key {
        let key = self.entries.insert(span_ns);
        let next = core::mem::replace(&mut self.fresh, key.index());
        self.lead(key.index(), next, Place::FRESH);
        key
    }

    /// Gives the timers their times that count from now.
    #[inline]
    pub(crate) fn settle(&mut self, now_ns: u64) {
        let mut next = core::mem::replace(&mut self.fresh, NONE);
        while next != NONE {
            let index = next;
            let entry = self.entries.at(index);
            next = entry.next;
            let time_ns = now_ns.saturating_add(entry.when);
            self.settle_at(index, time_ns);
        }
    }

    /// Puts a timer that is in no list into the slot of its time.
    #[inline]
    fn settle_at(&mut self, index: u32, time_ns: u64) {
        // One that is due is fired by the next advance, which begins behind `elapsed`.
        let tick = tick_of(time_ns).max(self.elapsed + 1);
        self.entries.at(index).when = tick;
        self.link(index, tick);
    }

    /// Has `waker` woken when a timer fires, unless it has: the waker that is not woken any more,
    /// if it is another, for the caller to drop. `None` where the timer has fired, or was removed.
    #[inline]
    pub(crate) fn poll(&mut self, key: Key, waker: &Waker) -> Option<Option<LocalWaker>> {
        let entry = self.entries.get(key)?;
        if entry.place == Place::FIRED {
            return None;
        }
        if entry.waker.as_ref().is_some_and(|own| own.will_wake(waker)) {
            return Some(None);
        }
        Some(entry.waker.replace(LocalWaker::of(waker)))
    }

    /// Takes a timer back, fired or not. Its waker is the caller's to drop: what runs then is not
    /// ours.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<LocalWaker> {
        if self.entries.get(key)?.place != Place::FIRED {
            self.unlink(key.index());
        }
        self.entries.remove(key.index())
    }

    /// Whether there are none, but for those that have fired.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0 && self.fresh == NONE
    }

    /// When the next timer fires, if there is one, all being settled.
    #[inline]
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let (level, slot) = self.next_slot()?;
        Some(self.levels[level].earliest[slot] << TICK_LOG2)
    }

    /// Fires what is due at `now_ns`: each waker is given to `wake`, once.
    pub(crate) fn advance(&mut self, now_ns: u64, mut wake: impl FnMut(LocalWaker)) {
        // There is always a tick to come.
        let now = (now_ns >> TICK_LOG2).min(TICK_MAX - 1);
        while let Some((level, slot)) = self.next_slot() {
            let begin = self.slot_begin(level, slot);
            if begin > now {
                break;
            }
            self.elapsed = self.elapsed.max(begin);
            let mut next = self.empty(level, slot);
            while next != NONE {
                let index = next;
                let entry = self.entries.at(index);
                next = entry.next;
                if entry.when <= self.elapsed {
                    entry.place = Place::FIRED;
                    if let Some(waker) = entry.waker.take() {
                        wake(waker);
                    }
                } else {
                    // To a level below, though it may be due by now: those fire in their order.
                    let tick = entry.when;
                    self.link(index, tick);
                }
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The slot whose timers are due first.
    #[inline]
    fn next_slot(&self) -> Option<(usize, usize)> {
        if self.occupied == 0 {
            return None;
        }
        let level = self.occupied.trailing_zeros() as usize;
        // Nothing is in a slot that is over, so the first in order of numbers is the first in time.
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The first tick of a slot, in the round that it is in.
    fn slot_begin(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * SLOTS_LOG2;
        let round = shift + SLOTS_LOG2;
        let above = if round < u64::BITS { self.elapsed >> round << round } else { 0 };
        above | (slot as u64) << shift
    }

    /// Puts a timer into the slot of its tick, which is behind `elapsed`.
    #[inline]
    fn link(&mut self, index: u32, tick: u64) {
        debug_assert!(tick > self.elapsed);
        let differs = u64::BITS - 1 - (tick ^ self.elapsed).leading_zeros();
        let level = (differs / SLOTS_LOG2) as usize;
        let slot = (tick >> (level as u32 * SLOTS_LOG2)) as usize % SLOTS;
        let at = &mut self.levels[level];
        let next = at.first[slot];
        at.first[slot] = index;
        at.occupied |= 1 << slot;
        self.occupied |= 1 << level;
        at.earliest[slot] = at.earliest[slot].min(tick);
        let (level, slot) = (level as u8, slot as u8);
        self.lead(index, next, Place { level, slot });
    }

    /// Links a timer as the first of a list, in front of `next`.
    #[inline(always)]
    fn lead(&mut self, index: u32, next: u32, place: Place) {
        if next != NONE {
            self.entries.at(next).prev = index;
        }
        let entry = self.entries.at(index);
        (entry.prev, entry.next, entry.place) = (NONE, next, place);
    }

    /// Takes a timer out of its list.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let entry = self.entries.at(index);
        let (prev, next, place) = (entry.prev, entry.next, entry.place);
        entry.place = Place::FIRED;
        if next != NONE {
            self.entries.at(next).prev = prev;
        }
        if prev != NONE {
            self.entries.at(prev).next = next;
            return;
        }
        if place == Place::FRESH {
            self.fresh = next;
            return;
        }
        let (level, slot) = (usize::from(place.level), usize::from(place.slot));
        self.levels[level].first[slot] = next;
        if next == NONE {
            self.empty(level, slot);
        }
    }

    /// Empties a slot: the first of its timers, which are linked still.
    #[inline]
    fn empty(&mut self, level: usize, slot: usize) -> u32 {
        let at = &mut self.levels[level];
        at.occupied &= !(1 << slot);
        at.earliest[slot] = u64::MAX;
        if at.occupied == 0 {
            self.occupied &= !(1 << level);
        }
        core::mem::replace(&mut at.first[slot], NONE)
    }
}

#[cfg(test)]
mod tests;
