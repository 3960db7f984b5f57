//! The body of an answer: bytes, or parts of a file that never come into the program.
//!
//! hyper writes what a body gives it as memory. A part of a file gives *stand-ins*: slices of a
//! static region of zeros, as long as the part, which nobody reads. Where hyper comes to write one
//! the connection ([`Wire`](super::wire::Wire)) knows it by its address, and sends the file in its
//! place (`sendfile(2)`).
//!
//! ```text
//! body ── Piece::File, noted in the Outbox ──▶ hyper's queue ── IoSlice into ZEROS ──▶ Wire
//!                                                   ▲                                 │ sendfile
//!                                                   └──── how many bytes ◀────────────┘
//! ```
//!
//! The zeros do not reach the peer. A write of the zeros themselves is known by its address. Who
//! copies them, as hyper does where it has no vectored writes, takes them from the piece
//! ([`Buf::advance`]) before the copy is written, and what is taken must have been sent as a part
//! of the file before ([`Outbox::taken`]): if it was not the outbox is broken, and the connection,
//! which looks at that before each write, writes nothing any more. Tested by
//! `zeros_that_were_copied_end_the_connection`.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use hyper::body::{Body, Buf, Frame, SizeHint};

/// What stands for a file. Nobody reads it, so that it takes no memory.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// Whether these bytes stand for a file.
pub fn is_stand_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && ZEROS.as_ptr_range().contains(&bytes.as_ptr())
}

/// A part of a file that is to be sent.
pub struct Part {
    /// Not yet one of the ring's, which asks what it is: most are in memory, and only named here.
    pub file: Rc<OwnedFd>,
    pub offset: Cell<u64>,
    pub left: Cell<u64>,
}

/// The parts of files that a connection is to send, in their order.
#[derive(Default)]
pub struct Outbox {
    parts: RefCell<VecDeque<Rc<Part>>>,
    /// How many bytes of files were sent whose stand-ins nobody has taken.
    sent: Cell<usize>,
    /// How many bodies there are of which hyper has not got all yet.
    unfinished: Cell<usize>,
    is_broken: Cell<bool>,
}

impl Outbox {
    /// One more part: what stands for it, for hyper.
    fn push(self: &Rc<Self>, file: Rc<OwnedFd>, offset: u64, count: u64) -> Piece {
        let part = Part { file, offset: Cell::new(offset), left: Cell::new(count) };
        self.parts.borrow_mut().push_back(Rc::new(part));
        Piece::File { left: count, outbox: Rc::clone(self) }
    }

    /// What is to be sent next.
    pub fn first(&self) -> Option<Rc<Part>> {
        self.parts.borrow().front().cloned()
    }

    /// So many bytes of it were sent.
    pub fn sent(&self, part: &Part, count: usize) {
        part.offset.set(part.offset.get() + count as u64);
        part.left.set(part.left.get() - count as u64);
        self.sent.set(self.sent.get() + count);
        if part.left.get() == 0 {
            let over = self.parts.borrow_mut().pop_front();
            drop(over);
        }
    }

    /// So many stand-ins were taken: at most as many as were sent in their place.
    fn taken(&self, count: usize) {
        match self.sent.get().checked_sub(count) {
            Some(left) => self.sent.set(left),
            None => self.is_broken.set(true),
        }
    }

    /// Whether zeros may have gone where they should not: nothing is written any more.
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Whether no file is under way, and none will be for a body that is.
    pub fn is_empty(&self) -> bool {
        self.parts.borrow().is_empty() && self.unfinished.get() == 0
    }
}

/// The body of an answer.
pub enum Answer {
    Empty,
    Bytes(Vec<u8>),
    /// Until it is asked for.
    File {
        file: OwnedFd,
        offset: u64,
        count: u64,
        outbox: Rc<Outbox>,
    },
    /// Bytes and parts of a file in turn.
    Series(Series),
}

impl Answer {
    /// How many bytes it is.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { count, .. } => *count,
            Self::Series(series) => series.left,
        }
    }

    /// How many of them the kernel is to send out of a file.
    pub fn file_bytes(&self) -> u64 {
        match self {
            Self::Empty | Self::Bytes(_) => 0,
            Self::File { count, .. } => *count,
            Self::Series(series) => series.segments.iter().map(Segment::file_bytes).sum(),
        }
    }
}

/// What a series is made of.
pub enum Segment {
    Bytes(Vec<u8>),
    File { offset: u64, count: u64 },
}

impl Segment {
    /// How many bytes of the file it is.
    pub fn file_bytes(&self) -> u64 {
        match self {
            Self::Bytes(_) => 0,
            Self::File { count, .. } => *count,
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { count, .. } => *count,
        }
    }
}

/// Bytes and parts of one file, in turn. Each is given to hyper when it asks for more, which is
/// when it has room: between two of them nothing may be under way, and the answer not at its end.
/// The outbox knows that, so that the connection is not taken for an idle one.
pub struct Series {
    file: Rc<OwnedFd>,
    segments: VecDeque<Segment>,
    left: u64,
    outbox: Rc<Outbox>,
}

impl Series {
    pub fn new(file: OwnedFd, segments: VecDeque<Segment>, outbox: Rc<Outbox>) -> Self {
        outbox.unfinished.set(outbox.unfinished.get() + 1);
        let left = segments.iter().map(Segment::len).sum();
        Self { file: Rc::new(file), segments, left, outbox }
    }

    fn next(&mut self) -> Option<Piece> {
        let segment = self.segments.pop_front()?;
        self.left -= segment.len();
        Some(match segment {
            Segment::Bytes(bytes) => Piece::Bytes { bytes, taken: 0 },
            Segment::File { offset, count } => {
                self.outbox.push(Rc::clone(&self.file), offset, count)
            }
        })
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.outbox.unfinished.set(self.outbox.unfinished.get() - 1);
    }
}

impl Body for Answer {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let this = self.get_mut();
        let piece = match core::mem::replace(this, Self::Empty) {
            Self::Empty => return Poll::Ready(None),
            Self::Bytes(bytes) => Piece::Bytes { bytes, taken: 0 },
            Self::File { file, offset, count, outbox } => outbox.push(Rc::new(file), offset, count),
            Self::Series(mut series) => {
                let Some(piece) = series.next() else { return Poll::Ready(None) };
                if !series.segments.is_empty() {
                    *this = Self::Series(series);
                }
                piece
            }
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

/// What hyper has of a body.
pub enum Piece {
    Bytes { bytes: Vec<u8>, taken: usize },
    File { left: u64, outbox: Rc<Outbox> },
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes { bytes, taken } => bytes.len() - taken,
            // Where a file is larger than addresses are, the answer was refused.
            Self::File { left, .. } => *left as usize,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes { bytes, taken } => &bytes[*taken..],
            Self::File { .. } => &ZEROS[..self.remaining().min(ZEROS.len())],
        }
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "hyper takes what is there");
        match self {
            Self::Bytes { taken, .. } => *taken += count,
            Self::File { left, outbox } => {
                *left -= count as u64;
                outbox.taken(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    fn piece(count: u64) -> (Piece, Rc<Outbox>) {
        let outbox = Rc::new(Outbox::default());
        (Piece::File { left: count, outbox: Rc::clone(&outbox) }, outbox)
    }

    #[test]
    fn stand_ins_are_known_by_their_address() {
        let (mut piece, _) = piece(3 << 20);
        assert!(is_stand_in(piece.chunk()) && is_stand_in(&piece.chunk()[7..]));
        assert_eq!(piece.chunk().len(), ZEROS.len());
        piece.advance((3 << 20) - 1);
        assert_eq!(piece.chunk().len(), 1);
        assert!(is_stand_in(piece.chunk()));
        assert!(!is_stand_in(&[0; 100]) && !is_stand_in(&[]));
        let bytes = Piece::Bytes { bytes: vec![0; 10], taken: 0 };
        assert!(!is_stand_in(bytes.chunk()));
    }

    #[test]
    fn whoever_copies_a_stand_in_breaks_the_outbox() {
        let (mut one, outbox) = piece(10);
        assert!(!outbox.is_broken());
        assert_eq!(one.copy_to_bytes(3), Bytes::from_static(&[0; 3]));
        assert!(outbox.is_broken());
        let (mut one, outbox) = piece(10);
        let mut to = [1; 4];
        one.copy_to_slice(&mut to);
        assert!(outbox.is_broken());
        let (mut one, outbox) = piece(10);
        outbox.sent.set(4);
        one.advance(4);
        assert!(!outbox.is_broken());
        one.advance(1);
        assert!(outbox.is_broken());
    }

    #[test]
    fn a_series_is_under_way_until_hyper_has_all_of_it() {
        let outbox = Rc::new(Outbox::default());
        let segments = [
            Segment::Bytes(b"head".to_vec()),
            Segment::File { offset: 7, count: 10 },
            Segment::Bytes(b"end".to_vec()),
        ];
        let file = std::fs::File::open("/dev/null").unwrap().into();
        let series = Series::new(file, segments.into(), Rc::clone(&outbox));
        let mut body = Answer::Series(series);
        let mut cx = Context::from_waker(core::task::Waker::noop());
        assert_eq!((body.len(), body.file_bytes()), (17, 10));
        let mut seen = Vec::new();
        for left in [13, 3, 0] {
            assert!(!outbox.is_empty() && !body.is_end_stream());
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) else {
                panic!("there is more");
            };
            let piece = frame.into_data().ok().unwrap();
            seen.push((piece.remaining(), is_stand_in(piece.chunk())));
            assert_eq!(body.len(), left);
            if let Some(part) = outbox.first() {
                assert_eq!(part.offset.get(), 7);
                outbox.sent(&part, 10);
            }
        }
        assert_eq!(seen, [(4, false), (10, true), (3, false)]);
        assert!(outbox.is_empty() && body.is_end_stream());
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(None)));
    }

    #[test]
    fn a_series_that_is_given_up_is_not_under_way() {
        let outbox = Rc::new(Outbox::default());
        let segments = [Segment::File { offset: 0, count: 1 }, Segment::Bytes(b"end".to_vec())];
        let file = std::fs::File::open("/dev/null").unwrap().into();
        let series = Series::new(file, segments.into(), Rc::clone(&outbox));
        assert!(!outbox.is_empty());
        drop(Answer::Series(series));
        assert!(outbox.is_empty());
    }

    #[test]
    fn bytes_are_bytes() {
        let mut piece = Piece::Bytes { bytes: b"rings".to_vec(), taken: 0 };
        piece.advance(2);
        assert_eq!(piece.copy_to_bytes(3), "ngs");
        assert!(!piece.has_remaining());
    }
}
