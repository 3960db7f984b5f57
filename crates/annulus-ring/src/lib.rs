//! io_uring, whole: every operation, flag and registration of Linux 6.18, typed and lean.

pub mod abi;
mod errno;
pub mod op;

pub use errno::Errno;
