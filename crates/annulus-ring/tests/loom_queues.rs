//! Every interleaving of the rings and a kernel that runs beside them, explored by loom: run by
//! `cargo xtask loom`, which also makes sure that each seeded bug is found.
#![cfg(loom)]

#[macro_use]
mod bodies;
mod model;

queues!();
