//! [`Trouble`]: why one file was not copied; the run goes on.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use serde::Serialize;

/// What became of a step.
pub type Outcome<T = ()> = Result<T, Trouble>;

/// What was not copied, why, and what to do about it.
#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    path: String,
    why: String,
    cure: String,
    /// The run is being ended; nobody is told that this file was not copied.
    #[serde(skip)]
    silent: bool,
}

impl Trouble {
    /// In words of our own.
    pub fn new(path: &Path, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { path: shown(path.as_os_str()), why: why.into(), cure: cure.into(), silent: false }
    }

    /// As the system says: `doing` is what could not be done.
    pub fn os(path: &Path, doing: &str, errno: Errno) -> Self {
        let why = format!("cannot {doing}: {}", words(errno));
        Self::new(path, why, cure(errno))
    }

    /// The same of an operation by the ring.
    pub fn io(path: &Path, doing: &str, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::os(path, doing, Errno::from_raw_os_error(number)),
            None => Self::new(path, format!("cannot {doing}: {error}"), "try it again"),
        }
    }

    /// A signal came before the file was complete.
    pub fn stopped() -> Self {
        Self { silent: true, ..Self::new(Path::new(""), "interrupted", "") }
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path, self.why, self.cure)
    }
}

/// A name as it is, if that is a line of text; else with what is none as escapes.
pub fn shown(name: &OsStr) -> String {
    match name.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("{name:?}"),
    }
}

/// The system's words for an error, without its number.
pub fn words(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.rsplit_once(" (os error ").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// What usually helps.
fn cure(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "is it spelled right, and did nobody move it away?",
        Errno::ACCESS => "see its mode and those of the directories above, or run as its owner",
        Errno::PERM => "its owner or root may; `lsattr` says whether it is immutable",
        Errno::NOSPC => "make room there: `df -h` and `df -i` say how much is left",
        Errno::DQUOT => "make room there, or have the quota raised",
        Errno::ROFS => "mount it writable, or copy to another place",
        Errno::MFILE | Errno::NFILE => {
            "raise the limit of open files (`ulimit -n`), or lower --jobs"
        }
        Errno::NAMETOOLONG => "give it a shorter name",
        Errno::LOOP => "a link leads back to itself: remove it",
        Errno::FBIG => "raise `ulimit -f`; or the file system takes no file that large",
        Errno::IO => "the device or the server failed: see `dmesg`",
        Errno::NOTDIR => "a part of the path is a file: see which with `namei`",
        Errno::ISDIR => "-r copies directories",
        Errno::EXIST => "somebody made it meanwhile: see whose it is, and try again",
        Errno::STALE => "the server has no such file any more: try again",
        Errno::NXIO => "nothing answers there: a socket or a device without a driver",
        Errno::NOMEM => "lower --jobs",
        Errno::OPNOTSUPP => "the file system there does not have it",
        _ => "see `dmesg`, and try it again",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_trouble_is_one_line_with_a_cure() {
        let line = Trouble::os(Path::new("/x/y"), "open", Errno::NOENT).to_string();
        let cure = "is it spelled right, and did nobody move it away?";
        assert_eq!(line, format!("/x/y: cannot open: No such file or directory ({cure})"));
    }

    #[test]
    fn names_that_are_no_line_of_text_are_escaped() {
        assert_eq!(shown(OsStr::new("ä b")), "ä b");
        assert_eq!(shown(OsStr::new("a\nb")), "\"a\\nb\"");
        assert_eq!(shown(OsStr::from_bytes(b"a\xff")), "\"a\\xFF\"");
    }
}
