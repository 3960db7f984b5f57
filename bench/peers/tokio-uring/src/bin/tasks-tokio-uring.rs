//! What tasks cost on tokio-uring: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench_harness::tasks::main::<peer_tokio_uring::TokioUring>();
}
