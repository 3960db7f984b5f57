//! What the operations of control do on this kernel: waiting, cancelling, linking, other rings,
//! futexes, children, commands. In bounded time.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/rig.rs"]
mod rig;

mod cancel;
mod commands;
mod epoll;
mod futex;
mod links;
mod msg_ring;
mod poll;
mod process;
mod stable;
mod timeout;
