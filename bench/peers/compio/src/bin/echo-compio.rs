//! A TCP echo on compio: see `harness/src/echo.rs`.

fn main() {
    annulus_bench_harness::echo::on::<peer_compio::Compio>();
}
