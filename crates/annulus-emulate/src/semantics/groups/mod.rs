//! Groups of buffers to pick from: those that entries provide one by one, and rings of them in
//! memory that the program fills.
//!
//! ```text
//! pick      before an attempt: a request has a buffer (a bundle: several)
//! commit    something came: the buffer is the program's, and its number told
//! put_back  nothing came: it is as if it had not been picked
//! ```
//!
//! A ring's buffer is used up when it is committed, not when it is picked. Where an attempt does
//! not end soon (a file that is never waited for, a thread), it is committed at once, with all that
//! was asked for: so does Linux.

mod pick;
mod provide;
mod ring;

pub(super) use pick::Picked;
pub(super) use provide::{prepare_provide, prepare_remove};
pub(super) use ring::RingGroup;

use std::collections::{BTreeMap, VecDeque};

use crate::world::Span;

/// A buffer that an entry provided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provided {
    span: Span,
    id: u16,
}

/// A group.
#[derive(Debug)]
pub(super) enum Group {
    /// What entries provided, and nobody has.
    Provided(VecDeque<Provided>),
    /// A ring of buffers.
    Ring(RingGroup),
}

/// All groups, by their numbers.
pub(super) type Groups = BTreeMap<u16, Group>;
