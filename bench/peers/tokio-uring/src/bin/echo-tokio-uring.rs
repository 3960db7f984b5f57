//! A TCP echo on tokio-uring: see `harness/src/echo.rs`.

fn main() {
    annulus_bench_harness::echo::on::<peer_tokio_uring::TokioUring>();
}
