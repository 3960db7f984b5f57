//! [`Incoming`] and [`Outgoing`]: the two directions of a pipe or a terminal, which lose no byte
//! and put none out of order when a future is dropped.
//!
//! The kernel has the buffer of a future that is gone. So the operation is not dropped with it, but
//! left with the object, in a box that forgets the buffer's type: an allocation for each future
//! that is dropped, and none else.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use annulus_ring::Errno;
use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::{Read, Write};
use annulus_runtime::runtime::File;

use annulus_runtime::buffer::{BufError, BufResult, IoBuf, IoBufMut, as_bytes, copy_to};

/// What a read that is gone has brought.
type Left = Pin<Box<dyn Future<Output = Result<Vec<u8>, BufError<()>>>>>;

/// What comes: a read under way, and bytes that were read for nobody.
#[derive(Default)]
pub(crate) struct Incoming {
    /// The read of a future that was dropped.
    left: Option<Left>,
    /// What such a read has brought.
    early: Vec<u8>,
    /// How much of that was given.
    taken: usize,
}

impl Incoming {
    /// Whether nothing is under way, and nothing was read early.
    pub(crate) fn is_idle(&self) -> bool {
        self.left.is_none() && self.early.is_empty()
    }

    /// Reads what comes next of `file`. *Resumable*.
    pub(crate) async fn read<B: IoBufMut>(&mut self, file: &File, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        if buf.bytes_total() == 0 {
            return Ok((0, buf));
        }
        loop {
            if !self.early.is_empty() {
                let n = copy_to(&mut buf, &self.early[self.taken..]);
                self.taken += n;
                if self.taken == self.early.len() {
                    (self.early, self.taken) = (Vec::new(), 0);
                }
                return Ok((n, buf));
            }
            let ended = if let Some(left) = &mut self.left {
                let ended = left.await;
                self.left = None;
                match ended {
                    // The end, which a terminal says once.
                    Ok(bytes) if bytes.is_empty() => return Ok((0, buf)),
                    Ok(bytes) => {
                        self.early = bytes;
                        continue;
                    }
                    Err(error) => Err(error.map(|()| buf)),
                }
            } else {
                Reading { left: &mut self.left, op: Some(file.read(buf)) }.await
            };
            match ended {
                // Whoever has the other handles made it so that nothing waits, and an older kernel
                // goes by that for terminals.
                Err(error) if error.errno() == Some(Errno::EAGAIN) => {
                    buf = error.into_buf();
                    if let Err(error) = file.readable().await {
                        return Err(BufError::new(error.errno().unwrap_or(Errno::ECANCELED), buf));
                    }
                }
                ended => return ended,
            }
        }
    }
}

/// A read that stays with the object when it is dropped.
struct Reading<'a, B: IoBufMut> {
    left: &'a mut Option<Left>,
    /// Until it is over.
    op: Option<LocalOp<Read<B>>>,
}

impl<B: IoBufMut> Future for Reading<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let op = self.op.as_mut().expect("it is polled until its result is given");
        let polled = Pin::new(op).poll(cx);
        if polled.is_ready() {
            self.op = None;
        }
        polled
    }
}

impl<B: IoBufMut> Drop for Reading<'_, B> {
    fn drop(&mut self) {
        // It was polled: who makes it awaits it.
        if let Some(op) = self.op.take() {
            *self.left = Some(Box::pin(async {
                let (n, buf) = op.await.map_err(|error| error.map(drop))?;
                Ok(as_bytes(&buf)[..n].to_vec())
            }));
        }
    }
}

/// What goes: a write of a future that was dropped, which is on its way to its end.
#[derive(Default)]
pub(crate) struct Outgoing {
    left: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Outgoing {
    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.left.is_none()
    }

    /// Waits for the end of a write that was given up.
    pub(crate) async fn settle(&mut self) {
        if let Some(left) = &mut self.left {
            left.await;
            self.left = None;
        }
    }

    /// Writes to `file`, behind what went before. *Cancel and discard*: what is given up is
    /// cancelled, and the next write begins when it has ended.
    pub(crate) async fn write<B: IoBuf>(&mut self, file: &File, buf: B) -> BufResult<usize, B> {
        let mut buf = buf;
        loop {
            self.settle().await;
            match (Writing { left: &mut self.left, op: Some(file.write(buf)) }).await {
                Err(error) if error.errno() == Some(Errno::EAGAIN) => {
                    buf = error.into_buf();
                    if let Err(error) = file.writable().await {
                        return Err(BufError::new(error.errno().unwrap_or(Errno::ECANCELED), buf));
                    }
                }
                ended => return ended,
            }
        }
    }
}

/// A write whose end is waited for by the next when it is dropped.
struct Writing<'a, B: IoBuf> {
    left: &'a mut Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Until it is over.
    op: Option<LocalOp<Write<B>>>,
}

impl<B: IoBuf> Future for Writing<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let op = self.op.as_mut().expect("it is polled until its result is given");
        let polled = Pin::new(op).poll(cx);
        if polled.is_ready() {
            self.op = None;
        }
        polled
    }
}

impl<B: IoBuf> Drop for Writing<'_, B> {
    fn drop(&mut self) {
        if let Some(mut op) = self.op.take() {
            op.cancel();
            *self.left = Some(Box::pin(async {
                // Whoever began it did not want to know.
                let _ = op.await;
            }));
        }
    }
}
