//! A loop of two instructions, `ops=` times: what a way of counting instructions is checked with.

use std::time::Instant;

use annulus_bench::{Args, pin, report};

fn main() {
    let args = Args::parse();
    pin(&args);
    let ops: u64 = args.get("ops", 1_000_000);
    let begin = Instant::now();
    around(ops.max(1));
    report(ops, begin.elapsed());
}

/// Two instructions per turn: counting down, and the jump.
#[cfg(target_arch = "x86_64")]
fn around(turns: u64) {
    // SAFETY: the loop touches one register, named here, and no memory.
    unsafe {
        std::arch::asm!(
            "2:",
            "sub {left}, 1",
            "jnz 2b",
            left = inout(reg) turns => _,
            options(nomem, nostack),
        );
    };
}

/// Nowhere else is it known how many there are.
#[cfg(not(target_arch = "x86_64"))]
fn around(_: u64) {
    annulus_bench::fail("only written for x86-64");
}
