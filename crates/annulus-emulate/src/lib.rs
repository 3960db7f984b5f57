//! io_uring in user space: the kernel that answers where Linux's is blocked.

mod host;
mod queues;
mod semantics;
mod uaccess;
mod world;
