//! Workers.

use annulus_ring::abi::OpenFlags;
use annulus_ring::register::{CpuSet, MaxWorkers};
use annulus_ring::{Errno, LocalRing, op};

use crate::rig::{push, result, ring, wait};
use crate::{errno, eventually, files_rig};

/// A ring whose thread has a pool of workers: they come with the first submit.
fn working() -> LocalRing {
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::Nop::new()), Ok(0));
    ring
}

/// How many workers this thread has now.
fn workers() -> usize {
    let name = format!("iou-wrk-{}", rustix::thread::gettid().as_raw_nonzero());
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comms = tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok());
    comms.filter(|comm| comm.trim_end() == name).count()
}

#[test]
fn limits_are_told_and_changed() {
    let ring = working();
    let set = |bounded, unbounded| {
        ring.register().iowq_max_workers(MaxWorkers { bounded, unbounded }).unwrap()
    };
    let first = set(0, 0);
    assert!(first.bounded > 0 && first.unbounded > 0, "{first:?}");
    assert_eq!(set(3, 0), first, "what was before is the answer");
    assert_eq!(set(0, 5), MaxWorkers { bounded: 3, unbounded: first.unbounded });
    assert_eq!(set(0, 0), MaxWorkers { bounded: 3, unbounded: 5 });
    let too_many = MaxWorkers { bounded: u32::MAX, unbounded: 0 };
    assert_eq!(errno(ring.register().iowq_max_workers(too_many)), Errno::EINVAL);
}

#[test]
fn no_more_workers_run_than_are_allowed() {
    if crate::common::only_on_linux(
        "no_more_workers_run_than_are_allowed",
        "it counts the kernel's threads",
    ) {
        return;
    }
    let mut ring = working();
    ring.register().iowq_max_workers(MaxWorkers { bounded: 1, unbounded: 1 }).unwrap();
    let dir = files_rig::TempDir::new();
    let paths = ["a", "b", "c"].map(|name| dir.c_path(name));
    for (n, path) in paths.iter().enumerate() {
        // SAFETY: a path that ends in a zero byte.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        // Opening one end of a pipe waits for the other: a worker each, if they may.
        let open = op::OpenAt::new(op::At::CWD, path.as_ptr()).flags(OpenFlags::RDONLY);
        push(&mut ring, open.build().user_data(n as u64).force_async());
    }
    ring.submit().unwrap();
    eventually("a worker is there", || workers() > 0);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(workers(), 1, "three wait, one has a worker");
    let openers = ["a", "b", "c"].map(|name| {
        let path = dir.path(name);
        std::thread::spawn(move || std::fs::File::options().write(true).open(path).unwrap())
    });
    let cqes = wait(&mut ring, 3);
    assert!(cqes.iter().all(|cqe| cqe.res >= 0), "{cqes:?}");
    for cqe in cqes {
        assert_eq!(result(&mut ring, op::Close::new(cqe.res)), Ok(0));
    }
    for opener in openers {
        opener.join().unwrap();
    }
}

#[test]
fn workers_are_kept_on_processors() {
    let ring = working();
    ring.register().iowq_affinity(&CpuSet::new().with(0)).unwrap();
    ring.register().unregister_iowq_affinity().unwrap();
    let none = ring.register().iowq_affinity(&CpuSet::new()).unwrap_err();
    assert!(none.to_string().contains("no processor"), "{none}");
}

#[test]
fn a_thread_without_workers_has_none_to_keep() {
    let fresh = std::thread::spawn(|| {
        let ring = LocalRing::new(8).unwrap();
        (
            ring.register().iowq_affinity(&CpuSet::new().with(0)),
            ring.register().unregister_iowq_affinity(),
        )
    });
    let (set, unset) = fresh.join().unwrap();
    // A local ring is its thread's from the start, and so has its workers' pool.
    assert!(set.is_ok() == unset.is_ok(), "{set:?} {unset:?}");
}

#[test]
fn a_set_of_processors_is_a_set() {
    let set = CpuSet::new().with(0).with(63).with(64).with(1023).with(1024);
    assert_eq!(format!("{set:?}"), "{0, 63, 64, 1023}");
    assert_eq!(set, set.with(63));
    assert!(CpuSet::new().is_empty() && !set.is_empty());
}
