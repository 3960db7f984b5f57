//! The state of a slot: who may touch what, said by the bits of one word.
//!
//! ```text
//!                 the future's side                     the reactor's side
//!   0            fills the slot, ships it       ─────▶  queues, submits
//!   WAKER        a waker lies in the slot               …
//!   RESULT                                              a result lies in the slot; the waker,
//!                                                       if one was there, is the reactor's now
//!   DONE         takes the result, releases     ◀─────  has its hands off the slot
//!   DROPPED      nobody waits any more          ─────▶  reclaims, releases
//!   LINKED       asked for a cancel: the slot   ─────▶  takes it out of the inbox
//!                hangs in the inbox for it
//!   RELEASED     is over, but it still hangs there ───▶ releases when it is taken out
//! ```
//!
//! A completion takes two steps, because the waker must be out of the slot before the future may
//! give the slot away: `RESULT` claims the waker, `DONE` lets go. In between the future, if it is
//! polled, knows that its result is a moment away and asks to be polled again.

/// A waker lies in the slot, and is whoever's turn it is: the future's until `RESULT`.
pub(crate) const WAKER: u32 = 1;
/// The result lies in the slot; a waker that lay there is the reactor's.
pub(crate) const RESULT: u32 = 1 << 1;
/// The reactor has done with the slot.
pub(crate) const DONE: u32 = 1 << 2;
/// The future is gone.
pub(crate) const DROPPED: u32 = 1 << 3;
/// The slot hangs in the inbox with a request to cancel.
pub(crate) const LINKED: u32 = 1 << 4;
/// Nobody needs the slot any more, but for the link.
pub(crate) const RELEASED: u32 = 1 << 5;
/// A cancel was asked for.
pub(crate) const CANCEL: u32 = 1 << 6;
