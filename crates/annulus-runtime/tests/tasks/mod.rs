//! The executor, what other threads see of it, and the handles by which they wait, compiled from
//! the very files that ship, on a thread that sleeps on a condition instead of in the kernel: what
//! threads do with them runs under loom, under Miri and on real threads.
//!
//! ```text
//! ships as it is    sync · executor · packet · runtime::handle
//! of the model      owner       what the runtime's loop does, with a bell that counts
//!                   probe       futures and values that count what becomes of them
//! ```
//!
//! A root that has this module names `executor`, `packet` and `sync` as its own, since that is
//! where those files look for each other.

// Each file has more than the models use.
#![allow(dead_code, unused_imports)]

#[path = "../../src/executor/mod.rs"]
pub(crate) mod executor;
pub(crate) mod owner;
#[path = "../../src/packet.rs"]
pub(crate) mod packet;
pub(crate) mod probe;
pub(crate) mod runtime;
pub(crate) mod scenarios;
#[path = "../../src/sync.rs"]
pub(crate) mod sync;
#[path = "../model/threads.rs"]
pub(crate) mod threads;
