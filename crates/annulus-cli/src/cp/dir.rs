//! [`Dir`]: a directory that is copied, from where and to where.
//!
//! ```text
//! is there      its files go into it one by one, each complete
//! is missing    is made as .annulus-cp-…; everything below is written under its own name, and
//!               costs no more than that; renamed when the last file is done
//! below such    is made under its own name
//! ```
//!
//! Files hold their directory, and directories theirs: the last one to let go ends it.

use std::cell::OnceCell;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use annulus_runtime::engine;
use annulus_runtime::runtime;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::attributes;
use super::run::Run;
use super::trouble::{Outcome, Trouble};

/// How directories are opened.
const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// See above.
pub struct Dir {
    run: Rc<Run>,
    /// None where the names are those of the command line.
    from: Option<(OwnedFd, Stat)>,
    pub to: OwnedFd,
    pub to_stat: Stat,
    from_path: PathBuf,
    to_path: PathBuf,
    state: State,
    /// The same as `from`, for what is opened by the ring.
    ring: OnceCell<engine::Dir>,
    // Behind the descriptors: this may end the directory above.
    parent: Option<Rc<Dir>>,
}

/// What is to be done when all in it is.
enum State {
    /// It was there.
    Old,
    /// This run made it, below one of these or of the next.
    Made,
    /// The same, under a hidden name; and the name that it gets.
    Hidden(CString, CString),
}

impl Dir {
    /// The directory that files of the command line go to.
    pub fn top(run: &Rc<Run>, to: OwnedFd, to_path: PathBuf) -> Outcome<Rc<Self>> {
        let to_stat = stat(&to, &to_path)?;
        Ok(Rc::new(Self {
            run: Rc::clone(run),
            from: None,
            to,
            to_stat,
            from_path: PathBuf::new(),
            to_path,
            state: State::Old,
            ring: OnceCell::new(),
            parent: None,
        }))
    }

    /// What is in `from_name` goes into what is in `self` already, as `cp -r DIR/. HERE`.
    pub fn merged(self: &Rc<Self>, from_name: &CStr) -> Outcome<Rc<Self>> {
        let from = self.open_source(from_name)?;
        let to_fd = self.to.try_clone().map_err(|e| Trouble::io(&self.to_path, "open", &e))?;
        self.below(from, from_name, self.to_path.clone(), to_fd, State::Old)
    }

    /// The directory `from_name` in this one's source, which becomes `to_name` here.
    pub fn enter(self: &Rc<Self>, from_name: &CStr, to_name: &CStr) -> Outcome<Rc<Self>> {
        let to_path = self.to_path.join(os(to_name));
        let from = self.open_source(from_name)?;
        let state = if self.is_fresh() {
            State::Made
        } else {
            match rustix::fs::statat(&self.to, to_name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(old) => return self.enter_old(from, from_name, to_name, to_path, &old),
                Err(Errno::NOENT) => State::Hidden(self.run.hidden_name(), to_name.to_owned()),
                Err(errno) => return Err(Trouble::os(&to_path, "look at", errno)),
            }
        };
        let made = match &state {
            State::Hidden(hidden, _) => hidden,
            _ => to_name,
        };
        // Of whatever mode it will be: files are to be made in it.
        let mode = Mode::from_raw_mode(from.1.st_mode & 0o1777 | 0o700);
        rustix::fs::mkdirat(&self.to, made, mode)
            .map_err(|errno| Trouble::os(&to_path, "make the directory", errno))?;
        let fd = rustix::fs::openat(&self.to, made, OPEN | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| Trouble::os(&to_path, "open", errno))?;
        self.run.totals.borrow_mut().directories += 1;
        self.below(from, from_name, to_path, fd, state)
    }

    /// One that is there.
    fn enter_old(
        self: &Rc<Self>,
        from: (OwnedFd, Stat),
        from_name: &CStr,
        to_name: &CStr,
        to_path: PathBuf,
        old: &Stat,
    ) -> Outcome<Rc<Self>> {
        if !is_dir(old) {
            let why = "is there and is no directory";
            return Err(Trouble::new(&to_path, why, "remove it, or copy to another name"));
        }
        if is_same(old, &from.1) {
            let why = "is the directory that is to be copied";
            return Err(Trouble::new(&to_path, why, "copy it to another name"));
        }
        let fd = rustix::fs::openat(&self.to, to_name, OPEN | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| Trouble::os(&to_path, "open", errno))?;
        self.below(from, from_name, to_path, fd, State::Old)
    }

    fn open_source(&self, name: &CStr) -> Outcome<(OwnedFd, Stat)> {
        let path = self.from_path.join(os(name));
        // Links are followed on the command line alone, and there none comes here.
        let flags = if self.from.is_some() { OPEN | OFlags::NOFOLLOW } else { OPEN };
        let fd = rustix::fs::openat(self.source(), name, flags, Mode::empty())
            .map_err(|errno| Trouble::os(&path, "open the directory", errno))?;
        let stat = stat(&fd, &path)?;
        Ok((fd, stat))
    }

    fn below(
        self: &Rc<Self>,
        from: (OwnedFd, Stat),
        from_name: &CStr,
        to_path: PathBuf,
        to: OwnedFd,
        state: State,
    ) -> Outcome<Rc<Self>> {
        let to_stat = stat(&to, &to_path)?;
        Ok(Rc::new(Self {
            run: Rc::clone(&self.run),
            from: Some(from),
            to,
            to_stat,
            from_path: self.from_path.join(os(from_name)),
            to_path,
            state,
            ring: OnceCell::new(),
            parent: Some(Rc::clone(self)),
        }))
    }

    /// Where names of the source begin.
    pub fn source(&self) -> BorrowedFd<'_> {
        self.from.as_ref().map_or(CWD, |(fd, _)| fd.as_fd())
    }

    /// Whether nobody else knows of it yet: what is in it was put there by this run.
    pub fn is_fresh(&self) -> bool {
        !matches!(self.state, State::Old)
    }

    /// Whether its names are those of the command line.
    pub fn is_top(&self) -> bool {
        self.from.is_none()
    }

    pub fn source_path(&self, name: &CStr) -> PathBuf {
        self.from_path.join(os(name))
    }

    pub fn to_path(&self, name: &CStr) -> PathBuf {
        self.to_path.join(os(name))
    }

    pub fn path(&self) -> &Path {
        &self.to_path
    }

    /// Its source, for names that are opened by the ring; None where they are the command line's.
    pub fn ring(&self) -> Outcome<Option<&engine::Dir>> {
        let Some((fd, _)) = &self.from else { return Ok(None) };
        if self.ring.get().is_none() {
            let fd = fd.try_clone().map_err(|e| Trouble::io(&self.from_path, "open", &e))?;
            let dir = engine::Dir::new(runtime::File::new(fd).into_shared());
            let _ = self.ring.set(dir);
        }
        Ok(self.ring.get())
    }

    /// All in it is done.
    fn finish(&self) -> Outcome {
        let Some((from, stat)) = &self.from else { return Ok(()) };
        if self.run.how.preserve {
            attributes::of_file(&self.run, from.as_fd(), stat, self.to.as_fd(), &self.to_path)?;
        } else if stat.st_mode & 0o700 != 0o700 {
            let mode = self.to_stat.st_mode & (stat.st_mode | !0o700) & 0o7777;
            rustix::fs::fchmod(&self.to, Mode::from_raw_mode(mode))
                .map_err(|errno| Trouble::os(&self.to_path, "set the mode", errno))?;
        }
        self.sync(&self.to)?;
        if let State::Hidden(hidden, name) = &self.state {
            let parent = self.parent.as_ref().expect("a hidden one is in another");
            publish(&parent.to, hidden, name)
                .map_err(|errno| Trouble::os(&self.to_path, "give it its name", errno))
                .inspect_err(|_| self.remove())?;
            self.sync(&parent.to)?;
        }
        Ok(())
    }

    /// To the device, if that is asked for.
    pub fn sync(&self, fd: &OwnedFd) -> Outcome {
        if !self.run.how.fsync {
            return Ok(());
        }
        rustix::fs::fsync(fd).map_err(|errno| Trouble::os(&self.to_path, "sync", errno))
    }

    /// Takes a hidden one away, with all in it.
    fn remove(&self) {
        if let (State::Hidden(hidden, _), Some(parent)) = (&self.state, &self.parent)
            && let Err(errno) = remove_all(parent.to.as_fd(), hidden)
        {
            let path = parent.to_path(hidden);
            self.run.trouble(Trouble::os(&path, "remove what is not complete", errno));
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if matches!(self.state, State::Old) {
            return;
        }
        if self.run.is_stopping() {
            self.remove();
        } else if let Err(trouble) = self.finish() {
            self.run.trouble(trouble);
        }
    }
}

/// Gives what is complete its name, if nobody has it.
fn publish(dir: &OwnedFd, hidden: &CStr, name: &CStr) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(dir, hidden, dir, name, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag. A directory replaces an empty one at most.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(dir, hidden, dir, name),
        done => done,
    }
}

/// Removes a directory with all in it.
fn remove_all(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    let fd = rustix::fs::openat(at, name, OPEN | OFlags::NOFOLLOW, Mode::empty())?;
    let mut entries = rustix::fs::Dir::read_from(&fd)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let child = entry.file_name();
        if child == c"." || child == c".." {
            continue;
        }
        match rustix::fs::unlinkat(&fd, child, AtFlags::empty()) {
            Err(Errno::ISDIR) => remove_all(fd.as_fd(), child)?,
            done => done?,
        }
    }
    rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)
}

fn stat(fd: &OwnedFd, path: &Path) -> Outcome<Stat> {
    rustix::fs::fstat(fd).map_err(|errno| Trouble::os(path, "look at", errno))
}

/// A name as a path.
pub fn os(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}

pub fn is_dir(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()
}

pub fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Whether `dir` is `outer`, or in it, at whatever depth.
pub fn is_within(dir: BorrowedFd<'_>, outer: &Stat) -> rustix::io::Result<bool> {
    let mut here = rustix::fs::openat(dir, c".", OPEN, Mode::empty())?;
    let mut stat = rustix::fs::fstat(&here)?;
    loop {
        if is_same(&stat, outer) {
            return Ok(true);
        }
        let above = rustix::fs::openat(&here, c"..", OPEN, Mode::empty())?;
        let above_stat = rustix::fs::fstat(&above)?;
        if is_same(&stat, &above_stat) {
            return Ok(false);
        }
        (here, stat) = (above, above_stat);
    }
}
