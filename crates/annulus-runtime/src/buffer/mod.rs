//! Memory that is lent to the kernel and comes back: see [`IoBuf`] and [`IoBufMut`].

mod aligned;
mod error;
mod impls;
mod registered;
mod slice;
mod traits;

pub use aligned::{AlignedBuf, AllocError};
pub use error::{BufError, BufResult};
pub use registered::{PoolId, Registered};
pub use slice::Slice;
pub use traits::{IoBuf, IoBufMut};
