//! [`LocalOp`]: the future of an operation on the runtime's own ring, for tasks of its thread.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;

use super::context;
use super::core::Core;
use crate::executor::LocalWaker;
use crate::operation::{Completion, Operation, Origin};
use crate::slot::{Abandoned, Polled, Slot, SlotPtr};

/// The future of one operation on the ring of the runtime that this thread is inside of.
///
/// Nothing happens before it is first polled. Then its entry is put into the ring, which the kernel
/// is shown when all tasks that are due have had their turn: those that begin something together
/// are submitted together.
///
/// # When it is dropped
/// The operation is cancelled, and its result, should there be one, thrown away. What the kernel
/// may still touch is kept until it has done with it; the same if this is forgotten.
///
/// ```
/// use annulus_ring::{abi::Sqe, op};
/// use annulus_runtime::operation::{Completion, Operation};
///
/// /// Nothing, by way of the ring.
/// struct Nop;
///
/// // SAFETY: the entry of a NOP points to nothing, and names no descriptor.
/// unsafe impl Operation for Nop {
///     type Output = bool;
///     fn entry(&mut self) -> Sqe {
///         op::Nop::new().build()
///     }
///     fn complete(self, completion: Completion) -> bool {
///         completion.result.is_ok()
///     }
///     fn reclaim(self, _: Completion) {}
/// }
///
/// let done = annulus_runtime::run(async { annulus_runtime::submit(Nop).await })?;
/// assert!(done);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "an operation does nothing until it is polled"]
pub struct LocalOp<T: Operation> {
    core: Rc<Core>,
    state: State<T>,
}

enum State<T> {
    Ready { operation: T, limit: Option<Duration> },
    Begun(SlotPtr),
    Over,
}

// An operation is moved into its slot before anything points into it.
impl<T: Operation> Unpin for LocalOp<T> {}

/// An operation on the ring of the runtime that this thread is inside of.
///
/// # Panics
/// Outside of a runtime.
///
/// See [`LocalOp`].
#[track_caller]
#[inline]
pub fn submit<T: Operation>(operation: T) -> LocalOp<T> {
    context::with(|core| LocalOp::new(Rc::clone(core), operation))
}

impl<T: Operation> LocalOp<T> {
    #[inline]
    pub(super) fn new(core: Rc<Core>, operation: T) -> Self {
        Self { core, state: State::Ready { operation, limit: None } }
    }

    /// Ends the operation if it takes longer than `limit` from its first poll on.
    pub fn deadline(mut self, limit: Duration) -> Self {
        if let State::Ready { limit: own, .. } = &mut self.state {
            *own = Some(limit);
        }
        self
    }

    /// Asks the kernel to end the operation: await it for what became of it.
    pub fn cancel(&mut self) {
        let State::Begun(slot) = &self.state else { return };
        // SAFETY: the slot is of the core's port, which lives as long as the core.
        let slot = unsafe { slot.as_ref() };
        if slot.ask_to_cancel() {
            // SAFETY: the slot is of this port, and its link was set for this call.
            unsafe { self.core.port().request_cancel(slot) };
        }
    }

    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<T::Output> {
        let State::Ready { operation, limit } = core::mem::replace(&mut self.state, State::Over)
        else {
            unreachable!("begun twice")
        };
        let core = &self.core;
        if let Some(origin) = refusal(core) {
            return Poll::Ready(operation.complete(Completion::refused(origin)));
        }
        let waker = LocalWaker::of(cx.waker());
        let slot = core.take_slot();
        // SAFETY: the slot is empty and ours; the core, and so this, stays on its thread.
        unsafe { slot.fill_local(operation, waker) };
        slot.set_limit(limit);
        // SAFETY: it is of this port, and filled.
        if unsafe { core.begin(slot) } {
            self.state = State::Begun(SlotPtr::from(slot));
            return Poll::Pending;
        }
        // SAFETY: it was filled with a `T`, and nobody else has it.
        let (operation, _waker) = unsafe { slot.take_back_local::<T>() };
        // SAFETY: it is empty, and not used again.
        unsafe { core.give_slot(slot) };
        Poll::Ready(operation.complete(Completion::refused(Origin::Closed)))
    }
}

/// Why nothing is begun, if nothing is.
#[inline]
fn refusal(core: &Core) -> Option<Origin> {
    if core.ports().is_forked() {
        Some(Origin::Forked)
    } else {
        core.port().is_closing().then_some(Origin::Closed)
    }
}

/// Takes operation and result out of a slot that is done, and gives it back.
///
/// # Safety
/// - The slot is of this core, was filled with a `T` and found done, and is not used again.
#[inline]
unsafe fn finish<T: Operation>(core: &Core, slot: &Slot) -> (T, Completion) {
    // SAFETY: the caller's promise.
    let taken = unsafe { slot.take::<T>() };
    // SAFETY: it is empty now.
    unsafe { core.give_slot(slot) };
    taken
}

impl<T: Operation> Future for LocalOp<T> {
    type Output = T::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let this = &mut *self;
        let slot = match &this.state {
            State::Ready { .. } => return this.begin(cx),
            State::Begun(slot) => slot,
            State::Over => panic!("an operation was polled after its result was given"),
        };
        // SAFETY: the slot is of the core's port, which lives as long as the core.
        let slot = unsafe { slot.as_ref() };
        // SAFETY: this is the slot's future.
        match unsafe { slot.poll_local(cx.waker()) } {
            Polled::Pending if this.core.ports().is_forked() => {
                this.state = State::Over;
                // SAFETY: it was filled with a `T`, and this copy is this thread's alone.
                let operation = unsafe { slot.take_copy::<T>() };
                Poll::Ready(operation.complete(Completion::refused(Origin::Forked)))
            }
            Polled::Pending => Poll::Pending,
            Polled::Done => {
                this.state = State::Over;
                // SAFETY: it was found done, and the state says that it is over.
                let (operation, completion) = unsafe { finish::<T>(&this.core, slot) };
                Poll::Ready(operation.complete(completion))
            }
        }
    }
}

impl<T: Operation> Drop for LocalOp<T> {
    #[inline]
    fn drop(&mut self) {
        if let State::Begun(slot) = self.state {
            self.abandon(slot);
        }
    }
}

impl<T: Operation> LocalOp<T> {
    #[cold]
    fn abandon(&mut self, slot: SlotPtr) {
        if self.core.ports().is_forked() {
            // What lies in the slot is a copy of the parent's.
            return;
        }
        // SAFETY: the slot is of the core's port, which lives as long as the core.
        let slot = unsafe { slot.as_ref() };
        // The waker is dropped at the end, whatever happens until then.
        // SAFETY: this is the slot's future, which ends here.
        let (abandoned, _waker) = unsafe { slot.abandon_local() };
        match abandoned {
            Abandoned::Done => {
                // SAFETY: it is done, and not used again.
                let (operation, completion) = unsafe { finish::<T>(&self.core, slot) };
                operation.reclaim(completion);
            }
            // SAFETY: `abandon_local` has set the link's bit for this call.
            Abandoned::Link => unsafe { self.core.port().request_cancel(slot) },
            Abandoned::Reactor => {}
        }
    }
}

impl<T: Operation> fmt::Debug for LocalOp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready { .. } => "not begun",
            State::Begun(_) => "under way",
            State::Over => "over",
        };
        f.debug_tuple("LocalOp").field(&format_args!("{state}")).finish()
    }
}
