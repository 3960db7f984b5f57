//! What tasks cost on glommio: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench_harness::tasks::main::<peer_glommio::Glommio>();
}
