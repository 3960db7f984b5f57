//! Checking an entry's fields, and copying what it points to: once, when it is taken. Each family
//! of operations has a file.

mod fs;
mod misc;
mod net;
mod ring;
mod rw;

pub(super) use net::header;

use annulus_ring::Errno;
use annulus_ring::abi::{CancelFlags, Op, Sqe, TimeoutFlags, Timespec};

use super::Core;
use super::{files, groups, nop, times};
use crate::world::{Outcome, Stable, Work, World};

/// What an operation takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// `fd` names a file.
    pub(super) names_file: bool,
    /// It may pick its buffer from a group.
    pub(super) selects_buffers: bool,
    /// `ioprio` means something.
    pub(super) has_ioprio: bool,
}

/// What `opcode` takes.
pub(super) fn traits(opcode: Op) -> Traits {
    known(opcode).unwrap_or_default()
}

fn known(opcode: Op) -> Option<Traits> {
    let families = [rw::traits, ring::traits, net::traits, fs::traits, misc::traits];
    families.iter().find_map(|family| family(opcode))
}

/// Whether an operation is done here.
pub(super) fn is_emulated(opcode: Op) -> bool {
    let own = [
        Op::NOP,
        Op::TIMEOUT,
        Op::LINK_TIMEOUT,
        Op::TIMEOUT_REMOVE,
        Op::ASYNC_CANCEL,
        Op::FILES_UPDATE,
        Op::FIXED_FD_INSTALL,
    ];
    own.contains(&opcode) || known(opcode).is_some()
}

/// A link timeout comes behind an entry that it can limit, and not behind another.
pub(super) fn check_link_timeout(sqe: &Sqe, last: Option<Op>) -> Result<(), Errno> {
    let fine = sqe.opcode != Op::LINK_TIMEOUT || last.is_some_and(|last| last != Op::LINK_TIMEOUT);
    if fine { Ok(()) } else { Err(Errno::EINVAL) }
}

fn prepare_cancel(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.off == 0 && sqe.splice_fd_in == 0)?;
    let known = CancelFlags::ALL.iter().fold(CancelFlags::empty(), |all, k| all | k.value);
    let flags = CancelFlags(sqe.rw_flags);
    must(known.contains(flags))?;
    let narrows = flags.intersects(CancelFlags::FD | CancelFlags::OP);
    must(!(narrows && flags.contains(CancelFlags::ANY)))
}

/// `EINVAL`, unless `fine`.
pub(super) fn must(fine: bool) -> Result<(), Errno> {
    if fine { Ok(()) } else { Err(Errno::EINVAL) }
}

impl<W: World> Core<W> {
    /// Checks an entry's own fields, and copies what it points to.
    pub(super) fn prepare(&self, sqe: &Sqe) -> Result<Work<W::File>, Errno> {
        let sqe = *sqe;
        let (stable, outcome) = (Stable::None, Outcome::default());
        let mut work = Work { sqe, file: None, second: None, stable, done: 0, outcome };
        let user = self.user;
        let prepared = match sqe.opcode {
            Op::NOP => Some(nop::prepare_nop(&sqe, self.flags)),
            Op::TIMEOUT | Op::LINK_TIMEOUT => Some(self.prepare_timeout(&mut work.sqe)),
            Op::TIMEOUT_REMOVE => Some(self.prepare_timeout_remove(&mut work.sqe)),
            Op::ASYNC_CANCEL => Some(prepare_cancel(&sqe)),
            Op::PROVIDE_BUFFERS => Some(groups::prepare_provide(&sqe)),
            Op::REMOVE_BUFFERS => Some(groups::prepare_remove(&sqe)),
            Op::FILES_UPDATE => Some(files::prepare_files_update(&sqe)),
            Op::FIXED_FD_INSTALL => Some(files::prepare_install(&sqe)),
            _ => ring::prepare(&sqe)
                .or_else(|| rw::prepare(user, &sqe, &mut work))
                .or_else(|| net::prepare(user, &sqe, &mut work))
                .or_else(|| fs::prepare(user, &sqe, &mut work))
                .or_else(|| misc::prepare(user, &sqe, &mut work)),
        };
        prepared.unwrap_or(Err(Errno::EOPNOTSUPP)).map(|()| work)
    }

    /// Copies the time, to fields that a timeout has no use for.
    fn copy_time(&self, sqe: &mut Sqe, addr: u64) -> Result<(), Errno> {
        let time: Timespec = self.user.read(addr)?;
        times::duration(time)?;
        (sqe.addr3, sqe.resv) = (time.tv_sec as u64, time.tv_nsec as u64);
        Ok(())
    }

    fn prepare_timeout(&self, sqe: &mut Sqe) -> Result<(), Errno> {
        let flags = TimeoutFlags(sqe.rw_flags);
        must(sqe.buf_index == 0 && sqe.len == 1 && sqe.splice_fd_in == 0)?;
        must(sqe.off == 0 || sqe.opcode == Op::TIMEOUT)?;
        let known = TimeoutFlags::ABS
            | TimeoutFlags::CLOCK_MASK
            | TimeoutFlags::ETIME_SUCCESS
            | TimeoutFlags::MULTISHOT;
        must(known.contains(flags) && !flags.contains(TimeoutFlags::CLOCK_MASK))?;
        must(!flags.contains(TimeoutFlags::MULTISHOT | TimeoutFlags::ABS))?;
        self.copy_time(sqe, sqe.addr)
    }

    fn prepare_timeout_remove(&self, sqe: &mut Sqe) -> Result<(), Errno> {
        let flags = TimeoutFlags(sqe.rw_flags);
        must(sqe.buf_index == 0 && sqe.len == 0 && sqe.splice_fd_in == 0)?;
        if !flags.intersects(TimeoutFlags::UPDATE_MASK) {
            return must(flags.is_empty());
        }
        must((TimeoutFlags::UPDATE_MASK | TimeoutFlags::ABS).contains(flags))?;
        self.copy_time(sqe, sqe.off)
    }
}
