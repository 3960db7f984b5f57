//! Random 4 KiB reads from tasks on glommio: see `harness/src/reads.rs`.

fn main() {
    annulus_bench_harness::reads::main::<peer_glommio::Glommio>();
}
