//! Futures and a driver on real threads; and under Miri (`cargo xtask miri`), which looks for
//! undefined behaviour and for orders that weak memory allows. The bodies are those that loom
//! explores.
#![cfg(not(loom))]

#[macro_use]
mod bodies;
mod model;

use model::{bell, buffer, counts, executor, files, operation, port, slot, sync};

slots!();
