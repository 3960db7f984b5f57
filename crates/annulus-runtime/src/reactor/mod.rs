//! [`Reactor`]: one per ring. It takes slots from an inbox, has their entries submitted, and gives
//! them their results. It knows entries, slots and wakers, and nothing of tasks or files.
//!
//! ```text
//! turn:  open the mail        shipped slots are queued, cancels noted
//!        push                 cancels first, then what is queued, as far as there is room
//!        enter                submit all of it; wait, if there is nothing else to do
//!        take completions     each slot gets its result
//!        wake                 with nothing borrowed and no lock held
//! ```
//!
//! # How it waits
//! Asleep, it is woken by each completion, and by whoever ships something: the bell, a system call
//! for them and a switch for it. While it is awake nobody rings, so under load what is shipped
//! meanwhile comes together. To have it doze for some tens of microseconds, so that more comes
//! together, was tried and costs more than it saves: the timer, and the switches of the others, who
//! run out of work.

mod beside;
mod book;
mod deadlines;
mod lanes;
mod list;
mod local;
mod push;
mod task;

pub(crate) use beside::BesidePlan;
pub(crate) use lanes::LANES_MAX;
pub(crate) use local::Patience;
pub(crate) use task::{Step, TaskReactor};

use core::time::Duration;
use std::sync::Arc;

use annulus_ring::abi::{Cqe, Sqe, Timespec};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Errno, Error, Local, Place, Result, RingOf, Wait};

use crate::port::{OwnPort, Ports};
use beside::Beside;
use book::{Book, CANCEL_AGAIN};
use lanes::{Lane, Other};

/// How long the kernel is left alone when it has no memory for a submission.
const SHORTAGE: Duration = Duration::from_millis(1);
/// After how many failures in a row nothing new is taken: some four seconds.
const FAILURES_MAX: u32 = 12;
/// The longest pause between them, as a power of two of the shortest: a second.
const PAUSE_LOG2_MAX: u32 = 10;
/// How a reactor is to behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// How many operations the kernel is given at a time.
    pub(crate) in_flight_max: u32,
    /// Lets some time pass, on a thread of the reactor's own.
    pub(crate) pause: fn(Duration),
    /// Says that the kernel refuses to be entered.
    pub(crate) complain: fn(Option<&Error>),
}

/// Whether a turn waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// There was more to do.
    No,
    Sleep,
    /// As that, but no longer than so.
    SleepFor(Duration),
    /// Waiting for what was cancelled.
    Closing,
}

/// What a round brought.
struct Round {
    /// How many completions.
    completed: u32,
    /// Whether another is worth it at once.
    goes_on: bool,
}

/// See above.
pub(crate) struct Reactor<P: Place, K: Kernel> {
    ring: RingOf<P, Sqe, Cqe, K>,
    /// Those of other threads, where a task drives. They go before the port, which keeps what they
    /// have registered.
    others: Vec<Other<P, K>>,
    port: OwnPort,
    book: Book,
    habits: Habits,
    /// How many enters in a row failed.
    failures: u32,
    /// Why the last one did, until that is borne: here, so that nobody carries it who has none.
    failed: Option<Error>,
    /// Where the ring is Linux's, the way of what that has no number for.
    beside: Option<Beside>,
    /// Whose the ring is.
    lane: Lane,
}

/// The reactor that stays on its thread.
pub(crate) type LocalReactor<K> = Reactor<Local, K>;

impl<P: Place, K: Kernel> Reactor<P, K> {
    /// A reactor of `ring` for the port `index` of `ports`.
    pub(crate) fn new(
        ring: RingOf<P, Sqe, Cqe, K>,
        ports: Arc<Ports>,
        index: usize,
        habits: Habits,
        beside: BesidePlan,
    ) -> Self {
        let wakers_max = ring.cq_entries() as usize;
        let port = ports.own(index);
        // SAFETY: the book is given this port only, from here on.
        let book = unsafe { Book::new(&port, habits.in_flight_max, wakers_max) };
        let beside = ring.kernel().is_linux().then(|| Beside::new(beside));
        let (lane, others) = (Lane::default(), Vec::new());
        port.counts.rings.set(1);
        Self { ring, port, book, habits, failures: 0, failed: None, beside, lane, others }
    }

    /// Runs until the port is closed and nothing is left.
    pub(crate) fn run(&mut self) {
        while self.turn() {}
    }

    /// Does what there is to do, and waits if that is nothing. Whether there will be more.
    fn turn(&mut self) -> bool {
        let Some(all_pushed) = self.prepare() else { return false };
        let rest = if all_pushed { self.rest() } else { Rest::No };
        if rest == Rest::No && all_pushed && self.book.queued.is_empty() {
            // There is mail, and room for it. Not so where something waits already: mail that never
            // ends would keep what was pushed from the kernel.
            return true;
        }
        if !self.round::<false>(Some(rest)).goes_on {
            (self.habits.pause)(self.pause());
        }
        true
    }

    /// Enters the kernel, if it is said how to wait there, takes what completed, and wakes.
    ///
    /// With `LOCAL` most of it is of operations of this thread; without, the time in the kernel is
    /// counted: two looks at the clock for each enter.
    fn round<const LOCAL: bool>(&mut self, rest: Option<Rest>) -> Round {
        let taken = rest.map_or(Some(0), |rest| self.enter::<LOCAL>(rest));
        self.gather::<LOCAL>(taken, rest == Some(Rest::Sleep))
    }

    /// Takes what completed, and wakes, after an enter which took so many entries, or failed;
    /// `waited` is whether it was to wait for a completion as long as it takes.
    #[inline(always)]
    fn gather<const LOCAL: bool>(&mut self, taken: Option<u32>, waited: bool) -> Round {
        let Self { ring, lane, book, port, .. } = self;
        let mut completed = lanes::take::<LOCAL, P, K>(ring, lane, book, port);
        book.wake(port);
        if !LOCAL && !self.others.is_empty() {
            completed += self.take_from_others();
        }
        completed += self.take_beside();
        let goes_on = match taken {
            // It waits for a completion, and returned without one, having taken nothing.
            Some(0) if completed == 0 && waited => self.bear(completed),
            Some(_) => {
                self.failures = 0;
                true
            }
            None => self.bear(completed),
        };
        Round { completed, goes_on }
    }

    /// Takes what came, and pushes it: whether there was room for all. Nothing, if it is all over.
    fn prepare(&mut self) -> Option<bool> {
        let Self { ring, port, book, lane, .. } = self;
        let (sq, _, submitter) = ring.parts();
        let now = || submitter.kernel().now();
        book.open_mail(port, now, |slot| {
            lane.takes(slot);
            // SAFETY: an operation owns what its entry points to, and its slot keeps it until the
            // completion (`Operation`).
            unsafe { sq.push(slot) }.is_ok()
        });
        if !book.deadlines.is_empty() {
            book.pass(port, now());
        }
        book.close_if_asked(port);
        // Who was refused, or cancelled before the kernel knew, waits for no completion.
        book.wake(port);
        let all_pushed = self.push();
        // Who was refused at the last moment, as what the ring cannot have.
        self.book.wake(&self.port);
        self.publish_counts();
        if self.book.closing && self.book.in_flight == 0 && self.book.queued.is_empty() {
            // A cancel or the bell's poll in the kernel points to nothing of ours.
            self.book.close_mail(&self.port);
            self.book.wake(&self.port);
            return None;
        }
        Some(all_pushed)
    }

    /// Tells everybody what the book says.
    #[inline(always)]
    fn publish_counts(&self) {
        let (book, counts) = (&self.book, &self.port.counts);
        counts.submitted.set(book.submitted);
        counts.in_flight.set(u64::from(book.in_flight));
        counts.queued.set(u64::from(book.queued.len()));
    }

    /// How to wait, all being pushed.
    fn rest(&mut self) -> Rest {
        let book = &self.book;
        if book.closing {
            return Rest::Closing;
        }
        if book.falls_asleep(&self.port) { Rest::Sleep } else { Rest::No }
    }

    /// Enters the kernel with all that was pushed. How many entries it took; nothing where it
    /// failed, which is to be borne.
    #[inline(always)]
    fn enter<const LOCAL: bool>(&mut self, rest: Rest) -> Option<u32> {
        let begun = (!LOCAL).then(|| self.ring.kernel().now());
        // First: what is cancelled there is not waited for before.
        let others_took = LOCAL || self.others.is_empty() || self.submit_others();
        let taken = match rest {
            Rest::No => self.note(rest, |ring| ring.submit()),
            Rest::Sleep => self.note(rest, |ring| ring.submit_and_wait(1)),
            Rest::SleepFor(limit) => {
                self.note(rest, |ring| ring.submit_and_wait_with(1, &Wait::new().timeout(limit)))
            }
            Rest::Closing => {
                let limit = Wait::new().timeout(CANCEL_AGAIN);
                self.note(rest, |ring| ring.submit_and_wait_with(1, &limit))
            }
        };
        self.port.counts.enters.add(1);
        if begun.is_some() || self.book.has_limits {
            self.book.now = self.ring.kernel().now();
        }
        if let Some(begun) = begun {
            self.port.counts.kernel_ns.add(elapsed_ns(begun, self.book.now));
        }
        if !LOCAL {
            self.lane.pending += taken.unwrap_or(0);
        }
        taken.filter(|_| others_took)
    }

    /// Enters, and looks at once whether that failed: the error goes no further.
    #[inline(always)]
    fn note(
        &mut self,
        rest: Rest,
        enter: impl FnOnce(&mut RingOf<P, Sqe, Cqe, K>) -> Result<u32>,
    ) -> Option<u32> {
        match enter(&mut self.ring) {
            Ok(taken) => Some(taken),
            Err(error) => self.note_failure(rest, error),
        }
    }

    /// Takes note that an enter failed, unless it only took as long as it was to take.
    #[cold]
    fn note_failure(&mut self, rest: Rest, error: Error) -> Option<u32> {
        if error.is_timeout() {
            self.book.cancels_all |= rest == Rest::Closing;
            return Some(0);
        }
        self.failed = Some(error);
        None
    }

    /// Gives the completions of the ring beside to their slots. How many there were.
    #[inline(always)]
    fn take_beside(&mut self) -> u32 {
        let is_used = self.beside.as_ref().is_some_and(Beside::is_used);
        if is_used || self.book.beside_called { self.take_from_beside() } else { 0 }
    }

    #[inline(never)]
    fn take_from_beside(&mut self) -> u32 {
        let Self { beside: Some(beside), book, port, .. } = self else { return 0 };
        if core::mem::take(&mut book.beside_called) {
            beside.called();
        }
        let completed = beside.take(|cqe| book.complete::<false>(port, cqe));
        if completed > 0 {
            book.wake(port);
        }
        completed
    }

    /// Whether the ring beside wants the next turn to push something for it.
    fn tends_beside(&self) -> bool {
        self.beside.as_ref().is_some_and(Beside::is_to_show)
    }

    /// Lives with an enter that failed: nothing of what was pushed is lost, and nothing of what is
    /// under way may be freed. So it is tried again, for ever if need be, at growing intervals;
    /// after some seconds nothing new is taken. Whether it is worth another try at once.
    #[cold]
    fn bear(&mut self, completed: u32) -> bool {
        let error = self.failed.take();
        let error = error.as_ref();
        let is_short = error.is_some_and(|e| e.is_busy() || e.errno() == Some(Errno::ENOMEM));
        if is_short && completed > 0 {
            // The kernel wanted its completions taken: they were.
            return true;
        }
        let wait = Wait::new().timeout(SHORTAGE);
        if is_short && self.ring.submitter().wait_with(1, &wait).is_ok() {
            return true;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES_MAX && !self.port.is_closing() {
            (self.habits.complain)(error);
            self.port.close();
        }
        false
    }

    /// Ends everything on this thread, waiting up to `tries` tenths of a second. Whether that was
    /// enough.
    pub(crate) fn drain(&mut self, tries: u32) -> bool {
        self.port.close();
        // It waits with a limit: a timer would be what it waits for, and keep it from other rings.
        self.book.resubmits = false;
        let mut left = tries;
        loop {
            if self.prepare().is_none() {
                return true;
            }
            self.turn_to_busy();
            let before = self.book.in_flight;
            if !self.round::<false>(Some(Rest::Closing)).goes_on {
                (self.habits.pause)(self.pause());
            }
            if self.book.in_flight == before {
                if left == 0 {
                    return false;
                }
                left -= 1;
            }
        }
    }

    /// How long to leave the kernel alone after so many failures.
    fn pause(&self) -> Duration {
        SHORTAGE.saturating_mul(1 << self.failures.min(PAUSE_LOG2_MAX))
    }
}

/// The time from `begun` to `ended`.
fn elapsed_ns(begun: Timespec, ended: Timespec) -> u64 {
    let secs = ended.tv_sec.wrapping_sub(begun.tv_sec);
    let ns = secs.wrapping_mul(1_000_000_000).wrapping_add(ended.tv_nsec - begun.tv_nsec);
    u64::try_from(ns).unwrap_or(0)
}
