//! What tasks cost on Annulus's own runtime, without I/O: see `harness/src/tasks.rs`.

fn main() {
    annulus_bench::tasks::main::<annulus_bench::Annulus>();
}
