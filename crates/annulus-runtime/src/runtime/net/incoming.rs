//! [`Incoming`]: what a stream has of bytes that come.

use core::task::{Context, Poll, ready};
use std::os::fd::OwnedFd;

use super::kept::Kept;
use super::ops::Message;
use super::pooled::Pooled;
use crate::buffer::{IoBufMut, IoVecBufMut};
use crate::error::Error;

/// What a stream has of bytes that come.
#[derive(Debug)]
pub(super) struct Incoming {
    /// A receive under way: of the read that borrows the stream, or of one that was dropped.
    pub(super) kept: Kept,
    /// What a dropped read has left.
    early: Option<Box<Early>>,
    /// Buffers that the kernel picks for what comes.
    pub(super) pooled: Option<Box<Pooled>>,
    habit: Habit,
}

/// How its reads are, from which the stream sees whether a pool would be cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// So many short ones in a row.
    Short(u8),
    /// It is not to look for that, or found that it cannot be.
    Settled,
}

impl Habit {
    fn of(may_pool: bool) -> Self {
        if may_pool { Self::Short(0) } else { Self::Settled }
    }
}

/// From how many short reads in a row on a stream that may turns to a pool: one that is read once
/// and closed would have the kernel's work for it in vain.
const SHORT_READS: u8 = 3;
/// How long they are at most: beyond, the copy costs more than it saves.
const SHORT_BYTES: usize = 16 << 10;

/// What was received for a read that is gone.
#[derive(Debug, Default)]
struct Early {
    bytes: Vec<u8>,
    /// How many of them were read: fewer than there are, or all, and there is an error.
    taken: usize,
    /// What came with them.
    descriptors: Vec<OwnedFd>,
    /// What came behind them.
    failed: Option<Error>,
}

impl Incoming {
    /// `may_pool` is whether it may turn to a pool by itself.
    pub(super) fn new(may_pool: bool) -> Self {
        let habit = Habit::of(may_pool);
        Self { kept: Kept::nothing(), early: None, pooled: None, habit }
    }

    pub(super) fn set_auto_pool(&mut self, on: bool) {
        self.habit = Habit::of(on);
    }

    /// Whether the stream may turn to a pool.
    #[inline(always)]
    pub(super) fn may_turn(&self) -> bool {
        self.habit != Habit::Settled
    }

    /// Takes note of a read of so many bytes at most: whether the stream is to turn to a pool now.
    /// That is said once.
    pub(super) fn turns_to_pool(&mut self, bytes: usize) -> bool {
        let Habit::Short(before) = self.habit else { return false };
        let count = if bytes <= SHORT_BYTES { before + 1 } else { 0 };
        let turns = count == SHORT_READS;
        self.habit = if turns { Habit::Settled } else { Habit::Short(count) };
        turns
    }

    /// Whether a read is to begin a receive.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.has_left_nothing() && self.pooled.is_none()
    }

    /// Whether no dropped read has left anything.
    #[inline]
    pub(super) fn has_left_nothing(&self) -> bool {
        self.kept.is_empty() && self.early.is_none()
    }

    /// What it has of a pool, where no dropped read has left anything.
    #[inline(always)]
    pub(super) fn pooled_alone(&mut self) -> Option<&mut Pooled> {
        if self.has_left_nothing() { self.pooled.as_deref_mut() } else { None }
    }

    /// What was received for others, if anything was.
    pub(super) fn early(&self) -> &[u8] {
        match (&self.early, &self.pooled) {
            (Some(early), _) => &early.bytes[early.taken..],
            (None, Some(pooled)) => pooled.held(),
            (None, None) => &[],
        }
    }

    /// Gives bytes back that were taken, where nothing else is there.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        debug_assert!(self.early().is_empty(), "what is there comes behind these");
        keep(&mut self.early, bytes);
    }

    /// Ends what is under way in a pool, and waits for that: what it brought is there then.
    pub(super) async fn drain(&mut self) -> Result<(), Error> {
        let Self { early, pooled, .. } = self;
        match pooled {
            Some(pooled) => pooled.drain(|bytes| keep(early, bytes)).await,
            None => Ok(()),
        }
    }

    /// Waits for what a dropped read has begun, and gives its bytes to `take`, which says how many
    /// it took, and may take the descriptors that came with them. How many came is told too: none
    /// is the end. Nothing is told of what was cancelled, nor where a pool has no buffer.
    pub(super) fn poll_early(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8], &mut Vec<OwnedFd>) -> usize,
    ) -> Poll<Option<Result<usize, Error>>> {
        if let Some(early) = &mut self.early {
            let left = early.bytes.len() - early.taken;
            if left == 0 && early.failed.is_some() {
                let failed = early.failed;
                self.early = None;
                return Poll::Ready(failed.map(Err));
            }
            let count = take(&early.bytes[early.taken..], &mut early.descriptors);
            early.taken += count;
            if count == left && early.failed.is_none() {
                self.early = None;
            }
            return Poll::Ready(Some(Ok(left)));
        }
        if self.kept.is_empty()
            && let Some(pooled) = &mut self.pooled
        {
            return pooled.poll_take(cx, |bytes| take(bytes, &mut Vec::new()));
        }
        let (early, mut came) = (&mut self.early, 0);
        let mut sink = |bytes: &[u8], mut message: Message| {
            came = bytes.len();
            let mut descriptors = message.take_descriptors();
            let left = &bytes[take(bytes, &mut descriptors)..];
            if !left.is_empty() {
                let bytes = left.to_vec();
                *early = Some(Box::new(Early { bytes, descriptors, ..Early::default() }));
            }
        };
        match ready!(self.kept.poll_end(cx, &mut sink)) {
            Some(Err(error)) if came > 0 => {
                if !error.is_cancelled() {
                    early.get_or_insert_default().failed = Some(error);
                }
                Poll::Ready(Some(Ok(came)))
            }
            Some(Err(error)) if error.is_cancelled() => Poll::Ready(None),
            ended => Poll::Ready(ended),
        }
    }
}

/// Puts bytes behind those that are there.
fn keep(early: &mut Option<Box<Early>>, bytes: &[u8]) {
    if !bytes.is_empty() {
        early.get_or_insert_default().bytes.extend_from_slice(bytes);
    }
}

/// Puts as many of `bytes` into a buffer as fit behind its first `at` bytes, which are initialised:
/// how many.
pub(super) fn fill<B: IoBufMut>(buf: &mut B, at: usize, bytes: &[u8]) -> usize {
    debug_assert!(at <= buf.bytes_init(), "what is before is initialised");
    let count = bytes.len().min(buf.bytes_total().saturating_sub(at));
    if count == 0 {
        return 0;
    }
    // SAFETY: so many bytes lie before the end of the buffer.
    let to = unsafe { buf.stable_mut_ptr().add(at) };
    // SAFETY: so many bytes of the buffer may be written, and nobody else uses them (`IoBufMut`).
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), count) };
    // SAFETY: they were written, and those before were initialised.
    unsafe { buf.set_init(at + count) };
    count
}

/// The same with several buffers, from the first on.
pub(super) fn scatter<V: IoVecBufMut>(bufs: &mut V, bytes: &[u8]) -> usize {
    let mut done = 0;
    for index in 0..bufs.piece_count() {
        let (start, room) = bufs.piece_mut(index);
        let here = room.min(bytes.len() - done);
        let from = bytes[done..][..here].as_ptr();
        // SAFETY: so many bytes of the piece may be written, and nobody else uses them
        // (`IoVecBufMut`).
        unsafe { start.copy_from_nonoverlapping(from, here) };
        done += here;
    }
    if done > 0 {
        // SAFETY: so many were written, from the first on.
        unsafe { bufs.vec_set_init(done) };
    }
    done
}
