//! Reads, writes and polls.
//!
//! ```text
//! attempt  direct ▶ a thread: it waits for the device, whatever it is told
//!          not to wait (RWF_NOWAIT) ─ all, or the end ▶ done
//!                                    ├ a part of a regular file ▶ again: the end, or what follows
//!                                    ├ EAGAIN ▶ wait for the file; for a regular one, a thread
//!                                    └ it cannot be told so ▶ ask whether it is ready; a pipe is
//!                                      opened again for that (before Linux 6.4)
//! ```

use core::ffi::c_int;
use std::os::fd::{AsRawFd, RawFd};

use annulus_ring::Errno;
use annulus_ring::abi::{MsgFlags, Op, OpenFlags, PollEvents, RwFlags, SqeFlags};

use super::{HostWork, number, piece, rest};
use crate::host::machine::File;
use crate::host::sys;
use crate::world::{Attempt, Outcome, Span, Stable};

const IN: PollEvents = PollEvents::IN;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

impl Way {
    fn events(self) -> PollEvents {
        if self == Way::Read { PollEvents::IN } else { PollEvents::OUT }
    }
}

fn way(opcode: Op) -> Option<Way> {
    Some(match opcode {
        Op::READ | Op::READV | Op::READ_FIXED | Op::READV_FIXED | Op::READ_MULTISHOT => Way::Read,
        Op::WRITE | Op::WRITEV | Op::WRITE_FIXED | Op::WRITEV_FIXED => Way::Write,
        _ => return None,
    })
}

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    if work.sqe.opcode == Op::POLL_ADD {
        return Some(poll(work));
    }
    way(work.sqe.opcode).map(|way| transfer(work, way))
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    way(work.sqe.opcode).map(|way| match transfer_all(work, way) {
        Err(_) if work.done > 0 => Ok(work.done),
        result => result,
    })
}

fn poll(work: &HostWork) -> Attempt {
    let found = number(work).and_then(|fd| sys::poll(fd, work.sqe.rw_flags));
    match found {
        Ok(0) => Attempt::Wait(PollEvents(work.sqe.rw_flags)),
        found => Attempt::Done(found),
    }
}

/// What Linux refuses before it looks for bytes, in its order. The calls behind it would refuse
/// other things first, or look at less where no bytes are asked for.
fn check(work: &HostWork, file: &File, way: Way) -> Result<(), Errno> {
    let mode = OpenFlags(file.flags() & libc::O_ACCMODE as u32);
    let other = if way == Way::Read { OpenFlags::WRONLY } else { OpenFlags::RDONLY };
    if mode == other || mode.bits() == libc::O_ACCMODE as u32 {
        return Err(Errno::EBADF);
    }
    let sqe = &work.sqe;
    let flags = RwFlags(sqe.rw_flags);
    if !flags.is_empty() {
        let known = RwFlags::ALL.iter().fold(RwFlags::empty(), |all, known| all | known.value);
        if !known.contains(flags) || way == Way::Read && flags.contains(RwFlags::ATOMIC) {
            return Err(Errno::EOPNOTSUPP);
        }
        let refused = [RwFlags::APPEND | RwFlags::NOAPPEND, RwFlags::HIPRI];
        if refused.iter().any(|refused| flags.contains(*refused)) {
            return Err(Errno::EINVAL);
        }
    }
    // Protection is for devices that have it: Linux has no call for it but its own.
    if sqe.resv != 0 {
        return Err(Errno::EINVAL);
    }
    let end = sqe.off.saturating_add(work.total_bytes() as u64);
    if sqe.off != u64::MAX && i64::try_from(end).is_err() {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Reads or writes what is left, with these flags beside the entry's.
fn transfer_part(work: &HostWork, way: Way, more: RwFlags) -> Result<u32, Errno> {
    transfer_by(work, number(work)?, way, more)
}

/// The same by this number of the file.
fn transfer_by(work: &HostWork, fd: RawFd, way: Way, more: RwFlags) -> Result<u32, Errno> {
    let flags = work.sqe.rw_flags | more.bits();
    let at = match work.sqe.off {
        u64::MAX => u64::MAX,
        begin => begin.wrapping_add(work.done.into()),
    };
    // A vectored write of nothing asks the socket nothing; io_uring asks it whether it is shut
    // down, and sends an empty message where there are messages.
    if way == Way::Write
        && work.total_bytes() == 0
        && work.file.as_ref().is_some_and(File::is_socket)
    {
        if !matches!(work.sqe.off, 0 | u64::MAX) {
            return Err(Errno::ESPIPE);
        }
        let flags = MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL;
        return sys::net::send(fd, Span { addr: 0, bytes: 0 }, flags.bits() as c_int);
    }
    // Nor does a vectored read of nothing ask a file that wants more.
    if way == Way::Read && work.total_bytes() == 0 && work.file.as_ref().is_some_and(is_counted) {
        return Err(Errno::EINVAL);
    }
    let call = if way == Way::Read { sys::read } else { sys::write };
    match &work.stable {
        Stable::Pieces(pieces) if work.done == 0 => call(fd, pieces, at, flags),
        Stable::Pieces(pieces) => call(fd, &rest(pieces, work.done as usize), at, flags),
        _ => call(fd, &[piece(work)], at, flags),
    }
}

/// Whether a read of it is of a number, or a record.
fn is_counted(file: &File) -> bool {
    let kinds = ["[eventfd]", "[timerfd]", "[signalfd]"];
    let name = || sys::name(file.raw())?.strip_prefix("anon_inode:").map(str::to_owned);
    file.is_nameless() && name().is_some_and(|name| kinds.contains(&name.as_str()))
}

fn transfer(work: &mut HostWork, way: Way) -> Attempt {
    let Some(file) = &work.file else { return Attempt::Done(Err(Errno::EBADF)) };
    if let Err(errno) = check(work, file, way) {
        return Attempt::Done(Err(errno));
    }
    let asked = RwFlags(work.sqe.rw_flags);
    let by_thread = asked.contains(RwFlags::NOWAIT) && work.sqe.flags.contains(SqeFlags::ASYNC);
    if by_thread && !file.is_pollable() {
        if !may_not_wait(file) {
            return Attempt::Done(Err(Errno::EOPNOTSUPP));
        }
        // A thread of the kernel waits for what never becomes ready, whatever was asked.
        work.sqe.rw_flags = asked.difference(RwFlags::NOWAIT).bits();
    }
    let may_wait = !RwFlags(work.sqe.rw_flags).contains(RwFlags::NOWAIT);
    if OpenFlags(file.flags()).contains(OpenFlags::DIRECT) && !file.is_pollable() {
        return Attempt::Blocks;
    }
    loop {
        match transfer_part(work, way, RwFlags::NOWAIT) {
            Ok(count) => {
                if count == 0
                    && !may_wait
                    && let Some(errno) = refuses_nothing(work, file, way)
                {
                    return Attempt::Done(Err(errno));
                }
                work.done += count;
                look_for_more(work.sqe.opcode, file, &mut work.outcome);
                let is_part = count > 0 && (work.done as usize) < work.total_bytes();
                if is_part && may_wait && file.has_an_end() {
                    continue;
                }
                return Attempt::Done(Ok(work.done));
            }
            // Positions are not for pipes, and io_uring does not look at them there. Sockets do.
            Err(Errno::ESPIPE) if work.sqe.off != u64::MAX => {
                if work.sqe.off != 0 && file.is_socket() {
                    return Attempt::Done(Err(Errno::ESPIPE));
                }
                work.sqe.off = u64::MAX;
            }
            Err(Errno::EAGAIN | Errno::EINTR) if may_wait => {
                return if file.is_pollable() {
                    Attempt::Wait(way.events())
                } else {
                    Attempt::Blocks
                };
            }
            Err(Errno::EOPNOTSUPP) if may_wait => return without_being_told(work, way),
            Err(errno) => return refused(work, file, way, errno),
        }
    }
}

/// A buffer is picked for more only where there is more.
fn look_for_more(opcode: Op, file: &File, outcome: &mut Outcome) {
    if opcode == Op::READ_MULTISHOT {
        *outcome = Outcome::default();
        outcome.is_drained = sys::poll(file.raw(), IN.bits()) == Ok(0);
    }
}

/// It ends with an error, if nothing was moved before.
fn refused(work: &HostWork, file: &File, way: Way, errno: Errno) -> Attempt {
    if work.done > 0 {
        return Attempt::Done(Ok(work.done));
    }
    let never_tried = errno == Errno::EOPNOTSUPP
        && way == Way::Write
        && work.sqe.rw_flags == RwFlags::NOWAIT.bits()
        && may_not_wait(file);
    Attempt::Done(Err(if never_tried { Errno::EAGAIN } else { errno }))
}

/// Whether io_uring finds no fault with a file that is not to wait, but with writing to it. It does
/// not even try to write to a regular file then, unless its file system is good at it; nor to an
/// eventfd. Others are refused.
fn may_not_wait(file: &File) -> bool {
    if !file.has_an_end() {
        return sys::name(file.raw()).is_some_and(|name| name == "anon_inode:[eventfd]");
    }
    // Nothing is there to be read. One that is not read at all is taken for a usual one.
    let nowhere = [Span { addr: 0, bytes: 1 }];
    let asked = sys::read(file.raw(), &nowhere, i64::MAX as u64 - 1, RwFlags::NOWAIT.bits());
    asked != Err(Errno::EOPNOTSUPP)
}

/// What io_uring says of reading or writing nothing, of a file that is not to wait: the call itself
/// does not ask. A file system is asked to take a byte that is not there.
fn refuses_nothing(work: &HostWork, file: &File, way: Way) -> Option<Errno> {
    if work.total_bytes() > 0 {
        return None;
    }
    if way == Way::Read {
        return (file.has_an_end() && !may_not_wait(file)).then_some(Errno::EOPNOTSUPP);
    }
    if !file.has_an_end() {
        return may_not_wait(file).then_some(Errno::EAGAIN);
    }
    let nowhere = [Span { addr: 0, bytes: 1 }];
    let asked = sys::write(file.raw(), &nowhere, 0, RwFlags::NOWAIT.bits());
    let refuses = asked == Err(Errno::EOPNOTSUPP);
    refuses.then(|| if may_not_wait(file) { Errno::EAGAIN } else { Errno::EOPNOTSUPP })
}

/// A file that cannot be told not to wait: it may say whether it is ready. One that never waits can
/// be tried then; so can a pipe, by a number of it that does not. Another takes a thread.
fn without_being_told(work: &mut HostWork, way: Way) -> Attempt {
    let Some(file) = &work.file else { return Attempt::Done(Err(Errno::EBADF)) };
    // What may be of another file is not enough here: it is asked for, and tried again.
    if !file.is_pollable() || file.is_guess() {
        return Attempt::Blocks;
    }
    // What other flags say matters not to such a file: but the call takes none for it.
    let refused = RwFlags::ATOMIC | RwFlags::DONTCACHE;
    if RwFlags(work.sqe.rw_flags).intersects(refused) {
        return Attempt::Done(Err(Errno::EOPNOTSUPP));
    }
    work.sqe.rw_flags = 0;
    match sys::poll(file.raw(), way.events().bits()) {
        Ok(0) => return Attempt::Wait(way.events()),
        Ok(_) => {}
        Err(errno) => return Attempt::Done(Err(errno)),
    }
    let moved = if OpenFlags(file.flags()).contains(OpenFlags::NONBLOCK) {
        transfer_part(work, way, RwFlags::empty())
    } else if file.is_pipe()
        && let Ok(again) = sys::pipe::open_again(file.raw(), file.flags())
    {
        transfer_by(work, again.as_raw_fd(), way, RwFlags::empty())
    } else {
        return Attempt::Blocks;
    };
    match moved {
        Err(Errno::EAGAIN) => return Attempt::Wait(way.events()),
        Err(_) => {}
        Ok(_) => look_for_more(work.sqe.opcode, file, &mut work.outcome),
    }
    Attempt::Done(moved)
}

/// On a thread: a read comes as short as it does; a write to a regular file goes on.
fn transfer_all(work: &mut HostWork, way: Way) -> Result<u32, Errno> {
    loop {
        let count = transfer_part(work, way, RwFlags::empty())?;
        work.done += count;
        let is_part = count > 0 && (work.done as usize) < work.total_bytes();
        let goes_on =
            is_part && way == Way::Write && work.file.as_ref().is_some_and(File::has_an_end);
        if !goes_on {
            return Ok(work.done);
        }
    }
}
