//! What tasks cost on monoio: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench_harness::tasks::main::<peer_monoio::Monoio>();
}
