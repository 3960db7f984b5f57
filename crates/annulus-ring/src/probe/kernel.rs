//! What the kernel says it has: operations, registrations, flags.

use crate::abi::{QueryOpcode, RegisterOp};
use crate::builder::Builder;
use crate::errno::Errno;
use crate::register::{self, Restrictions};

/// How many operations, registrations and flags there are (`IORING_REGISTER_QUERY`, Linux 6.18).
pub(super) fn query() -> Option<QueryOpcode> {
    register::query().ok()
}

/// How many registrations the kernel has: the first number from above that a restriction may name
/// (Linux 5.10). For kernels without [`query`].
pub(super) fn register_ops_count() -> Option<u32> {
    const TOP: u32 = 127;
    let ring = Builder::new().entries(1).disabled().build().ok()?;
    for number in (0..=TOP).rev() {
        let one = Restrictions::new().allow_register(RegisterOp(number));
        match ring.register().restrict(&one) {
            Ok(()) => return Some(number + 1),
            Err(error) if error.errno() == Some(Errno::EINVAL) => {}
            Err(_) => return None,
        }
    }
    None
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::abi::Op;
    use crate::ring::Ring;

    #[test]
    fn the_ways_of_asking_agree() {
        let Some(asked) = query() else { return }; // before 6.18 there is one way only
        assert_eq!(register_ops_count(), Some(asked.nr_register_opcodes));
        let ops = Ring::new(8).unwrap().register().probe().unwrap();
        let count = (0..=u8::MAX).filter(|n| ops.is_supported(Op(*n))).count();
        assert_eq!(count as u32, asked.nr_request_opcodes);
    }
}
