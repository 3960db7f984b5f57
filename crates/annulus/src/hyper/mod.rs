//! [hyper] 1.x on this runtime: its traits, a server, and a client's beginning.
//!
//! | hyper asks for | here |
//! | --- | --- |
//! | `rt::Read`, `rt::Write` | [`Polled`](crate::polled::Polled), a connection of this crate |
//! | the same, and `Send` (upgrades, pools) | [`SendIo`], around it |
//! | `rt::Executor` | [`LocalExecutor`]: tasks of this thread |
//! | `rt::Timer` | [`LocalTimer`]: the wheel of this thread |
//!
//! [`Server`] accepts, serves, and drains; [`connect`] begins a connection to ask by. Both have
//! HTTP/1; for HTTP/2 turn on hyper's own feature and give its builders the parts above.
//!
//! Nothing here is shared by threads: one of each runs on each core, see
//! [`RuntimeBuilder::threads`](crate::RuntimeBuilder::threads).
//!
//! # What it costs
//! A request that a keep-alive connection answers takes one receive, one send and one poll of its
//! task. hyper's flush [begins a send](crate::polled::Polled::poll_send) and does not wait for its
//! end, which wakes nobody. Bytes are copied once each way, between hyper's buffers and those that
//! the kernel has.

mod client;
mod drain;
mod executor;
mod io;
mod send_io;
mod server;
mod timer;
#[cfg(feature = "rustls")]
mod tls_io;

pub use client::{connect, handshake};
pub use executor::LocalExecutor;
pub use send_io::SendIo;
pub use server::{Drained, Server};
pub use timer::{LocalSleep, LocalTimer};
