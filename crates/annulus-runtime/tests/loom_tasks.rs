//! Every interleaving of an executor and those who wake its tasks and give it work from other
//! threads, explored by loom: run by `cargo xtask loom`, which also makes sure that each seeded bug
//! is found.
#![cfg(loom)]

#[macro_use]
mod bodies;
mod tasks;

use tasks::{executor, packet, sync};

tasks!();
