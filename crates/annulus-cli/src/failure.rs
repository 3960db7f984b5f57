//! [`Failure`]: why a command ended, in one line; and [`Exit`]: what the shell is told.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// `probe`: io_uring is usable, with limits.
    Limited,
    /// `cp`: not all was copied; a line on stderr for each says why.
    Partial,
    /// io_uring is not usable here; `bench` was asked to measure it.
    Unusable,
    /// Something failed; one line on stderr says what.
    Failed,
    /// The command line is wrong (`EX_USAGE`).
    Usage,
    /// A signal ended it: 128 and its number.
    Signal(u8),
}

/// `SIGPIPE`'s number on every Linux.
const SIGPIPE: u8 = 13;

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Limited | Self::Partial => 1,
            Self::Unusable => 2,
            Self::Failed => 3,
            Self::Usage => 64,
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended: what, why, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: String,
    cure: Option<String>,
    exit: Exit,
}

impl Failure {
    /// `what` failed because of `why`.
    pub fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: one_line(why), cure: None, exit: Exit::Failed }
    }

    /// The same, with what to do about it.
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>, why: impl fmt::Display, cure: &str) -> Self {
        Self { exit: Exit::Usage, ..Self::new(what, why).cure(cure) }
    }

    /// The output cannot be written. A reader that went away ends the program as `SIGPIPE` would.
    pub fn output(error: &io::Error) -> Self {
        let failure = Self::new("output", error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Signal(SIGPIPE), ..failure };
        }
        failure.cure("is the disk of the output full?")
    }

    /// A signal asked the program to end.
    pub fn interrupted(signal: u8) -> Self {
        Self::interrupted_with(signal, "nothing is left behind")
    }

    /// The same, where something else is left.
    pub fn interrupted_with(signal: u8, left: &str) -> Self {
        let why = format!("signal {signal} came; {left}");
        Self { exit: Exit::Signal(signal), ..Self::new("interrupted", why) }
    }

    /// io_uring cannot be used, and nothing else was asked for.
    pub fn unusable(why: &str) -> Self {
        let cure = "`annulus probe` says more, `--kernel host` measures the one in user space";
        Self { exit: Exit::Unusable, ..Self::new("io_uring is not usable", why).cure(cure) }
    }

    /// Whether there is nobody to tell.
    pub fn is_silent(&self) -> bool {
        self.exit == Exit::Signal(SIGPIPE)
    }

    /// Why it failed, in one line.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What the shell is told.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// `text` as one line, and without the number that the standard library puts behind the words of a
/// system error.
fn one_line(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let line = line.replace(":; ", ": ");
    match line.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') && number.len() <= 4 => words.to_owned(),
        _ => line,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        match &self.cure {
            Some(cure) => write!(f, " ({cure})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new("./x", "no such file\n\n  cause  none\n").cure("give another");
        assert_eq!(failure.to_string(), "./x: no such file; cause none (give another)");
        assert_eq!(failure.exit(), Exit::Failed);
    }

    #[test]
    fn system_errors_are_words() {
        let failure = Failure::new("./x", io::Error::from_raw_os_error(2));
        assert_eq!(failure.to_string(), "./x: No such file or directory");
    }

    #[test]
    fn a_reader_that_left_is_not_told() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_silent());
        assert_eq!(failure.exit(), Exit::Signal(13));
        assert!(!Failure::output(&io::Error::from(io::ErrorKind::StorageFull)).is_silent());
    }
}
