//! What tasks cost on tokio: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench_harness::tasks::main::<peer_tokio::Tokio>();
}
