//! [`LocalOp`]: the future of an operation on the runtime's own ring, for tasks of its thread.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::rc::Rc;

use super::context;
use super::core::Core;
use super::shots::{Ended, Shot};
use crate::engine::Op;
use crate::executor::LocalWaker;
use crate::operation::{Completion, Multishot, Operation, Origin};
use crate::slot::{Abandoned, Bytes, Polled, Several, Slot, SlotPtr};
use crate::traced::OpSpan;

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
    /// Where the operation lies, from the beginning: it is moved once.
    slot: SlotPtr,
    stage: Stage,
    span: OpSpan,
    operation: PhantomData<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The operation lies in the slot, which is this future's.
    Ready,
    /// The same; it has a time limit, which the reactor is to see.
    Limited,
    /// The same; it is to be done without the ring if that can be done at once.
    Attempt,
    /// So it does, and the reactor has the slot.
    Begun,
    /// The slot is somebody else's.
    Over,
}

impl Stage {
    /// Whether the slot is the future's, and nothing was begun.
    fn is_before(self) -> bool {
        matches!(self, Self::Ready | Self::Limited | Self::Attempt)
    }
}

// What is pinned would be the operation, which lies elsewhere.
impl<T: Operation> Unpin for LocalOp<T> {}

/// An operation on the ring of the runtime that this thread is inside of.
///
/// # Panics
/// Outside of a runtime.
///
/// See [`LocalOp`].
///
/// ```
/// use annulus_runtime::{runtime::net::ops::Send, submit};
/// use std::{io::Read, os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
/// let (here, mut there) = UnixStream::pair()?;
/// let here = Arc::new(OwnedFd::from(here));
/// let (sent, _) = annulus_runtime::run(async { submit(Send::new(here, "ring")).await })??;
/// assert_eq!((sent, there.read(&mut [0; 8])?), (4, 4));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[inline]
pub fn submit<T: Operation>(operation: T) -> LocalOp<T> {
    context::with(|core| LocalOp::new(Rc::clone(core), operation))
}

impl<T: Operation> LocalOp<T> {
    #[inline(always)]
    pub(super) fn new(core: Rc<Core>, operation: T) -> Self {
        let slot = core.take_slot();
        // SAFETY: the slot is empty and ours; the core, and so this, stays on its thread.
        unsafe { slot.put_local(operation) };
        let slot = SlotPtr::from(slot);
        let span = OpSpan::new(PhantomData::<T>);
        // What the ring of Linux has no number for takes a thread, where it cannot be done at once.
        let stage = if T::IS_PRIVATE { Stage::Attempt } else { Stage::Ready };
        Self { core, slot, stage, span, operation: PhantomData }
    }

    /// An operation of an engine, such as that of [`engine`](super::engine), on the ring of the
    /// runtime that this thread is inside of instead. As with an engine, it is done without a ring
    /// where that can be done at once.
    ///
    /// # Panics
    /// Outside of a runtime; if it was begun before.
    ///
    /// ```
    /// use annulus_runtime::{LocalOp, runtime::engine};
    /// let metadata = annulus_runtime::run(async {
    ///     LocalOp::of(engine().metadata("Cargo.toml")).await
    /// })??;
    /// assert!(metadata.is_file());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn of(op: Op<T>) -> Self
    where
        T: Send,
    {
        Self::once(context::with(Rc::clone), op)
    }

    #[track_caller]
    pub(super) fn once(core: Rc<Core>, op: Op<T>) -> Self
    where
        T: Send,
    {
        let mut own = Self::in_ring(core, op);
        own.stage = Stage::Attempt;
        own
    }

    /// The same, always by the ring.
    #[track_caller]
    pub(super) fn in_ring(core: Rc<Core>, op: Op<T>) -> Self
    where
        T: Send,
    {
        match op.into_ready() {
            Ok((operation, limit)) => {
                let mut own = Self::new(core, operation);
                own.set_limit(limit);
                own
            }
            Err(_begun) => panic!("an operation that was begun stays where it is"),
        }
    }

    /// Has the reactor end the operation, which is not begun, after that long.
    fn set_limit(&mut self, limit: Option<Duration>) {
        self.slot().set_limit(limit);
        if limit.is_some() && self.stage == Stage::Ready {
            self.stage = Stage::Limited;
        }
    }

    /// The slot, as long as it is not over.
    #[inline(always)]
    fn slot(&self) -> &Slot {
        // SAFETY: the slot is of the core's port, which lives as long as the core.
        unsafe { self.slot.as_ref() }
    }

    /// Ends the operation if it takes longer than `limit` from its first poll on: by the kernel,
    /// and so with its buffer. What cannot be ended, as a read that a disk has begun, is waited
    /// for.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// use std::time::Duration;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let read = annulus_runtime::run(async {
    ///     File::new(reader).read(vec![0; 64]).deadline(Duration::from_millis(2)).await
    /// })?;
    /// let error = read.unwrap_err();
    /// assert!(error.is_timeout() && error.into_buf().len() == 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn deadline(mut self, limit: Duration) -> Self {
        if self.stage.is_before() {
            self.set_limit(Some(limit));
        }
        self
    }

    /// Asks the kernel to end the operation: await it for what became of it. One that is not begun
    /// is not cancelled.
    ///
    /// ```
    /// use annulus_runtime::runtime::File;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let read = annulus_runtime::run(async {
    ///     let mut read = File::new(reader).read(vec![0; 64]);
    ///     read.begin();
    ///     read.cancel();
    ///     read.await
    /// })?;
    /// let error = read.unwrap_err();
    /// assert!(error.is_cancelled() && error.into_buf().len() == 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        if self.stage == Stage::Begun && self.slot().ask_to_cancel() {
            // SAFETY: the slot is of this port, and its link was set for this call.
            unsafe { self.core.port().request_cancel(self.slot()) };
            self.span.cancel();
        }
    }

    /// Begins the operation, unless it is begun, with nobody waiting for it: nobody is woken at its
    /// end, unless this is polled before.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::Send;
    /// use std::io::Read;
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, mut there) = UnixStream::pair()?;
    /// let here = Arc::new(OwnedFd::from(here));
    /// annulus_runtime::run(async move {
    ///     let mut send = annulus_runtime::submit(Send::new(here, "ring"));
    ///     send.begin();
    ///     annulus_runtime::yield_now().await; // something else
    ///     assert_eq!(send.await.unwrap(), (4, "ring"));
    /// })?;
    /// assert_eq!(there.read(&mut [0; 8])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn begin(&mut self) {
        if self.begins_alone() {
            self.span.begun(Some(self.slot()));
        } else if self.stage.is_before() {
            self.begin_otherwise();
        }
    }

    /// Gives up the result, and not the operation: it goes on to its end, and takes care of what it
    /// brings itself. One that is not begun never is; the end of the runtime cancels it.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::Send;
    /// use std::io::Read;
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, mut there) = UnixStream::pair()?;
    /// let here = Arc::new(OwnedFd::from(here));
    /// annulus_runtime::run(async move {
    ///     let mut send = annulus_runtime::submit(Send::new(here, "ring"));
    ///     send.begin();
    ///     send.detach();
    /// })?;
    /// assert_eq!(there.read(&mut [0; 8])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cold]
    pub fn detach(mut self) {
        if self.stage != Stage::Begun || self.core.ports().is_forked() {
            // Its drop does what there is to do.
            return;
        }
        self.span.dropped();
        // The waker is dropped at the end, whatever happens until then.
        // SAFETY: this is the slot's future, which ends here.
        let (is_done, _waker) = unsafe { self.slot().detach_local() };
        self.stage = Stage::Over;
        if is_done {
            // SAFETY: it is done, and not used again.
            unsafe { self.finish(T::reclaim) };
        }
    }

    /// Begins the operation, where that goes as it mostly does: whether it did, and waits for the
    /// next turn.
    #[inline(always)]
    fn begins_alone(&mut self) -> bool {
        if self.stage != Stage::Ready {
            return false;
        }
        let slot = self.slot();
        // SAFETY: `new` put a `T` there, and only this future has the slot.
        let entry = || unsafe { slot.local_entry::<T>() };
        // SAFETY: it is of this port, filled, and plain: `Ready` is neither limited nor private.
        if !unsafe { self.core.begin(slot, entry) } {
            return false;
        }
        self.stage = Stage::Begun;
        true
    }

    /// The first poll, where it goes so.
    #[inline(always)]
    pub(super) fn begins(&mut self, waker: &Waker) -> bool {
        if !self.begins_alone() {
            return false;
        }
        // Where this is not our code, and panics, nobody waits for what was begun.
        let waker = LocalWaker::of(waker);
        // SAFETY: it is this slot's future, and begun a moment ago.
        unsafe { self.slot().wait_local(waker) };
        self.span.begun(Some(self.slot()));
        true
    }

    /// The first poll, where it goes otherwise: the operation is done at once, refused, or waits
    /// for room. It is begun then, with its result in the slot if there is one.
    #[cold]
    fn begin_otherwise(&mut self) {
        assert!(self.stage != Stage::Over, "an operation was polled after its result was given");
        let slot = self.slot();
        let attempted = self.attempt();
        let has_entry = attempted.is_none();
        let done = attempted.or_else(|| {
            // SAFETY: `new` put a `T` there, and only this future has the slot.
            let entry = unsafe { slot.local_entry::<T>() };
            // SAFETY: it is of this port, and filled.
            unsafe { self.core.begin_later(slot, entry) }.err().map(Completion::refused)
        });
        if let Some(completion) = done {
            // SAFETY: the slot is this future's: nothing was begun.
            unsafe { slot.settle_local(completion) };
        }
        self.stage = Stage::Begun;
        // Not our code: last.
        self.span.begun(has_entry.then(|| self.slot()));
    }

    /// Does it at once, if that is wanted and can be.
    fn attempt(&self) -> Option<Completion> {
        let is_wanted = self.stage == Stage::Attempt;
        if !is_wanted || self.core.ports().is_forked() || self.core.port().is_closing() {
            return None;
        }
        // SAFETY: `new` put a `T` there, and only this future has the slot.
        unsafe { self.slot().attempt_local::<T>() }
    }

    /// Waits for what was begun. Whether its result is there all the same.
    #[cold]
    fn waits_in_vain(&mut self, waker: &Waker) -> bool {
        let slot = self.slot();
        if self.core.ports().is_forked() {
            // The kernel writes to the parent's memory: nothing will ever arrive here.
            // SAFETY: this copy of the slot is this thread's alone.
            unsafe { slot.settle_local(Completion::refused(Origin::Forked)) };
            return true;
        }
        // SAFETY: this is the slot's future.
        matches!(unsafe { slot.poll_local(waker) }, Polled::Done)
    }

    /// Takes the operation out of the slot, and who waits, and gives the slot back.
    ///
    /// # Safety
    /// - Only this future has the slot.
    #[cold]
    unsafe fn take_back(&mut self) -> (T, Option<LocalWaker>) {
        self.stage = Stage::Over;
        let slot = self.slot();
        // SAFETY: a `T` was put there, and nobody else has it; the stage says that it is taken.
        let taken = unsafe { slot.take_back_local::<T>() };
        // SAFETY: it is empty, and not used again.
        unsafe { self.core.give_slot(slot) };
        taken
    }

    /// Completes the operation by its result, and gives the slot back whatever that does.
    ///
    /// # Safety
    /// - The slot was found done.
    #[inline(always)]
    unsafe fn complete(&mut self) -> T::Output {
        self.stage = Stage::Over;
        let slot = self.slot();
        let _emptied = Emptied { core: &self.core, slot };
        // SAFETY: a `T` was put there, and it is done; the stage says that it is taken.
        unsafe { slot.complete::<T>(|completion| self.span.done(completion)) }
    }

    /// Takes operation and result out for `end`, and gives the slot back whatever that does.
    ///
    /// # Safety
    /// - The slot was found done.
    #[inline(always)]
    unsafe fn finish<R>(&mut self, end: impl FnOnce(T, Completion) -> R) -> R {
        self.stage = Stage::Over;
        let slot = self.slot();
        // SAFETY: a `T` was put there, and it is done; the stage says that it is taken.
        let (operation, completion) = unsafe { slot.take::<T>() };
        let _emptied = Emptied { core: &self.core, slot };
        self.span.done(&completion);
        end(operation, completion)
    }

    /// The drop of a future that is not over.
    #[cold]
    fn give_up(&mut self) {
        if self.stage.is_before() {
            // SAFETY: only this future has the slot.
            drop(unsafe { self.take_back() });
            return;
        }
        if self.core.ports().is_forked() {
            // What lies in the slot is a copy of the parent's.
            return;
        }
        self.span.dropped();
        // The waker is dropped at the end, whatever happens until then.
        // SAFETY: this is the slot's future, which ends here.
        let (abandoned, _waker) = unsafe { self.slot().abandon_local() };
        #[cfg(broken = "freed_when_dropped")]
        if abandoned != Abandoned::Done {
            // SAFETY: none: the tests must find this one.
            unsafe { self.slot().free_under_way() };
        }
        match abandoned {
            // SAFETY: it is done, and not used again.
            Abandoned::Done => unsafe { self.finish(T::reclaim) },
            // SAFETY: `abandon_local` has set the link's bit for this call.
            Abandoned::Link => unsafe { self.core.port().request_cancel(self.slot()) },
            Abandoned::Reactor => {}
        }
    }
}

/// A slot whose operation was taken out by its future; given back when this is dropped.
struct Emptied<'a> {
    core: &'a Core,
    slot: &'a Slot,
}

impl Drop for Emptied<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the slot is of this core and empty, and its future does not use it again.
        unsafe { self.core.give_slot(self.slot) };
    }
}

impl<M: Multishot> LocalOp<Several<M>> {
    pub(super) fn several(core: Rc<Core>, operation: M) -> Self {
        let own = Self::new(core, Several::new(operation));
        // SAFETY: `new` put it there, and only this future has the slot.
        unsafe { own.slot().expect_several::<M>() };
        own
    }

    /// The next of its results, if that has moved some bytes. Or that there is none, and the waker
    /// is woken when one comes. Else it is for [`poll_shot`](Self::poll_shot).
    #[inline(always)]
    pub(super) fn poll_bytes(&mut self, waker: &Waker) -> Bytes<'_, M> {
        if self.stage != Stage::Begun {
            return Bytes::Other;
        }
        // SAFETY: the slot is of the core's port, which lives as long as the core.
        let slot = unsafe { self.slot.as_ref() };
        // SAFETY: `several` put it there, and this is the slot's future.
        match unsafe { slot.several_local::<M>() }.take_bytes() {
            Bytes::None if !self.waits(waker) => Bytes::Other,
            bytes => bytes,
        }
    }

    /// Waits for a result, of which there is none, where that goes as it mostly does: whether it
    /// does.
    #[inline(always)]
    fn waits(&mut self, waker: &Waker) -> bool {
        // SAFETY: this is the slot's future.
        !self.core.ports().is_forked() && unsafe { self.slot().wait_again_local(waker) }
    }

    /// The next of its results.
    #[inline]
    pub(super) fn poll_shot(&mut self, cx: &mut Context<'_>) -> Poll<Shot<M>> {
        let waker = cx.waker();
        if self.stage != Stage::Begun {
            if self.begins(waker) {
                return Poll::Pending;
            }
            self.begin_otherwise();
        }
        // SAFETY: `several` put it there, and this is the slot's future.
        let several = unsafe { self.slot().several_local::<M>() };
        if let Some(item) = several.take() {
            return Poll::Ready(Shot::Item(item));
        }
        // SAFETY: this is the slot's future.
        if !unsafe { self.slot().is_done_local() }
            && (self.waits(waker) || !self.waits_in_vain(waker))
        {
            return Poll::Pending;
        }
        // SAFETY: it was found done.
        let (several, completion) = unsafe { self.finish(Operation::complete) };
        let (operation, was_full) = several.into_parts();
        Poll::Ready(Shot::Last(Ended::new(operation, completion, was_full)))
    }
}

impl<T: Operation> Future for LocalOp<T> {
    type Output = T::Output;

    // So that a result goes from its slot to the variables of who awaits it without a detour.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let this = &mut *self;
        let waker = cx.waker();
        if this.stage != Stage::Begun {
            if this.begins(waker) {
                return Poll::Pending;
            }
            this.begin_otherwise();
        }
        // SAFETY: this is the slot's future.
        if !unsafe { this.slot().is_done_local() } && !this.waits_in_vain(waker) {
            return Poll::Pending;
        }
        // SAFETY: it was found done.
        Poll::Ready(unsafe { this.complete() })
    }
}

impl<T: Operation> Drop for LocalOp<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.stage != Stage::Over {
            self.give_up();
        }
    }
}

impl<T: Operation> fmt::Debug for LocalOp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.stage {
            Stage::Ready | Stage::Limited | Stage::Attempt => "not begun",
            Stage::Begun => "under way",
            Stage::Over => "over",
        };
        f.debug_tuple("LocalOp").field(&format_args!("{state}")).finish()
    }
}
