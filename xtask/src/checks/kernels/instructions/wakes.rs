//! Wakes across threads: two threads, each with a runtime, wake each other in turn.
//!
//! The emulated machine has one processor, so the count has all that both threads do, and the
//! kernel's switches between them; none waits while the other could run. An operation is there and
//! back: two wakes. Nothing is taken off, since nobody but the runtimes does anything.

use super::case::{Case, Counts, cell, ratio};

const LENGTHS: [u64; 2] = [4_000, 40_000];

/// Who is compared, ours first, by which program.
const PEERS: &[(&str, &str)] = &[
    ("annulus", "tasks-annulus"),
    ("monoio", "tasks-monoio"),
    ("tokio", "tasks-tokio"),
    ("tokio-uring", "tasks-tokio-uring"),
    ("compio", "tasks-compio"),
    ("glommio", "tasks-glommio"),
];

fn name(peer: &str) -> String {
    format!("wake/{peer}")
}

pub fn cases() -> Vec<Case> {
    let of = |&(peer, program): &(&'static str, &'static str)| Case {
        name: name(peer),
        program,
        arguments: "mode=wake".to_owned(),
        lengths: LENGTHS,
    };
    PEERS.iter().map(of).collect()
}

pub fn print(kernel: &str, counts: &Counts) {
    println!("\n### wakes across threads on Linux {kernel}, instructions there and back");
    println!("| | user | kernel | together | kernel, of ours |\n|---|---|---|---|---|");
    let ours = counts.kernel(&name(PEERS[0].0));
    for (peer, _) in PEERS {
        let name = name(peer);
        let kernel = counts.kernel(&name);
        let cells = [counts.user(&name), kernel, counts.total(&name)].map(|n| cell(n, 0));
        println!("| {peer} | {} | {} |", cells.join(" | "), cell(ratio(kernel, ours), 3));
    }
}
