//! A reactor that never waits: a future drives it, and waits as its runtime waits.

use core::task::Waker;

use std::sync::Arc;

use annulus_ring::abi::{Cqe, SqRingFlags, Sqe};
use annulus_ring::kernel::Kernel;
use annulus_ring::{Movable, RingOf};

use super::{BesidePlan, Habits, Reactor, Rest};
use crate::port::Ports;

/// What a step leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more at once.
    More,
    /// Nothing until something is shipped or completed.
    Idle,
    /// The port is closed, and nothing is left.
    Over,
}

/// The reactor of a ring that moves from thread to thread.
pub(crate) type TaskReactor<K> = Reactor<Movable, K>;

impl<K: Kernel> TaskReactor<K> {
    /// A reactor whose ring any thread enters, one at a time. What is cancelled because such a
    /// thread ended is submitted again.
    pub(crate) fn of_task(
        ring: RingOf<Movable, Sqe, Cqe, K>,
        ports: Arc<Ports>,
        index: usize,
        habits: Habits,
        beside: BesidePlan,
    ) -> Self {
        let mut reactor = Self::new(ring, ports, index, habits, beside);
        reactor.book.resubmits = true;
        reactor
    }

    /// Does what there is to do without waiting. Idle, it has `waker` woken when something is
    /// shipped; completions the caller must look for.
    pub(crate) fn step(&mut self, waker: &Waker) -> Step {
        let Some(all_pushed) = self.prepare() else { return Step::Over };
        let rest = self.has_to_submit().then_some(Rest::No);
        let round = self.round::<false>(rest);
        // Nobody says when the next step will be, of one that is idle.
        self.publish_counts();
        if !round.goes_on {
            // Refused again and again: the next one to ship something, or to close, has it tried.
            return if self.book.closing { self.idle(waker) } else { Step::More };
        }
        // A completion may free room, or have another cancelled; or be the last. And where the
        // kernel wants to be entered, its descriptor may be readable until somebody finds that all
        // completions were taken, and tell of no others until then.
        let goes_on = round.completed > 0
            && (self.book.has_to_go_on() || self.tends_beside() || self.is_called());
        if !all_pushed || goes_on { Step::More } else { self.idle(waker) }
    }

    /// Whether the kernel wants to be entered.
    fn is_called(&mut self) -> bool {
        let (sq, ..) = self.ring.parts();
        sq.flags().intersects(SqRingFlags::TASKRUN | SqRingFlags::CQ_OVERFLOW)
    }

    /// Has `waker` woken when something comes, unless it is there.
    fn idle(&mut self, waker: &Waker) -> Step {
        self.port.bell.set_waker(waker);
        if !self.book.falls_asleep(&self.port) {
            return Step::More;
        }
        if self.has_to_submit() {
            // The kernel did not take all: it was short of memory for a moment.
            return Step::More;
        }
        // What completed before the caller began to look is not told to it.
        if self.has_completions() { Step::More } else { Step::Idle }
    }
}
