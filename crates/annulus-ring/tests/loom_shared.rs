//! Several threads on one shared ring, every interleaving that loom finds: pushing, submitting,
//! waiting, waking. Run by `cargo xtask loom`, which also makes sure that each seeded bug is found.
#![cfg(loom)]

#[macro_use]
mod bodies;
mod model;

shared!();
