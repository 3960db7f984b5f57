//! What the kernel writes to, and until when, under an allocator that never gives an address twice:
//! whoever dies while operations are under way, no freed buffer is written to.

#[path = "../common/mod.rs"]
mod common;
mod direct;
mod pipes;
mod pool;

use common::detector::Detector;

#[global_allocator]
static ALLOCATOR: Detector = Detector;
