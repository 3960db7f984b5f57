//! A TCP echo on glommio: see `harness/src/echo.rs`.

fn main() {
    annulus_bench_harness::echo::on::<peer_glommio::Glommio>();
}
