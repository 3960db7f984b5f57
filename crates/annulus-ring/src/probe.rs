//! What this kernel can do, found by doing; and where io_uring cannot be had, why.
//!
//! Versions lie: distributions take features back and bring them to older kernels, filters block
//! one call of three, and a set-up that works proves nothing. So everything here is tried: a NOP
//! must come back, each set-up flag must make a ring, a buffer ring must receive. It takes a few
//! milliseconds, at most a second, and leaves nothing behind: files have no name, sockets are on
//! loopback or unnamed.
//!
//! ```
//! let report = annulus_ring::probe::probe();
//! println!("{report}");
//! ```

mod behaviours;
mod flags;
mod helpers;
mod kernel;
mod limits;
mod path;
mod report;
mod rig;
mod sockets;
mod text;

pub use report::{
    Behaviour, KnownBug, Limitation, Limits, OpReport, Outcome, PathReport, RegisterOpReport,
    Report, SetupFlagReport, Unusable, Verdict,
};

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use crate::abi::{EnterFlags, Features, Op, RegisterOp, SetupFlags, SqeFlags};
use crate::diagnose::{Call, Evidence, SetupError};
use crate::errno::Errno;
use crate::error::Error;
use crate::linux::latched_off;
use crate::ring::Ring;
use rig::Rig;

/// When trials are no longer begun.
const TIME: Duration = Duration::from_millis(600);

/// Probes, without a directory: [`Options`] says more.
///
/// It never fails and never panics: what cannot be had is in the [`Report`].
///
/// ```
/// use annulus_ring::probe::{self, Verdict};
/// let report = probe::probe();
/// match report.verdict() {
///     Verdict::Usable | Verdict::Limited => assert!(report.unusable.is_none()),
///     Verdict::Unusable => eprintln!("{report}"),
/// }
/// ```
#[doc(alias = "io_uring_get_probe")]
pub fn probe() -> Report {
    Options::new().probe()
}

/// The names of what is tried, as [`Behaviour::name`] has them.
///
/// ```
/// assert!(annulus_ring::probe::behaviour_names().any(|name| name == "buffer-ring"));
/// ```
pub fn behaviour_names() -> impl Iterator<Item = &'static str> {
    behaviours::names()
}

/// What to probe beside the kernel.
///
/// ```
/// use annulus_ring::probe::Options;
/// let report = Options::new().path(".").probe();
/// # if report.unusable.is_some() { return; }
/// assert!(report.path.is_some());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    path: Option<PathBuf>,
    root: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: None, root: PathBuf::from("/") }
    }
}

impl Options {
    /// The kernel alone.
    ///
    /// ```
    /// assert!(annulus_ring::probe::Options::new().probe().path.is_none());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries files in this directory, too.
    ///
    /// ```
    /// use annulus_ring::probe::Options;
    /// let report = Options::new().path("/nonexistent").probe();
    /// # if report.unusable.is_some() { return; }
    /// assert!(report.path.unwrap().direct.fails());
    /// ```
    pub fn path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.path = Some(directory.into());
        self
    }

    /// Reads `proc` and the marks of containers below this directory instead of `/`.
    ///
    /// ```
    /// use annulus_ring::probe::Options;
    /// let report = Options::new().root("/nonexistent").probe();
    /// assert_eq!(report.evidence.release, None);
    /// ```
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Probes.
    ///
    /// ```
    /// let report = annulus_ring::probe::Options::new().probe();
    /// assert_eq!(report.evidence.arch, std::env::consts::ARCH);
    /// ```
    pub fn probe(&self) -> Report {
        let deadline = Instant::now() + TIME;
        let mut report = empty(Evidence::below(&self.root));
        match first_ring() {
            Ok(ring) => self.fill(&mut report, ring, deadline),
            Err(Unusable::Refused(setup)) => {
                let there = setup.read_below(&self.root);
                report.unusable = Some(Unusable::Refused(Box::new(there)));
            }
            Err(unusable) => report.unusable = Some(unusable),
        }
        report.latched_off = latched_off();
        report
    }

    fn fill(&self, report: &mut Report, ring: Ring, deadline: Instant) {
        let query = kernel::query();
        report.features = ring.features();
        report.enter_flags = query.map(|query| EnterFlags(query.enter_flags as u32));
        report.sqe_flags = query.map(|query| SqeFlags(query.sqe_flags as u8));
        report.kernel_ops_count = query.map(|query| query.nr_request_opcodes);
        let registrations = query.map(|query| query.nr_register_opcodes);
        report.kernel_register_ops_count = registrations.or_else(kernel::register_ops_count);
        if let Ok(probed) = ring.register().probe() {
            let count = probed.supported().count() as u32;
            report.kernel_ops_count = report.kernel_ops_count.or(Some(count));
            for op in &mut report.ops {
                op.supported = Some(probed.is_supported(op.op));
            }
        }
        for op in &mut report.register_ops {
            op.supported = report.kernel_register_ops_count.map(|count| op.op.raw() < count);
        }
        report.setup_flags = flags::all(&ring);
        let mut rig = Rig::new(ring, deadline);
        report.behaviours = behaviours::all(&mut rig);
        report.path = self.path.as_ref().map(|path| path::examine(&mut rig, &self.root, path));
        drop(rig);
        let (limits, too_long) = limits::of(&report.evidence);
        report.limits = Some(limits);
        report.known_bugs = known_bugs(report);
        report.limitations = limitations(report, too_long.map(|why| why.read_below(&self.root)));
    }
}

/// A ring that answers.
fn first_ring() -> Result<Ring, Unusable> {
    let unusable = |error: Error| match error.setup_error() {
        Some(setup) => Unusable::Refused(Box::new(setup.clone())),
        None => Unusable::Failed(error.to_string()),
    };
    let mut ring = Ring::new(8).map_err(unusable)?;
    match flags::answers_in_place(&mut ring).map_err(unusable)? {
        true => Ok(ring),
        false => Err(Unusable::Failed("a ring was made, but a NOP does not come back".to_owned())),
    }
}

/// A report of nothing yet.
fn empty(evidence: Evidence) -> Report {
    let op = |known: &crate::abi::Known<Op>| OpReport {
        op: known.value,
        name: known.name,
        since: known.since,
        helper: helpers::helper(known.value),
        supported: None,
    };
    let register_op = |known: &crate::abi::Known<RegisterOp>| RegisterOpReport {
        op: known.value,
        name: known.name,
        since: known.since,
        supported: None,
    };
    Report {
        unusable: None,
        evidence,
        features: Features::empty(),
        setup_flags: Vec::new(),
        enter_flags: None,
        sqe_flags: None,
        ops: Op::ALL.iter().map(op).collect(),
        kernel_ops_count: None,
        register_ops: RegisterOp::ALL.iter().map(register_op).collect(),
        kernel_register_ops_count: None,
        behaviours: Vec::new(),
        path: None,
        known_bugs: Vec::new(),
        limits: None,
        latched_off: SetupFlags::empty(),
        limitations: Vec::new(),
    }
}

fn known_bugs(report: &Report) -> Vec<KnownBug> {
    let mut bugs = Vec::new();
    let known = report.register_ops.iter().find(|op| op.op == RegisterOp::PBUF_RING);
    let known = known.and_then(|op| op.supported);
    let tried = report.behaviour("buffer-ring").map(|behaviour| behaviour.outcome);
    if tried.is_some_and(|outcome| sockets::refuses_buffer_rings(outcome, known)) {
        bugs.push(KnownBug {
            name: "buffer-ring-einval",
            what: "buffer rings are refused (EINVAL) though the kernel knows them, as Ubuntu's \
                   6.8.0-136 to -139 do",
            cure: "update the kernel, or provide buffers by entries",
        });
    }
    bugs
}

/// What is missing of what this library relies on. `too_long` is why a ring of 4096 entries could
/// not be made.
fn limitations(report: &Report, too_long: Option<SetupError>) -> Vec<Limitation> {
    let mut missing = Vec::new();
    for flag in [SetupFlags::SINGLE_ISSUER, SetupFlags::DEFER_TASKRUN] {
        if let Some(flag) = report.setup_flag(flag)
            && flag.outcome == Outcome::Refused(Errno::EINVAL)
        {
            missing.push(Limitation {
                name: "too-old",
                what: format!("{} is not known: a LocalRing cannot be made", flag.name),
                cure: format!("use Ring, or Linux {} or later", flag.since),
            });
        }
    }
    if let Some(blocked) = registrations_blocked(report) {
        missing.push(Limitation {
            name: blocked.cause().name(),
            what: format!("nothing can be registered: {}", blocked.cause()),
            cure: blocked.cure(),
        });
        return missing;
    }
    let relied_on = ["fixed-buffers", "fixed-files", "registered-ring", "buffer-ring"];
    for behaviour in relied_on.iter().filter_map(|name| report.behaviour(name)) {
        if behaviour.outcome.fails() {
            missing.push(Limitation {
                name: behaviour.name,
                what: format!("{} do not work: {}", behaviour.title, behaviour.outcome),
                cure: format!("do without, or use Linux {} or later", behaviour.since),
            });
        }
    }
    if let Some(why) = too_long {
        missing.push(Limitation {
            name: why.cause().name(),
            what: format!("a ring of 4096 entries cannot be made: {}", why.cause()),
            cure: why.cure(),
        });
    }
    missing
}

/// What blocks `io_uring_register`, though rings can be made and entered.
fn registrations_blocked(report: &Report) -> Option<SetupError> {
    let errno = report.evidence.answers?.register.err()?;
    SetupError::of_call(Call::Register, errno)
}
