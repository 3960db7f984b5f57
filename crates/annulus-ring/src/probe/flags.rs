//! The set-up flags, each tried.

use std::os::fd::{AsFd, AsRawFd};

use super::report::{Outcome, SetupFlagReport};
use super::rig::patiently;
use crate::abi::SetupFlags;
use crate::builder::Builder;
use crate::diagnose::try_flag;
use crate::error::Error;
use crate::mapping::RingRegion;
use crate::op::Nop;
use crate::ring::{LocalRing, Ring};

/// Tries every flag that has a name.
pub(super) fn all(ring: &Ring) -> Vec<SetupFlagReport> {
    let tried = |known: &crate::abi::Known<SetupFlags>| SetupFlagReport {
        flag: known.value,
        name: known.name,
        since: known.since,
        outcome: try_one(known.value, ring),
    };
    SetupFlags::ALL.iter().map(tried).collect()
}

fn try_one(flag: SetupFlags, ring: &Ring) -> Outcome {
    match flag {
        SetupFlags::NO_MMAP => in_memory(false),
        SetupFlags::REGISTERED_FD_ONLY => in_memory(true),
        _ => match patiently(|| try_flag(flag, ring.as_fd().as_raw_fd())) {
            Ok(()) => Outcome::Works,
            Err(errno) => Outcome::Refused(errno),
        },
    }
}

/// A ring in memory of ours, without a descriptor if `only_index`.
fn in_memory(only_index: bool) -> Outcome {
    let answered = || -> Result<bool, Error> {
        let builder = Builder::new().entries(8);
        let region = RingRegion::new(builder.memory_bytes())?;
        let builder = builder.memory(region);
        if !only_index {
            return answers(builder.build()?);
        }
        let mut ring: LocalRing = builder.registered_fd_only().build_local()?;
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(Nop::new()) }?;
        ring.submit_and_wait(1)?;
        Ok(ring.completions()?.next().is_some())
    };
    match answered() {
        Ok(true) => Outcome::Works,
        Ok(false) => Outcome::Wrong("no completion came"),
        Err(error) => error.errno().map_or(Outcome::Wrong("the ring refused"), Outcome::Refused),
    }
}

/// Whether a NOP comes back. A NOP completes within the submit, so nothing is waited for.
pub(super) fn answers(mut ring: Ring) -> Result<bool, Error> {
    answers_in_place(&mut ring)
}

/// As [`answers`], keeping the ring.
pub(super) fn answers_in_place(ring: &mut Ring) -> Result<bool, Error> {
    const MARK: u64 = 0x616e_6e75;
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(Nop::new().build().user_data(MARK)) }?;
    ring.submit()?;
    let cqe = ring.completions()?.next();
    Ok(cqe.is_some_and(|cqe| cqe.user_data == MARK && cqe.result() == Ok(0)))
}
