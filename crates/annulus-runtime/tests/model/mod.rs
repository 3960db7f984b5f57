//! The slots, the inbox, the port, the reactor's book and the future, compiled from the very files
//! that ship, with a bell and a kernel that need no system call: what two threads do with them runs
//! under loom, under Miri and on real threads.
//!
//! ```text
//! ships as it is    sync · operation · counts · slot · port
//!                   reactor::{book, deadlines, list} · engine::{op, chain, caller}
//! of the model      bell      a lock and a condition: loom sees who waits for ever
//!                   driver    what `Reactor` does, with a list of names for a ring
//!                   probe     an operation, and a waker, that count what becomes of them
//! ```
//!
//! A root that has this module names `bell`, `buffer`, `counts`, `executor`, `files`, `operation`,
//! `port`, `slot` and `sync` as its own, since that is where those files look for each other.

// Each file has more than the models use.
#![allow(dead_code, unused_imports)]

pub(crate) mod bell;
pub(crate) mod buffer;
#[path = "../../src/counts.rs"]
pub(crate) mod counts;
pub(crate) mod engine;
pub(crate) mod executor;
pub(crate) mod files;
#[path = "../../src/operation.rs"]
pub(crate) mod operation;
#[path = "../../src/port.rs"]
pub(crate) mod port;
pub(crate) mod probe;
pub(crate) mod reactor;
pub(crate) mod scenarios;
#[path = "../../src/slot/mod.rs"]
pub(crate) mod slot;
#[path = "../../src/sync.rs"]
pub(crate) mod sync;
pub(crate) mod threads;
