//! [`Output`]: a file on its way to its name.
//!
//! | what is there | how it is written | how it gets its name |
//! | --- | --- | --- |
//! | nothing, and the directory has none yet | under its own name | with the directory |
//! | nothing | without a name (`O_TMPFILE`) | `linkat` |
//! | a file | as `.annulus-cp-…` beside it | `renameat` |
//! | a FIFO, a device | itself | – |

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use annulus_ring::abi::OpenFlags;
use annulus_runtime::engine::OpenOptions;
use annulus_runtime::runtime;
use rustix::fs::{Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use super::dir::{is_dir, is_same};
use super::run::Run;
use super::trouble::{Outcome, Trouble};
use super::walk::{Job, name};

/// See above.
pub struct Output<'a> {
    run: &'a Rc<Run>,
    job: &'a Job,
    pub fd: OwnedFd,
    way: Way,
    /// Where a link leads that stands under the name: another directory, and the name there.
    elsewhere: Option<(OwnedFd, CString)>,
    /// The file that is replaced.
    old: Option<Stat>,
    is_done: bool,
}

enum Way {
    Direct,
    Nameless,
    Hidden(CString),
    Itself,
}

impl<'a> Output<'a> {
    /// Begins the copy of a file. None if it is to be left alone.
    pub async fn begin(run: &'a Rc<Run>, job: &'a Job, from: &Stat) -> Outcome<Option<Self>> {
        // Not for others' eyes until it is theirs.
        let mode = from.st_mode & if run.how.preserve { 0o700 } else { 0o777 };
        if job.dir.is_fresh() {
            let flags = access(run) | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&job.dir.to, job.to(), flags, Mode::from_raw_mode(mode))
                .map_err(|errno| job.copy("make the file", errno))?;
            return Ok(Some(Self::new(run, job, fd, Way::Direct)));
        }
        match rustix::fs::statat(&job.dir.to, job.to(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(old) => Self::over(run, job, from, &old).await,
            Err(Errno::NOENT) => Self::beside(run, job, mode).map(Some),
            Err(errno) => Err(job.copy("look at", errno)),
        }
    }

    fn new(run: &'a Rc<Run>, job: &'a Job, fd: OwnedFd, way: Way) -> Self {
        Self { run, job, fd, way, elsewhere: None, old: None, is_done: false }
    }

    /// Nothing is there.
    fn beside(run: &'a Rc<Run>, job: &'a Job, mode: u32) -> Outcome<Self> {
        if run.has_nameless.get() {
            let flags = access(run) | OFlags::TMPFILE | OFlags::CLOEXEC;
            match rustix::fs::openat(&job.dir.to, c".", flags, Mode::from_raw_mode(mode)) {
                Ok(fd) => return Ok(Self::new(run, job, fd, Way::Nameless)),
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                    run.has_nameless.set(false);
                }
                Err(errno) => return Err(job.copy("make the file", errno)),
            }
        }
        let (fd, hidden) = hidden(run, job, &job.dir.to, mode)?;
        Ok(Self::new(run, job, fd, Way::Hidden(hidden)))
    }

    /// Something is there.
    async fn over(
        run: &'a Rc<Run>,
        job: &'a Job,
        from: &Stat,
        old: &Stat,
    ) -> Outcome<Option<Self>> {
        if run.how.no_clobber {
            return Ok(None);
        }
        let path = || job.to_path();
        let same = || {
            let why = "is the file that is to be copied";
            Err(Trouble::new(&path(), why, "copy it to another name"))
        };
        if is_same(from, old) {
            return same();
        }
        if !FileType::from_raw_mode(old.st_mode).is_symlink() {
            return Self::over_file(run, job, old, None).await.map(Some);
        }
        match rustix::fs::statat(&job.dir.to, job.to(), AtFlags::empty()) {
            Ok(there) if is_same(from, &there) => same(),
            Ok(there) => {
                let elsewhere = follow(job)?;
                Self::over_file(run, job, &there, Some(elsewhere)).await.map(Some)
            }
            // The link itself is replaced.
            Err(Errno::NOENT | Errno::LOOP) if run.how.force => {
                let (fd, hidden) = hidden(run, job, &job.dir.to, from.st_mode & 0o777)?;
                let mut output = Self::new(run, job, fd, Way::Hidden(hidden));
                output.old = Some(*old);
                Ok(Some(output))
            }
            Err(Errno::NOENT) => {
                let why = "is a link that leads nowhere";
                Err(Trouble::new(&path(), why, "-f replaces it, `rm` removes it"))
            }
            Err(errno) => Err(job.copy("look at", errno)),
        }
    }

    /// A file is there, perhaps behind a link.
    async fn over_file(
        run: &'a Rc<Run>,
        job: &'a Job,
        old: &Stat,
        elsewhere: Option<(OwnedFd, CString)>,
    ) -> Outcome<Self> {
        if is_dir(old) {
            let why = "is there and is a directory";
            return Err(Trouble::new(&job.to_path(), why, "remove it, or copy to another name"));
        }
        if !FileType::from_raw_mode(old.st_mode).is_file() {
            // By the ring: a FIFO waits for who reads.
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(OpenFlags::NOCTTY);
            let opening = options.open(&runtime::engine(), job.to_path());
            let failed = |e| Trouble::io(&job.to_path(), "open", &std::io::Error::from(e));
            let file = runtime::File::opened(opening).await.map_err(failed)?;
            let fd = file.try_into_fd().expect("nobody else has it");
            return Ok(Self::new(run, job, fd, Way::Itself));
        }
        if !run.how.force {
            let may =
                rustix::fs::accessat(&job.dir.to, job.to(), Access::WRITE_OK, AtFlags::EACCESS);
            if let Err(errno @ (Errno::ACCESS | Errno::PERM)) = may {
                let why = format!("may not be written: {}", super::trouble::words(errno));
                return Err(Trouble::new(&job.to_path(), why, "-f replaces it all the same"));
            }
        }
        let at = elsewhere.as_ref().map_or(&job.dir.to, |(fd, _)| fd);
        let (fd, hidden) = hidden(run, job, at, 0o600)?;
        let mut output = Self::new(run, job, fd, Way::Hidden(hidden));
        output.elsewhere = elsewhere;
        output.old = Some(*old);
        // So that nobody gains or loses rights to the name. Whose it is may not be ours to give.
        let owner = (Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid)));
        let _ = rustix::fs::fchown(&output.fd, owner.0, owner.1);
        rustix::fs::fchmod(&output.fd, Mode::from_raw_mode(old.st_mode & 0o777))
            .map_err(|errno| job.copy("set the mode", errno))?;
        Ok(output)
    }

    /// Whether it has positions: what is written to itself is written on and on.
    pub fn is_file(&self) -> bool {
        !matches!(self.way, Way::Itself)
    }

    /// Gives it its name. Whether it got it: with `-n` somebody else may have.
    pub fn publish(mut self) -> Outcome<bool> {
        let (at, name) = match &self.elsewhere {
            Some((fd, name)) => (fd, name.as_c_str()),
            None => (&self.job.dir.to, self.job.to()),
        };
        let done = match &self.way {
            Way::Direct | Way::Itself => Ok(()),
            Way::Nameless => self.link(at, name),
            Way::Hidden(hidden) if self.old.is_some() => rustix::fs::renameat(at, hidden, at, name),
            Way::Hidden(hidden) => rename_new(at, hidden, name),
        };
        match done {
            Err(Errno::EXIST) if self.run.how.no_clobber => return Ok(false),
            Err(Errno::EXIST) => self.replace(at, name),
            done => done,
        }
        .map_err(|errno| self.job.copy("give it its name", errno))?;
        self.is_done = true;
        if !matches!(self.way, Way::Direct | Way::Itself) {
            self.job.dir.sync(at)?;
        }
        Ok(true)
    }

    /// Gives a file without a name one that is free.
    fn link(&self, at: &OwnedFd, name: &CStr) -> rustix::io::Result<()> {
        match rustix::fs::linkat(&self.fd, c"", at, name, AtFlags::EMPTY_PATH) {
            // Old kernels let only root do that.
            Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
                let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
                rustix::fs::linkat(CWD, path.as_str(), at, name, AtFlags::SYMLINK_FOLLOW)
            }
            done => done,
        }
    }

    /// Somebody took the name meanwhile: as if it had been there before.
    fn replace(&self, at: &OwnedFd, name: &CStr) -> rustix::io::Result<()> {
        match &self.way {
            Way::Hidden(hidden) => rustix::fs::renameat(at, hidden, at, name),
            _ => {
                let hidden = self.run.hidden_name();
                self.link(at, &hidden)?;
                rustix::fs::renameat(at, &hidden, at, name).inspect_err(|_| {
                    // What cannot be removed has a name that says what it is.
                    let _ = rustix::fs::unlinkat(at, &hidden, AtFlags::empty());
                })
            }
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        let name = match &self.way {
            Way::Direct => self.job.to(),
            Way::Hidden(hidden) => hidden,
            Way::Nameless | Way::Itself => return,
        };
        if !self.is_done {
            let at = self.elsewhere.as_ref().map_or(&self.job.dir.to, |(fd, _)| fd);
            if let Err(errno) = rustix::fs::unlinkat(at, name, AtFlags::empty()) {
                let path = self.job.dir.to_path(name);
                self.run.trouble(Trouble::os(&path, "remove what is not complete", errno));
            }
        }
    }
}

/// How a copy is opened.
fn access(run: &Run) -> OFlags {
    if run.how.verify { OFlags::RDWR } else { OFlags::WRONLY }
}

/// A file under a name that is not its own.
fn hidden(run: &Run, job: &Job, at: &OwnedFd, mode: u32) -> Outcome<(OwnedFd, CString)> {
    let flags = access(run) | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    loop {
        let name = run.hidden_name();
        match rustix::fs::openat(at, &name, flags, Mode::from_raw_mode(mode)) {
            Ok(fd) => return Ok((fd, name)),
            // A killed run of the same number left it: numbers come to an end, names do not.
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(job.copy("make the file", errno)),
        }
    }
}

/// Where the link that is there leads.
fn follow(job: &Job) -> Outcome<(OwnedFd, CString)> {
    let path = job.to_path();
    let look = |error| Trouble::io(&path, "look behind the link", &error);
    let real = std::fs::canonicalize(&path).map_err(look)?;
    let (Some(parent), Some(last)) = (real.parent(), real.file_name()) else {
        return Err(Trouble::os(&path, "look behind the link", Errno::ISDIR));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, parent.as_os_str().as_bytes(), flags, Mode::empty())
        .map_err(|errno| Trouble::os(parent, "open the directory", errno))?;
    Ok((fd, name(last.as_ref())?))
}

/// Gives `hidden` a name that is free.
pub fn rename_new(at: &OwnedFd, hidden: &CStr, name: &CStr) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(at, hidden, at, name, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag: a link fails where there is something, too.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(at, hidden, at, name, AtFlags::empty())?;
            rustix::fs::unlinkat(at, hidden, AtFlags::empty())
        }
        done => done,
    }
}

/// Puts what is no file and no directory under its name: `make` makes it under the name it is
/// given. Whether it did: `-n` leaves alone what is there.
pub fn place(
    run: &Run,
    job: &Job,
    from: &Stat,
    make: impl Fn(&CStr) -> rustix::io::Result<()>,
    dress: impl Fn(&CStr) -> Outcome,
) -> Outcome<bool> {
    let made = |errno| job.copy("make it", errno);
    let at = &job.dir.to;
    if job.dir.is_fresh() {
        make(job.to()).map_err(made)?;
        dress(job.to())?;
        return Ok(true);
    }
    match rustix::fs::statat(at, job.to(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) if run.how.no_clobber => return Ok(false),
        Ok(old) if is_dir(&old) => {
            let why = "is there and is a directory";
            return Err(Trouble::new(&job.to_path(), why, "remove it, or copy to another name"));
        }
        Ok(old) if is_same(from, &old) => {
            let why = "is what is to be copied";
            return Err(Trouble::new(&job.to_path(), why, "copy it to another name"));
        }
        Ok(_) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(job.copy("look at", errno)),
    }
    let hidden = run.hidden_name();
    make(&hidden).map_err(made)?;
    let named = dress(&hidden).and_then(|()| {
        match rename_new(at, &hidden, job.to()) {
            Err(Errno::EXIST) if run.how.no_clobber => Ok(false),
            Err(Errno::EXIST) => rustix::fs::renameat(at, &hidden, at, job.to()).map(|()| true),
            done => done.map(|()| true),
        }
        .map_err(|errno| job.copy("give it its name", errno))
    });
    if !matches!(named, Ok(true)) {
        // What cannot be removed has a name that says what it is.
        let _ = rustix::fs::unlinkat(at, &hidden, AtFlags::empty());
    }
    named
}
