//! Random 4 KiB reads from tasks through `annulus::fs::File`, a registered one, into registered
//! buffers: see `harness/src/reads.rs`.

fn main() {
    annulus_bench::reads::main::<annulus_bench::AnnulusFile>();
}
