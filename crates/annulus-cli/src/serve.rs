//! `annulus serve`: the files of a directory, over HTTP.

mod body;
mod conditions;
mod counts;
mod encoding;
mod listen;
mod listing;
mod log;
mod multipart;
mod notes;
mod open;
mod path;
mod range;
mod run;
mod service;
mod thread;
mod types;
mod watch;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::units::{parse_duration, parse_size};

pub use run::run;

/// What `annulus serve --help` says beside the options.
pub const ABOUT: &str = "\
Serve the files of a directory over HTTP

Answers GET and HEAD, with ranges (up to 16 in a request, each a part of the answer; to more, the
whole file), conditional requests, and compressed siblings (FILE.br, FILE.zst, FILE.gz beside FILE,
if they are not older). Nothing outside of the directory is served: the kernel refuses `..`,
absolute links and links that lead out (openat2, RESOLVE_BENEATH). Each thread has a listener and a
ring of its own; files are sent by the kernel (sendfile).

SIGTERM and Ctrl-C end it: requests under way are answered, up to --drain, and the exit code is 0. A
second one ends it at once.";

/// `annulus serve`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to listen: an address and a port (0: a free one)
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many threads serve (default: one for each processor)
    #[arg(short, long, value_name = "N")]
    threads: Option<std::num::NonZeroU16>,
    /// Show what is in a directory that has no index.html
    #[arg(long)]
    list: bool,
    /// Serve names that begin with a dot, too
    #[arg(long)]
    hidden: bool,
    /// Write a line for each answer (common log format) to standard output, or append it to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
        default_missing_value = "-")]
    log: Option<PathBuf>,
    /// Answer this path with counters, as Prometheus reads them: /metrics
    #[arg(long, value_name = "PATH", value_parser = parse_metrics)]
    metrics: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What a peer may take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections at once; others wait to be accepted
    #[arg(long, value_name = "N", default_value = "10000")]
    max_connections: std::num::NonZeroUsize,
    /// The head of a request, at least 8k
    #[arg(long, value_name = "SIZE", default_value = "16k", value_parser = parse_head)]
    header_size: usize,
    /// For the head of a request to come
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_limit)]
    header_timeout: Duration,
    /// Between two requests of a connection
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_limit)]
    idle_timeout: Duration,
    /// For a peer to take any more of a body
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_limit)]
    body_timeout: Duration,
    /// For requests under way at the end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    drain: Duration,
}

fn parse_metrics(text: &str) -> Result<String, String> {
    if text.len() > 1 && text.starts_with('/') && !text.contains(['?', '#', ' ']) {
        return Ok(text.to_owned());
    }
    Err("a path is written /metrics".to_owned())
}

fn parse_head(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        bytes @ 8192..=0x100_0000 => Ok(bytes as usize),
        _ => Err("a head has 8k to 16M".to_owned()),
    }
}

fn parse_limit(text: &str) -> Result<Duration, String> {
    let limit = parse_duration(text)?;
    if limit.is_zero() {
        return Err("a limit is more than nothing".to_owned());
    }
    Ok(limit)
}

/// What the threads know of the command line.
#[derive(Debug)]
struct Config {
    dir: PathBuf,
    list: bool,
    hidden: bool,
    metrics: Option<String>,
    /// For each thread.
    connections_max: usize,
    head_bytes: usize,
    limits: watch::Limits,
    drain: Duration,
}
