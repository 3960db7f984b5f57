//! `annulus probe`: whether io_uring can be used here.

use annulus_ring::LocalRing;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::out::Ui;

/// `annulus probe`
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Report {
    schema: u32,
    usable: bool,
    error: Option<String>,
}

/// Makes a ring, and says whether that worked.
pub fn run(_args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let error = LocalRing::new(8).err().map(|error| error.to_string());
    let exit = if error.is_none() { Exit::Done } else { Exit::Unusable };
    if ui.json {
        ui.object(&Report { schema: 1, usable: error.is_none(), error })?;
    } else {
        let text = error.unwrap_or_else(|| "usable".to_owned());
        ui.line(&format!("io_uring: {text}"))?;
    }
    Ok(exit)
}
