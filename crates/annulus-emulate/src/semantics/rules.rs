//! [`Rules`]: what a ring may do, which the program laid down before it enabled the ring.

use annulus_ring::Errno;
use annulus_ring::abi::{
    ClockId, Op, RegisterOp, Restriction, RestrictionOp, SetupFlags, Sqe, SqeFlags,
};

use super::prepare;

/// How many registrations Linux 6.18 has: what is above is not known.
pub(crate) const REGISTRATIONS: u32 = RegisterOp::QUERY.0 + 1;
/// How many operations it has: the private ones are beside those.
pub(crate) const OPERATIONS: u32 = Op::PIPE.0 as u32 + 1;
/// How many kinds of restrictions.
const KINDS: u32 = 4;

/// What may be done: bits, by number.
#[derive(Clone, Copy, Debug, Default)]
struct Allowed {
    ops: [u64; 4],
    registrations: u64,
    flags: SqeFlags,
    required: SqeFlags,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Entries are taken.
    is_enabled: bool,
    allowed: Option<Allowed>,
    /// The clock of waits.
    pub(crate) clock: ClockId,
}

impl Rules {
    pub(super) fn new(flags: SetupFlags) -> Self {
        Self {
            is_enabled: !flags.contains(SetupFlags::R_DISABLED),
            allowed: None,
            clock: ClockId::MONOTONIC,
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Enables the ring: from now on what was allowed is all that is.
    ///
    /// # Errors
    /// `EBADFD`: it is enabled.
    pub(super) fn enable(&mut self) -> Result<(), Errno> {
        if core::mem::replace(&mut self.is_enabled, true) { Err(Errno::EBADFD) } else { Ok(()) }
    }

    fn in_force(&self) -> Option<&Allowed> {
        self.allowed.as_ref().filter(|_| self.is_enabled)
    }

    /// Whether there is something that it may not do.
    pub(super) fn is_restricted(&self) -> bool {
        self.allowed.is_some()
    }

    /// Whether an entry is allowed.
    ///
    /// # Errors
    /// `EACCES`.
    pub(super) fn check_entry(&self, sqe: &Sqe) -> Result<(), Errno> {
        let Some(allowed) = self.in_force() else { return Ok(()) };
        let (word, bit) = place(sqe.opcode.0);
        let fine = allowed.ops[word] >> bit & 1 == 1
            && sqe.flags.contains(allowed.required)
            && (allowed.flags | allowed.required).contains(sqe.flags);
        if fine { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Whether a registration is allowed.
    ///
    /// # Errors
    /// `EACCES`.
    pub(crate) fn check_register(&self, op: RegisterOp) -> Result<(), Errno> {
        let Some(allowed) = self.in_force() else { return Ok(()) };
        let fine = op.0 < 64 && allowed.registrations >> op.0 & 1 == 1;
        if fine { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// How many restrictions there may be.
    pub(super) fn count_max() -> u32 {
        KINDS + REGISTRATIONS + OPERATIONS
    }

    /// Whether the ring may still be restricted.
    ///
    /// # Errors
    /// `EBADFD`: it is enabled. `EBUSY`: it was restricted.
    pub(super) fn may_restrict(&self) -> Result<(), Errno> {
        if self.is_enabled {
            Err(Errno::EBADFD)
        } else if self.allowed.is_some() {
            Err(Errno::EBUSY)
        } else {
            Ok(())
        }
    }

    /// Restricts the ring to what `list` allows.
    ///
    /// # Errors
    /// `EINVAL`: an operation or registration that is not known; then none of it counts.
    pub(super) fn restrict(&mut self, list: &[Restriction]) -> Result<(), Errno> {
        let mut allowed = Allowed::default();
        for restriction in list {
            let number = restriction.sqe_op;
            match restriction.opcode {
                RestrictionOp::REGISTER_OP if u32::from(number) < REGISTRATIONS => {
                    allowed.registrations |= 1 << number;
                }
                RestrictionOp::SQE_OP
                    if u32::from(number) < OPERATIONS || prepare::is_private(Op(number)) =>
                {
                    let (word, bit) = place(number);
                    allowed.ops[word] |= 1 << bit;
                }
                RestrictionOp::SQE_FLAGS_ALLOWED => allowed.flags = SqeFlags(number),
                RestrictionOp::SQE_FLAGS_REQUIRED => allowed.required = SqeFlags(number),
                _ => return Err(Errno::EINVAL),
            }
        }
        self.allowed = Some(allowed);
        Ok(())
    }
}

/// Where an operation's bit is.
fn place(number: u8) -> (usize, u8) {
    (usize::from(number / 64), number % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restriction(opcode: RestrictionOp, sqe_op: u8) -> Restriction {
        Restriction { opcode, sqe_op, ..Restriction::default() }
    }

    #[test]
    fn rules_begin_when_the_ring_does() {
        let mut rules = Rules::new(SetupFlags::R_DISABLED);
        rules.may_restrict().expect("it is disabled");
        assert_eq!(rules.restrict(&[restriction(RestrictionOp::SQE_OP, 250)]), Err(Errno::EINVAL));
        rules.restrict(&[restriction(RestrictionOp::SQE_OP, Op::READ.0)]).expect("a known one");
        assert_eq!(rules.may_restrict(), Err(Errno::EBUSY));
        let (read, nop) = (Sqe { opcode: Op::READ, ..Sqe::default() }, Sqe::default());
        assert_eq!(rules.check_entry(&nop), Ok(()));
        rules.enable().expect("it was disabled");
        assert_eq!(rules.enable(), Err(Errno::EBADFD));
        assert_eq!(rules.check_entry(&nop), Err(Errno::EACCES));
        assert_eq!(rules.check_entry(&read), Ok(()));
        assert_eq!(rules.check_register(RegisterOp::PROBE), Err(Errno::EACCES));
    }
}
