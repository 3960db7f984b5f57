//! Why io_uring cannot be had: the cause, what it was found by, and the cure.
//!
//! `EPERM` alone says nothing: a container's filter, the administrator's setting and a security
//! module all answer it. They are told apart by two more calls, on a descriptor that cannot be a
//! ring, and by what `/proc` says: see [`Answers`] and [`Evidence`]. All of it is done only after a
//! refusal, so a set-up that works pays nothing for it.
//!
//! Nothing here can tell of a filter that kills: then there is nobody left to ask.

mod answers;
mod cause;
mod cure;
mod evidence;
mod find;
mod memory;

pub(crate) use answers::try_flag;
pub use answers::{Answer, Answers};
pub use cause::Cause;
pub use evidence::{Container, ContainerKind, Evidence};
pub(crate) use find::{CQ_ENTRIES_MAX, SQ_ENTRIES_MAX};
pub(crate) use memory::{fits_memlock, human, ring_bytes};

use core::fmt;
use std::path::Path;

use crate::abi::{Params, SetupFlags};
use crate::errno::Errno;

/// Where `/proc` and the marks of containers are.
const ROOT: &str = "/";

/// One of the three system calls.
///
/// ```
/// assert_eq!(annulus_ring::diagnose::Call::Enter.name(), "io_uring_enter");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `io_uring_setup(2)`.
    Setup,
    /// `io_uring_enter(2)`.
    Enter,
    /// `io_uring_register(2)`.
    Register,
}

impl Call {
    /// Its name.
    ///
    /// ```
    /// assert_eq!(annulus_ring::diagnose::Call::Setup.name(), "io_uring_setup");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "io_uring_setup",
            Self::Enter => "io_uring_enter",
            Self::Register => "io_uring_register",
        }
    }
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    call: Call,
    errno: Errno,
    entries: u32,
    /// The length asked for with `CQSIZE`.
    cq_entries: u32,
    flags: SetupFlags,
}

impl Request {
    /// The lengths of the queues, as the kernel rounds them.
    fn lengths(&self) -> (u32, u32) {
        let round = |n: u32, max: u32| n.checked_next_power_of_two().unwrap_or(max).min(max);
        let sq = round(self.entries, SQ_ENTRIES_MAX);
        let sized = self.flags.contains(SetupFlags::CQSIZE);
        (sq, if sized { round(self.cq_entries, CQ_ENTRIES_MAX) } else { sq * 2 })
    }
}

/// Why the kernel refused io_uring, or a ring: the text of the error, and its parts.
///
/// It is the cause of a failed set-up, and of an `io_uring_enter` or `io_uring_register` that a
/// filter blocks although the set-up worked: see
/// [`Error::setup_error`](crate::Error::setup_error).
///
/// ```
/// use annulus_ring::{Errno, LocalRing};
/// let error = LocalRing::new(1 << 20).unwrap_err();
/// let setup = error.setup_error().unwrap();
/// assert_eq!(setup.errno(), Errno::EINVAL);
/// assert!(setup.cause().is_bad_request() && !setup.cause().is_unsupported());
/// assert!(setup.cure().contains("32768"));
/// assert!(setup.to_string().lines().count() <= 6);
/// ```
#[derive(Clone, Debug)]
pub struct SetupError {
    request: Request,
    cause: Cause,
    evidence: Evidence,
}

impl SetupError {
    /// Finds out why a set-up of `entries` with `params` failed.
    #[cold]
    pub(crate) fn new(errno: Errno, entries: u32, params: &Params) -> Self {
        let Params { flags, cq_entries, .. } = *params;
        Self::of(Request { call: Call::Setup, errno, entries, cq_entries, flags })
    }

    /// The same where Linux is not the one who refused, and is not asked for its reasons.
    #[cold]
    pub(crate) fn elsewhere(errno: Errno, entries: u32, params: &Params) -> Self {
        let Params { flags, cq_entries, .. } = *params;
        let request = Request { call: Call::Setup, errno, entries, cq_entries, flags };
        let evidence = Evidence::gather(Path::new(ROOT), None);
        Self { request, cause: find::cause(&request, &evidence), evidence }
    }

    /// Finds out whether a filter is why `call` failed on a ring that was made; `None` if not.
    #[cold]
    pub(crate) fn of_call(call: Call, errno: Errno) -> Option<Self> {
        let refused = matches!(errno, Errno::EPERM | Errno::EACCES | Errno::ENOSYS);
        // An interpreter and a model checker make no system calls: nobody is there to ask.
        if !refused || cfg!(any(miri, loom)) {
            return None;
        }
        let flags = SetupFlags::empty();
        let found = Self::of(Request { call, errno, entries: 0, cq_entries: 0, flags });
        found.cause.is_blocked().then_some(found)
    }

    fn of(request: Request) -> Self {
        let evidence = Evidence::below(Path::new(ROOT));
        Self { request, cause: find::cause(&request, &evidence), evidence }
    }

    /// The same refusal, judged by the `proc` and the marks of containers below `root`: for a
    /// process that has them elsewhere.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, diagnose::Cause};
    /// use std::path::Path;
    /// let error = LocalRing::new(1 << 20).unwrap_err();
    /// let elsewhere = error.setup_error().unwrap().read_below(Path::new("/nonexistent"));
    /// assert_eq!(elsewhere.evidence().release, None);
    /// assert_eq!(elsewhere.cause().name(), "too-many-entries");
    /// ```
    #[must_use]
    pub fn read_below(&self, root: &Path) -> Self {
        let mut evidence = self.evidence.clone();
        evidence.read(root);
        Self { request: self.request, cause: find::cause(&self.request, &evidence), evidence }
    }

    /// The kernel's error number.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert_eq!(error.setup_error().unwrap().errno(), annulus_ring::Errno::EINVAL);
    /// ```
    pub fn errno(&self) -> Errno {
        self.request.errno
    }

    /// Which system call was refused.
    ///
    /// ```
    /// use annulus_ring::diagnose::Call;
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert_eq!(error.setup_error().unwrap().call(), Call::Setup);
    /// ```
    pub fn call(&self) -> Call {
        self.request.call
    }

    /// The set-up flags that were asked for.
    ///
    /// ```
    /// use annulus_ring::abi::SetupFlags;
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert!(error.setup_error().unwrap().flags().contains(SetupFlags::DEFER_TASKRUN));
    /// ```
    pub fn flags(&self) -> SetupFlags {
        self.request.flags
    }

    /// Why: what to decide by.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert_eq!(error.setup_error().unwrap().cause().name(), "too-many-entries");
    /// ```
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What the cause was found by.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert!(error.setup_error().unwrap().evidence().release.is_some());
    /// ```
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// That evidence, as far as it tells this cause, in one line.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// let found_by = error.setup_error().unwrap().found_by();
    /// assert!(found_by.starts_with("io_uring_setup -> EINVAL"));
    /// ```
    pub fn found_by(&self) -> String {
        cure::found_by(self.cause, &self.request, &self.evidence)
    }

    /// What to do about it, in one line that can be pasted where there is a command for it.
    ///
    /// ```
    /// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
    /// assert!(error.setup_error().unwrap().cure().contains("at most 32768"));
    /// ```
    pub fn cure(&self) -> String {
        cure::cure(self.cause, &self.request, &self.evidence)
    }

    /// What failed, in one line.
    fn headline(&self) -> String {
        let request = &self.request;
        let errno = request.errno;
        let what = match request.call {
            Call::Setup => {
                let flags = cure::shown(request.flags);
                let flags = match flags.is_empty() {
                    true => String::new(),
                    false => format!(", {}", cause::short(flags)),
                };
                let entries = if request.entries == 1 { "entry" } else { "entries" };
                format!("io_uring_setup({} {entries}{flags}): {errno}", request.entries)
            }
            call => format!("{}: {errno}", call.name()),
        };
        match self.cause {
            cause if cause.is_blocked() => format!("io_uring is blocked here: {what}"),
            Cause::NoIoUring => format!("io_uring is not here: {what}"),
            _ => what,
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(f, "  evidence: {}", self.found_by())?;
        writeln!(f, "  cause:    {}", self.cause)?;
        write!(f, "  fix:      {}", self.cure())
    }
}

impl core::error::Error for SetupError {}
