//! Requests over TCP: the ping-pong of bench/src/bin/pingpong, 64 bytes over loopback.
//!
//! Clients and server are one thread, which takes turns, so that each count has the clients' part
//! and all of TCP, the same in each. The floor is that and a receive and a send of a server that
//! knows who has sent; what is above it is what a server's way costs, and epoll's is the measure.

use super::case::{Case, Counts, cell, ratio};

const CONNS: [u32; 2] = [1, 50];
const LENGTHS: [u64; 2] = [1_000, 6_000];

/// The servers, the floor and epoll first, and how the program is asked for each.
const PEERS: &[(&str, &str)] = &[
    (FLOOR, "way=floor"),
    (EPOLL, "way=epoll"),
    ("host", "way=single kernel=host"),
    ("host-multishot", "way=multi kernel=host"),
    ("linux", "way=single kernel=linux"),
    ("linux-multishot", "way=multi kernel=linux"),
    ("tokio", "way=tokio"),
    ("annulus", "way=annulus"),
    ("annulus-pool", "way=annulus-pool"),
];
const FLOOR: &str = "floor";
const EPOLL: &str = "epoll";

fn name(peer: &str, conns: u32) -> String {
    format!("request/{peer}/{conns}")
}

pub fn cases() -> Vec<Case> {
    let of = |&(peer, how): &(&'static str, &'static str)| {
        CONNS.map(|conns| Case {
            name: name(peer, conns),
            program: "pingpong",
            arguments: format!("{how} conns={conns}"),
            lengths: LENGTHS,
        })
    };
    PEERS.iter().flat_map(of).collect()
}

pub fn print(kernel: &str, counts: &Counts) {
    for conns in CONNS {
        println!("\n### requests on Linux {kernel}, {conns} connections, instructions per request");
        println!("| | user | kernel | together | above the floor | of epoll's |");
        println!("|---|---|---|---|---|---|");
        let total = |peer| counts.total(&name(peer, conns));
        let above = |peer| Some(total(peer)? - total(FLOOR)?);
        for (peer, _) in PEERS {
            let name = name(peer, conns);
            let cells = [counts.user(&name), counts.kernel(&name), total(peer), above(peer)];
            let of_epoll = cell(ratio(above(peer), above(EPOLL)), 2);
            println!("| {peer} | {} | {of_epoll} |", cells.map(|n| cell(n, 0)).join(" | "));
        }
    }
}
