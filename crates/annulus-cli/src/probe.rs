//! `annulus probe`: whether io_uring can be used here, and if not, why.

mod explain;
mod json;
mod ops;
mod require;
mod runs_on;
mod seccomp;
mod text;

use std::path::PathBuf;

use annulus_ring::probe::{Options, Report, Verdict};

use crate::failure::{Exit, Failure};
use crate::out::Ui;

/// What `annulus probe --help` says beside the options.
pub const ABOUT: &str = "\
Say whether io_uring can be used here, and if not, why

Everything is tried, nothing is taken from the kernel's version: a ring must be made and answer,
each set-up flag must make one, buffer rings must receive. It takes some milliseconds and leaves
nothing behind. It also says what a program that uses Annulus would run on: Linux's io_uring, or the
kernel in user space that stands in for it (ANNULUS_KERNEL).

The exit code is 0 if io_uring is usable, 1 if it is usable with limits (they are listed), 2 if it
is not usable, 3 if the probe itself failed. With --require it is 0 if all of what is required is
there, whatever else is missing, and 1 if some is not.";

/// `annulus probe`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// List the operations: number, name, first Linux, liburing's function, and whether it is here
    #[arg(long, conflicts_with_all = ["explain", "seccomp"])]
    ops: bool,
    /// Try files in this directory, too: O_DIRECT and its alignment, reflinks
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Exit with 0 only if these are here: operations (read, IORING_OP_READ), set-up flags
    /// (DEFER_TASKRUN) and what the probe tries (buffer-ring)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    require: Vec<String>,
    /// Explain an error number of io_uring's system calls and completions: EPERM, 22
    #[arg(long, value_name = "ERRNO", conflicts_with_all = ["path", "require", "seccomp"])]
    explain: Option<String>,
    /// Print a seccomp profile for containers that allows io_uring
    #[arg(long, conflicts_with_all = ["path", "require", "json"])]
    seccomp: bool,
    /// Make it of this profile (Docker's default.json) by allowing io_uring's three calls
    #[arg(long, value_name = "FILE", requires = "seccomp")]
    base: Option<PathBuf>,
    /// Read /proc and the marks of containers below this directory instead of /
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Does what was asked for.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    if let Some(errno) = &args.explain {
        return explain::run(errno, ui);
    }
    if args.seccomp {
        return seccomp::run(args.base.as_deref(), ui);
    }
    let wanted = require::parse(&args.require)?;
    let report = probe(args);
    let missing = require::missing(&wanted, &report);
    let exit = match (report.verdict(), wanted.is_empty()) {
        (Verdict::Unusable, _) => Exit::Unusable,
        (_, false) if missing.is_empty() => Exit::Done,
        (_, false) | (Verdict::Limited, true) => Exit::Limited,
        (Verdict::Usable, true) => Exit::Done,
    };
    if ui.json {
        let runs_on = runs_on::RunsOn::find();
        ui.object(&json::Object::new(&report, runs_on, &missing, exit))?;
    } else if args.ops {
        ui.line(&ops::table(&report, ui))?;
    } else {
        ui.line(&text::render(&report, &runs_on::RunsOn::find(), ui))?;
    }
    if !missing.is_empty() {
        ui.warn(&format!("missing: {}", missing.join(", ")));
    }
    Ok(exit)
}

fn probe(args: &Args) -> Report {
    let mut options = Options::new();
    if let Some(path) = &args.path {
        options = options.path(path);
    }
    if let Some(root) = &args.root {
        options = options.root(root);
    }
    options.probe()
}
