//! [`Several`]: what lies in the slot of an operation of many results: that, and the results that
//! nobody has taken yet.

use std::collections::VecDeque;

use annulus_ring::abi::{Cqe, CqeFlags, Sqe};

use super::completion_of;
use crate::operation::{Completion, Multishot, Operation};

/// A completion, as it is kept.
#[derive(Clone, Copy, Debug)]
struct Kept {
    res: i32,
    flags: CqeFlags,
}

impl From<Kept> for Completion {
    fn from(kept: Kept) -> Self {
        let Kept { res, flags } = kept;
        completion_of(Cqe { user_data: 0, res, flags }.result(), flags)
    }
}

/// Results that nobody has taken.
#[derive(Debug)]
pub(crate) struct Waiting {
    shots: VecDeque<Kept>,
    max: usize,
    /// The kernel was asked to end it.
    is_stopped: bool,
}

impl Waiting {
    /// Keeps one. Whether the kernel is to be asked to end it: that is said once.
    #[inline]
    pub(crate) fn keep(&mut self, res: i32, flags: CqeFlags) -> bool {
        self.shots.push_back(Kept { res, flags });
        let stops = self.shots.len() >= self.max && !self.is_stopped;
        self.is_stopped |= stops;
        stops
    }
}

/// What lies in a slot. [`Waiting`] comes first, where the reactor finds it whatever is behind.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Several<M> {
    waiting: Waiting,
    operation: M,
}

impl<M: Multishot> Several<M> {
    pub(crate) fn new(operation: M) -> Self {
        let max = operation.waiting_max().max(1);
        Self { waiting: Waiting { shots: VecDeque::new(), max, is_stopped: false }, operation }
    }

    /// The first of those that wait.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<M::Item> {
        let shot = self.waiting.shots.pop_front()?;
        Some(self.operation.item(shot.into()))
    }

    /// The operation, once nothing waits, and whether it was ended because too much did.
    pub(crate) fn into_parts(self) -> (M, bool) {
        debug_assert!(self.waiting.shots.is_empty(), "the last result is taken last");
        (self.operation, self.waiting.is_stopped)
    }
}

// SAFETY: the entry is the operation's, which promises the same (`Multishot`), and which is neither
// moved nor used by others here.
unsafe impl<M: Multishot> Operation for Several<M> {
    type Output = (Self, Completion);

    #[inline]
    fn entry(&mut self) -> Sqe {
        self.operation.entry()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        (self, completion)
    }

    fn reclaim(mut self, completion: Completion) {
        while let Some(shot) = self.waiting.shots.pop_front() {
            self.operation.reclaim(shot.into());
        }
        self.operation.reclaim(completion);
    }
}
