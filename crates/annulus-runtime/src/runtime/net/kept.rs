//! [`Kept`]: an operation under way that outlives the future that began it, whatever its buffer's
//! type, without an allocation.
//!
//! The operation lies in its slot; what is kept here is the handle to it, which is as large for
//! every type, and a table of what can be done with it by who does not know the type.

use core::any::TypeId;
use core::fmt;
use core::future::Future;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::ops::{Recv, Send};
use crate::buffer::{IoBuf, IoBufMut};
use crate::error::Error;
use crate::operation::Operation;
use crate::runtime::LocalOp;

/// Takes bytes that were received for somebody else.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// An operation of whose result something is left when its own future is gone.
pub(super) trait Leaves: Operation {
    /// Gives the bytes that it brought to `sink`, and says how many were moved.
    fn leave(output: Self::Output, sink: Sink<'_>) -> Result<usize, Error>;
}

impl<B: IoBufMut> Leaves for Recv<B> {
    fn leave(output: Self::Output, sink: Sink<'_>) -> Result<usize, Error> {
        match output {
            Ok((count, buf)) => {
                sink(&buf.slice(..count));
                Ok(count)
            }
            Err(error) => Err(error.ended()),
        }
    }
}

impl<B: IoBuf> Leaves for Send<B> {
    fn leave(output: Self::Output, _: Sink<'_>) -> Result<usize, Error> {
        output.map(|(count, _)| count).map_err(|error| error.ended())
    }
}

/// As large as every handle, and bound to its thread as they are, by the example of one.
type Place = MaybeUninit<LocalOp<Recv<Vec<u8>>>>;

/// See the top of this file. Or nothing.
pub(super) struct Kept {
    /// The handle, where there is a table.
    place: Place,
    table: Option<&'static Table>,
}

/// What can be done with an operation of a type that is not known. Each pointer is to the handle.
struct Table {
    of: TypeId,
    poll: unsafe fn(*mut Place, &mut Context<'_>, Sink<'_>) -> Poll<Result<usize, Error>>,
    cancel: unsafe fn(*mut Place),
    drop: unsafe fn(*mut Place),
}

impl Table {
    const fn of<T: Leaves>() -> &'static Self {
        const {
            assert!(size_of::<LocalOp<T>>() <= size_of::<Place>());
            assert!(align_of::<LocalOp<T>>() <= align_of::<Place>());
            &Self {
                of: TypeId::of::<T>(),
                poll: poll_of::<T>,
                cancel: cancel_of::<T>,
                drop: drop_of::<T>,
            }
        }
    }
}

/// The handle in a place.
///
/// # Safety
/// - A `LocalOp<T>` is there, which nobody else uses for `'a`.
#[inline(always)]
unsafe fn handle<'a, T: Operation>(place: *mut Place) -> &'a mut LocalOp<T> {
    // SAFETY: the caller's promise.
    unsafe { &mut *place.cast() }
}

/// # Safety
/// - As [`handle`].
unsafe fn poll_of<T: Leaves>(
    place: *mut Place,
    cx: &mut Context<'_>,
    sink: Sink<'_>,
) -> Poll<Result<usize, Error>> {
    // SAFETY: the caller's promise.
    let op = unsafe { handle::<T>(place) };
    Pin::new(op).poll(cx).map(|output| T::leave(output, sink))
}

/// # Safety
/// - As [`handle`].
unsafe fn cancel_of<T: Leaves>(place: *mut Place) {
    // SAFETY: the caller's promise.
    unsafe { handle::<T>(place) }.cancel();
}

/// # Safety
/// - As [`handle`]; it is not used again.
unsafe fn drop_of<T: Leaves>(place: *mut Place) {
    // SAFETY: the caller's promise.
    unsafe { place.cast::<LocalOp<T>>().drop_in_place() };
}

impl Kept {
    /// Nothing.
    #[inline]
    pub(super) fn nothing() -> Self {
        Self { place: Place::uninit(), table: None }
    }

    /// Whether nothing is kept.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none()
    }

    /// Begins an operation, which is kept until it is over, in place of nothing.
    #[inline(always)]
    pub(super) fn begin<T: Leaves>(
        &mut self,
        mut op: LocalOp<T>,
        cx: &mut Context<'_>,
    ) -> Poll<T::Output> {
        debug_assert!(self.is_empty(), "one at a time");
        if let Poll::Ready(output) = Pin::new(&mut op).poll(cx) {
            return Poll::Ready(output);
        }
        // SAFETY: the place is large enough, as `Table::of` found.
        unsafe { (&raw mut self.place).cast::<LocalOp<T>>().write(op) };
        self.table = Some(Table::of::<T>());
        Poll::Pending
    }

    /// Polls what was begun, which is of this type: once it is over nothing is kept.
    ///
    /// # Panics
    /// Where nothing of this type is kept.
    #[inline]
    pub(super) fn poll<T: Leaves>(&mut self, cx: &mut Context<'_>) -> Poll<T::Output> {
        if self.table.is_none_or(|table| table.of != TypeId::of::<T>()) {
            over();
        }
        let place = &raw mut self.place;
        // SAFETY: the table is of what `begin` wrote there, and that is a `LocalOp<T>`.
        let op = unsafe { handle::<T>(place) };
        let output = ready!(Pin::new(op).poll(cx));
        self.table = None;
        // SAFETY: as above, and without its table it is not used again.
        unsafe { drop_of::<T>(place) };
        Poll::Ready(output)
    }

    /// Looks whether what is kept is over, whatever its type; what it brought goes to `sink`, and
    /// nothing is kept then. `None` where nothing was.
    pub(super) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        sink: Sink<'_>,
    ) -> Poll<Option<Result<usize, Error>>> {
        let Some(table) = self.table else { return Poll::Ready(None) };
        // SAFETY: the table is of what `begin` wrote there, and this is borrowed.
        let ended = ready!(unsafe { (table.poll)(&raw mut self.place, cx, sink) });
        self.clear();
        Poll::Ready(Some(ended))
    }

    /// Asks the kernel to end it.
    #[cold]
    pub(super) fn cancel(&mut self) {
        if let Some(table) = self.table {
            // SAFETY: the table is of what `begin` wrote there, and this is borrowed.
            unsafe { (table.cancel)(&raw mut self.place) };
        }
    }

    /// Gives up what is kept.
    #[cold]
    fn clear(&mut self) {
        if let Some(table) = self.table.take() {
            // SAFETY: the table is of what `begin` wrote there; without it that is not used again.
            unsafe { (table.drop)(&raw mut self.place) };
        }
    }
}

#[cold]
fn over() -> ! {
    panic!("a read or write was polled after its result was given")
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        if self.table.is_some() {
            self.clear();
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "nothing" } else { "under way" })
    }
}
