//! An executor, and those who wake its tasks and give it work, on real threads; and under Miri
//! (`cargo xtask miri`), which looks for undefined behaviour and for orders that weak memory
//! allows. The bodies are those that loom explores.
#![cfg(not(loom))]

#[macro_use]
mod bodies;
mod tasks;

use tasks::{executor, packet, sync};

tasks!();
