//! What the tests share: the third outcome, which kernel it is, and an end for those that hang.
//!
//! Here the kernel is Linux. The same files are compiled as tests of `annulus-suite`, and run there
//! on the kernel that `ANNULUS_KERNEL` names.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

mod harness;

use std::sync::OnceLock;
use std::time::Duration;

use annulus_ring::abi::{Op, RegisterOp};
use annulus_ring::register::Restrictions;
use annulus_ring::{Builder, Errno, LocalRing};

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, skip, slower, times};

/// How long a test may take that has no reason to take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Whether rings are of the kernel in user space.
pub fn on_host() -> bool {
    static ON_HOST: OnceLock<bool> = OnceLock::new();
    *ON_HOST.get_or_init(|| LocalRing::new(1).expect("a ring").kernel().name() == "host")
}

/// Whether the test `name`, which is of Linux alone for this `reason`, is skipped: on the kernel in
/// user space. The caller returns then.
pub fn only_on_linux(name: &str, reason: &str) -> bool {
    if on_host() {
        skip(name, reason);
    }
    on_host()
}

/// Whether this kernel says that it has not the operation `op`: then the test `name`, which is
/// skipped, has nothing to do.
pub fn lacks(name: &str, op: Op) -> bool {
    let ring = LocalRing::new(1).expect("a ring");
    let ops = ring.register().probe().expect("a kernel that says what it has");
    if !ops.is_supported(op) {
        let known = Op::ALL.iter().find(|known| known.value == op);
        let (op, since) = known.map_or(("it", "?"), |known| (known.name, known.since));
        skip_lacking(name, op, since);
    }
    !ops.is_supported(op)
}

/// As [`lacks`], of a registration: one that the kernel has not, no restriction may name.
pub fn lacks_registration(name: &str, op: RegisterOp) -> bool {
    let ring = Builder::new().entries(1).disabled().build().expect("a ring");
    let named = ring.register().restrict(&Restrictions::new().allow_register(op));
    let lacks = named.is_err_and(|error| error.errno() == Some(Errno::EINVAL));
    if lacks {
        let known = RegisterOp::ALL.iter().find(|known| known.value == op);
        let (op, since) = known.map_or(("it", "?"), |known| (known.name, known.since));
        skip_lacking(name, op, since);
    }
    lacks
}

/// Whether the test `name`, which is skipped, has not the locked memory that it needs: `bytes`, if
/// its rings are of Linux. Root may lock what there is.
pub fn may_not_lock(name: &str, bytes: u64) -> bool {
    use rustix::process::{Resource, geteuid, getrlimit};
    let limit = getrlimit(Resource::Memlock).current;
    let may_not = limit.is_some_and(|limit| limit < bytes) && !geteuid().is_root() && !on_host();
    if may_not {
        skip(name, &format!("it locks {} KiB (ulimit -l)", bytes >> 10));
    }
    may_not
}

fn skip_lacking(name: &str, op: &str, since: &str) {
    match on_host() {
        true => skip(name, &format!("no {op} in user space")),
        false => skip(name, &format!("no {op} before Linux {since}")),
    }
}
