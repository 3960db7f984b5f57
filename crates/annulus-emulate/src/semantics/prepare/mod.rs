//! Checking an entry's fields, and copying what it points to: once, when it is taken. Each family
//! of operations has a file.

mod fs;
mod misc;
mod net;
mod private;
mod ring;
mod rw;

pub(super) use net::header;
pub(crate) use private::names_second_file;
pub(super) use private::{check as check_private, is_known as is_private};

use annulus_ring::Errno;
use annulus_ring::abi::{CancelFlags, Op, SetupFlags, Sqe, TimeoutFlags, Timespec};

use super::{OPERATIONS, files, groups, nop, times};
use crate::uaccess::Uaccess;
use crate::world::Work;

/// What an operation takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    /// `fd` names a file.
    pub(super) names_file: bool,
    /// It may pick its buffer from a group.
    pub(super) selects_buffers: bool,
    /// `ioprio` means something.
    pub(super) has_ioprio: bool,
}

impl Traits {
    const NONE: Self = Self { names_file: false, selects_buffers: false, has_ioprio: false };
}

/// What each of them takes, by number.
static TRAITS: [Traits; OPERATIONS as usize] = {
    let mut all = [Traits::NONE; OPERATIONS as usize];
    let mut n = 0;
    while n < all.len() {
        if let Some(traits) = known(Op(n as u8)) {
            all[n] = traits;
        }
        n += 1;
    }
    all
};

/// What `opcode` takes.
pub(super) fn traits(opcode: Op) -> Traits {
    TRAITS.get(usize::from(opcode.0)).copied().unwrap_or_else(|| private::traits(opcode))
}

const fn known(opcode: Op) -> Option<Traits> {
    let families =
        [rw::traits(opcode), ring::traits(opcode), net::traits(opcode), fs::traits(opcode)];
    let mut n = 0;
    while n < families.len() {
        if families[n].is_some() {
            return families[n];
        }
        n += 1;
    }
    misc::traits(opcode)
}

/// Whether an operation is done here.
pub(super) fn is_emulated(opcode: Op) -> bool {
    let own = [
        Op::NOP,
        Op::TIMEOUT,
        Op::LINK_TIMEOUT,
        Op::TIMEOUT_REMOVE,
        Op::ASYNC_CANCEL,
        Op::PROVIDE_BUFFERS,
        Op::REMOVE_BUFFERS,
        Op::FILES_UPDATE,
        Op::FIXED_FD_INSTALL,
    ];
    // Its fields are known, and looked at before it is refused.
    let is_refused = opcode == Op::RECV_ZC;
    own.contains(&opcode) || is_private(opcode) || known(opcode).is_some() && !is_refused
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

/// Checks an entry's own fields, and copies what it points to.
pub(super) fn prepare<F>(
    user: Uaccess,
    ring: SetupFlags,
    sqe: &Sqe,
    work: &mut Work<F>,
) -> Result<(), Errno> {
    match sqe.opcode {
        Op::NOP => nop::prepare_nop(sqe, ring),
        Op::TIMEOUT | Op::LINK_TIMEOUT => prepare_timeout(user, &mut work.sqe),
        Op::TIMEOUT_REMOVE => prepare_timeout_remove(user, &mut work.sqe),
        Op::ASYNC_CANCEL => prepare_cancel(sqe),
        Op::PROVIDE_BUFFERS => groups::prepare_provide(sqe),
        Op::REMOVE_BUFFERS => groups::prepare_remove(sqe),
        Op::FILES_UPDATE => files::prepare_files_update(sqe),
        Op::FIXED_FD_INSTALL => files::prepare_install(sqe),
        _ => rw::prepare(user, sqe, work)
            .or_else(|| net::prepare(user, sqe, work))
            .or_else(|| ring::prepare(sqe))
            .or_else(|| fs::prepare(user, sqe, work))
            .or_else(|| misc::prepare(user, sqe, work))
            .or_else(|| private::prepare(sqe))
            .unwrap_or(Err(Errno::EOPNOTSUPP)),
    }
}

/// Copies the time, to fields that a timeout has no use for.
fn copy_time(user: Uaccess, sqe: &mut Sqe, addr: u64) -> Result<(), Errno> {
    let time: Timespec = user.read(addr)?;
    times::duration(time)?;
    (sqe.addr3, sqe.resv) = (time.tv_sec as u64, time.tv_nsec as u64);
    Ok(())
}

fn prepare_timeout(user: Uaccess, sqe: &mut Sqe) -> Result<(), Errno> {
    let flags = TimeoutFlags(sqe.rw_flags);
    must(sqe.buf_index == 0 && sqe.len == 1 && sqe.splice_fd_in == 0)?;
    must(sqe.off == 0 || sqe.opcode == Op::TIMEOUT)?;
    let known = TimeoutFlags::ABS
        | TimeoutFlags::CLOCK_MASK
        | TimeoutFlags::ETIME_SUCCESS
        | TimeoutFlags::MULTISHOT;
    must(known.contains(flags) && !flags.contains(TimeoutFlags::CLOCK_MASK))?;
    must(!flags.contains(TimeoutFlags::MULTISHOT | TimeoutFlags::ABS))?;
    copy_time(user, sqe, sqe.addr)
}

fn prepare_timeout_remove(user: Uaccess, sqe: &mut Sqe) -> Result<(), Errno> {
    let flags = TimeoutFlags(sqe.rw_flags);
    must(sqe.buf_index == 0 && sqe.len == 0 && sqe.splice_fd_in == 0)?;
    if !flags.intersects(TimeoutFlags::UPDATE_MASK) {
        return must(flags.is_empty());
    }
    must((TimeoutFlags::UPDATE_MASK | TimeoutFlags::ABS).contains(flags))?;
    copy_time(user, sqe, sqe.off)
}
