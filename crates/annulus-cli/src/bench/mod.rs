//! `annulus bench`: io_uring against the ordinary way.

use crate::failure::{Exit, Failure};
use crate::out::Ui;
use crate::signals::Signals;

/// `annulus bench`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// Measures.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let signals = Signals::watch()?;
    for _ in 0..args.rounds {
        signals.check()?;
        annulus_ring::LocalRing::new(8).map_err(|error| Failure::new("io_uring", error))?;
    }
    ui.warn("nothing is measured yet");
    Ok(Exit::Done)
}
