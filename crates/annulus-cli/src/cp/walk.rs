//! [`Walker`]: from the command line to one file after the other.
//!
//! It is asked for the next by whoever is free, so directories are read as fast as files are
//! copied, and one at a time.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Stat};
use rustix::io::Errno;

use super::dir::{Dir, is_dir, is_within};
use super::run::Run;
use super::target::Target;
use super::trouble::{Outcome, Trouble};

/// A file to copy, or what else is no directory.
pub struct Job {
    pub dir: Rc<Dir>,
    from: CString,
    /// Where its name is another one there.
    to: Option<CString>,
    pub kind: Kind,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Regular,
    /// A FIFO or a device whose content is to be copied.
    Stream,
    Symlink,
    /// To be made anew.
    Special,
}

impl Job {
    pub fn from(&self) -> &CStr {
        &self.from
    }

    pub fn to(&self) -> &CStr {
        self.to.as_ref().unwrap_or(&self.from)
    }

    pub fn source_path(&self) -> PathBuf {
        self.dir.source_path(&self.from)
    }

    pub fn to_path(&self) -> PathBuf {
        self.dir.to_path(self.to())
    }

    /// The source could not be …
    pub fn source(&self, doing: &str, errno: Errno) -> Trouble {
        Trouble::os(&self.source_path(), doing, errno)
    }

    /// The copy could not be …
    pub fn copy(&self, doing: &str, errno: Errno) -> Trouble {
        Trouble::os(&self.to_path(), doing, errno)
    }
}

/// A directory that is being read.
struct Frame {
    dir: Rc<Dir>,
    entries: rustix::fs::Dir,
}

/// What comes next.
enum Step {
    Job(Job),
    Into(Frame),
    Nothing,
}

/// See above.
pub struct Walker {
    run: Rc<Run>,
    sources: VecDeque<PathBuf>,
    target: Target,
    stack: Vec<Frame>,
}

impl Walker {
    pub fn new(run: &Rc<Run>, sources: &[PathBuf], target: Target) -> Self {
        let sources = sources.iter().cloned().collect();
        Self { run: Rc::clone(run), sources, target, stack: Vec::new() }
    }

    /// The next to copy. What cannot be is told, and left out.
    pub fn next(&mut self) -> Option<Job> {
        while !self.run.is_stopping() {
            let step = match self.stack.last_mut() {
                Some(frame) => match frame.entries.read() {
                    Some(Ok(entry)) => in_tree(&self.run, &frame.dir, &entry),
                    Some(Err(errno)) => {
                        let frame = self.stack.pop().expect("it was looked at");
                        let path = frame.dir.source_path(c"");
                        Err(Trouble::os(&path, "read the directory", errno))
                    }
                    None => {
                        self.stack.pop();
                        continue;
                    }
                },
                None => {
                    let source = self.sources.pop_front()?;
                    self.argument(&source)
                }
            };
            match step {
                Ok(Step::Job(job)) => return Some(job),
                Ok(Step::Into(frame)) => self.stack.push(frame),
                Ok(Step::Nothing) => {}
                Err(trouble) => self.run.trouble(trouble),
            }
        }
        None
    }

    /// What stands on the command line.
    fn argument(&self, path: &Path) -> Outcome<Step> {
        let look = |errno| Trouble::os(path, "look at", errno);
        let from = name(path)?;
        let flags = match self.run.how.recursive {
            true => AtFlags::SYMLINK_NOFOLLOW,
            false => AtFlags::empty(),
        };
        let stat = rustix::fs::statat(CWD, &from, flags).map_err(look)?;
        let target = self.target.of(path)?;
        if is_dir(&stat) {
            return self.argument_dir(path, &stat, from, target.map(|(dir, to)| (dir, Some(to))));
        }
        let Some((dir, to)) = target else {
            let why = "names a directory, and is none";
            return Err(Trouble::new(path, why, "leave out what is behind its name"));
        };
        if self.target.wants_dir() {
            let why = "is no directory, and the source is none either";
            return Err(Trouble::new(&dir.to_path(&to), why, "make it first: `mkdir`"));
        }
        let to_path = dir.to_path(&to);
        if !self.run.makes(to_path.clone()) {
            let why = "was just made of another source of that name";
            return Err(Trouble::new(&to_path, why, "copy that to another directory"));
        }
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::Regular,
            FileType::Symlink => Kind::Symlink,
            _ if self.run.how.recursive => Kind::Special,
            _ => Kind::Stream,
        };
        Ok(Step::Job(Job { dir, from, to: Some(to), kind }))
    }

    fn argument_dir(
        &self,
        path: &Path,
        stat: &Stat,
        from: CString,
        target: Option<(Rc<Dir>, Option<CString>)>,
    ) -> Outcome<Step> {
        if !self.run.how.recursive {
            return Err(Trouble::new(path, "is a directory", "-r copies directories"));
        }
        let (dir, to) = match target {
            Some(target) => target,
            None => (self.target.itself()?, None),
        };
        if to.as_ref().is_some_and(|to| self.run.has_made(&dir.to_path(to))) {
            let why = "was just made of another source of that name";
            return Err(Trouble::new(
                &dir.to_path(&to.unwrap_or_default()),
                why,
                "copy it elsewhere",
            ));
        }
        let within = is_within(rustix::fd::AsFd::as_fd(&dir.to), stat)
            .map_err(|errno| Trouble::os(dir.path(), "look above", errno))?;
        if within {
            let why = "cannot be copied into itself";
            return Err(Trouble::new(path, why, "copy it to a place that is not inside of it"));
        }
        let below = match to {
            Some(to) => dir.enter(&from, &to)?,
            None => dir.merged(&from)?,
        };
        frame(below)
    }
}

/// A name in a directory of a tree.
fn in_tree(run: &Rc<Run>, dir: &Rc<Dir>, entry: &rustix::fs::DirEntry) -> Outcome<Step> {
    let name = entry.file_name();
    if name == c"." || name == c".." {
        return Ok(Step::Nothing);
    }
    let kind = match entry.file_type() {
        FileType::Unknown => {
            let stat = rustix::fs::statat(dir.source(), name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| Trouble::os(&dir.source_path(name), "look at", errno))?;
            FileType::from_raw_mode(stat.st_mode)
        }
        known => known,
    };
    let kind = match kind {
        FileType::Directory => {
            debug_assert!(run.how.recursive);
            return frame(dir.enter(name, name)?);
        }
        FileType::RegularFile => Kind::Regular,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Special,
    };
    Ok(Step::Job(Job { dir: Rc::clone(dir), from: name.to_owned(), to: None, kind }))
}

fn frame(dir: Rc<Dir>) -> Outcome<Step> {
    let entries = rustix::fs::Dir::read_from(dir.source())
        .map_err(|errno| Trouble::os(&dir.source_path(c""), "read the directory", errno))?;
    Ok(Step::Into(Frame { dir, entries }))
}

/// A path for the system.
pub fn name(path: &Path) -> Outcome<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Trouble::new(path, "has a zero byte in it", "no file has such a name"))
}

/// How many bytes and files there are, for those who watch. What cannot be seen is not counted: it
/// is told when it cannot be copied.
pub fn count(run: &Run, sources: &[PathBuf]) {
    for path in sources {
        if let Ok(name) = name(path) {
            count_at(run, CWD, &name, FileType::Unknown);
        }
    }
}

fn count_at(run: &Run, at: rustix::fd::BorrowedFd<'_>, name: &CStr, kind: FileType) {
    use rustix::fs::{Mode, OFlags};
    if run.is_stopping() {
        return;
    }
    if kind != FileType::Directory {
        let Ok(stat) = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        if !is_dir(&stat) {
            let regular = FileType::from_raw_mode(stat.st_mode).is_file();
            run.bar.expect(if regular { stat.st_size as u64 } else { 0 }, 1);
            return;
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(at, name, flags, Mode::empty()) else { return };
    let Ok(mut entries) = rustix::fs::Dir::read_from(&fd) else { return };
    while let Some(Ok(entry)) = entries.read() {
        if entry.file_name() != c"." && entry.file_name() != c".." {
            count_at(run, rustix::fd::AsFd::as_fd(&fd), entry.file_name(), entry.file_type());
        }
    }
}
