//! The command line: what can be asked for.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::out::Common;
use crate::{bench, cp, probe, serve};

/// The exit codes, at the end of every help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done; io_uring is usable
  1    io_uring is usable, with limits (probe); something was not copied (cp)
  2    io_uring is not usable here (bench: and it was asked for)
  3    something failed: one line on stderr says what, why, and what to do
  64   the command line is wrong
  130  interrupted by Ctrl-C (128 + the signal's number)
  141  the reader of the output went away";

/// io_uring on this machine: what it can do, and whether it is worth it.
#[derive(Debug, Parser)]
#[command(name = "annulus", bin_name = "annulus", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure io_uring against the ordinary way, on this machine's own disk
    #[command(after_help = EXIT_CODES)]
    Bench(bench::Args),
    /// Copy files and directories, by whatever costs the least
    #[command(
        after_help = cp::EXIT_CODES,
        long_about = cp::ABOUT,
        override_usage = "annulus cp [OPTIONS] SRC… DST"
    )]
    Cp(cp::Args),
    /// Say whether io_uring can be used here, and if not, why
    #[command(after_help = EXIT_CODES, long_about = probe::ABOUT)]
    Probe(probe::Args),
    /// Serve the files of a directory over HTTP
    #[command(after_help = EXIT_CODES, long_about = serve::ABOUT)]
    Serve(serve::Args),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

/// `annulus completions SHELL`
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `annulus man [DIR]`
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write annulus.1, annulus-bench.1, … there (default: print annulus.1)
    pub dir: Option<PathBuf>,
}

/// clap's complaint as one line of ours.
pub fn usage(error: &clap::Error) -> Failure {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    const CURE: &str = "see `annulus --help`, `annulus COMMAND --help`";
    if matches!(error.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
        return Failure::usage(
            "command line",
            "no command",
            "try `annulus bench`, or `annulus --help`",
        );
    }
    // "error: what is wrong", then perhaps a tip, then the usage, then "For more information, …".
    let text = error.render().to_string();
    let complaint = text.split("\n\nUsage:").next().unwrap_or(&text);
    let complaint = complaint.split("\n\nFor more").next().unwrap_or(complaint);
    let complaint = complaint.strip_prefix("error: ").unwrap_or(complaint);
    Failure::usage("command line", complaint, CURE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_argument_is_one_line() {
        let error = Cli::try_parse_from(["annulus", "bench", "--rouns", "3"]).unwrap_err();
        let line = usage(&error).to_string();
        assert!(line.starts_with("command line: unexpected argument '--rouns' found"), "{line}");
        assert!(line.contains("--rounds") && !line.contains('\n'), "{line}");
    }
}
