//! Reads of 4 KiB that are cached: the raw ring, our runtime on it, and other runtimes.

use super::case::{Case, Counts, DATA, cell, ratio};

const DEPTHS: [u32; 2] = [1, 32];
const LENGTHS: [u64; 2] = [6_400, 32_000];

/// Who is compared, the raw ring first, by which program.
const PEERS: &[(&str, &str)] = &[
    (RING, "randread-annulus"),
    ("annulus-runtime", "randread-annulus-rt"),
    ("monoio", "randread-monoio"),
    ("tokio-uring", "randread-tokio-uring"),
    ("compio", "randread-compio"),
    ("glommio", "randread-glommio"),
];
const RING: &str = "annulus-ring";

fn name(peer: &str, depth: u32) -> String {
    format!("read/{peer}/{depth}")
}

pub fn cases() -> Vec<Case> {
    let of = |&(peer, program): &(&'static str, &'static str)| {
        DEPTHS.map(|depth| Case {
            name: name(peer, depth),
            program,
            arguments: format!("{DATA} qd={depth}"),
            lengths: LENGTHS,
        })
    };
    PEERS.iter().flat_map(of).collect()
}

pub fn print(kernel: &str, counts: &Counts) {
    for depth in DEPTHS {
        println!("\n### cached 4 KiB reads on Linux {kernel}, {depth} in flight, instructions");
        println!("| | user | kernel | together | of the ring's |\n|---|---|---|---|---|");
        let ring = counts.total(&name(RING, depth));
        for (peer, _) in PEERS {
            let name = name(peer, depth);
            let total = counts.total(&name);
            let [user, kernel] = [counts.user(&name), counts.kernel(&name)].map(|n| cell(n, 0));
            let of_ring = cell(ratio(total, ring), 3);
            println!("| {peer} | {user} | {kernel} | {} | {of_ring} |", cell(total, 0));
        }
    }
}
