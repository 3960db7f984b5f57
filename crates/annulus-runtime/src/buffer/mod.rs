//! Memory that is lent to the kernel and comes back: see [`IoBuf`] and [`IoBufMut`].

mod traits;

pub use traits::{IoBuf, IoBufMut};
