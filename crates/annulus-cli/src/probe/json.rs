//! `--json`: the report as one object, "schema": 1.

use annulus_ring::abi::{Features, SetupFlags};
use annulus_ring::diagnose::{Answer, Evidence, SetupError};
use annulus_ring::probe::{Limits, Outcome, PathReport, Report, Unusable, Verdict};
use serde::Serialize;

use super::runs_on::RunsOn;
use crate::failure::Exit;

/// The whole.
#[derive(Serialize)]
pub struct Object<'a> {
    schema: u32,
    annulus: &'static str,
    /// `usable`, `limited` or `unusable`.
    verdict: &'static str,
    exit_code: u8,
    runs_on: RunsOn,
    error: Option<ErrorObject>,
    evidence: EvidenceObject<'a>,
    features: Vec<&'static str>,
    setup_flags: Vec<Tried>,
    latched_off: Vec<&'static str>,
    ops_supported_count: usize,
    ops_kernel_count: Option<u32>,
    ops: Vec<Known>,
    register_ops_supported_count: usize,
    register_ops_kernel_count: Option<u32>,
    register_ops: Vec<Known>,
    behaviours: Vec<Tried>,
    path: Option<PathObject<'a>>,
    limits: Option<LimitsObject>,
    limitations: Vec<Note<'a>>,
    known_bugs: Vec<Note<'a>>,
    /// What `--require` asked for and is not here.
    missing: &'a [&'static str],
}

/// Why it is not usable.
#[derive(Serialize)]
struct ErrorObject {
    cause: &'static str,
    blocked: bool,
    errno: Option<String>,
    call: Option<&'static str>,
    what: String,
    found_by: Option<String>,
    cure: Option<String>,
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    kernel: Option<&'a str>,
    arch: &'static str,
    container: Option<&'static str>,
    uid: u32,
    setup: Option<String>,
    setup_null: Option<String>,
    enter: Option<String>,
    register: Option<String>,
    seccomp: Option<u32>,
    seccomp_filters: Option<u32>,
    capabilities: Option<String>,
    io_uring_disabled: Option<u32>,
    io_uring_group: Option<i64>,
    security_label: Option<&'a str>,
    memlock_bytes: Option<u64>,
    descriptors_max: Option<u64>,
}

#[derive(Serialize)]
struct Tried {
    name: &'static str,
    since: &'static str,
    works: bool,
    /// `yes`, `no (EINVAL)`, `not tried (…)`.
    outcome: String,
}

#[derive(Serialize)]
struct Known {
    number: u32,
    name: &'static str,
    since: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    liburing: Option<&'static str>,
    supported: Option<bool>,
}

#[derive(Serialize)]
struct PathObject<'a> {
    path: String,
    file_system: Option<&'a str>,
    source: Option<&'a str>,
    direct: bool,
    direct_outcome: String,
    direct_memory_align_bytes: Option<u32>,
    direct_offset_align_bytes: Option<u32>,
    direct_smallest_bytes: Option<u32>,
    reflink: bool,
    reflink_outcome: String,
}

#[derive(Serialize)]
struct LimitsObject {
    memlock_bytes: Option<u64>,
    ring_256_bytes: u64,
    ring_4096_bytes: u64,
    rings_256_max: Option<u64>,
    rings_4096_max: Option<u64>,
    ring_256_now: bool,
    ring_4096_now: bool,
    buffer_bytes_max: u64,
}

#[derive(Serialize)]
struct Note<'a> {
    name: &'a str,
    what: &'a str,
    cure: &'a str,
}

impl<'a> Object<'a> {
    pub fn new(
        report: &'a Report,
        runs_on: RunsOn,
        missing: &'a [&'static str],
        exit: Exit,
    ) -> Self {
        Self {
            schema: 1,
            annulus: env!("CARGO_PKG_VERSION"),
            verdict: match report.verdict() {
                Verdict::Usable => "usable",
                Verdict::Limited => "limited",
                Verdict::Unusable => "unusable",
            },
            exit_code: exit.code(),
            runs_on,
            error: report.unusable.as_ref().map(error),
            evidence: evidence(&report.evidence),
            features: feature_names(report.features),
            setup_flags: setup_flags(report),
            latched_off: flag_names(report.latched_off),
            ops_supported_count: report.supported_ops_count(),
            ops_kernel_count: report.kernel_ops_count,
            ops: ops(report),
            register_ops_supported_count: report.supported_register_ops_count(),
            register_ops_kernel_count: report.kernel_register_ops_count,
            register_ops: register_ops(report),
            behaviours: behaviours(report),
            path: report.path.as_ref().map(path),
            limits: report.limits.as_ref().map(limits),
            limitations: report
                .limitations
                .iter()
                .map(|note| Note { name: note.name, what: &note.what, cure: &note.cure })
                .collect(),
            known_bugs: report
                .known_bugs
                .iter()
                .map(|bug| Note { name: bug.name, what: bug.what, cure: bug.cure })
                .collect(),
            missing,
        }
    }
}

fn error(unusable: &Unusable) -> ErrorObject {
    match unusable {
        Unusable::Refused(setup) => refused(setup),
        other => ErrorObject {
            cause: "other",
            blocked: false,
            errno: None,
            call: None,
            what: other.to_string(),
            found_by: None,
            cure: None,
        },
    }
}

fn refused(setup: &SetupError) -> ErrorObject {
    ErrorObject {
        cause: setup.cause().name(),
        blocked: setup.cause().is_blocked(),
        errno: Some(format!("{:?}", setup.errno())),
        call: Some(setup.call().name()),
        what: setup.cause().to_string(),
        found_by: Some(setup.found_by()),
        cure: Some(setup.cure()),
    }
}

fn evidence(evidence: &Evidence) -> EvidenceObject<'_> {
    let said = |answer: Answer| match answer {
        Ok(()) => "ok".to_owned(),
        Err(errno) => format!("{errno:?}"),
    };
    let answers = evidence.answers;
    EvidenceObject {
        kernel: evidence.release.as_deref(),
        arch: evidence.arch,
        container: evidence.container.map(|container| container.kind.name()),
        uid: evidence.uid,
        setup: answers.map(|answers| said(answers.setup)),
        setup_null: answers.map(|answers| said(answers.setup_null)),
        enter: answers.map(|answers| said(answers.enter)),
        register: answers.map(|answers| said(answers.register)),
        seccomp: evidence.seccomp,
        seccomp_filters: evidence.seccomp_filters,
        capabilities: evidence.capabilities.map(|set| format!("{set:016x}")),
        io_uring_disabled: evidence.io_uring_disabled,
        io_uring_group: evidence.io_uring_group,
        security_label: evidence.security_label.as_deref(),
        memlock_bytes: evidence.memlock_bytes,
        descriptors_max: evidence.descriptors_max,
    }
}

fn feature_names(features: Features) -> Vec<&'static str> {
    let known = Features::ALL.iter().filter(|known| features.contains(known.value));
    known.map(|known| known.name).collect()
}

fn flag_names(flags: SetupFlags) -> Vec<&'static str> {
    let known = SetupFlags::ALL.iter().filter(|known| flags.contains(known.value));
    known.map(|known| known.name).collect()
}

fn tried(name: &'static str, since: &'static str, outcome: Outcome) -> Tried {
    Tried { name, since, works: outcome.works(), outcome: outcome.to_string() }
}

fn setup_flags(report: &Report) -> Vec<Tried> {
    let flags = report.setup_flags.iter();
    flags.map(|flag| tried(flag.name, flag.since, flag.outcome)).collect()
}

fn behaviours(report: &Report) -> Vec<Tried> {
    let behaviours = report.behaviours.iter();
    behaviours.map(|b| tried(b.name, b.since, b.outcome)).collect()
}

fn ops(report: &Report) -> Vec<Known> {
    let ops = report.ops.iter().map(|op| Known {
        number: u32::from(op.op.raw()),
        name: op.name,
        since: op.since,
        liburing: Some(op.helper),
        supported: op.supported,
    });
    ops.collect()
}

fn register_ops(report: &Report) -> Vec<Known> {
    let ops = report.register_ops.iter().map(|op| Known {
        number: op.op.raw(),
        name: op.name,
        since: op.since,
        liburing: None,
        supported: op.supported,
    });
    ops.collect()
}

fn path(path: &PathReport) -> PathObject<'_> {
    PathObject {
        path: path.path.display().to_string(),
        file_system: path.file_system.as_deref(),
        source: path.source.as_deref(),
        direct: path.direct.works(),
        direct_outcome: path.direct.to_string(),
        direct_memory_align_bytes: path.direct_memory_align_bytes,
        direct_offset_align_bytes: path.direct_offset_align_bytes,
        direct_smallest_bytes: path.direct_smallest_bytes,
        reflink: path.reflink.works(),
        reflink_outcome: path.reflink.to_string(),
    }
}

fn limits(limits: &Limits) -> LimitsObject {
    LimitsObject {
        memlock_bytes: limits.memlock_bytes,
        ring_256_bytes: limits.ring_256_bytes,
        ring_4096_bytes: limits.ring_4096_bytes,
        rings_256_max: limits.rings_256_max,
        rings_4096_max: limits.rings_4096_max,
        ring_256_now: limits.ring_256.works(),
        ring_4096_now: limits.ring_4096.works(),
        buffer_bytes_max: limits.buffer_bytes_max,
    }
}
