//! [`Then`]: operations that go to the kernel together, each beginning when the one before it
//! succeeded.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use annulus_ring::Errno;

use super::Op;
use super::caller;
use crate::operation::{Completion, Operation, Origin};
use crate::port::Ports;
use crate::slot::SlotPtr;
use sealed::{Behind, Home};

/// A chain: the operations of `L`, then one more. See [`Op::then`].
///
/// All of them go to the kernel in one submission, and none is begun before the one before it has
/// succeeded in full: after one that failed, or moved fewer bytes than it was asked to, the rest
/// fail with `ECANCELED`. So a write that came short is not synced. A chain never tries anything
/// at once on the calling thread, and exact operations in it do not go on after coming short: they
/// fail, and break the chain.
///
/// It gives the results of all, nested as it was built: `a.then(b).then(c)` gives `((a, b), c)`.
/// When it is dropped, all are cancelled.
///
/// # Errors
/// Each operation has its own. All fail with `E2BIG` where the chain has more entries than the
/// engine's ring (deadlines count as one each), and with `EXDEV` where they are not of one engine.
///
/// ```
/// use annulus_runtime::Engine;
/// # let path = std::env::temp_dir().join(format!("annulus-chain-{}", std::process::id()));
/// let engine = Engine::new()?;
/// let file = engine.file(std::fs::File::options().write(true).create_new(true).open(&path)?);
/// # std::fs::remove_file(&path)?;
/// let directory = engine.file(std::fs::File::open("/")?);
/// // Reading a directory fails, so nothing is written.
/// let chain = directory.read_at(vec![0; 8], 0).then(file.write_at(&b"never"[..], 0));
/// let (read, write) = futures::executor::block_on(chain);
/// assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::IsADirectory);
/// assert!(write.is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a chain does nothing until it is awaited"]
pub struct Then<L: Linked, T: Operation + Send> {
    before: L,
    last: Link<T>,
    begun: bool,
}

/// One operation of a chain, and its result when it is there.
pub struct Link<T: Operation + Send> {
    op: Op<T>,
    output: Option<T::Output>,
}

/// What a chain is made of: [`Link`]s and shorter chains.
pub trait Linked: sealed::Linked {}

impl<L: sealed::Linked> Linked for L {}

#[doc(hidden)]
mod sealed {
    use super::*;

    /// Whose operations those of a chain are.
    pub struct Home<'a>(pub(super) &'a Arc<Ports>);

    /// The slot that the next one goes behind.
    pub struct Behind(pub(super) Option<SlotPtr>);

    /// The parts of a chain, in order.
    pub trait Linked {
        /// The results, nested as the chain is.
        type Outputs;

        /// Whose operations they are, if they are of one engine.
        fn home(&self) -> Option<Home<'_>>;

        /// How many entries they make.
        fn entries(&self) -> u32;

        /// Puts them into slots, each behind the one before.
        fn place(&mut self, index: usize, behind: &mut Behind);

        /// Hands the first to the reactor, and all with it. Whether that took them.
        fn ship(&self) -> bool;

        /// Takes note that it took them.
        fn shipped(&mut self);

        /// Takes them out of the slots again.
        fn displace(&mut self, completion: Completion);

        /// Refuses those that were never placed.
        fn refuse(&mut self, completion: Completion);

        /// Looks for results. Whether all are there.
        fn poll_all(&mut self, waker: &Waker) -> bool;

        /// The results, all of which are there.
        fn outputs(&mut self) -> Self::Outputs;
    }
}

impl<T: Operation + Send> Link<T> {
    pub(super) fn new(op: Op<T>) -> Self {
        Self { op, output: None }
    }
}

impl<T: Operation + Send> sealed::Linked for Link<T> {
    type Outputs = T::Output;

    fn home(&self) -> Option<Home<'_>> {
        Some(Home(self.op.ports()))
    }

    fn entries(&self) -> u32 {
        self.op.entries()
    }

    fn place(&mut self, index: usize, behind: &mut Behind) {
        self.op.place(index, &mut behind.0);
    }

    fn ship(&self) -> bool {
        let Some((port, slot)) = self.op.slot() else { return false };
        // SAFETY: the slot is of this port, filled, the first of its group, and not in the inbox.
        unsafe { port.ship(slot) }
    }

    fn shipped(&mut self) {
        self.op.shipped();
    }

    fn displace(&mut self, completion: Completion) {
        self.output = Some(self.op.displace(completion));
    }

    fn refuse(&mut self, completion: Completion) {
        self.output = Some(self.op.refused(completion));
    }

    fn poll_all(&mut self, waker: &Waker) -> bool {
        if self.output.is_none()
            && let Poll::Ready(output) =
                Pin::new(&mut self.op).poll(&mut Context::from_waker(waker))
        {
            self.output = Some(output);
        }
        self.output.is_some()
    }

    fn outputs(&mut self) -> T::Output {
        self.output.take().expect("a chain was polled after its results were given")
    }
}

impl<L: Linked, T: Operation + Send> sealed::Linked for Then<L, T> {
    type Outputs = (L::Outputs, T::Output);

    fn home(&self) -> Option<Home<'_>> {
        let (before, last) = (self.before.home()?, self.last.home()?);
        Arc::ptr_eq(before.0, last.0).then_some(last)
    }

    fn entries(&self) -> u32 {
        self.before.entries() + self.last.entries()
    }

    fn place(&mut self, index: usize, behind: &mut Behind) {
        self.before.place(index, behind);
        self.last.place(index, behind);
    }

    fn ship(&self) -> bool {
        self.before.ship()
    }

    fn shipped(&mut self) {
        self.before.shipped();
        self.last.shipped();
    }

    fn displace(&mut self, completion: Completion) {
        self.before.displace(completion);
        self.last.displace(completion);
    }

    fn refuse(&mut self, completion: Completion) {
        self.before.refuse(completion);
        self.last.refuse(completion);
    }

    fn poll_all(&mut self, waker: &Waker) -> bool {
        // The last ends last, or as the others do: one wake-up serves them all.
        self.last.poll_all(waker) && self.before.poll_all(waker)
    }

    fn outputs(&mut self) -> Self::Outputs {
        (self.before.outputs(), self.last.outputs())
    }
}

impl<L: Linked, T: Operation + Send> Then<L, T> {
    pub(super) fn new(before: L, last: Op<T>) -> Self {
        Self { before, last: Link::new(last), begun: false }
    }

    /// Makes the chain longer: `next` begins when all of this succeeded.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// # let path = std::env::temp_dir().join(format!("annulus-three-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    /// # std::fs::remove_file(&path)?;
    /// let file = engine.file(file);
    /// let (head, tail) = (file.write_at("ring ", 0), file.write_at("of three", 5));
    /// let chain = head.then(tail).then(file.read_at(vec![0; 13], 0));
    /// let ((head, tail), read) = futures::executor::block_on(chain);
    /// assert_eq!((head?.0, tail?.0), (5, 8));
    /// assert_eq!(read?.1, b"ring of three");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn then<U: Operation + Send>(self, next: Op<U>) -> Then<Self, U> {
        Then::new(self, next)
    }

    /// Ships everything, or refuses everything.
    fn begin(&mut self) {
        use sealed::Linked;
        let index = caller::number() % self.last.op.ports().len();
        if let Some(completion) = self.refusal(index) {
            self.refuse(completion);
            return;
        }
        self.place(index, &mut Behind(None));
        if self.ship() {
            self.shipped();
        } else {
            self.displace(Completion::refused(Origin::Closed));
        }
    }

    /// Why nothing is begun, if nothing is.
    fn refusal(&self, index: usize) -> Option<Completion> {
        use sealed::Linked;
        let Some(Home(ports)) = self.home() else {
            return Some(Completion::new(Err(Errno::EXDEV)));
        };
        if self.entries() > ports.group_max {
            return Some(Completion::new(Err(Errno::E2BIG)));
        }
        ports.refusal(ports.get(index)).map(Completion::refused)
    }
}

// Nothing points into it: what must stay in place lies in slots.
impl<L: Linked, T: Operation + Send> Unpin for Then<L, T> {}

impl<L: Linked, T: Operation + Send> Future for Then<L, T> {
    type Output = (L::Outputs, T::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        use sealed::Linked;
        let this = &mut *self;
        if !core::mem::replace(&mut this.begun, true) {
            this.begin();
        }
        if this.poll_all(cx.waker()) { Poll::Ready(this.outputs()) } else { Poll::Pending }
    }
}

impl<L: Linked, T: Operation + Send> fmt::Debug for Then<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Then").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl<T: Operation + Send> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.op).finish()
    }
}
