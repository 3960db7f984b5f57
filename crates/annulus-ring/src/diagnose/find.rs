//! How the cause is found: from what was asked for, what was answered, and what the machine says.

use super::answers::{self, Answers};
use super::cause::Cause;
use super::evidence::Evidence;
use super::memory::ring_bytes;
use super::{Call, Request};
use crate::abi::SetupFlags;
use crate::errno::Errno;

/// The longest submission queue that Linux makes.
pub(crate) const SQ_ENTRIES_MAX: u32 = 32_768;
/// The longest completion queue that Linux makes.
pub(crate) const CQ_ENTRIES_MAX: u32 = 65_536;

/// Finds the cause.
pub(super) fn cause(request: &Request, evidence: &Evidence) -> Cause {
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

#[cfg(all(test, not(miri)))]
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
            assert_eq!(cause(&setup(errno), &evidence(all(errno))), every, "{errno}");
        }
    }

    #[test]
    fn a_kernel_without_it_has_no_setting_and_no_filter() {
        let without = Evidence { io_uring_disabled: None, ..evidence(all(Errno::ENOSYS)) };
        assert_eq!(cause(&setup(Errno::ENOSYS), &without), Cause::NoIoUring);
        let filtered = Evidence { seccomp: Some(2), ..without };
        assert_eq!(cause(&setup(Errno::ENOSYS), &filtered).name(), "seccomp");
    }

    #[test]
    fn the_sysctl_is_told_from_a_filter_on_set_up() {
        let request = setup(Errno::EPERM);
        let filtered = Evidence { seccomp: Some(2), ..evidence(setup_alone(Errno::EPERM)) };
        let filter = Cause::Seccomp { setup: true, enter: false, register: false };
        assert_eq!(cause(&request, &filtered), filter);
        for value in [1, 2] {
            let off = Evidence { io_uring_disabled: Some(value), ..filtered.clone() };
            assert_eq!(cause(&request, &off), Cause::Sysctl { value });
        }
        let administrator = Evidence {
            io_uring_disabled: Some(1),
            capabilities: Some(1 << 21),
            ..filtered.clone()
        };
        assert_eq!(cause(&request, &administrator), filter);
    }

    #[test]
    fn a_security_module_is_what_is_left() {
        let no_filter = evidence(setup_alone(Errno::EPERM));
        assert_eq!(cause(&setup(Errno::EPERM), &no_filter), Cause::SecurityModule);
        let at_the_file = Answers { setup: Err(Errno::EACCES), ..USABLE };
        let filtered = Evidence { seccomp: Some(2), ..evidence(at_the_file) };
        assert_eq!(cause(&setup(Errno::EACCES), &filtered), Cause::SecurityModule);
        let confined = Evidence {
            seccomp: Some(2),
            security_label: Some("container_t".into()),
            ..evidence(setup_alone(Errno::EACCES))
        };
        assert_eq!(cause(&setup(Errno::EACCES), &confined), Cause::SecurityModule);
        let blind = Evidence {
            seccomp: None,
            io_uring_disabled: None,
            ..evidence(setup_alone(Errno::EPERM))
        };
        assert_eq!(cause(&setup(Errno::EPERM), &blind), Cause::Refused);
    }

    #[test]
    fn a_refusal_that_went_away_blames_nobody() {
        assert_eq!(cause(&setup(Errno::EPERM), &evidence(USABLE)), Cause::Refused);
        let polled = Request { flags: SetupFlags::SQPOLL, ..setup(Errno::EPERM) };
        assert_eq!(cause(&polled, &evidence(USABLE)), Cause::SqpollRefused);
    }

    #[test]
    fn locked_memory_is_blamed_only_where_it_is_limited() {
        let limited = Evidence { memlock_bytes: Some(65536), ..evidence(USABLE) };
        let request = Request { entries: 1000, ..setup(Errno::ENOMEM) };
        let needed = ring_bytes(1024, 2048, SetupFlags(0));
        let memlock = Cause::Memlock { limit_bytes: 65536, needed_bytes: needed };
        assert_eq!(cause(&request, &limited), memlock);
        let exempt = Evidence { capabilities: Some(1 << 14), ..limited };
        assert_eq!(cause(&request, &exempt), Cause::Memory);
        assert_eq!(cause(&request, &evidence(USABLE)), Cause::Memory);
    }

    #[test]
    fn a_filter_on_enter_or_register_alone_is_named() {
        let enter = Answers { enter: Err(Errno::EPERM), ..USABLE };
        let request = Request { call: Call::Enter, ..setup(Errno::EPERM) };
        let found = cause(&request, &evidence(enter));
        assert_eq!(found, Cause::Seccomp { setup: false, enter: true, register: false });
        assert_eq!(found.to_string(), "a seccomp filter on io_uring_enter alone");
        assert_eq!(cause(&request, &evidence(USABLE)), Cause::Other);
        let register = Answers { register: Err(Errno::EPERM), ..USABLE };
        let request = Request { call: Call::Register, ..setup(Errno::EPERM) };
        let alone = Cause::Seccomp { setup: false, enter: false, register: true };
        assert_eq!(cause(&request, &evidence(register)), alone);
    }

    #[test]
    fn a_bad_request_is_not_an_old_kernel() {
        let invalid = setup(Errno::EINVAL);
        let no_answers = Evidence { answers: None, ..evidence(USABLE) };
        let long = Request { entries: 40_000, ..invalid };
        let too_many = Cause::TooManyEntries { asked: 40_000, max: SQ_ENTRIES_MAX };
        assert_eq!(cause(&long, &no_answers), too_many);
        let sized = Request { flags: SetupFlags::CQSIZE, cq_entries: 8, ..invalid };
        assert!(cause(&sized, &no_answers).is_bad_request());
        assert!(!cause(&sized, &no_answers).is_unsupported());
    }

    #[test]
    fn flags_are_as_old_as_the_youngest() {
        assert_eq!(since(SetupFlags::SQPOLL | SetupFlags::NO_SQARRAY), Some("6.6"));
        assert_eq!(since(SetupFlags(1 << 30) | SetupFlags::SQPOLL), None);
    }
}
