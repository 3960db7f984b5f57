//! [`Shots`]: the results of an operation that has many, one by one.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::rc::Rc;

use annulus_ring::Errno;

use super::context;
use super::core::Core;
use super::op::LocalOp;
use crate::operation::{Completion, Multishot, Origin};
use crate::slot::{Bytes, Several};

/// A result of a [`Multishot`].
#[derive(Debug)]
pub enum Shot<M: Multishot> {
    /// One, and the operation goes on.
    Item(M::Item),
    /// The last: what became of the operation, which is the caller's again.
    Last(Ended<M>),
}

/// A [`Multishot`] that has ended. Its last completion may be a result like the others; where
/// nobody [takes](Self::into_item) that, it is [reclaimed](Multishot::reclaim).
pub struct Ended<M: Multishot> {
    /// None once it was taken.
    operation: Option<M>,
    completion: Completion,
    was_full: bool,
}

impl<M: Multishot> Ended<M> {
    pub(super) fn new(operation: M, completion: Completion, was_full: bool) -> Self {
        Self { operation: Some(operation), completion, was_full }
    }

    /// Its last completion.
    pub fn completion(&self) -> &Completion {
        &self.completion
    }

    /// Whether it was ended because [too many](Multishot::waiting_max) results waited, and not by
    /// anything else: all of those were taken since, and it may be [begun](shots) again.
    pub fn was_full(&self) -> bool {
        let Completion { result, origin, .. } = self.completion;
        self.was_full && result == Err(Errno::ECANCELED) && origin == Origin::Kernel
    }

    /// The operation, and its last completion as a result.
    pub fn into_item(mut self) -> (M, M::Item) {
        let mut operation = self.take();
        let item = operation.item(self.completion);
        (operation, item)
    }

    /// The operation, to be [begun](shots) again. Its last result, if it is one, is reclaimed.
    pub fn into_operation(mut self) -> M {
        let mut operation = self.take();
        operation.reclaim(self.completion);
        operation
    }

    fn take(&mut self) -> M {
        self.operation.take().expect("it is there until this is consumed")
    }
}

impl<M: Multishot> Drop for Ended<M> {
    fn drop(&mut self) {
        if let Some(mut operation) = self.operation.take() {
            operation.reclaim(self.completion);
        }
    }
}

impl<M: Multishot> fmt::Debug for Ended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("completion", &self.completion)
            .field("was_full", &self.was_full)
            .finish_non_exhaustive()
    }
}

/// The results of an operation on the ring of the runtime that this thread is inside of, in the
/// order in which the kernel gave them.
///
/// It begins when it is first polled.
///
/// # When it is dropped
/// The operation is cancelled, and each result that was not taken is
/// [reclaimed](Multishot::reclaim). The same if it is forgotten, when the runtime ends.
pub struct Shots<M: Multishot> {
    /// None once the last was given.
    op: Option<LocalOp<Several<M>>>,
}

/// Has an operation of many results done by the runtime that this thread is inside of.
///
/// # Panics
/// Outside of a runtime.
///
/// See [`Multishot`] for an example.
#[track_caller]
pub fn shots<M: Multishot>(operation: M) -> Shots<M> {
    Shots::on(context::with(Rc::clone), operation)
}

impl<M: Multishot> Shots<M> {
    /// Those of an operation on the ring of this runtime.
    pub(super) fn on(core: Rc<Core>, operation: M) -> Self {
        Self { op: Some(LocalOp::several(core, operation)) }
    }

    /// The next result.
    ///
    /// *Resumable*: where its future is dropped the operation goes on, and the next call gives what
    /// came.
    ///
    /// # Panics
    /// When awaited after the last.
    ///
    /// See [`Multishot`] for an example.
    pub async fn next(&mut self) -> Shot<M> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for futures that are written by hand.
    ///
    /// # Panics
    /// When polled after the last.
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Shot<M>> {
        let op = self.op.as_mut().expect("an operation was polled after its last result");
        let polled = op.poll_shot(cx);
        if let Poll::Ready(Shot::Last(_)) = polled {
            self.op = None;
        }
        polled
    }

    /// The next result, if it has moved some bytes: see [`LocalOp::poll_bytes`].
    #[inline(always)]
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Bytes<'_, M> {
        match &mut self.op {
            Some(op) => op.poll_bytes(cx.waker()),
            None => Bytes::Other,
        }
    }

    /// Asks the kernel to end it: what came until then is given before the last, of which
    /// [`origin`](Completion::origin) says that it was cancelled.
    pub fn cancel(&mut self) {
        if let Some(op) = &mut self.op {
            op.cancel();
        }
    }
}

impl<M: Multishot> fmt::Debug for Shots<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shots").field(&self.op).finish()
    }
}
