//! What `annulus cp` can be asked for.

use std::path::PathBuf;

use clap::ValueEnum;

/// What `annulus cp --help` says beside the options.
pub const ABOUT: &str = "\
Copy files and directories: by sharing blocks, within the kernel, or by io_uring

Each file takes the first way that works: its blocks are shared (FICLONE), the kernel copies it
(copy_file_range), or it is read and written. What is in the page cache is read at once; what is not
is read through the ring, --jobs files at a time. --explain says what each file took, and why.

No part of a file ever stands under its final name. A file is written without a name, or under a
hidden one (.annulus-cp-…) beside it, and gets its name when it is complete; a directory that was
not there gets its name with all that is in it. So a file that is replaced is another file then: its
mode and owner are the old one's, its other hard links keep the old content. Ctrl-C removes what is
not complete. Killed (SIGKILL) a hidden name may stay, which can be removed.

Symbolic links are followed, but with -r they are copied as links; with -r FIFOs, sockets and
devices are made anew. Names that are hard links of each other become files of their own.

--json prints how many files, directories, symlinks and special files (FIFOs, sockets, devices) were
copied and how many skipped; bytes; in routes, how many files took which way; elapsed_ns; errors,
each with path, why and cure; and with --explain, in explained, from, to, way and why of each file.";

/// The exit codes, at the end of the help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    all was copied, or skipped as -n asks
  1    something was not copied: a line on stderr for each says what, why, and what to do
  3    nothing was begun: one line on stderr says why
  64   the command line is wrong
  130  interrupted by Ctrl-C (128 + the signal's number)
  141  the reader of the output went away";

/// `annulus cp`
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Args {
    /// What to copy, and at last where to: a file, or a directory to copy into
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Copy directories with all that is in them
    #[arg(short, short_alias = 'R', long)]
    pub recursive: bool,
    /// Keep modes, owners (as far as allowed), times and extended attributes
    #[arg(short, long)]
    pub preserve: bool,
    /// Leave files alone that are there
    #[arg(short, long, conflicts_with = "force")]
    pub no_clobber: bool,
    /// Replace also what may not be written, and links that lead nowhere
    #[arg(short, long)]
    pub force: bool,
    /// Take DST for the name of the copy, also if it is a directory
    #[arg(short = 'T', long)]
    pub no_target_directory: bool,
    /// Share the blocks: where that can be done, always (else fail), or never (and copy for real)
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub reflink: When,
    /// Make holes: where the source has some, for all zeros, or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub sparse: When,
    /// Read both again and compare, before the copy gets its name
    #[arg(long)]
    pub verify: bool,
    /// Have all of it on the device before a name says that it is there
    #[arg(long)]
    pub fsync: bool,
    /// How many files are under way at a time
    #[arg(long, value_name = "N", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: u16,
    /// Say for each file which way it took, and why
    #[arg(long)]
    pub explain: bool,
}

/// `auto`, `always`, `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}
