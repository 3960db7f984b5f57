//! The causes that are told apart, and how each is found.

use core::fmt;

use super::answers::{self, Answers};
use super::evidence::Evidence;
use super::memory::{human, ring_bytes};
use super::{Call, Request};
use crate::abi::SetupFlags;
use crate::errno::Errno;

/// The longest submission queue that Linux makes.
pub(crate) const SQ_ENTRIES_MAX: u32 = 32_768;
/// The longest completion queue that Linux makes.
pub(crate) const CQ_ENTRIES_MAX: u32 = 65_536;

/// Why io_uring, or one ring, cannot be had.
///
/// ```
/// use annulus_ring::{LocalRing, diagnose::Cause};
/// let error = LocalRing::new(1 << 20).unwrap_err();
/// let cause = error.setup_error().unwrap().cause();
/// assert_eq!(cause, Cause::TooManyEntries { asked: 1 << 20, max: 32_768 });
/// assert_eq!(cause.to_string(), "a queue of 1048576 entries: the kernel makes at most 32768");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A seccomp filter blocks these of the three system calls.
    Seccomp {
        /// `io_uring_setup` is blocked.
        setup: bool,
        /// `io_uring_enter` is blocked.
        enter: bool,
        /// `io_uring_register` is blocked.
        register: bool,
    },
    /// The administrator turned it off: `kernel.io_uring_disabled`.
    Sysctl {
        /// 1: for all but a group and administrators; 2: for everybody.
        value: u32,
    },
    /// A security module (SELinux, AppArmor, …) refuses.
    SecurityModule,
    /// A polling thread (`SQPOLL`) is refused, an ordinary ring is not.
    SqpollRefused,
    /// Refused for lack of a permission, and nothing that can be read says which.
    Refused,
    /// The limit on locked memory.
    Memlock {
        /// The limit, which all processes of the user share.
        limit_bytes: u64,
        /// What the ring that was asked for takes of it.
        needed_bytes: u64,
    },
    /// The kernel has no memory for it; no limit on locked memory is in the way.
    Memory,
    /// The kernel has no io_uring.
    NoIoUring,
    /// The kernel does not know these set-up flags.
    TooOld {
        /// The flags.
        flags: SetupFlags,
        /// The first Linux that knows all of them, if this library knows it.
        since: Option<&'static str>,
    },
    /// A queue longer than the kernel makes.
    TooManyEntries {
        /// The length asked for.
        asked: u32,
        /// The longest.
        max: u32,
    },
    /// The process has no descriptor left (`RLIMIT_NOFILE`).
    DescriptorsOfProcess,
    /// The system has no descriptor left (`fs.file-max`).
    DescriptorsOfSystem,
    /// A request that contradicts itself.
    BadRequest {
        /// In what.
        why: &'static str,
    },
    /// None of these.
    Other,
}

impl Cause {
    /// Whether somebody forbids it: a filter, a setting, a security module. Falling back is called
    /// for; so is telling the operator.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::Sysctl { value: 2 }.is_blocked());
    /// assert!(!Cause::NoIoUring.is_blocked());
    /// ```
    pub fn is_blocked(self) -> bool {
        matches!(
            self,
            Self::Seccomp { .. }
                | Self::Sysctl { .. }
                | Self::SecurityModule
                | Self::SqpollRefused
                | Self::Refused
        )
    }

    /// Whether it cannot be had here, however often it is asked for: it is blocked, or the kernel
    /// does not have it.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::NoIoUring.is_unsupported());
    /// assert!(!Cause::TooManyEntries { asked: 1 << 20, max: 1 << 15 }.is_unsupported());
    /// assert!(!Cause::Memory.is_unsupported());
    /// ```
    pub fn is_unsupported(self) -> bool {
        self.is_blocked() || matches!(self, Self::NoIoUring | Self::TooOld { .. })
    }

    /// Whether something ran out that a smaller ring needs less of, or a later time may have more
    /// of: locked memory, memory, descriptors.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::Memlock { limit_bytes: 65536, needed_bytes: 102_400 }.is_shortage());
    /// assert!(!Cause::NoIoUring.is_shortage());
    /// ```
    pub fn is_shortage(self) -> bool {
        matches!(
            self,
            Self::Memlock { .. }
                | Self::Memory
                | Self::DescriptorsOfProcess
                | Self::DescriptorsOfSystem
        )
    }

    /// Whether no kernel would take the request as it is.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::TooManyEntries { asked: 1 << 20, max: 1 << 15 }.is_bad_request());
    /// assert!(!Cause::NoIoUring.is_bad_request());
    /// ```
    pub fn is_bad_request(self) -> bool {
        matches!(self, Self::TooManyEntries { .. } | Self::BadRequest { .. })
    }

    /// One word for it, for programs that read the output of programs.
    ///
    /// ```
    /// assert_eq!(annulus_ring::diagnose::Cause::Sysctl { value: 2 }.name(), "sysctl");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Seccomp { .. } => "seccomp",
            Self::Sysctl { .. } => "sysctl",
            Self::SecurityModule => "security-module",
            Self::SqpollRefused => "sqpoll-refused",
            Self::Refused => "refused",
            Self::Memlock { .. } => "memlock",
            Self::Memory => "memory",
            Self::NoIoUring => "no-io-uring",
            Self::TooOld { .. } => "too-old",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::DescriptorsOfProcess => "descriptors-of-process",
            Self::DescriptorsOfSystem => "descriptors-of-system",
            Self::BadRequest { .. } => "bad-request",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seccomp { setup: true, enter: true, .. } => f.write_str(
                "a seccomp filter on io_uring (the profiles of Docker >= 25 and containerd have one)",
            ),
            Self::Seccomp { setup, enter, register } => {
                let calls = [
                    (setup, "io_uring_setup"),
                    (enter, "io_uring_enter"),
                    (register, "io_uring_register"),
                ];
                let blocked: Vec<_> = calls.iter().filter(|c| c.0).map(|c| c.1).collect();
                write!(f, "a seccomp filter on {} alone", blocked.join(" and "))
            }
            Self::Sysctl { value: 1 } => f.write_str(
                "kernel.io_uring_disabled = 1: for kernel.io_uring_group and CAP_SYS_ADMIN alone",
            ),
            Self::Sysctl { value } => {
                write!(f, "kernel.io_uring_disabled = {value}: turned off for everybody")
            }
            Self::SecurityModule => f.write_str("a security module (SELinux, AppArmor, ...)"),
            Self::SqpollRefused => f.write_str(
                "a polling thread (SQPOLL) is not allowed: it needs Linux 5.11 or CAP_SYS_ADMIN",
            ),
            Self::Refused => f.write_str("a filter, a setting or a security module"),
            Self::Memlock { limit_bytes, needed_bytes } => {
                let (limit, needed) = (human(limit_bytes), human(needed_bytes));
                write!(f, "the limit on locked memory, {limit}: this ring takes {needed}")?;
                if needed_bytes <= limit_bytes {
                    f.write_str(", and others of the same user hold the rest")?;
                }
                Ok(())
            }
            Self::Memory => f.write_str("the kernel has no memory left for it (or the cgroup)"),
            Self::NoIoUring => f.write_str(
                "this kernel has no io_uring: it is older than 5.1, built without it, or gVisor",
            ),
            Self::TooOld { flags, since: Some(since) } => {
                write!(f, "{} came with Linux {since}", short(flags))
            }
            Self::TooOld { flags, since: None } => {
                write!(f, "this kernel does not know {}", short(flags))
            }
            Self::TooManyEntries { asked, max } => {
                write!(f, "a queue of {asked} entries: the kernel makes at most {max}")
            }
            Self::DescriptorsOfProcess => f.write_str("the process has no descriptor left"),
            Self::DescriptorsOfSystem => f.write_str("the system has no descriptor left"),
            Self::BadRequest { why } => f.write_str(why),
            Self::Other => f.write_str("none that is known: see io_uring_setup(2)"),
        }
    }
}

/// Set-up flags without the prefix that all have.
pub(super) fn short(flags: SetupFlags) -> String {
    format!("{flags:?}").replace("IORING_SETUP_", "")
}

/// Finds the cause.
pub(super) fn find(request: &Request, evidence: &Evidence) -> Cause {
    match (request.call, request.errno) {
        (Call::Enter | Call::Register, _) => of_other_call(request.call, evidence),
        (Call::Setup, Errno::EMFILE) => Cause::DescriptorsOfProcess,
        (Call::Setup, Errno::ENFILE) => Cause::DescriptorsOfSystem,
        (Call::Setup, Errno::ENOMEM) => of_memory(request, evidence),
        (Call::Setup, Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => {
            of_refusal(request, evidence)
        }
        (Call::Setup, Errno::EINVAL) => of_request(request, evidence),
        (Call::Setup, Errno::EFAULT) => {
            Cause::BadRequest { why: "the memory given for the queues is not all there" }
        }
        (Call::Setup, Errno::EBADF | Errno::ENXIO) => {
            Cause::BadRequest { why: "the ring to attach to (ATTACH_WQ) is no open ring" }
        }
        _ => Cause::Other,
    }
}

/// A ring was made, but it may not be entered, or nothing may be registered.
fn of_other_call(call: Call, evidence: &Evidence) -> Cause {
    let Some(answers) = evidence.answers else { return Cause::Other };
    let blocked = match call {
        Call::Register => answers.register_is_cut_off(),
        _ => answers.enter_is_cut_off(),
    };
    if blocked { seccomp(answers) } else { Cause::Other }
}

fn seccomp(answers: Answers) -> Cause {
    Cause::Seccomp {
        setup: answers.setup_is_cut_off(),
        enter: answers.enter_is_cut_off(),
        register: answers.register_is_cut_off(),
    }
}

fn of_memory(request: &Request, evidence: &Evidence) -> Cause {
    match evidence.memlock_bytes {
        Some(limit_bytes) if !evidence.locks_without_limit() => {
            let (sq, cq) = request.lengths();
            Cause::Memlock { limit_bytes, needed_bytes: ring_bytes(sq, cq, request.flags) }
        }
        _ => Cause::Memory,
    }
}

/// `EPERM`, `EACCES` or `ENOSYS`: who says so?
fn of_refusal(request: &Request, evidence: &Evidence) -> Cause {
    let Some(answers) = evidence.answers else { return Cause::Refused };
    if answers.enter_is_cut_off() {
        // Descriptor −1 got past nobody, so this is no answer of io_uring's.
        return if all_unknown(&answers) && !is_there(evidence) {
            Cause::NoIoUring
        } else {
            seccomp(answers)
        };
    }
    if !answers.setup_is_cut_off() {
        // The kernel began with the request: filters and the sysctl were passed.
        return match answers.setup {
            Err(Errno::EPERM | Errno::EACCES) => Cause::SecurityModule,
            Ok(()) if request.flags.contains(SetupFlags::SQPOLL) => Cause::SqpollRefused,
            _ => Cause::Refused,
        };
    }
    match evidence.io_uring_disabled {
        Some(value) if value >= 2 || (value == 1 && !evidence.is_privileged()) => {
            Cause::Sysctl { value }
        }
        // The kernel itself never says ENOSYS to this call alone.
        _ if request.errno == Errno::ENOSYS => seccomp(answers),
        _ if request.errno == Errno::EACCES && evidence.is_confined() => Cause::SecurityModule,
        _ if evidence.has_filter() => seccomp(answers),
        _ if evidence.seccomp.is_some() && evidence.io_uring_disabled.is_some() => {
            Cause::SecurityModule
        }
        _ => Cause::Refused,
    }
}

/// Whether all three calls are unknown, as far as anybody tells.
fn all_unknown(answers: &Answers) -> bool {
    let three = [answers.setup_null, answers.enter, answers.register];
    three.iter().all(|answer| *answer == Err(Errno::ENOSYS))
}

/// Whether the kernel has io_uring although it says that it has not: then a filter speaks.
fn is_there(evidence: &Evidence) -> bool {
    // The setting is io_uring's own (since 6.6). Where it is older, a filter is the likelier cause
    // of the two on any kernel of this decade.
    evidence.io_uring_disabled.is_some() || evidence.has_filter()
}

/// `EINVAL`: too long, not known, or contradictory.
fn of_request(request: &Request, evidence: &Evidence) -> Cause {
    let flags = request.flags;
    let answers = evidence.answers;
    if answers.is_some_and(|answers| answers.enter_is_cut_off()) {
        return answers.map_or(Cause::Other, seccomp);
    }
    let sized = flags.contains(SetupFlags::CQSIZE);
    if !flags.contains(SetupFlags::CLAMP) {
        let lengths = [(request.entries, SQ_ENTRIES_MAX), (request.cq_entries, CQ_ENTRIES_MAX)];
        let asked = if sized { &lengths[..] } else { &lengths[..1] };
        if let Some(&(asked, max)) = asked.iter().find(|(asked, max)| asked > max) {
            return Cause::TooManyEntries { asked, max };
        }
    }
    if request.entries == 0 {
        return Cause::BadRequest { why: "a ring of 0 entries" };
    }
    if sized && request.cq_entries < request.entries {
        return Cause::BadRequest { why: "a completion queue shorter than the submission queue" };
    }
    if answers.is_some() {
        let unknown = answers::unknown_flags(flags.difference(SetupFlags::SQ_AFF));
        if !unknown.is_empty() {
            return Cause::TooOld { flags: unknown, since: since(unknown) };
        }
    }
    if flags.contains(SetupFlags::SQ_AFF) {
        return Cause::BadRequest {
            why: "the processor for the polling thread (SQ_AFF) is not there or not allowed",
        };
    }
    if flags.contains(SetupFlags::ATTACH_WQ) {
        return Cause::BadRequest { why: "the descriptor to attach to (ATTACH_WQ) is no ring" };
    }
    Cause::BadRequest { why: "the set-up flags contradict each other" }
}

/// The first Linux that knows all of `flags`.
fn since(flags: SetupFlags) -> Option<&'static str> {
    let mut known = SetupFlags::ALL.iter().filter(|known| flags.contains(known.value));
    let all = known.clone().fold(SetupFlags::empty(), |all, known| all | known.value);
    // The table is in the order in which the flags came.
    if all == flags { known.next_back().map(|known| known.since) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USABLE: Answers = Answers {
        setup: Ok(()),
        setup_null: Err(Errno::EFAULT),
        enter: Err(Errno::EBADF),
        register: Err(Errno::EINVAL),
    };

    fn all(errno: Errno) -> Answers {
        let refused = Err(errno);
        Answers { setup: refused, setup_null: refused, enter: refused, register: refused }
    }

    fn setup_alone(errno: Errno) -> Answers {
        Answers { setup: Err(errno), setup_null: Err(errno), ..USABLE }
    }

    fn evidence(answers: Answers) -> Evidence {
        Evidence {
            answers: Some(answers),
            seccomp: Some(0),
            io_uring_disabled: Some(0),
            in_first_user_namespace: Some(true),
            ..Evidence::default()
        }
    }

    fn setup(errno: Errno) -> Request {
        Request { call: Call::Setup, errno, entries: 256, cq_entries: 0, flags: SetupFlags(0) }
    }

    #[test]
    fn a_filter_on_all_three_is_known_by_descriptor_minus_one() {
        let every = Cause::Seccomp { setup: true, enter: true, register: true };
        for errno in [Errno::EPERM, Errno::EACCES, Errno::ENOSYS] {
            assert_eq!(find(&setup(errno), &evidence(all(errno))), every, "{errno}");
        }
    }

    #[test]
    fn a_kernel_without_it_has_no_setting_and_no_filter() {
        let without = Evidence { io_uring_disabled: None, ..evidence(all(Errno::ENOSYS)) };
        assert_eq!(find(&setup(Errno::ENOSYS), &without), Cause::NoIoUring);
        let filtered = Evidence { seccomp: Some(2), ..without };
        assert_eq!(find(&setup(Errno::ENOSYS), &filtered).name(), "seccomp");
    }

    #[test]
    fn the_sysctl_is_told_from_a_filter_on_set_up() {
        let request = setup(Errno::EPERM);
        let filtered = Evidence { seccomp: Some(2), ..evidence(setup_alone(Errno::EPERM)) };
        let filter = Cause::Seccomp { setup: true, enter: false, register: false };
        assert_eq!(find(&request, &filtered), filter);
        for value in [1, 2] {
            let off = Evidence { io_uring_disabled: Some(value), ..filtered.clone() };
            assert_eq!(find(&request, &off), Cause::Sysctl { value });
        }
        let administrator = Evidence {
            io_uring_disabled: Some(1),
            capabilities: Some(1 << 21),
            ..filtered.clone()
        };
        assert_eq!(find(&request, &administrator), filter);
    }

    #[test]
    fn a_security_module_is_what_is_left() {
        let no_filter = evidence(setup_alone(Errno::EPERM));
        assert_eq!(find(&setup(Errno::EPERM), &no_filter), Cause::SecurityModule);
        let at_the_file = Answers { setup: Err(Errno::EACCES), ..USABLE };
        let filtered = Evidence { seccomp: Some(2), ..evidence(at_the_file) };
        assert_eq!(find(&setup(Errno::EACCES), &filtered), Cause::SecurityModule);
        let confined = Evidence {
            seccomp: Some(2),
            security_label: Some("container_t".into()),
            ..evidence(setup_alone(Errno::EACCES))
        };
        assert_eq!(find(&setup(Errno::EACCES), &confined), Cause::SecurityModule);
        let blind = Evidence {
            seccomp: None,
            io_uring_disabled: None,
            ..evidence(setup_alone(Errno::EPERM))
        };
        assert_eq!(find(&setup(Errno::EPERM), &blind), Cause::Refused);
    }

    #[test]
    fn a_refusal_that_went_away_blames_nobody() {
        assert_eq!(find(&setup(Errno::EPERM), &evidence(USABLE)), Cause::Refused);
        let polled = Request { flags: SetupFlags::SQPOLL, ..setup(Errno::EPERM) };
        assert_eq!(find(&polled, &evidence(USABLE)), Cause::SqpollRefused);
    }

    #[test]
    fn locked_memory_is_blamed_only_where_it_is_limited() {
        let limited = Evidence { memlock_bytes: Some(65536), ..evidence(USABLE) };
        let request = Request { entries: 1000, ..setup(Errno::ENOMEM) };
        let needed = ring_bytes(1024, 2048, SetupFlags(0));
        let memlock = Cause::Memlock { limit_bytes: 65536, needed_bytes: needed };
        assert_eq!(find(&request, &limited), memlock);
        let exempt = Evidence { capabilities: Some(1 << 14), ..limited };
        assert_eq!(find(&request, &exempt), Cause::Memory);
        assert_eq!(find(&request, &evidence(USABLE)), Cause::Memory);
    }

    #[test]
    fn a_filter_on_enter_or_register_alone_is_named() {
        let enter = Answers { enter: Err(Errno::EPERM), ..USABLE };
        let request = Request { call: Call::Enter, ..setup(Errno::EPERM) };
        let cause = find(&request, &evidence(enter));
        assert_eq!(cause, Cause::Seccomp { setup: false, enter: true, register: false });
        assert_eq!(cause.to_string(), "a seccomp filter on io_uring_enter alone");
        assert_eq!(find(&request, &evidence(USABLE)), Cause::Other);
        let register = Answers { register: Err(Errno::EPERM), ..USABLE };
        let request = Request { call: Call::Register, ..setup(Errno::EPERM) };
        let cause = Cause::Seccomp { setup: false, enter: false, register: true };
        assert_eq!(find(&request, &evidence(register)), cause);
    }

    #[test]
    fn a_bad_request_is_not_an_old_kernel() {
        let invalid = setup(Errno::EINVAL);
        let no_answers = Evidence { answers: None, ..evidence(USABLE) };
        let long = Request { entries: 40_000, ..invalid };
        let too_many = Cause::TooManyEntries { asked: 40_000, max: SQ_ENTRIES_MAX };
        assert_eq!(find(&long, &no_answers), too_many);
        let sized = Request { flags: SetupFlags::CQSIZE, cq_entries: 8, ..invalid };
        assert!(find(&sized, &no_answers).is_bad_request());
        assert!(!find(&sized, &no_answers).is_unsupported());
    }

    #[test]
    fn flags_are_as_old_as_the_youngest() {
        assert_eq!(since(SetupFlags::SQPOLL | SetupFlags::NO_SQARRAY), Some("6.6"));
        assert_eq!(since(SetupFlags(1 << 30) | SetupFlags::SQPOLL), None);
    }
}
