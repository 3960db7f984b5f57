//! [`Several`]: what lies in the slot of an operation of many results: that, and the results that
//! nobody has taken yet.

use std::collections::VecDeque;

use annulus_ring::abi::{Cqe, CqeFlags, Sqe};

use super::completion_of;
use crate::operation::places::{NOWHERE, Seal};
use crate::operation::{Advance, Completion, Multishot, Operation};

/// A completion, as it is kept.
#[derive(Clone, Copy, Debug)]
struct Kept {
    res: i32,
    flags: CqeFlags,
    /// Where its bytes lie in their buffer: as it was noted when it came.
    at: u32,
}

impl From<Kept> for Completion {
    fn from(kept: Kept) -> Self {
        let Kept { res, flags, .. } = kept;
        completion_of(Cqe { user_data: 0, res, flags }.result(), flags)
    }
}

/// Results that nobody has taken.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The first: mostly there is no other.
    first: Option<Kept>,
    /// Those behind it: none where there is no first.
    others: VecDeque<Kept>,
    max: usize,
    /// The kernel was asked to end it.
    is_stopped: bool,
    /// Has the operation, by the payload, take note of what comes, if it does.
    arrived: Option<unsafe fn(*mut u8, i32, CqeFlags) -> u32>,
}

impl Waiting {
    fn new<M: Multishot>(max: usize) -> Self {
        let (others, arrived) = (VecDeque::new(), M::NOTES_PLACES.then_some(arrived_of::<M> as _));
        Self { first: None, others, max: max.max(1), is_stopped: false, arrived }
    }

    /// What has the operation take note of what comes, if it does.
    #[inline(always)]
    pub(super) fn arrived(&self) -> Option<unsafe fn(*mut u8, i32, CqeFlags) -> u32> {
        self.arrived
    }

    /// Keeps one, with what was noted. Whether the kernel is to be asked to end it: that is said
    /// once.
    #[inline]
    pub(crate) fn keep(&mut self, res: i32, flags: CqeFlags, at: u32) -> bool {
        let kept = Kept { res, flags, at };
        if self.first.is_none() && self.max > 1 {
            self.first = Some(kept);
            return false;
        }
        self.keep_behind(kept)
    }

    /// Keeps one that is not the only one, or one too many all the same.
    #[cold]
    fn keep_behind(&mut self, kept: Kept) -> bool {
        match self.first {
            None => self.first = Some(kept),
            Some(_) => self.others.push_back(kept),
        }
        let stops = 1 + self.others.len() >= self.max && !self.is_stopped;
        self.is_stopped |= stops;
        stops
    }

    /// Takes the first.
    #[inline]
    fn take(&mut self) -> Option<Kept> {
        let first = self.first.take()?;
        if !self.others.is_empty() {
            self.first = self.others.pop_front();
        }
        Some(first)
    }
}

/// Has the operation take note of a completion that came: see [`Multishot::arrived`].
///
/// # Safety
/// - `payload` holds a `Several<M>`, and is the caller's.
unsafe fn arrived_of<M: Multishot>(payload: *mut u8, res: i32, flags: CqeFlags) -> u32 {
    // SAFETY: the caller's promise.
    let several = unsafe { &mut *payload.cast::<Several<M>>() };
    several.operation.arrived(u32::try_from(res).unwrap_or(0), flags, Seal)
}

/// What lies in a slot. [`Waiting`] comes first, where the reactor finds it whatever is behind.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Several<M> {
    waiting: Waiting,
    operation: M,
    /// What was noted of the last.
    last_at: u32,
}

/// What [`take_bytes`](Several::take_bytes) finds.
pub(crate) enum Bytes<'a, M> {
    /// Nothing waits.
    None,
    /// Something else waits.
    Other,
    /// So many, with these flags.
    Some(u32, CqeFlags, &'a mut M),
}

impl<M: Multishot> Several<M> {
    pub(crate) fn new(operation: M) -> Self {
        let waiting = Waiting::new::<M>(operation.waiting_max());
        Self { waiting, operation, last_at: NOWHERE }
    }

    /// The first of those that wait.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<M::Item> {
        let shot = self.waiting.take()?;
        self.operation.set_place(shot.at, Seal);
        Some(self.operation.item(shot.into()))
    }

    /// The first of those that wait, if it has moved some bytes: with the operation, which says
    /// what it is. Or that none waits.
    #[inline(always)]
    pub(crate) fn take_bytes(&mut self) -> Bytes<'_, M> {
        match &self.waiting.first {
            None => Bytes::None,
            Some(shot) if shot.res <= 0 => Bytes::Other,
            Some(_) => match self.waiting.take() {
                Some(Kept { res, flags, at }) => {
                    self.operation.set_place(at, Seal);
                    Bytes::Some(res.cast_unsigned(), flags, &mut self.operation)
                }
                None => Bytes::None,
            },
        }
    }

    /// The operation, once nothing waits, and whether it was ended because too much did.
    pub(crate) fn into_parts(mut self) -> (M, bool) {
        debug_assert!(self.waiting.first.is_none(), "the last result is taken last");
        self.operation.set_place(self.last_at, Seal);
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

    fn advance(&mut self, last: &mut Completion) -> Advance {
        if M::NOTES_PLACES {
            self.last_at = self.operation.arrived(last.result.unwrap_or(0), last.flags, Seal);
        }
        Advance::Finished
    }

    fn complete(self, completion: Completion) -> Self::Output {
        (self, completion)
    }

    fn reclaim(mut self, completion: Completion) {
        while let Some(shot) = self.waiting.take() {
            self.operation.set_place(shot.at, Seal);
            self.operation.reclaim(shot.into());
        }
        self.operation.set_place(self.last_at, Seal);
        self.operation.reclaim(completion);
    }
}
