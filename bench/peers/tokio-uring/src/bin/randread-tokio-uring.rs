//! Random 4 KiB reads from tasks on tokio-uring: see `harness/src/reads.rs`.

fn main() {
    annulus_bench_harness::reads::main::<peer_tokio_uring::TokioUring>();
}
