//! Which kernel answers, where io_uring is blocked or short of memory: the host's, said on one
//! line; an error where Linux's was asked for; and never a hang.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-runtime/tests/common/child.rs"]
mod child;
#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::io::pipe;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use annulus_emulate::abi::Op;
use annulus_emulate::register::Restrictions;
use annulus_emulate::{
    AnyKernel, Builder, Errno, Error, KERNEL_VARIABLE, KernelChoice, LocalRing, Ring, SharedRing,
    op,
};
use child::{Child, ENTER, Outcome, REGISTER, SETUP, block, limit_locked_memory};
use harness::{limit, skip};

const LIMIT: Duration = Duration::from_secs(30);

/// All three calls, or the second alone.
const BLOCKS: [(&str, &[i64], Errno); 8] = [
    ("EPERM", &[SETUP, ENTER, REGISTER], Errno::EPERM),
    ("ENOSYS", &[SETUP, ENTER, REGISTER], Errno::ENOSYS),
    ("EACCES", &[SETUP, ENTER, REGISTER], Errno::EACCES),
    ("EINVAL", &[SETUP, ENTER, REGISTER], Errno::EINVAL),
    ("EPERM of setup", &[SETUP], Errno::EPERM),
    ("EPERM of enter", &[ENTER], Errno::EPERM),
    ("ENOSYS of enter", &[ENTER], Errno::ENOSYS),
    ("EACCES of enter", &[ENTER], Errno::EACCES),
];

/// The lines that this library printed.
fn lines(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| line.contains("annulus: ")).collect()
}

/// A NOP, and a read that waits for its pipe.
fn works(ring: &mut LocalRing) {
    let (reader, writer) = pipe().expect("a pipe");
    let mut buf = [0_u8; 4];
    let read = op::Read::new(reader.as_raw_fd(), buf.as_mut_ptr(), 4).build().user_data(2);
    // SAFETY: the buffer is there until both completions are.
    unsafe { ring.push(read) }.expect("room");
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(op::Nop::new().build().user_data(1)) }.expect("room");
    ring.submit_and_wait(1).expect("the NOP ends");
    std::io::Write::write_all(&mut &writer, b"ring").expect("a pipe has room");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        ring.submit_and_wait(1).expect("the read ends");
        let completions = ring.completions().expect("a ring");
        seen.extend(completions.map(|cqe| (cqe.user_data, cqe.res)));
    }
    assert_eq!((seen, &buf), (vec![(1, 0), (2, 4)], b"ring"));
}

/// Makes rings of every kind, all of them of the kernel in user space.
fn all_are_hosts() {
    limit(LIMIT, || {
        let decision = KernelChoice::Environment.decide().expect("one of them");
        assert!(decision.is_host() && !decision.was_asked_for());
        assert!(decision.error().is_some_and(Error::is_unsupported), "{decision}");
        let mut ring = LocalRing::new(8).expect("the host's");
        assert!(ring.kernel().is_host());
        works(&mut ring);
        assert!(Ring::new(8).expect("the host's").kernel().is_host());
        let shared = SharedRing::new(8).expect("the host's");
        drop(shared);
        let disabled = Builder::new().entries(8).disabled().build().expect("the host's");
        assert!(disabled.kernel().is_host());
    });
}

#[test]
fn blocked_rings_run_on_the_host_and_one_line_says_so() {
    if child::is_blocked_here() {
        return skip("blocked_rings_run_on_the_host_and_one_line_says_so", child::BLOCKED_HERE);
    }
    let name = "blocked_rings_run_on_the_host_and_one_line_says_so";
    for (arg, calls, errno) in BLOCKS {
        let child = Child::of(name).arg(arg).variable(KERNEL_VARIABLE, "auto");
        let outcome = child.run(|chosen| {
            if chosen == arg {
                block(calls, errno);
                all_are_hosts();
            }
        });
        if let Some(outcome) = outcome {
            outcome.success();
            let lines = lines(&outcome);
            assert_eq!(lines.len(), 1, "{arg}: {outcome}");
            for word in ["in user space", "seccomp", "fix: ", "ANNULUS_KERNEL=linux"] {
                assert!(lines[0].contains(word), "{arg}: no {word:?} in {}", lines[0]);
            }
            assert!(lines[0].contains(errno.name().expect("it has one")), "{}", lines[0]);
        }
    }
}

#[test]
fn blocked_rings_of_linux_are_an_error_with_cause_and_cure() {
    if child::is_blocked_here() {
        return skip(
            "blocked_rings_of_linux_are_an_error_with_cause_and_cure",
            child::BLOCKED_HERE,
        );
    }
    let name = "blocked_rings_of_linux_are_an_error_with_cause_and_cure";
    for (arg, calls, errno) in BLOCKS {
        let child = Child::of(name).arg(arg).variable(KERNEL_VARIABLE, "linux");
        let outcome = child.run(|chosen| {
            if chosen == arg {
                block(calls, errno);
                let error = limit(LIMIT, || LocalRing::new(8).expect_err("it is blocked"));
                let setup = error.setup_error().expect("a diagnosis");
                assert!(setup.cause().is_blocked() && error.is_unsupported(), "{error}");
                assert_eq!(setup.cause().name(), "seccomp");
                assert!(error.to_string().contains("fix:"), "{error}");
                let shared = SharedRing::new(8).expect_err("as well");
                assert_eq!(shared.errno(), error.errno());
                let decided = KernelChoice::Environment.decide().expect_err("as well");
                assert_eq!(decided.errno(), error.errno());
            }
        });
        if let Some(outcome) = outcome {
            outcome.success();
            assert!(lines(&outcome).is_empty(), "{arg}: {outcome}");
        }
    }
}

/// A call that answers 0 and does nothing, to setup, enter or both: no filter is known to be so,
/// but then it would be a ring that never completes.
#[test]
fn a_call_that_lies_is_found() {
    if child::is_blocked_here() {
        return skip("a_call_that_lies_is_found", child::BLOCKED_HERE);
    }
    let name = "a_call_that_lies_is_found";
    for arg in ["auto", "linux"] {
        let child = Child::of(name).arg(arg).variable(KERNEL_VARIABLE, arg);
        let outcome = child.run(|chosen| {
            if chosen == arg {
                block(&[ENTER], Errno::from_raw(0));
                let ring = limit(LIMIT, || LocalRing::new(8));
                match arg {
                    "auto" => works(&mut ring.expect("the host's")),
                    _ => assert!(ring.expect_err("it lies").is_unsupported()),
                }
            }
        });
        if let Some(outcome) = outcome {
            outcome.success();
            assert_eq!(lines(&outcome).len(), usize::from(arg == "auto"), "{outcome}");
        }
    }
}

#[test]
fn registering_alone_may_be_blocked() {
    if child::is_blocked_here() {
        return skip("registering_alone_may_be_blocked", child::BLOCKED_HERE);
    }
    let child = Child::of("registering_alone_may_be_blocked").variable(KERNEL_VARIABLE, "auto");
    let outcome = child.run(|_| {
        block(&[REGISTER], Errno::EPERM);
        let mut ring = LocalRing::new(8).expect("Linux's");
        assert!(!ring.kernel().is_host());
        works(&mut ring);
    });
    if let Some(outcome) = outcome {
        outcome.success();
        assert!(lines(&outcome).is_empty(), "{outcome}");
    }
}

/// The stand-in for `kernel.io_uring_disabled` = 2: set-up alone is refused, as the kernel does it.
/// That the value is then read from `/proc` is tested where it is read: `diagnose::sysctl`.
#[test]
fn a_filter_that_comes_later_is_found_at_the_next_ring() {
    if child::is_blocked_here() {
        return skip("a_filter_that_comes_later_is_found_at_the_next_ring", child::BLOCKED_HERE);
    }
    let name = "a_filter_that_comes_later_is_found_at_the_next_ring";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "auto").run(|_| {
        let mut before = LocalRing::new(8).expect("Linux's");
        assert!(!before.kernel().is_host());
        block(&[SETUP], Errno::EPERM);
        let mut after = LocalRing::new(8).expect("the host's");
        assert!(after.kernel().is_host());
        works(&mut after);
        works(&mut before);
    });
    if let Some(outcome) = outcome {
        outcome.success();
        assert_eq!(lines(&outcome).len(), 1, "{outcome}");
    }
}

/// Whether this kernel charges rings against the limit at all.
fn charges_rings(entries: u32) -> bool {
    annulus_ring::LocalRing::new(entries).is_err()
}

#[test]
fn with_little_locked_memory_rings_are_shorter_then_the_hosts() {
    if child::is_blocked_here() {
        return skip(
            "with_little_locked_memory_rings_are_shorter_then_the_hosts",
            child::BLOCKED_HERE,
        );
    }
    let name = "with_little_locked_memory_rings_are_shorter_then_the_hosts";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "auto").run(|_| {
        limit_locked_memory(64 << 10);
        if !charges_rings(1024) {
            return skip(name, "this kernel does not charge rings");
        }
        let began = Instant::now();
        let mut rings = Vec::new();
        while rings.len() < 16 {
            let ring = LocalRing::new(1024).expect("of either kernel");
            assert!(ring.sq_entries() >= 128, "{} entries", ring.sq_entries());
            rings.push(ring);
        }
        assert!(began.elapsed() < LIMIT / 3, "{:?}", began.elapsed());
        let is_host = |ring: &LocalRing| AnyKernel::is_host(ring.kernel());
        assert!(!is_host(&rings[0]) && rings[0].sq_entries() == 512, "the first fits, by half");
        let last = rings.last_mut().expect("sixteen");
        assert!(is_host(last) && last.sq_entries() == 1024, "the host's is as it was asked for");
        works(last);
    });
    if let Some(outcome) = outcome {
        outcome.success();
        if outcome.stderr.contains("skipped: ") {
            return;
        }
        let lines = lines(&outcome);
        assert_eq!(lines.len(), 1, "{outcome}");
        let words = ["512 entries instead of 1024", "64 KiB", "ENOMEM", "raise the limit"];
        for word in words.into_iter().chain(["in user space", "ANNULUS_KERNEL=linux"]) {
            assert!(lines[0].contains(word), "no {word:?} in {}", lines[0]);
        }
    }
}

#[test]
fn without_locked_memory_rings_are_the_hosts() {
    if child::is_blocked_here() {
        return skip("without_locked_memory_rings_are_the_hosts", child::BLOCKED_HERE);
    }
    let name = "without_locked_memory_rings_are_the_hosts";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "auto").run(|_| {
        limit_locked_memory(0);
        if !charges_rings(8) {
            return skip(name, "this kernel does not charge rings");
        }
        let mut ring = LocalRing::new(8).expect("the host's");
        assert!(ring.kernel().is_host());
        works(&mut ring);
    });
    if let Some(outcome) = outcome {
        outcome.success();
        if !outcome.stderr.contains("skipped: ") {
            assert_eq!(lines(&outcome).len(), 1, "{outcome}");
        }
    }
}

#[test]
fn little_locked_memory_is_an_error_of_linux() {
    if child::is_blocked_here() {
        return skip("little_locked_memory_is_an_error_of_linux", child::BLOCKED_HERE);
    }
    let name = "little_locked_memory_is_an_error_of_linux";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "linux").run(|_| {
        limit_locked_memory(64 << 10);
        if !charges_rings(1024) {
            return skip(name, "this kernel does not charge rings");
        }
        let error = LocalRing::new(1024).expect_err("100 KiB");
        assert_eq!(error.errno(), Some(Errno::ENOMEM));
        assert!(error.to_string().contains("at most 512 entries fit"), "{error}");
        assert_eq!(LocalRing::new(256).expect("28 KiB").sq_entries(), 256);
    });
    if let Some(outcome) = outcome {
        outcome.success();
    }
}

#[test]
fn a_name_that_is_none_is_one_clear_error() {
    let name = "a_name_that_is_none_is_one_clear_error";
    for value in ["Linux", "uring", "host ", "1"] {
        let child = Child::of(name).arg(value).variable(KERNEL_VARIABLE, value);
        let outcome = child.run(|_| {
            for error in [
                LocalRing::new(8).expect_err("no such kernel"),
                KernelChoice::default().decide().expect_err("no such kernel"),
            ] {
                assert_eq!(error.errno(), Some(Errno::EINVAL));
                let text = error.to_string();
                assert!(text.contains("ANNULUS_KERNEL must be linux, host or auto"), "{text}");
                assert_eq!(text.lines().count(), 1);
            }
            // What the program says itself is not the environment's.
            let of_host = Builder::new().entries(8).kernel(KernelChoice::Host).build();
            assert!(of_host.expect("the host's").kernel().is_host());
        });
        if let Some(outcome) = outcome {
            outcome.success();
            assert!(lines(&outcome).is_empty(), "{outcome}");
        }
    }
}

#[test]
fn what_was_asked_for_is_not_said() {
    let name = "what_was_asked_for_is_not_said";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "host").run(|_| {
        let mut ring = LocalRing::new(8).expect("the host's");
        assert_eq!(ring.kernel().name(), "host");
        works(&mut ring);
        let decision = KernelChoice::Environment.decide().expect("host");
        assert_eq!(decision.to_string(), "host: it was asked for");
    });
    if let Some(outcome) = outcome {
        outcome.success();
        assert!(lines(&outcome).is_empty(), "{outcome}");
    }
}

/// Where a filter kills, nothing can be tried: who says `host` never makes one of the calls.
#[test]
fn the_host_makes_none_of_the_calls() {
    let name = "the_host_makes_none_of_the_calls";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "host").run(|_| {
        kill(&[SETUP, ENTER, REGISTER]);
        works(&mut LocalRing::new(8).expect("the host's"));
        drop(SharedRing::new(8).expect("the host's"));
        assert!(KernelChoice::default().decide().expect("host").is_host());
        refusals_are_its_own();
    });
    if let Some(outcome) = outcome {
        outcome.success();
    }
}

/// What the host refuses, no filter is blamed for, and nobody is asked about filters.
fn refusals_are_its_own() {
    let too_long = LocalRing::new(1 << 20).expect_err("no kernel makes one");
    let cause = too_long.setup_error().expect("a diagnosis").cause();
    assert!(cause.is_bad_request() && !too_long.is_unsupported(), "{too_long}");
    let ring = Builder::new().entries(8).disabled().build().expect("the host's");
    ring.register().restrict(&Restrictions::new().allow(Op::NOP)).expect("it is disabled");
    ring.register().enable().expect("once");
    let restricted = ring.register().files_sparse(4).expect_err("not allowed");
    assert_eq!(restricted.errno(), Some(Errno::EACCES));
    assert!(restricted.setup_error().is_none() && !restricted.is_unsupported(), "{restricted}");
}

/// From here on, one of `calls` ends the process.
fn kill(calls: &[i64]) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("it has filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::KillProcess, arch);
    let program: BpfProgram = filter.expect("valid").try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("it is taken");
}

#[test]
fn a_request_that_linux_refuses_is_no_reason_to_fall_back() {
    if child::is_blocked_here() {
        return skip("a_request_that_linux_refuses_is_no_reason_to_fall_back", child::BLOCKED_HERE);
    }
    let name = "a_request_that_linux_refuses_is_no_reason_to_fall_back";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "auto").run(|_| {
        let error = LocalRing::new(1 << 20).expect_err("no kernel makes one");
        assert!(error.setup_error().is_some_and(|setup| setup.cause().is_bad_request()));
        assert!(!LocalRing::new(8).expect("Linux's").kernel().is_host());
    });
    if let Some(outcome) = outcome {
        outcome.success();
        assert!(lines(&outcome).is_empty(), "{outcome}");
    }
}

/// A fall-back with standard error closed: nothing to say it to, and no panic.
#[test]
fn who_closed_standard_error_has_a_ring_all_the_same() {
    let name = "who_closed_standard_error_has_a_ring_all_the_same";
    let outcome = Child::of(name).variable(KERNEL_VARIABLE, "auto").run(|_| {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        rustix::stdio::dup2_stderr(&writer).expect("standard error is replaced");
        block(&[SETUP], Errno::EPERM);
        assert!(LocalRing::new(8).expect("the host's").kernel().is_host());
    });
    if let Some(outcome) = outcome {
        outcome.success();
    }
}
