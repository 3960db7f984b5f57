//! A TCP echo on tokio: see `harness/src/echo.rs`.

fn main() {
    annulus_bench_harness::echo::on::<peer_tokio::Tokio>();
}
