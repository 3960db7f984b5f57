//! What the kernel says it has: operations, registrations, flags.

use core::ffi::c_void;
use core::mem::size_of;

use crate::abi::{
    Op, Probe, ProbeOp, ProbeOpFlags, QueryHdr, QueryOp, QueryOpcode, RegisterOp, Restriction,
    RestrictionOp,
};
use crate::builder::Builder;
use crate::errno::Errno;
use crate::error::Result;
use crate::ring::Ring;
use crate::syscall::register_raw;

/// How many operations an answer has room for: all numbers.
const OPS_MAX: usize = 256;

/// The kernel's form of the answer to a probe.
#[repr(C)]
struct Answer {
    head: Probe,
    ops: [ProbeOp; OPS_MAX],
}

/// Which operations the kernel has (`IORING_REGISTER_PROBE`, Linux 5.6).
pub(super) fn ops(ring: &Ring) -> Result<Box<dyn Fn(Op) -> bool>> {
    let mut answer = Answer { head: Probe::default(), ops: [ProbeOp::default(); OPS_MAX] };
    let arg = (&raw mut answer).cast::<c_void>();
    // SAFETY: one `io_uring_probe` with room for as many operations as the count says.
    unsafe { ring.register().raw(RegisterOp::PROBE, arg, OPS_MAX as u32) }?;
    let count = usize::from(answer.head.ops_len);
    Ok(Box::new(move |op| {
        let known = answer.ops[..count].get(usize::from(op.raw()));
        known.is_some_and(|known| known.flags.contains(ProbeOpFlags::SUPPORTED))
    }))
}

/// How many operations, registrations and flags there are (`IORING_REGISTER_QUERY`, Linux 6.18).
pub(super) fn query() -> Option<QueryOpcode> {
    let mut opcodes = QueryOpcode::default();
    let mut head = QueryHdr {
        query_data: (&raw mut opcodes) as u64,
        query_op: QueryOp::OPCODES,
        size: size_of::<QueryOpcode>() as u32,
        ..QueryHdr::default()
    };
    let arg = (&raw mut head).cast::<c_void>();
    // SAFETY: one question, the last, with room for its answer.
    let answer = unsafe { register_raw(-1, RegisterOp::QUERY, arg, 0) };
    (answer.is_ok() && head.result == 0).then_some(opcodes)
}

/// How many registrations the kernel has: the first number from above that a restriction may name
/// (Linux 5.10). For kernels without [`query`].
pub(super) fn register_ops_count() -> Option<u32> {
    const TOP: u8 = 127;
    let ring = Builder::new().entries(1).disabled().build().ok()?;
    for number in (0..=TOP).rev() {
        let restriction = Restriction {
            opcode: RestrictionOp::REGISTER_OP,
            sqe_op: number,
            ..Restriction::default()
        };
        let arg = (&raw const restriction).cast_mut().cast::<c_void>();
        // SAFETY: one restriction, read during the call only.
        let answer = unsafe { ring.register().raw(RegisterOp::RESTRICTIONS, arg, 1) };
        match answer {
            Ok(_) => return Some(u32::from(number) + 1),
            Err(error) if error.errno() == Some(Errno::EINVAL) => {}
            Err(_) => return None,
        }
    }
    None
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn the_ways_of_asking_agree() {
        let Some(asked) = query() else { return }; // before 6.18 there is one way only
        assert_eq!(register_ops_count(), Some(asked.nr_register_opcodes));
        let supported = ops(&Ring::new(8).unwrap()).unwrap();
        let count = (0..=u8::MAX).filter(|n| supported(Op(*n))).count();
        assert_eq!(count as u32, asked.nr_request_opcodes);
    }
}
