//! A TCP echo on monoio: see `harness/src/echo.rs`.

fn main() {
    annulus_bench_harness::echo::on::<peer_monoio::Monoio>();
}
