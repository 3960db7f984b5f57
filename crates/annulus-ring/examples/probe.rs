//! Says what io_uring can do on this machine, and why not where it cannot be had:
//! `cargo run --example probe [DIRECTORY]`.

use annulus_ring::probe::{Options, Verdict};

fn main() {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let report = Options::new().path(directory).probe();
    println!("{report}");
    if report.verdict() == Verdict::Limited {
        println!("{} limits are listed above, each with its cure", report.limitations.len());
    }
}
