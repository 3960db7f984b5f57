//! Memory that is lent to the kernel and comes back: see [`IoBuf`] and [`IoBufMut`].

mod error;
mod traits;

pub use error::{BufError, BufResult};
pub use traits::{IoBuf, IoBufMut};
