//! What `/proc` says of this process: descriptors, threads, context switches.
//!
//! Other tests of the same program open files and start threads meanwhile: where a count must be
//! exact, take it in a [`child`](super::child).

use std::fs;

/// How many descriptors the process has open.
pub fn descriptors() -> usize {
    // The folder itself is open while it is read.
    fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}

/// The process's threads, as the kernel numbers and names them (at most 15 bytes of the name);
/// io_uring's workers, `iou-wrk-…`, are among them.
pub fn threads() -> Vec<(u32, String)> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            // A thread may end while the folder is read.
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let tid = path.file_name()?.to_str()?.parse().ok()?;
            Some((tid, name.trim_end().to_owned()))
        })
        .collect()
}

/// How many threads the process has.
pub fn thread_count() -> usize {
    threads().len()
}

/// The threads whose names begin so.
pub fn threads_named(prefix: &str) -> Vec<u32> {
    threads().into_iter().filter(|(_, name)| name.starts_with(prefix)).map(|(tid, _)| tid).collect()
}

/// This thread, as the kernel numbers it.
pub fn this_thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// How often a thread gave up its processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// To wait for something.
    pub voluntary: u64,
    /// Since another was to run.
    pub involuntary: u64,
}

/// How often thread `tid` was switched away from; `None` where there is no such thread. One that
/// sleeps all the time is counted once, when it falls asleep: a difference of 0 is no wake-up.
pub fn switches(tid: u32) -> Option<Switches> {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).ok()?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().parse().ok()
    };
    Some(Switches {
        voluntary: value("voluntary_ctxt_switches")?,
        involuntary: value("nonvoluntary_ctxt_switches")?,
    })
}
