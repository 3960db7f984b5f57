//! What the probe finds: on this kernel, under filters and limits, and that it leaves nothing.

#[path = "../diagnose/child.rs"]
#[allow(dead_code, reason = "the tests of the diagnosis use the rest")]
mod child;
#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use annulus_ring::abi::{Op, RegisterOp, SetupFlags};
use annulus_ring::probe::{Options, Outcome, Report, Unusable, Verdict, probe};
use annulus_ring::{Errno, LocalRing, latched_off};

use child::{ENTER, REGISTER, SETUP};
use common::{LIMIT, limit, skip, slower};

/// A report of this kernel; `None`, counted, where it has no io_uring.
fn usable(name: &str) -> Option<Report> {
    let report = limit(LIMIT, probe);
    if let Some(unusable) = &report.unusable {
        skip(name, &unusable.to_string());
        return None;
    }
    Some(report)
}

#[test]
fn this_kernel_has_what_it_says() {
    let Some(report) = usable("this_kernel_has_what_it_says") else { return };
    assert_eq!(report.supports(Op::NOP), Some(true));
    assert_eq!(report.supports(Op(251)), Some(false));
    assert_eq!(report.ops.len(), Op::ALL.len());
    assert_eq!(report.register_ops.len(), RegisterOp::ALL.len());
    // What it has is a run of numbers from 0, and so are what both ways of asking say.
    if let Some(count) = report.kernel_ops_count {
        assert_eq!(report.supported_ops_count() as u32, count.min(Op::ALL.len() as u32));
    }
    let count = report.kernel_register_ops_count.unwrap_or(0) as usize;
    assert_eq!(report.supported_register_ops_count(), count.min(RegisterOp::ALL.len()));
    assert_eq!(report.features, LocalRing::new(8).unwrap().features());
    assert_eq!(report.latched_off, latched_off());
}

#[test]
fn linux_6_18_has_all_that_it_brought() {
    let name = "linux_6_18_has_all_that_it_brought";
    let Some(report) = usable(name) else { return };
    if !report.evidence.release.as_deref().is_some_and(|release| release.starts_with("6.18.")) {
        return skip(name, "another kernel");
    }
    assert_eq!((report.supported_ops_count(), report.supported_register_ops_count()), (63, 36));
    for behaviour in &report.behaviours {
        assert_eq!(behaviour.outcome, Outcome::Works, "{}", behaviour.name);
    }
    for flag in &report.setup_flags {
        let later = [SetupFlags::SQE_MIXED, SetupFlags::SQ_REWIND].contains(&flag.flag);
        let expected = if later { Outcome::Refused(Errno::EINVAL) } else { Outcome::Works };
        assert_eq!(flag.outcome, expected, "{}", flag.name);
    }
    assert!(report.known_bugs.is_empty());
    assert_eq!(report.enter_flags.map(|flags| flags.bits()), Some(0xff));
    assert_eq!(report.sqe_flags.map(|flags| flags.bits()), Some(0x7f));
}

#[test]
fn it_takes_less_than_a_second_and_leaves_nothing() {
    let name = "it_takes_less_than_a_second_and_leaves_nothing";
    child::run(name, || {
        let directory = std::env::temp_dir().join(format!("annulus-probed-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let options = Options::new().path(&directory);
        // Once before counting: what the process keeps for good is made now.
        options.probe();
        let (fds, tasks, began) = (open(), threads(), Instant::now());
        let report = options.probe();
        let most = Duration::from_secs(if slower() > 1 { 10 } else { 1 });
        assert!(began.elapsed() < most, "{:?}", began.elapsed());
        assert_eq!(open(), fds, "{report}");
        let gone = Instant::now() + 4 * most;
        while threads() > tasks && Instant::now() < gone {
            // A polling thread ends a moment after its ring.
            std::thread::sleep(Duration::from_millis(5));
        }
        // The first probe's may still have been there when they were counted.
        assert!(threads() <= tasks, "{} threads, {tasks} before", threads());
        std::fs::remove_dir(&directory).expect("the directory is empty");
    });
}

#[test]
fn under_a_filter_it_says_so() {
    child::run("under_a_filter_it_says_so", || {
        child::block(&[SETUP, ENTER, REGISTER], Errno::EPERM);
        let report = probe();
        assert_eq!(report.verdict(), Verdict::Unusable);
        let Some(Unusable::Refused(setup)) = &report.unusable else { panic!("{report}") };
        assert_eq!(setup.cause().name(), "seccomp");
        let text = report.to_string();
        for word in ["blocked: a seccomp filter", "evidence", "EPERM", "fix", "kernel "] {
            assert!(text.contains(word), "no {word:?} in:\n{text}");
        }
        assert_eq!(report.supported_ops_count(), 0);
    });
}

#[test]
fn a_ring_that_may_not_be_entered_is_unusable() {
    child::run("a_ring_that_may_not_be_entered_is_unusable", || {
        child::block(&[ENTER], Errno::ENOSYS);
        let report = probe();
        assert_eq!(report.verdict(), Verdict::Unusable);
        assert!(report.to_string().contains("io_uring_enter alone"), "{report}");
    });
}

#[test]
fn without_registrations_it_is_limited() {
    child::run("without_registrations_it_is_limited", || {
        child::block(&[REGISTER], Errno::EPERM);
        let report = probe();
        assert_eq!(report.verdict(), Verdict::Limited, "{report}");
        assert_eq!(report.supports(Op::NOP), None);
        let said: Vec<_> = report.limitations.iter().map(|l| (l.name, l.what.as_str())).collect();
        let what = "nothing can be registered: a seccomp filter on io_uring_register alone";
        assert_eq!(said, [("seccomp", what)]);
        let accepts = &report.behaviour("multishot-accept").unwrap().outcome;
        // A slow machine spends the time that trials have on those before it.
        let is_late = slower() > 1 && *accepts == Outcome::Untried("no time was left");
        assert!(accepts.works() || is_late, "{report}");
    });
}

#[test]
fn little_locked_memory_is_a_limit_with_a_cure() {
    let name = "little_locked_memory_is_a_limit_with_a_cure";
    child::run(name, || {
        child::limit_locked_memory(64 << 10);
        if LocalRing::new(1024).is_ok() {
            return skip(name, "this kernel does not charge rings");
        }
        let report = probe();
        assert_eq!(report.verdict(), Verdict::Limited, "{report}");
        let limitation = &report.limitations[0];
        assert_eq!((report.limitations.len(), limitation.name), (1, "memlock"), "{report}");
        assert!(limitation.cure.contains("at most 512 entries"), "{}", limitation.cure);
        let limits = report.limits.unwrap();
        assert_eq!((limits.rings_256_max, limits.rings_4096_max), (Some(2), Some(0)));
        assert!(limits.ring_256.works() && limits.ring_4096.fails());
        assert_eq!(limits.memlock_bytes, Some(64 << 10));
        // The trials themselves fit: they do not fail for the memory of the trials before them.
        for behaviour in &report.behaviours {
            assert_ne!(behaviour.outcome, Outcome::Refused(Errno::ENOMEM), "{}", behaviour.name);
        }
        for flag in &report.setup_flags {
            assert_ne!(flag.outcome, Outcome::Refused(Errno::ENOMEM), "{}", flag.name);
        }
    });
}

#[test]
fn the_room_is_what_can_be_made() {
    let name = "the_room_is_what_can_be_made";
    child::run(name, || {
        child::limit_locked_memory(1 << 20);
        if LocalRing::new(32_768).is_ok() {
            return skip(name, "this kernel does not charge rings");
        }
        let room = probe().limits.unwrap();
        std::thread::sleep(Duration::from_millis(50));
        for (entries, max) in [(256, room.rings_256_max), (4096, room.rings_4096_max)] {
            let made: Vec<_> =
                std::iter::from_fn(|| annulus_ring::Ring::new(entries).ok()).take(1000).collect();
            assert_eq!(Some(made.len() as u64), max, "{entries} entries");
            drop(made);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn without_descriptors_it_still_reports() {
    child::run("without_descriptors_it_still_reports", || {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum }).expect("lowered");
        let report = probe();
        assert_eq!(report.verdict(), Verdict::Unusable);
        assert!(report.to_string().contains("no descriptor left"), "{report}");
        // With room for one more, and one ring in it, trials fail and the report does not.
        setrlimit(Resource::Nofile, Rlimit { current: Some(4), maximum }).expect("raised");
        let report = probe();
        assert!(report.unusable.is_none(), "{report}");
        assert_eq!(report.supports(Op::NOP), Some(true));
    });
}

#[test]
fn a_directory_is_tried() {
    let directory = std::env::temp_dir();
    let report = limit(LIMIT, || Options::new().path(&directory).probe());
    if let Some(unusable) = &report.unusable {
        return skip("a_directory_is_tried", &unusable.to_string());
    }
    let path = report.path.as_ref().unwrap();
    assert_eq!(path.path, directory);
    assert!(path.file_system.is_some(), "{report}");
    if path.direct.works() {
        let unit = path.direct_smallest_bytes.unwrap();
        assert!(unit.is_power_of_two() && (512..=16_384).contains(&unit), "{unit}");
        assert!(path.direct_offset_align_bytes.is_none_or(|said| said <= unit), "{path:?}");
    }
    let missing = Options::new().path("/nonexistent").probe().path.unwrap();
    assert_eq!(missing.direct, Outcome::Refused(Errno::ENOENT));
    assert_eq!(missing.reflink, Outcome::Refused(Errno::ENOENT));
    let file = Options::new().path(Path::new("/proc/self/status")).probe().path.unwrap();
    assert!(file.direct.fails() && file.reflink.fails(), "{file:?}");
}
