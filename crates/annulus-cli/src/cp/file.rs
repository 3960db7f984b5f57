//! One file: opened, copied, compared, named.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use annulus_ring::abi::OpenFlags;
use annulus_runtime::engine::OpenOptions;
use annulus_runtime::runtime;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::attributes;
use super::content::Copy;
use super::dir::os;
use super::output::{Output, place};
use super::reader::Reader;
use super::run::Run;
use super::trouble::{Outcome, Trouble};
use super::walk::{Job, Kind};

/// What takes so long that it may change meanwhile.
const LONG_BYTES: u64 = 64 * 1024;

/// Copies what is no directory.
pub async fn copy(run: &Rc<Run>, job: &Job) -> Outcome {
    match job.kind {
        Kind::Regular | Kind::Stream => content(run, job).await,
        Kind::Symlink => symlink(run, job),
        Kind::Special => special(run, job),
    }
}

async fn content(run: &Rc<Run>, job: &Job) -> Outcome {
    let from = match job.kind {
        Kind::Stream => open_by_ring(job, OpenFlags(0)).await?,
        _ => open(run, job).await?,
    };
    let stat = rustix::fs::fstat(&from).map_err(|errno| job.source("look at", errno))?;
    if job.kind == Kind::Regular && !FileType::from_raw_mode(stat.st_mode).is_file() {
        let why = "became something else while it was to be copied";
        return Err(Trouble::new(&job.source_path(), why, "try it again"));
    }
    let Some(output) = Output::begin(run, job, &stat).await? else {
        return skipped(run, job);
    };
    let took = Copy { run, job, from: &from, stat: &stat, output: &output }.all().await?;
    if job.kind == Kind::Regular && took.bytes > LONG_BYTES {
        changed(run, job, &from, &stat);
    }
    if output.is_file() {
        if run.how.verify {
            verify(run, job, &from, &output).await?;
        }
        if run.how.preserve {
            use std::os::fd::AsFd;
            let path = job.to_path();
            attributes::of_file(run, from.as_fd(), &stat, output.fd.as_fd(), &path)?;
        }
        if run.how.fsync {
            sync(job, &output).await?;
        }
    }
    run.go_on()?;
    if !output.publish()? {
        return skipped(run, job);
    }
    let mut totals = run.totals.borrow_mut();
    totals.files += 1;
    totals.bytes += took.bytes;
    totals.routes.count(took.route);
    drop(totals);
    run.bar.add(0, 1);
    if run.how.explain {
        run.explain(&job.source_path(), &job.to_path(), took.route.name(), took.why);
    }
    Ok(())
}

fn skipped(run: &Run, job: &Job) -> Outcome {
    run.totals.borrow_mut().skipped += 1;
    run.bar.add(0, 1);
    if run.how.explain {
        run.explain(&job.source_path(), &job.to_path(), "nothing", "it is there, and -n was given");
    }
    Ok(())
}

/// Opens a file: at once if its name is in the cache, else by the ring.
async fn open(run: &Run, job: &Job) -> Outcome<OwnedFd> {
    // What became a FIFO meanwhile must not wait for a writer.
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    if !job.dir.is_top() {
        flags |= OFlags::NOFOLLOW;
    }
    if run.has_cached_open.get() {
        let cached = ResolveFlags::CACHED;
        match rustix::fs::openat2(job.dir.source(), job.from(), flags, Mode::empty(), cached) {
            Err(Errno::AGAIN) => return open_by_ring(job, OpenFlags(flags.bits())).await,
            // Before Linux 5.12, or filtered.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => run.has_cached_open.set(false),
            opened => return opened.map_err(|errno| job.source("open", errno)),
        }
    }
    rustix::fs::openat(job.dir.source(), job.from(), flags, Mode::empty())
        .map_err(|errno| job.source("open", errno))
}

async fn open_by_ring(job: &Job, flags: OpenFlags) -> Outcome<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    let opening = match job.dir.ring()? {
        Some(dir) => options.open_at(dir, os(job.from())),
        None => options.open(&runtime::engine(), os(job.from())),
    };
    let failed = |error| Trouble::io(&job.source_path(), "open", &std::io::Error::from(error));
    let file = runtime::File::opened(opening).await.map_err(failed)?;
    Ok(file.try_into_fd().expect("nobody else has it"))
}

/// Says so if somebody wrote to the source meanwhile: the copy is of no one moment.
fn changed(run: &Run, job: &Job, from: &OwnedFd, before: &Stat) {
    let moment = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec);
    if rustix::fs::fstat(from).is_ok_and(|now| moment(&now) != moment(before)) {
        run.bar.clear();
        let path = job.source_path();
        let name = super::trouble::shown(path.as_os_str());
        run.ui.warn(&format!("{name}: was written to while it was copied"));
    }
}

/// Compares the copy with its source.
async fn verify(run: &Run, job: &Job, from: &OwnedFd, output: &Output<'_>) -> Outcome {
    if job.kind == Kind::Stream {
        return Ok(());
    }
    let (mut one, mut other) = (Reader::file(from), Reader::file(&output.fd));
    let (mut a, mut b) = (run.take_buffer(), run.take_buffer());
    let mut at = 0;
    loop {
        run.go_on()?;
        let (n, m);
        let failed = |e: std::io::Error| Trouble::io(&job.source_path(), "read again", &e);
        (n, a) = one.read(a, at).await.map_err(failed)?;
        let failed = |e: std::io::Error| Trouble::io(&job.to_path(), "read again", &e);
        (m, b) = other.read(b, at).await.map_err(failed)?;
        // Either may have come short; at the end both have.
        let common = n.min(m);
        if a[..common] != b[..common] || (common == 0 && n != m) {
            let why = "differs from its source";
            let cure = "did somebody write to the source? If not, the memory or a device is bad";
            return Err(Trouble::new(&job.to_path(), why, cure));
        }
        if common == 0 {
            break;
        }
        at += common as u64;
    }
    run.give_buffer(a);
    run.give_buffer(b);
    Ok(())
}

/// To the device, before it has a name. By the ring: the others go on.
async fn sync(job: &Job, output: &Output<'_>) -> Outcome {
    let failed = |error: &std::io::Error| Trouble::io(&job.to_path(), "sync", error);
    let fd = output.fd.try_clone().map_err(|e| failed(&e))?;
    runtime::File::new(fd).sync_all().await.map_err(|e| failed(&e.into()))
}

fn symlink(run: &Rc<Run>, job: &Job) -> Outcome {
    let look = |errno| job.source("read the link", errno);
    let stat = stat_link(job)?;
    let leads = rustix::fs::readlinkat(job.dir.source(), job.from(), Vec::new()).map_err(look)?;
    let make = |name: &std::ffi::CStr| rustix::fs::symlinkat(&leads, &job.dir.to, name);
    if !place(run, job, &stat, make, |at| dress(run, job, at, &stat))? {
        return skipped(run, job);
    }
    run.totals.borrow_mut().symlinks += 1;
    run.bar.add(0, 1);
    if run.how.explain {
        let leads = super::trouble::shown(std::ffi::OsStr::from_bytes(leads.to_bytes()));
        run.explain(&job.source_path(), &job.to_path(), "link", format!("it leads to {leads}"));
    }
    Ok(())
}

fn special(run: &Rc<Run>, job: &Job) -> Outcome {
    let stat = stat_link(job)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let what = match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => {
            let why = "became something else while it was to be copied";
            return Err(Trouble::new(&job.source_path(), why, "try it again"));
        }
    };
    let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
    let make =
        |name: &std::ffi::CStr| rustix::fs::mknodat(&job.dir.to, name, kind, mode, stat.st_rdev);
    if !place(run, job, &stat, make, |at| dress(run, job, at, &stat))? {
        return skipped(run, job);
    }
    run.totals.borrow_mut().special += 1;
    run.bar.add(0, 1);
    run.explain(&job.source_path(), &job.to_path(), "made anew", format!("it is {what}"));
    Ok(())
}

fn dress(run: &Run, job: &Job, at: &std::ffi::CStr, stat: &Stat) -> Outcome {
    if run.how.preserve { attributes::of_name(&job.dir, job.to(), at, stat) } else { Ok(()) }
}

fn stat_link(job: &Job) -> Outcome<Stat> {
    let at = if job.dir.is_top() { CWD } else { job.dir.source() };
    rustix::fs::statat(at, job.from(), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| job.source("look at", errno))
}
