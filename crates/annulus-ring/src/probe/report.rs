//! [`Report`]: what was found, as plain data.

use core::fmt;
use std::path::PathBuf;

use crate::abi::{EnterFlags, Features, Op, RegisterOp, SetupFlags, SqeFlags};
use crate::diagnose::{Evidence, SetupError};
use crate::errno::Errno;

/// How a trial ended.
///
/// ```
/// use annulus_ring::{Errno, probe::Outcome};
/// assert!(Outcome::Works.works());
/// assert_eq!(Outcome::Refused(Errno::EINVAL).to_string(), "no (EINVAL)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done, and did what it should.
    Works,
    /// The kernel refused.
    Refused(Errno),
    /// It was done, and did something else.
    Wrong(&'static str),
    /// It could not be tried, for this reason.
    Untried(&'static str),
}

impl Outcome {
    /// Whether it works.
    ///
    /// ```
    /// use annulus_ring::probe::Outcome;
    /// assert!(!Outcome::Untried("no network").works());
    /// ```
    pub fn works(self) -> bool {
        self == Self::Works
    }

    /// Whether it was tried, and does not work.
    ///
    /// ```
    /// use annulus_ring::probe::Outcome;
    /// assert!(Outcome::Wrong("no completion came").fails());
    /// assert!(!Outcome::Untried("no network").fails());
    /// ```
    pub fn fails(self) -> bool {
        matches!(self, Self::Refused(_) | Self::Wrong(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("yes"),
            Self::Refused(errno) => write!(f, "no ({errno:?})"),
            Self::Wrong(what) => write!(f, "no ({what})"),
            Self::Untried(why) => write!(f, "not tried ({why})"),
        }
    }
}

/// What the findings come to.
///
/// ```
/// use annulus_ring::probe::Verdict;
/// assert_eq!(Verdict::Limited.name(), "usable with limits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that this library relies on works.
    Usable,
    /// io_uring works, but not all of that: see [`Report::limitations`].
    Limited,
    /// No ring can be made, or none answers.
    Unusable,
}

impl Verdict {
    /// It in words.
    ///
    /// ```
    /// assert_eq!(annulus_ring::probe::Verdict::Unusable.name(), "unusable");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Limited => "usable with limits",
            Self::Unusable => "unusable",
        }
    }
}

/// Why io_uring is not usable.
///
/// ```
/// use annulus_ring::probe::{self, Unusable};
/// if let Some(Unusable::Refused(setup)) = probe::probe().unusable {
///     println!("{setup}");
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unusable {
    /// The kernel, or something before it, refused: with the cause and the cure.
    Refused(Box<SetupError>),
    /// A ring was made, and something else failed.
    Failed(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(setup) => setup.fmt(f),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// A set-up flag, tried.
///
/// ```
/// let report = annulus_ring::probe::probe();
/// assert!(report.setup_flags.iter().all(|f| f.name.starts_with("IORING_SETUP_")));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SetupFlagReport {
    /// The flag.
    pub flag: SetupFlags,
    /// Its name in the kernel's header.
    pub name: &'static str,
    /// The first Linux with it.
    pub since: &'static str,
    /// Whether a ring could be made with it.
    pub outcome: Outcome,
}

/// An operation.
///
/// ```
/// let report = annulus_ring::probe::probe();
/// assert_eq!(report.ops[0].helper, "io_uring_prep_nop");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OpReport {
    /// Its number.
    pub op: Op,
    /// Its name in the kernel's header.
    pub name: &'static str,
    /// The first Linux with it.
    pub since: &'static str,
    /// The function of liburing that prepares it.
    pub helper: &'static str,
    /// Whether this kernel has it; `None` if the kernel could not be asked.
    pub supported: Option<bool>,
}

/// A registration.
///
/// ```
/// let report = annulus_ring::probe::probe();
/// assert_eq!(report.register_ops[0].name, "IORING_REGISTER_BUFFERS");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RegisterOpReport {
    /// Its number.
    pub op: RegisterOp,
    /// Its name in the kernel's header.
    pub name: &'static str,
    /// The first Linux with it.
    pub since: &'static str,
    /// Whether this kernel knows it; `None` if it could not be found out.
    pub supported: Option<bool>,
}

/// Something that was done to see whether it works.
///
/// ```
/// let report = annulus_ring::probe::probe();
/// assert!(report.behaviours.iter().all(|b| !b.title.is_empty()));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// One word for programs: `buffer-ring`.
    pub name: &'static str,
    /// A few for people.
    pub title: &'static str,
    /// The first Linux with it.
    pub since: &'static str,
    /// How it went.
    pub outcome: Outcome,
}

/// A fault of this very kernel, found by doing.
///
/// ```
/// for bug in &annulus_ring::probe::probe().known_bugs {
///     println!("{}: {} ({})", bug.name, bug.what, bug.cure);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KnownBug {
    /// One word for programs.
    pub name: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// What to do.
    pub cure: &'static str,
}

/// Something that is missing of what this library relies on.
///
/// ```
/// for limitation in &annulus_ring::probe::probe().limitations {
///     println!("{}: {} ({})", limitation.name, limitation.what, limitation.cure);
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limitation {
    /// One word for programs: a behaviour's, or a cause's
    /// ([`Cause::name`](crate::diagnose::Cause::name)).
    pub name: &'static str,
    /// What is missing.
    pub what: String,
    /// What to do.
    pub cure: String,
}

/// How large things may be.
///
/// ```
/// let report = annulus_ring::probe::probe();
/// if let Some(limits) = report.limits {
///     assert!(limits.ring_256_bytes < limits.ring_4096_bytes);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The limit on locked memory that applies, for all processes of the user together; `None`
    /// without one: there is no limit, or `CAP_IPC_LOCK` lifts it.
    pub memlock_bytes: Option<u64>,
    /// What a ring of 256 entries takes of it.
    pub ring_256_bytes: u64,
    /// What a ring of 4096 entries takes of it.
    pub ring_4096_bytes: u64,
    /// How many rings of 256 entries the limit has room for, if nothing else is locked.
    pub rings_256_max: Option<u64>,
    /// How many rings of 4096 entries the limit has room for, if nothing else is locked.
    pub rings_4096_max: Option<u64>,
    /// Whether a ring of 256 entries could be made now.
    pub ring_256: Outcome,
    /// Whether a ring of 4096 entries could be made now.
    pub ring_4096: Outcome,
    /// The largest buffer that could be registered beside one small ring, if nothing else is
    /// locked: what the limit leaves, and at most the kernel's own limit of 1 GiB.
    pub buffer_bytes_max: u64,
}

/// What files in a directory can do.
///
/// ```
/// use annulus_ring::probe::Options;
/// let report = Options::new().path(std::env::temp_dir()).probe();
/// # if report.unusable.is_some() { return; }
/// assert!(report.path.unwrap().file_system.is_some());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathReport {
    /// The directory.
    pub path: PathBuf,
    /// The file system's type, as mounted.
    pub file_system: Option<String>,
    /// What is mounted there.
    pub source: Option<String>,
    /// Reading and writing past the page cache (`O_DIRECT`), through the ring.
    pub direct: Outcome,
    /// What the kernel says that such buffers must be aligned to (Linux 6.1).
    pub direct_memory_align_bytes: Option<u32>,
    /// What it says that such offsets and lengths must be aligned to (Linux 6.1).
    pub direct_offset_align_bytes: Option<u32>,
    /// The smallest length, a power of two, that was read and written so.
    pub direct_smallest_bytes: Option<u32>,
    /// Sharing blocks between files (`FICLONE`).
    pub reflink: Outcome,
}

/// What this kernel can do, found by doing; or why not.
///
/// Its text is for people; its fields are for programs.
///
/// ```
/// use annulus_ring::{abi::Op, probe};
/// let report = probe::probe();
/// if report.unusable.is_none() {
///     assert_eq!(report.supports(Op::NOP), Some(true));
/// }
/// println!("{report}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Why not, if not.
    pub unusable: Option<Unusable>,
    /// What the machine says about itself.
    pub evidence: Evidence,
    /// What the kernel said it can do when a ring was made.
    pub features: Features,
    /// The set-up flags, each tried.
    pub setup_flags: Vec<SetupFlagReport>,
    /// The flags of `io_uring_enter` that the kernel knows, where it can be asked (6.18).
    pub enter_flags: Option<EnterFlags>,
    /// The flags of entries that the kernel knows, where it can be asked (6.18).
    pub sqe_flags: Option<SqeFlags>,
    /// The operations that this library knows.
    pub ops: Vec<OpReport>,
    /// How many operations the kernel has, also those that this library does not know.
    pub kernel_ops_count: Option<u32>,
    /// The registrations that this library knows.
    pub register_ops: Vec<RegisterOpReport>,
    /// How many registrations the kernel has, also those that this library does not know.
    pub kernel_register_ops_count: Option<u32>,
    /// What was done to see whether it works.
    pub behaviours: Vec<Behaviour>,
    /// What files in the directory asked for can do.
    pub path: Option<PathReport>,
    /// Faults of this very kernel.
    pub known_bugs: Vec<KnownBug>,
    /// How large things may be.
    pub limits: Option<Limits>,
    /// Which of the default set-up flags this process does without.
    pub latched_off: SetupFlags,
    /// What is missing of what this library relies on.
    pub limitations: Vec<Limitation>,
}

impl Report {
    /// What the findings come to.
    ///
    /// ```
    /// use annulus_ring::probe::{self, Verdict};
    /// let report = probe::probe();
    /// assert_eq!(report.unusable.is_some(), report.verdict() == Verdict::Unusable);
    /// ```
    pub fn verdict(&self) -> Verdict {
        match (&self.unusable, self.limitations.is_empty()) {
            (Some(_), _) => Verdict::Unusable,
            (None, false) => Verdict::Limited,
            (None, true) => Verdict::Usable,
        }
    }

    /// Whether the kernel has an operation; `None` if it could not be asked.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, probe};
    /// let report = probe::probe();
    /// assert_ne!(report.supports(Op(250)), Some(true));
    /// ```
    pub fn supports(&self, op: Op) -> Option<bool> {
        match self.ops.iter().find(|report| report.op == op) {
            Some(report) => report.supported,
            None => self.kernel_ops_count.map(|count| u32::from(op.raw()) < count),
        }
    }

    /// How many of the operations that this library knows the kernel has.
    ///
    /// ```
    /// let report = annulus_ring::probe::probe();
    /// assert!(report.supported_ops_count() <= report.ops.len());
    /// ```
    pub fn supported_ops_count(&self) -> usize {
        self.ops.iter().filter(|report| report.supported == Some(true)).count()
    }

    /// How many of the registrations that this library knows the kernel has.
    ///
    /// ```
    /// let report = annulus_ring::probe::probe();
    /// assert!(report.supported_register_ops_count() <= report.register_ops.len());
    /// ```
    pub fn supported_register_ops_count(&self) -> usize {
        self.register_ops.iter().filter(|report| report.supported == Some(true)).count()
    }

    /// A behaviour by its name.
    ///
    /// ```
    /// let report = annulus_ring::probe::probe();
    /// # if report.unusable.is_some() { return; }
    /// assert!(report.behaviour("buffer-ring").is_some());
    /// assert!(report.behaviour("time-travel").is_none());
    /// ```
    pub fn behaviour(&self, name: &str) -> Option<&Behaviour> {
        self.behaviours.iter().find(|behaviour| behaviour.name == name)
    }

    /// A set-up flag's trial.
    ///
    /// ```
    /// use annulus_ring::abi::SetupFlags;
    /// let report = annulus_ring::probe::probe();
    /// # if report.unusable.is_some() { return; }
    /// assert!(report.setup_flag(SetupFlags::CLAMP).unwrap().outcome.works());
    /// ```
    pub fn setup_flag(&self, flag: SetupFlags) -> Option<&SetupFlagReport> {
        self.setup_flags.iter().find(|report| report.flag == flag)
    }
}
