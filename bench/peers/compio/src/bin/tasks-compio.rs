//! What tasks cost on compio: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench_harness::tasks::main::<peer_compio::Compio>();
}
