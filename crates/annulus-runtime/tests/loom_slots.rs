//! Every interleaving of futures and a driver, explored by loom: run by `cargo xtask loom`, which
//! also makes sure that each seeded bug is found.
#![cfg(loom)]

#[macro_use]
mod bodies;
mod model;

use model::{bell, buffer, counts, executor, files, operation, port, slot, sync};

slots!();
