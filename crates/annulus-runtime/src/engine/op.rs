//! [`Op`]: the future of one operation.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use super::caller;
use super::chain::{Link, Then};
use crate::operation::{Completion, Operation, Origin};
use crate::port::{Port, Ports};
use crate::slot::{Polled, Slot, SlotPtr};

/// The future of one operation: `Send`, `'static`, for any runtime and any thread.
///
/// Nothing happens before it is first polled. Then it is done at once on the polling thread, if
/// that cannot block (a read from the page cache), or handed to the engine's driver.
///
/// # When it is dropped
/// The operation is cancelled, and its result, should there be one, thrown away: bytes that were
/// read from a pipe are lost, a file that was opened is closed. Its buffer and its descriptor are
/// kept until the kernel has done with them: see [the essay on buffers](crate::buffer). Forgetting
/// it ([`core::mem::forget`]) leaks both.
///
/// # Panics
/// When polled again after its result was given.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Op<T: Operation + Send> {
    ports: Arc<Ports>,
    state: State<T>,
    delay: Delay,
}

/// What happened to an operation that was polled and not begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delay {
    /// It was not polled, or begun.
    None,
    /// It was others' turn: it begins with the next poll.
    GaveWay,
    /// It was cancelled then.
    Cancelled,
}

// With a byte that tells which: a niche in the operation would take a puzzle to read.
#[repr(u8)]
enum State<T> {
    /// Not begun.
    Ready { operation: T, limit: Option<Duration> },
    /// In a slot of a port, which the reactor has not yet: a chain is shipped when all of it is
    /// there.
    Placed(Shipped<T>),
    /// In a slot of a port.
    Shipped(Shipped<T>),
    /// Its result was given.
    Over,
}

/// A slot of a port, and what lies in it.
struct Shipped<T> {
    port: NonNull<Port>,
    slot: SlotPtr,
    operation: PhantomData<T>,
}

// SAFETY: slots are shared by all threads, and the operation in it is `Send`.
unsafe impl<T: Send> Send for Shipped<T> {}
// SAFETY: through a shared reference nothing of the operation can be reached.
unsafe impl<T> Sync for Shipped<T> {}

// Nothing points into it: an operation that must stay in place lies in a slot.
impl<T: Operation + Send> Unpin for Op<T> {}

impl<T: Operation + Send> Op<T> {
    pub(crate) fn new(ports: Arc<Ports>, operation: T) -> Self {
        let state = State::Ready { operation, limit: None };
        Self { ports, state, delay: Delay::None }
    }

    /// Ends the operation if it takes longer than `limit` from its first poll on: it fails then
    /// with [`is_timeout`](crate::Error::is_timeout). Past the first poll this changes nothing.
    ///
    /// The kernel's own timer ends it (`IORING_OP_LINK_TIMEOUT`, Linux 5.5); or the driver, while
    /// it waits for its turn, and by a cancel where a thread of the kernel does it, as with paths,
    /// syncs and space ([all of them](Operation::WAITS_IN_WORKER)). In all cases as far as it can
    /// be ended: what a disk is already asked for is waited for.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::time::Duration;
    /// let engine = Engine::new()?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = engine.file(reader);
    /// let read = pipe.read(vec![0; 16]).deadline(Duration::from_millis(5));
    /// let error = futures::executor::block_on(read).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "timeout")]
    pub fn deadline(mut self, limit: Duration) -> Self {
        if let State::Ready { limit: own, .. } = &mut self.state {
            *own = Some(limit);
        }
        self
    }

    /// Changes the operation, if it was not begun.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut T)) -> Self {
        if let State::Ready { operation, .. } = &mut self.state {
            change(operation);
        }
        self
    }

    /// The operation and its limit, if it was not begun; else the future.
    pub(crate) fn into_ready(mut self) -> Result<(T, Option<Duration>), Self> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Ready { operation, limit } => Ok((operation, limit)),
            state => {
                self.state = state;
                Err(self)
            }
        }
    }

    /// Asks the kernel to end the operation; its result is awaited as before. It may be that of an
    /// operation that was done all the same: nothing is lost. Before the first poll this changes
    /// nothing.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::{executor::block_on, future::poll_immediate};
    /// let engine = Engine::new()?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let pipe = engine.file(reader);
    /// let mut read = pipe.read(vec![0; 16]);
    /// assert!(block_on(poll_immediate(&mut read)).is_none()); // nothing to read
    /// read.cancel();
    /// let (error, buf) = block_on(read).unwrap_err().into_inner();
    /// assert_eq!((error.kind(), buf.len()), (std::io::ErrorKind::Interrupted, 16));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_ASYNC_CANCEL")]
    pub fn cancel(&mut self) {
        let State::Shipped(shipped) = &self.state else {
            if self.delay == Delay::GaveWay {
                self.delay = Delay::Cancelled;
            }
            return;
        };
        if self.ports.is_forked() {
            return;
        }
        let port = shipped.port(&self.ports);
        let slot = shipped.slot(port);
        if slot.ask_to_cancel() {
            // SAFETY: the slot is of this port, and its link was set for this call.
            unsafe { port.request_cancel(slot) };
        }
    }

    /// Begins `next` when this is done, and only if it succeeded in full: both go to the kernel
    /// together, in one submission (`IOSQE_IO_LINK`), and nobody need wake up in between. See
    /// [`Then`].
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// # let path = std::env::temp_dir().join(format!("annulus-then-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::create(&path)?);
    /// # std::fs::remove_file(&path)?;
    /// let first = file.write_all_at(&b"annulus "[..], 0);
    /// let second = file.write_all_at(&b"of rings"[..], 8);
    /// let (first, second) = futures::executor::block_on(first.then(second));
    /// assert_eq!((first?.0, second?.0), (8, 8));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IOSQE_IO_LINK")]
    pub fn then<U: Operation + Send>(self, next: Op<U>) -> Then<Link<T>, U> {
        Then::new(Link::new(self), next)
    }

    /// Where it is, as a chain has it.
    pub(super) fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// Puts it into a slot of a port, behind `before`; the group is shipped by its first later.
    pub(super) fn place(&mut self, index: usize, before: &mut Option<SlotPtr>) {
        let State::Ready { operation, limit } = core::mem::replace(&mut self.state, State::Over)
        else {
            unreachable!("placed twice")
        };
        let port = self.ports.get(index);
        let taken = Taken::of(port);
        let slot = taken.slot;
        // SAFETY: the slot was taken from the free list: it is empty and this call's alone.
        unsafe { slot.fill(operation, None) };
        core::mem::forget(taken);
        slot.set_limit(limit);
        slot.set_grouped();
        if let Some(before) = before {
            // SAFETY: the slot before is of the same table, which is borrowed.
            let before = unsafe { before.as_ref() };
            // SAFETY: both are of that table, and neither is shipped yet.
            unsafe { before.set_group_next(slot) };
            slot.is_behind.set(true);
        }
        let slot = SlotPtr::from(slot);
        *before = Some(slot);
        let port = NonNull::from(port);
        self.state = State::Placed(Shipped { port, slot, operation: PhantomData });
    }

    /// Takes note that what was placed is the reactor's now.
    pub(super) fn shipped(&mut self) {
        let State::Placed(placed) = core::mem::replace(&mut self.state, State::Over) else {
            unreachable!("it was placed")
        };
        self.state = State::Shipped(placed);
    }

    /// Takes it out of the slot that was not shipped, and gives the result of what did not happen.
    pub(super) fn displace(&mut self, completion: Completion) -> T::Output {
        let State::Placed(placed) = core::mem::replace(&mut self.state, State::Over) else {
            unreachable!("it was placed")
        };
        let port = placed.port(&self.ports);
        // SAFETY: it was filled with a `T` and not shipped: it is this future's alone.
        let (operation, _waker) = unsafe { placed.take_back(port) };
        operation.complete(completion)
    }

    /// Takes the copy of it that a forked child has out of the slot, where nothing will ever
    /// arrive. The slot stays as it is: others may have been in the middle of something with it.
    #[cold]
    fn displace_forked(&mut self) -> T::Output {
        let State::Shipped(shipped) = core::mem::replace(&mut self.state, State::Over) else {
            unreachable!("it was shipped")
        };
        let slot = shipped.slot(shipped.port(&self.ports));
        // SAFETY: it was filled with a `T`, and is this thread's alone: the driver's is not in the
        // child, and the kernel writes to the parent's memory.
        let operation = unsafe { slot.take_copy::<T>() };
        operation.complete(Completion::refused(Origin::Forked))
    }

    /// How many entries it makes.
    pub(super) fn entries(&self) -> u32 {
        match &self.state {
            State::Ready { limit, .. } => 1 + u32::from(limit.is_some()),
            State::Placed(_) | State::Shipped(_) | State::Over => 0,
        }
    }

    /// The first slot, after [`place`](Self::place).
    pub(super) fn slot(&self) -> Option<(&Port, &Slot)> {
        let State::Placed(placed) = &self.state else { return None };
        let port = placed.port(&self.ports);
        Some((port, placed.slot(port)))
    }

    /// Gives the result of what is refused before anything was done.
    pub(super) fn refused(&mut self, completion: Completion) -> T::Output {
        self.take().complete(completion)
    }

    /// The first poll: refused, done at once, or shipped.
    #[inline(never)]
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<T::Output> {
        let Self { ports, state, delay } = self;
        let operation = match state {
            State::Ready { operation, .. } => operation,
            State::Placed(_) | State::Shipped(_) => unreachable!("a chain ships what it places"),
            State::Over => panic!("an operation was polled after its result was given"),
        };
        let port = ports.of_thread(caller::number);
        if ports.is_forked() {
            return Poll::Ready(self.refused(Completion::refused(Origin::Forked)));
        }
        if *delay == Delay::Cancelled {
            return Poll::Ready(self.refused(Completion::refused(Origin::Cancelled)));
        }
        // What is shipped to a port that is closing is refused by the reactor.
        if operation.may_attempt() {
            if port.is_closing() {
                return Poll::Ready(self.refused(Completion::refused(Origin::Closed)));
            }
            if !caller::may_go_on() {
                *delay = Delay::GaveWay;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(completion) = operation.attempt() {
                caller::went_on();
                ports.callers.count_inline(caller::number());
                return Poll::Ready(self.take().complete(completion));
            }
        }
        state.ship(port, cx)
    }

    /// The operation, which was not shipped.
    #[inline]
    fn take(&mut self) -> T {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Ready { operation, .. } => operation,
            State::Placed(_) | State::Shipped(_) | State::Over => {
                unreachable!("an operation is taken once")
            }
        }
    }
}

impl<T: Operation + Send> State<T> {
    /// Hands an operation that is ready to the reactor of `port`.
    #[inline]
    fn ship(&mut self, port: &Port, cx: &mut Context<'_>) -> Poll<T::Output> {
        // Not our code: whatever it does, nothing was begun.
        let waker = cx.waker().clone();
        let taken = Taken::of(port);
        let slot = taken.slot;
        let Self::Ready { operation, limit } = core::mem::replace(self, Self::Over) else {
            unreachable!("shipped twice")
        };
        // SAFETY: the slot was taken from the free list: it is empty and this call's alone.
        unsafe { slot.fill(operation, Some(waker)) };
        core::mem::forget(taken);
        slot.set_limit(limit);
        let shipped = Shipped {
            port: NonNull::from(port),
            slot: SlotPtr::from(slot),
            operation: PhantomData,
        };
        *self = Self::Shipped(shipped.again());
        // SAFETY: the slot is of this port, filled, and not in the inbox.
        if unsafe { port.ship(slot) } {
            return Poll::Pending;
        }
        *self = Self::Over;
        // The waker is dropped at the end, whatever happens until then.
        // SAFETY: the inbox did not take it: it is filled with a `T`, and this call's alone.
        let (operation, _waker) = unsafe { shipped.take_back(port) };
        Poll::Ready(operation.complete(Completion::refused(Origin::Closed)))
    }
}

/// A slot that was taken from the free list and is empty; given back when this is dropped, as where
/// an operation panics that was to be put there.
struct Taken<'a> {
    port: &'a Port,
    slot: &'a Slot,
}

impl<'a> Taken<'a> {
    #[inline(always)]
    fn of(port: &'a Port) -> Self {
        Self { port, slot: port.slots.take() }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // SAFETY: the slot was taken from this table, and is empty (see above).
        unsafe { self.port.slots.give(self.slot) };
    }
}

impl<T> Shipped<T> {
    /// The same again: whoever uses it must know which of the two has the slot.
    fn again(&self) -> Self {
        Self { port: self.port, slot: self.slot, operation: PhantomData }
    }

    /// The port, for as long as all of them are borrowed.
    #[inline(always)]
    fn port<'a>(&self, _ports: &'a Ports) -> &'a Port {
        // SAFETY: it is one of the future's ports, which never move.
        unsafe { self.port.as_ref() }
    }

    /// The slot, for as long as its port is borrowed.
    #[inline(always)]
    fn slot<'a>(&self, _port: &'a Port) -> &'a Slot {
        // SAFETY: the slot is of the port's table, which lives as long as the port.
        unsafe { self.slot.as_ref() }
    }
}

impl<T: Operation> Shipped<T> {
    /// Takes the operation out, and its waker, and gives the slot back.
    ///
    /// # Safety
    /// - The slot was filled with a `T` and not shipped; it is not used again.
    #[cold]
    unsafe fn take_back(self, port: &Port) -> (T, Option<Waker>) {
        let slot = self.slot(port);
        // SAFETY: it is filled with a `T`, and the caller's alone (its promise).
        let taken = unsafe { slot.take_back::<T>() };
        // SAFETY: it is empty now.
        unsafe { port.slots.give(slot) };
        taken
    }

    /// Completes the operation by its result, and releases the slot whatever that does.
    ///
    /// # Safety
    /// - The slot was found done; it is not used again.
    #[inline(always)]
    unsafe fn complete(self, port: &Port) -> T::Output {
        let slot = self.slot(port);
        let _emptied = Emptied { port, slot };
        // SAFETY: it holds a `T`, is done, and not used again (the caller's promise).
        unsafe { slot.complete::<T>(|_| ()) }
    }

    /// Has the operation take care of its result, and releases the slot whatever that does.
    ///
    /// # Safety
    /// - The slot was found done; it is not used again.
    unsafe fn reclaim(self, port: &Port) {
        let slot = self.slot(port);
        let _emptied = Emptied { port, slot };
        // SAFETY: it holds a `T`, is done, and not used again (the caller's promise).
        let (operation, completion) = unsafe { slot.take::<T>() };
        operation.reclaim(completion);
    }
}

/// A slot whose operation was taken out by its future; released when this is dropped.
struct Emptied<'a> {
    port: &'a Port,
    slot: &'a Slot,
}

impl Drop for Emptied<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the slot is of this port and empty, and its future does not use it again.
        unsafe { self.port.release(self.slot) };
    }
}

impl<T: Operation + Send> Future for Op<T> {
    type Output = T::Output;

    // So that a result goes from its slot to the variables of who awaits it without a detour; the
    // first poll, which is longer, stays a call.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let this = &mut *self;
        let State::Shipped(shipped) = &this.state else { return this.begin(cx) };
        let port = shipped.port(&this.ports);
        // SAFETY: this is the one future of the slot, which it has not abandoned.
        match unsafe { shipped.slot(port).poll(cx.waker()) } {
            Polled::Pending if this.ports.is_forked() => Poll::Ready(this.displace_forked()),
            Polled::Pending => Poll::Pending,
            Polled::Done => {
                let shipped = shipped.again();
                // There is nothing to drop in what it was.
                core::mem::forget(core::mem::replace(&mut this.state, State::Over));
                // SAFETY: it was found done, and the state says that it is over.
                Poll::Ready(unsafe { shipped.complete(port) })
            }
        }
    }
}

impl<T: Operation + Send> Drop for Op<T> {
    #[inline]
    fn drop(&mut self) {
        if let State::Shipped(_) | State::Placed(_) = self.state {
            self.give_up();
        }
    }
}

impl<T: Operation + Send> Op<T> {
    /// Gives up an operation that lies in a slot: the drop of its future.
    #[inline(never)]
    fn give_up(&mut self) {
        let (shipped, is_placed) = match &self.state {
            State::Ready { .. } | State::Over => return,
            State::Shipped(shipped) => (shipped.again(), false),
            State::Placed(placed) => (placed.again(), true),
        };
        if self.ports.is_forked() {
            // What lies in the slot is a copy of the parent's: its descriptor and its buffer are
            // left alone.
            return;
        }
        let port = shipped.port(&self.ports);
        if is_placed {
            // Another of its chain could not be placed: it panicked.
            // SAFETY: it was filled with a `T` and not shipped, and this future ends here.
            drop(unsafe { shipped.take_back(port) });
            return;
        }
        // The waker is dropped at the end, whatever happens until then.
        // SAFETY: this is the slot's future, which ends here.
        let (is_done, _waker) = unsafe { port.abandon(shipped.slot(port)) };
        #[cfg(broken = "freed_when_dropped")]
        if !is_done {
            // SAFETY: none: the tests must find this one.
            unsafe { shipped.slot(port).free_under_way() };
        }
        if is_done {
            // SAFETY: it is done, and not used again.
            unsafe { shipped.reclaim(port) };
        }
    }
}

impl<T: Operation + Send> fmt::Debug for Op<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready { .. } => "not begun",
            State::Placed(_) | State::Shipped(_) => "under way",
            State::Over => "over",
        };
        f.debug_tuple("Op").field(&format_args!("{state}")).finish()
    }
}
