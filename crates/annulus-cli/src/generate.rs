//! Completions and manual pages, made from the definitions of the command line.

use std::io;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::failure::{Exit, Failure};
use crate::out;

/// Prints the completion script of one shell.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "annulus", &mut script);
    out::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one for each command.
pub fn man(args: &ManArgs) -> Result<Exit, Failure> {
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir).map_err(|e| refused(dir, &e))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(|e| Failure::new("manual page", e))?;
            out::print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Done)
}

fn refused(dir: &Path, error: &io::Error) -> Failure {
    Failure::new(dir.display().to_string(), error).cure("give a directory that you may write to")
}
