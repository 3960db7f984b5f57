//! Waiting for each other, also between processes.

pub mod futex;
