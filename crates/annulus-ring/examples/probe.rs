//! Says what io_uring can do on this machine, and why not where it cannot be had:
//! `cargo run --example probe [DIRECTORY]`.

use annulus_ring::probe::{Options, Verdict};

fn main() -> std::process::ExitCode {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let report = Options::new().path(directory).probe();
    println!("{report}");
    match report.verdict() {
        Verdict::Usable => 0.into(),
        Verdict::Limited => 1.into(),
        Verdict::Unusable => 2.into(),
    }
}
