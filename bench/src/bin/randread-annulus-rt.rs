//! Random 4 KiB reads from tasks on Annulus's own runtime: see `harness/src/reads.rs`.

fn main() {
    annulus_bench::reads::main::<annulus_bench::Annulus>();
}
