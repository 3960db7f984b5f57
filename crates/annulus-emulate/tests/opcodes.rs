//! Which of Linux's operations the host kernel has: what its probe says is what it does, and what
//! it has not is in the table of the docs.

use std::collections::BTreeMap;
use std::time::Duration;

use annulus_emulate::abi::{Op, Sqe};
use annulus_emulate::{Builder, Errno, KernelChoice, LocalRing, Wait};

#[allow(dead_code, reason = "nothing is skipped")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use harness::limit;

const LIMIT: Duration = Duration::from_secs(30);

/// What Linux 6.18 has, and how many of them the host is to have at least.
const OF_LINUX: u8 = 63;
const EMULATED_MIN: usize = 58;

/// The differences from Linux, as the docs have them.
const TABLE: &str = include_str!("../docs/emulation.md");

fn ring() -> LocalRing {
    Builder::new().entries(8).kernel(KernelChoice::Host).build_local().expect("a ring")
}

/// The name without the prefix, of each operation that Linux 6.18 has.
fn of_linux() -> BTreeMap<Op, &'static str> {
    let ops = Op::ALL.iter().filter(|known| known.value.raw() < OF_LINUX);
    ops.map(|known| (known.value, known.name.trim_start_matches("IORING_OP_"))).collect()
}

/// What an entry ends in that says nothing but its operation, on no file.
fn bare(ring: &mut LocalRing, opcode: Op) -> Result<u32, Errno> {
    let entry = Sqe { opcode, fd: -1, ..Sqe::default() };
    // SAFETY: it points to nothing.
    unsafe { ring.push(entry) }.expect("room");
    let wait = Wait::new().timeout(LIMIT / 2);
    ring.submit_and_wait_with(1, &wait).unwrap_or_else(|error| panic!("{opcode:?}: {error}"));
    ring.completions().expect("a queue").next().expect("its end").result()
}

#[test]
fn at_least_58_of_63_operations_are_emulated() {
    let probe = ring().register().probe().expect("it says what it has");
    let (has, has_not): (Vec<_>, Vec<_>) =
        of_linux().into_iter().partition(|(op, _)| probe.is_supported(*op));
    println!("{} of {OF_LINUX}; not {has_not:?}", has.len());
    assert_eq!(has.len() + has_not.len(), usize::from(OF_LINUX));
    assert!(has.len() >= EMULATED_MIN, "{} of {OF_LINUX}: not {has_not:?}", has.len());
    let said = format!("Of the {OF_LINUX} operations of Linux 6.18 it has {}", has.len());
    assert!(TABLE.contains(&said), "the docs do not say: {said}");
}

#[test]
fn what_the_probe_denies_is_not_supported_and_listed() {
    limit(LIMIT, || {
        let mut ring = ring();
        let probe = ring.register().probe().expect("it says what it has");
        for (op, name) in of_linux() {
            if !probe.is_supported(op) {
                assert_eq!(bare(&mut ring, op), Err(Errno::EOPNOTSUPP), "{name}");
                assert!(TABLE.contains(&format!("`{name}`")), "{name} is not in the table");
            }
        }
    });
}

/// Each is looked at: it fails for want of a file or of an address, or does what nothing asks.
#[test]
fn what_the_probe_affirms_is_done() {
    limit(LIMIT, || {
        let probe = ring().register().probe().expect("it says what it has");
        for (op, name) in of_linux() {
            if probe.is_supported(op) {
                let ended = bare(&mut ring(), op);
                println!("{name:<20} {ended:?}");
                assert_ne!(ended, Err(Errno::EOPNOTSUPP), "{name}");
            }
        }
    });
}

#[test]
fn what_no_kernel_has_is_invalid() {
    limit(LIMIT, || {
        let mut ring = ring();
        let probe = ring.register().probe().expect("it says what it has");
        for op in [Op(u8::MAX), Op(0xbf)] {
            assert!(!probe.is_supported(op));
            assert_eq!(bare(&mut ring, op), Err(Errno::EINVAL), "{op:?}");
        }
    });
}
