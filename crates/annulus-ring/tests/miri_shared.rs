//! Several threads on one shared ring: real ones; and under Miri (`cargo xtask miri`), which looks
//! for undefined behaviour and for orders that weak memory allows. The bodies are those that loom
//! explores.
#![cfg(not(loom))]

#[macro_use]
mod bodies;
mod model;

shared!();
