//! What the tests share: the third outcome, and an end for those that hang.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

mod harness;

use std::time::Duration;

use annulus_ring::abi::{Op, RegisterOp};
use annulus_ring::register::Restrictions;
use annulus_ring::{Builder, Errno, LocalRing};

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, skip};

/// How long a test may take that has no reason to take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Whether this kernel says that it has not the operation `op`: then the test `name`, which is
/// skipped, has nothing to do.
pub fn lacks(name: &str, op: Op) -> bool {
    let ring = LocalRing::new(1).expect("a ring");
    let ops = ring.register().probe().expect("a kernel that says what it has");
    if !ops.is_supported(op) {
        let known = Op::ALL.iter().find(|known| known.value == op);
        let (op, since) = known.map_or(("it", "?"), |known| (known.name, known.since));
        skip(name, &format!("no {op} before Linux {since}"));
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
        skip(name, &format!("no {op} before Linux {since}"));
    }
    lacks
}
