//! [`Target`]: where the last argument says that copies go.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::dir::{Dir, is_dir};
use super::run::Run;
use super::trouble::{Outcome, Trouble};
use super::walk::name;

/// See above.
pub enum Target {
    /// Into a directory, each under its own name.
    Into(Rc<Dir>),
    /// Under this name, in this directory.
    As { dir: Rc<Dir>, name: CString, wants_dir: bool },
}

impl Target {
    /// What `path` is, for so many sources.
    pub fn find(run: &Rc<Run>, path: &Path, sources: usize, as_name: bool) -> Outcome<Self> {
        let there = match rustix::fs::statat(CWD, &name(path)?, AtFlags::empty()) {
            Ok(stat) => is_dir(&stat),
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(Trouble::os(path, "look at", errno)),
        };
        let last = path.file_name();
        if there && (!as_name || last.is_none()) {
            return Ok(Self::Into(open(run, path)?));
        }
        if sources > 1 {
            let cure = "make it first: `mkdir`; several are copied into a directory";
            return Err(Trouble::new(path, "is no directory", cure));
        }
        let Some(last) = last else {
            return Err(Trouble::os(path, "copy to", Errno::NOENT));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir = open(run, parent)?;
        let wants_dir = path.as_os_str().as_bytes().ends_with(b"/");
        Ok(Self::As { dir, name: name(Path::new(last))?, wants_dir })
    }

    /// Where `source` goes. None if that is the directory itself: the source is `.`, or the like.
    pub fn of(&self, source: &Path) -> Outcome<Option<(Rc<Dir>, CString)>> {
        match self {
            Self::As { dir, name, .. } => Ok(Some((Rc::clone(dir), name.clone()))),
            Self::Into(dir) => {
                // `Path` hides a dot at the end.
                let text = source.as_os_str().as_bytes();
                let dot = text == b"." || text.ends_with(b"/.") || text.ends_with(b"/./");
                match source.components().next_back() {
                    Some(Component::Normal(last)) if !dot => {
                        Ok(Some((Rc::clone(dir), name(Path::new(last))?)))
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    /// The directory, for what goes right into it.
    pub fn itself(&self) -> Outcome<Rc<Dir>> {
        match self {
            Self::Into(dir) | Self::As { dir, .. } => Ok(Rc::clone(dir)),
        }
    }

    /// Whether it was written with a slash at its end.
    pub fn wants_dir(&self) -> bool {
        matches!(self, Self::As { wants_dir: true, .. })
    }
}

fn open(run: &Rc<Run>, path: &Path) -> Outcome<Rc<Dir>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, &name(path)?, flags, Mode::empty())
        .map_err(|errno| Trouble::os(path, "open the directory", errno))?;
    let shown = if path == Path::new(".") { PathBuf::new() } else { path.to_owned() };
    Dir::top(run, fd, shown)
}
