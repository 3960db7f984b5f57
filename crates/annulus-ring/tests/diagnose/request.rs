//! Requests that no kernel takes, or that this one is too old for: never said to be blocked.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use annulus_ring::abi::SetupFlags;
use annulus_ring::diagnose::Cause;
use annulus_ring::{Builder, Error, Ring};

use super::child::diagnosis;

fn refused(builder: Builder) -> (Error, Cause) {
    let error = builder.build().unwrap_err();
    let cause = diagnosis(&error, &["EINVAL"]).cause();
    (error, cause)
}

#[test]
fn queues_longer_than_the_kernel_makes() {
    for (builder, asked, max) in [
        (Builder::new().entries(40_000), 40_000, 32_768),
        (Builder::new().entries(u32::MAX), u32::MAX, 32_768),
        (Builder::new().entries(8).cq_entries(70_000), 70_000, 65_536),
    ] {
        let (error, cause) = refused(builder);
        assert_eq!(cause, Cause::TooManyEntries { asked, max });
        assert!(cause.is_bad_request() && !error.is_unsupported());
    }
}

#[test]
fn contradictions_say_which() {
    let null = File::open("/dev/null").unwrap();
    for (builder, word) in [
        (Builder::new().entries(64).cq_entries(8), "shorter"),
        (Builder::new().cq_entries(0), "shorter"),
        (Builder::new().sqpoll(Duration::ZERO).sqpoll_cpu(100_000), "processor"),
        (Builder::new().attach_wq(null.as_fd()), "ATTACH_WQ"),
        (Builder::new().raw_flags(SetupFlags::TASKRUN_FLAG), "contradict"),
    ] {
        let (error, cause) = refused(builder);
        assert!(matches!(cause, Cause::BadRequest { why } if why.contains(word)), "{error}");
        assert!(!error.is_unsupported(), "{error}");
    }
}

#[test]
fn a_flag_of_a_later_kernel_is_named() {
    // SAFETY: no kernel has the flag, so it changes nothing.
    let unknown = unsafe { Builder::new().unknown_flags(SetupFlags(1 << 30)) };
    let (error, cause) = refused(unknown);
    assert_eq!(cause, Cause::TooOld { flags: SetupFlags(1 << 30), since: None });
    assert!(error.is_unsupported() && error.to_string().contains("0x40000000"), "{error}");
}

#[test]
fn a_flag_that_this_kernel_has_is_not_blamed_for_another() {
    let more = SetupFlags(1 << 30) | SetupFlags::COOP_TASKRUN | SetupFlags::R_DISABLED;
    // SAFETY: the known ones change nothing of the queues, and no kernel has the other.
    let builder = unsafe { Builder::new().unknown_flags(more) };
    let (_, cause) = refused(builder.sqpoll(Duration::ZERO));
    assert_eq!(cause, Cause::TooOld { flags: SetupFlags(1 << 30), since: None });
}

#[test]
fn what_works_has_no_diagnosis() {
    let error = Ring::new(0).unwrap_err();
    assert!(error.setup_error().is_none(), "found before the kernel was asked: {error}");
}
