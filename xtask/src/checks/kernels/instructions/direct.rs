//! Direct reads of 4 KiB, the file and the buffers registered: the raw ring, and `fs::File` on our
//! runtime.
//!
//! The disk is waited for, and the guest's clock goes on meanwhile: here the plugin counts the
//! kernel's part too, which sleeps without executing anything.

use super::case::{Case, Counts, DATA, cell, ratio};

const DEPTHS: [u32; 2] = [32, 128];
const LENGTHS: [u64; 2] = [6_400, 32_000];

/// Who is compared, the raw ring first, by which program and what else it is asked for.
const PEERS: &[(&str, &str, &str)] =
    &[(RING, "randread-annulus", " fixed=1"), ("fs::File", "randread-file", "")];
const RING: &str = "annulus-ring";

fn name(peer: &str, depth: u32) -> String {
    format!("direct/{peer}/{depth}")
}

pub fn cases() -> Vec<Case> {
    let of = |&(peer, program, how): &(&'static str, &'static str, &'static str)| {
        DEPTHS.map(|depth| Case {
            name: name(peer, depth),
            program,
            arguments: format!("{DATA} direct=1 qd={depth}{how}"),
            lengths: LENGTHS,
        })
    };
    PEERS.iter().flat_map(of).collect()
}

pub fn print(kernel: &str, counts: &Counts) {
    for depth in DEPTHS {
        println!("\n### direct 4 KiB reads, all registered, on Linux {kernel}, {depth} in flight");
        println!("| instructions | user | kernel | together | of the ring's |");
        println!("|---|---|---|---|---|");
        let together = |peer| {
            let name = name(peer, depth);
            Some(counts.user(&name)? + counts.executed(&name)?)
        };
        for (peer, _, _) in PEERS {
            let name = name(peer, depth);
            let [user, kernel] = [counts.user(&name), counts.executed(&name)].map(|n| cell(n, 0));
            let of_ring = cell(ratio(together(peer), together(RING)), 3);
            println!("| {peer} | {user} | {kernel} | {} | {of_ring} |", cell(together(peer), 0));
        }
    }
}
