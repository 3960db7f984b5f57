//! Random 4 KiB reads from tasks on compio: see `harness/src/reads.rs`.

fn main() {
    annulus_bench_harness::reads::main::<peer_compio::Compio>();
}
