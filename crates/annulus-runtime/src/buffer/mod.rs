//! Memory that is lent to the kernel and comes back.
#![doc = ""]
#![doc = include_str!("../../docs/buffers.md")]

mod aligned;
#[cfg(feature = "bytes")]
mod bytes;
mod copy;
mod error;
mod fixed;
mod impls;
mod iovecs;
mod memory;
mod regions;
mod registered;
mod slice;
mod traits;
mod vectored;
#[cfg(feature = "vm-memory")]
mod vm_memory;

pub use aligned::{AlignedBuf, AllocError};
pub use copy::{as_bytes, copy_to, gather, scatter};
pub use error::{BufError, BufResult};
pub use fixed::{FixedBuf, FixedPool, Take};
pub use iovecs::{IO_BYTES_MAX, IOVECS_MAX, Iovecs, io_len};
pub use memory::{BackingMemory, SharedMemory, regions_to_iovecs};
pub use regions::{InvalidRegion, MemRegion, MemRegions};
pub use registered::{PoolId, Registered};
pub use slice::Slice;
pub use traits::{IoBuf, IoBufMut};
pub use vectored::{IoVecBuf, IoVecBufMut};
