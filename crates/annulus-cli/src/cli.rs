//! The command line: what can be asked for.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::failure::Failure;
use crate::{bench, generate, probe};

/// The exit codes, at the end of every help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done; io_uring is usable
  1    io_uring is usable, with limits (probe)
  2    io_uring is not usable here (bench: the ordinary way was measured alone)
  3    something failed: one line on stderr says what, why, and what to do
  64   the command line is wrong
  130  interrupted by Ctrl-C (128 + the signal's number)
  141  the reader of the output went away";

/// io_uring on this machine: what it can do, and whether it is worth it.
#[derive(Debug, Parser)]
#[command(name = "annulus", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Copy, Debug, Args)]
pub struct Common {
    /// Print one JSON object ("schema": 1) instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results only: no progress, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: every round's numbers
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colours: `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub color: When,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure io_uring against the ordinary way, on this machine's own disk
    #[command(after_help = EXIT_CODES)]
    Bench(bench::Args),
    /// Say whether io_uring can be used here, and if not, why
    #[command(after_help = EXIT_CODES)]
    Probe(probe::Args),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions(generate::CompletionsArgs),
    /// Print the manual page, or write all pages into a directory
    #[command(hide = true)]
    Man(generate::ManArgs),
}

/// clap's complaint as one line of ours.
pub fn usage(error: &clap::Error) -> Failure {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    const CURE: &str = "`annulus --help` lists what there is, `annulus COMMAND --help` explains it";
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
    Failure::usage("command line", complaint.trim().replace("\n\n", ";"), CURE)
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
