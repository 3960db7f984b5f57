//! Pages to read: where io_uring is blocked, and what is otherwise in user space.

#[doc = include_str!("../docs/containers.md")]
pub mod containers {}

#[doc = include_str!("../docs/emulation.md")]
pub mod emulation {}
