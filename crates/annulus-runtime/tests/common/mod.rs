//! What the tests of this crate share: an end for those that hang, the third outcome, and tools.
//!
//! A file of tests writes `mod common;` (a folder of tests: `#[path = "../common/mod.rs"] mod
//! common;`) and uses what it needs of:
//!
//! - [`limit`] around what may hang, [`skip`] where something cannot run here, [`only_on_linux`]
//!   where it cannot run in user space (`ANNULUS_KERNEL` says which kernel the engines have),
//!   [`may_not_lock`] where it takes memory that this user may not have;
//! - [`engines`]: the same test for each kind of engine;
//! - [`detector`]: an allocator that sees what the kernel writes to freed memory, and counts;
//! - [`files`]: temporary files with known content, direct I/O, the page cache;
//! - [`child`]: a test's body in a process of its own, with filters and limits;
//! - [`full`]: a socket that takes nothing more;
//! - [`process`]: how many descriptors, threads and context switches there are.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

pub mod child;
pub mod detector;
pub mod engines;
pub mod files;
pub mod full;
pub mod process;

#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::sync::OnceLock;
use std::time::Duration;

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, skip, slower, times};

/// Whether engines run on the kernel in user space.
pub fn on_host() -> bool {
    static ON_HOST: OnceLock<bool> = OnceLock::new();
    *ON_HOST.get_or_init(|| annulus_runtime::Engine::new().expect("an engine").kernel() == "host")
}

/// Whether the test `name`, which is of Linux alone for this `reason`, is skipped: on the kernel in
/// user space. The caller returns then.
pub fn only_on_linux(name: &str, reason: &str) -> bool {
    if on_host() {
        skip(name, reason);
    }
    on_host()
}

/// Whether this test is skipped, what it registers or lends to the kernel being locked memory: this
/// user may have too little beside its rings, but some, so that those are Linux's all the same.
pub fn may_not_lock() -> bool {
    use rustix::process::{Resource, geteuid, getrlimit};
    let limit = getrlimit(Resource::Memlock).current;
    let is_short = limit.is_some_and(|limit| (1..1 << 20).contains(&limit));
    let is_other = std::env::var_os("ANNULUS_KERNEL").is_some_and(|kernel| kernel == "host");
    let may_not = is_short && !is_other && !geteuid().is_root();
    if may_not {
        let test = std::thread::current();
        skip(test.name().unwrap_or("without a name"), "it locks memory (ulimit -l)");
    }
    may_not
}

/// How long a test may take that has no reason to take longer. An interpreter has one.
pub const LIMIT: Duration = Duration::from_secs(if cfg!(miri) { 1800 } else { 30 });
