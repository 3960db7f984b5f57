//! The futures that ship.

#[path = "../../src/engine/caller.rs"]
mod caller;
#[path = "../../src/engine/chain.rs"]
mod chain;
#[path = "../../src/engine/op.rs"]
mod op;

pub(crate) use op::Op;
