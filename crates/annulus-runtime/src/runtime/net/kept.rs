//! [`Kept`]: an operation under way that outlives the future that began it, whatever its buffer's
//! type, without an allocation.
//!
//! The operation lies in its slot; what is kept here is the handle to it, which is as large for
//! every type, and a table of what can be done with it by who does not know the type.

use core::any::TypeId;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll, ready};

use super::ops::{Message, Recv, RecvMsg, Send, SendMsg, ZeroCopy};
use crate::buffer::{BufError, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::error::Error;
use crate::operation::Operation;
use crate::runtime::{LocalOp, Shot};
use crate::slot::Several;

/// Takes bytes that were received for somebody else, and what came with them.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8], Message);

/// An operation of whose result something is left when its own future is gone.
pub(super) trait Leaves: Operation {
    /// Gives the bytes that it brought to `sink`, and says how many were moved. Where it failed
    /// after it had brought some, it has given those.
    fn leave(output: Self::Output, sink: Sink<'_>) -> Result<usize, Error>;

    /// Polls one that nobody awaits, until the next may begin.
    fn poll_left(
        op: &mut LocalOp<Self>,
        cx: &mut Context<'_>,
        sink: Sink<'_>,
    ) -> Poll<Result<usize, Error>>
    where
        Self: Sized,
    {
        Pin::new(op).poll(cx).map(|output| Self::leave(output, sink))
    }
}

impl<B: IoBufMut> Leaves for Recv<B> {
    fn leave(output: Self::Output, sink: Sink<'_>) -> Result<usize, Error> {
        match output {
            Ok((count, buf)) => {
                sink(&buf.slice(..count), Message::none());
                Ok(count)
            }
            Err(error) => {
                let (done, why) = (error.done(), error.ended_but_for_eof());
                if done > 0 {
                    sink(&error.into_buf().slice(..done), Message::none());
                }
                // The end is told again by the next receive.
                why.map_or(Ok(done), Err)
            }
        }
    }
}

impl<V: IoVecBufMut> Leaves for RecvMsg<V> {
    fn leave(output: Self::Output, sink: Sink<'_>) -> Result<usize, Error> {
        let ((count, message), bufs) = output.map_err(|error| error.ended())?;
        let mut left = count;
        let mut bytes = Vec::with_capacity(if bufs.piece_count() > 1 { count } else { 0 });
        let mut only = &[][..];
        for index in 0..bufs.piece_count() {
            let (start, here) = bufs.piece(index);
            // SAFETY: so many bytes are initialised there, and stay while `bufs` is not used
            // otherwise (`IoVecBuf`).
            let piece = unsafe { core::slice::from_raw_parts(start, here.min(left)) };
            left -= piece.len();
            if bufs.piece_count() > 1 { bytes.extend_from_slice(piece) } else { only = piece }
        }
        sink(if bufs.piece_count() > 1 { &bytes } else { only }, message);
        Ok(count)
    }
}

/// How many went; why not more, should somebody ask.
fn sent<B>(output: Result<(usize, B), BufError<B>>) -> Result<usize, Error> {
    output.map(|(count, _)| count).map_err(|error| error.ended())
}

impl<B: IoBuf> Leaves for Send<B> {
    fn leave(output: Self::Output, _: Sink<'_>) -> Result<usize, Error> {
        sent(output)
    }
}

impl<V: IoVecBuf> Leaves for SendMsg<V> {
    fn leave(output: Self::Output, _: Sink<'_>) -> Result<usize, Error> {
        sent(output)
    }
}

impl<S: ZeroCopy> Leaves for Several<S> {
    fn leave((_, completion): Self::Output, _: Sink<'_>) -> Result<usize, Error> {
        completion.outcome().map(|_| 0)
    }

    /// Until its first result is there. Its buffer stays in the slot until the last.
    fn poll_left(
        op: &mut LocalOp<Self>,
        cx: &mut Context<'_>,
        _: Sink<'_>,
    ) -> Poll<Result<usize, Error>> {
        let sent = match ready!(op.poll_shot(cx)) {
            Shot::Item(sent) => sent,
            Shot::Last(ended) => *ended.completion(),
        };
        Poll::Ready(sent.outcome().map(|count| count as usize))
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
        const { &Self::new::<T>(drop_of::<T>) }
    }

    /// Of one that goes on when its handle is given up.
    const fn of_detached<T: Leaves>() -> &'static Self {
        const { &Self::new::<T>(detach_of::<T>) }
    }

    const fn new<T: Leaves>(drop: unsafe fn(*mut Place)) -> Self {
        assert!(size_of::<LocalOp<T>>() <= size_of::<Place>());
        assert!(align_of::<LocalOp<T>>() <= align_of::<Place>());
        Self { of: TypeId::of::<T>(), poll: poll_of::<T>, cancel: cancel_of::<T>, drop }
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
    T::poll_left(op, cx, sink)
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

/// # Safety
/// - As [`handle`]; it is not used again.
unsafe fn detach_of<T: Leaves>(place: *mut Place) {
    // SAFETY: the caller's promise.
    unsafe { place.cast::<LocalOp<T>>().read() }.detach();
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
        // Before it is kept, so that it goes to its place by registers.
        let is_begun = op.begins(cx.waker());
        // SAFETY: the place is large enough, as `Table::new` found.
        unsafe { (&raw mut self.place).cast::<LocalOp<T>>().write(op) };
        self.table = Some(Table::of::<T>());
        if is_begun { Poll::Pending } else { self.poll_first::<T>(cx) }
    }

    /// Begins an operation for which nobody waits yet, in place of nothing. Given up, it goes on to
    /// its end.
    #[inline(always)]
    pub(super) fn start<T: Leaves>(&mut self, mut op: LocalOp<T>) {
        debug_assert!(self.is_empty(), "one at a time");
        op.begin();
        // SAFETY: the place is large enough, as `Table::new` found.
        unsafe { (&raw mut self.place).cast::<LocalOp<T>>().write(op) };
        self.table = Some(Table::of_detached::<T>());
    }

    /// The first poll of what is kept, where it does not begin as it mostly does.
    #[cold]
    fn poll_first<T: Leaves>(&mut self, cx: &mut Context<'_>) -> Poll<T::Output> {
        self.poll::<T>(cx)
    }

    /// Polls what was begun, which is of this type: once it is over nothing is kept.
    ///
    /// # Panics
    /// Where nothing of this type is kept.
    #[inline(always)]
    pub(super) fn poll<T: Leaves>(&mut self, cx: &mut Context<'_>) -> Poll<T::Output> {
        // Mostly the one that `begin` put there; no other type's is at its place. The compiler may
        // have made more than one of the same.
        if !self.table.is_some_and(|table| ptr::eq(table, Table::of::<T>())) {
            self.place_of::<T>();
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

    /// Begins an operation and waits for it: what was begun stays when this is dropped.
    pub(super) async fn run<T: Leaves>(&mut self, op: LocalOp<T>) -> T::Output {
        let mut op = Some(op);
        poll_fn(|cx| match op.take() {
            Some(op) => self.begin(op, cx),
            None => self.poll::<T>(cx),
        })
        .await
    }

    /// The next result of the send that is kept, which [`begin`](Self::begin) was given here.
    pub(super) fn poll_shot<S: ZeroCopy>(&mut self, cx: &mut Context<'_>) -> Poll<Shot<S>> {
        let place = self.place_of::<Several<S>>();
        // SAFETY: a `LocalOp` of it lies there (`place_of`), and this is borrowed.
        let shot = ready!(unsafe { handle::<Several<S>>(place) }.poll_shot(cx));
        if let Shot::Last(_) = shot {
            self.clear();
        }
        Poll::Ready(shot)
    }

    /// Gives away what is kept, which [`begin`](Self::begin) was given here.
    pub(super) fn take<T: Leaves>(&mut self) -> LocalOp<T> {
        let place = self.place_of::<T>();
        self.table = None;
        // SAFETY: a `LocalOp<T>` lies there (`place_of`), and without its table it is not used
        // again.
        unsafe { place.cast::<LocalOp<T>>().read() }
    }

    /// Where a `LocalOp<T>` lies.
    #[cold]
    fn place_of<T: Leaves>(&mut self) -> *mut Place {
        if self.table.is_none_or(|table| table.of != TypeId::of::<T>()) {
            over();
        }
        &raw mut self.place
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
