//! The program `annulus`: what io_uring can do on this machine, and whether it is worth it.

#![deny(unsafe_code)]

mod bench;
mod cli;
mod cp;
mod failure;
mod generate;
mod out;
mod probe;
mod serve;
mod signals;
mod units;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::{Exit, Failure};
use out::Ui;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer(&error),
    };
    let ui = Ui::new(&cli.common);
    let outcome = match cli.command {
        Command::Bench(args) => bench::run(&args, &ui),
        Command::Cp(args) => cp::run(&args, &ui),
        Command::Probe(args) => probe::run(&args, &ui),
        Command::Serve(args) => serve::run(&args, &ui),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure),
    }
}

/// What a command line that is not a command gets: help, the version, or what is wrong with it.
fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        return report(&cli::usage(error));
    }
    // clap's own text, on stdout; a reader that went away is not an error.
    match error.print() {
        Ok(()) => Exit::Done.into(),
        Err(error) => report(&Failure::output(&error)),
    }
}

/// Says what went wrong, in one line. A pipe whose reader left needs no words.
fn report(failure: &Failure) -> ExitCode {
    if !failure.is_silent() {
        // Nobody is left to tell if stderr is gone, too.
        let _ = writeln!(std::io::stderr(), "annulus: {failure}");
    }
    failure.exit().into()
}
