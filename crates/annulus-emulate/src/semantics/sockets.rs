//! What is particular to sockets: results of which there are several, headers that say what was
//! received, and the notification behind a send that need not copy.

use annulus_ring::Errno;
use annulus_ring::abi::{
    AcceptFlags, CqeFlags, NotifUsage, Op, PollEvents, RecvSendFlags, Sqe, SqeFlags,
};

use super::Core;
use super::prepare::header;
use super::request::Ended;
use crate::queues::Completion;
use crate::world::{Message, Stable, Token, World};

/// Bytes of the header in front of what a multishot RECVMSG leaves in a buffer.
pub(super) const OUT_BYTES: usize = 16;

/// Whether an entry is a multishot of this family.
pub(super) fn is_multishot(opcode: Op, ioprio: u16) -> bool {
    match opcode {
        Op::ACCEPT => AcceptFlags(ioprio).contains(AcceptFlags::MULTISHOT),
        Op::RECV | Op::RECVMSG => RecvSendFlags(ioprio).contains(RecvSendFlags::RECV_MULTISHOT),
        Op::READ_MULTISHOT => true,
        _ => false,
    }
}

/// Whether an entry takes as many buffers as it can.
pub(super) fn is_bundle(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, Op::RECV | Op::SEND)
        && RecvSendFlags(sqe.ioprio).contains(RecvSendFlags::BUNDLE)
}

/// How a multishot goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shot {
    /// It does not, or it is none: the result is its last.
    Last,
    /// There may be more at once.
    Again,
    /// There is no more now.
    Wait(PollEvents),
}

impl<W: World> Core<W> {
    /// Tells one of the results of a multishot.
    pub(super) fn shoot(&mut self, token: Token, result: Result<u32, Errno>) -> Shot {
        let Some(request) = self.requests.get_mut(token) else { return Shot::Last };
        let Some(work) = &mut request.work else { return Shot::Last };
        let Ok(count) = result else { return Shot::Last };
        let outcome = work.outcome;
        if work.sqe.opcode == Op::SEND {
            // A bundle goes on until its group is empty, or it has to wait.
            let ends = outcome.is_last || request.was_polled || request.took_all;
            let cflags = request.cflags | outcome.cflags;
            if !is_bundle(&work.sqe) || ends || !self.tell_more(token, count, cflags) {
                return Shot::Last;
            }
            return self.send_the_rest(token);
        }
        if !is_multishot(work.sqe.opcode, work.sqe.ioprio) {
            return Shot::Last;
        }
        let is_end = outcome.is_last || work.sqe.opcode == Op::READ_MULTISHOT && count == 0;
        if work.sqe.opcode != Op::ACCEPT && is_end || is_bundle(&work.sqe) && request.took_all {
            return Shot::Last;
        }
        if work.sqe.opcode == Op::RECV && work.sqe.splice_fd_in != 0 {
            let left = (work.sqe.splice_fd_in as u32).saturating_sub(count);
            if left == 0 {
                return Shot::Last;
            }
            work.sqe.splice_fd_in = left as i32;
        }
        let cflags = request.cflags | outcome.cflags;
        if !self.tell_more(token, count, cflags) {
            return Shot::Last;
        }
        let Some(request) = self.requests.get_mut(token) else { return Shot::Last };
        (request.cflags, request.room) = (CqeFlags::empty(), 0);
        (request.took_all, request.was_cut) = (false, false);
        if let Some(work) = &mut request.work {
            work.done = 0;
            // A bundle that is as long as it may be lets others have their turn.
            if is_bundle(&work.sqe) && work.sqe.len > 0 && count >= work.sqe.len {
                work.outcome.is_ready |= !outcome.is_drained;
                return Shot::Wait(PollEvents::IN);
            }
            if work.sqe.opcode == Op::RECVMSG {
                // The length was for the first: the others take all of a buffer.
                work.sqe.len = 0;
            }
        }
        if outcome.is_drained { Shot::Wait(PollEvents::IN) } else { Shot::Again }
    }

    /// A bundle goes on with what is left in its group, whatever its length was. One without a
    /// group has one buffer, and goes on with nothing: so does Linux.
    fn send_the_rest(&mut self, token: Token) -> Shot {
        let Some(request) = self.requests.get_mut(token) else { return Shot::Last };
        request.cflags = CqeFlags::empty();
        if let Some(work) = &mut request.work {
            (work.done, work.sqe.len) = (0, 0);
            if let Stable::Message(message) = &mut work.stable {
                message.pieces.clear();
            }
        }
        Shot::Again
    }

    /// Says in the header of a RECVMSG what was received; in the buffer, if it is a multishot. The
    /// result.
    pub(super) fn tell_header(
        &self,
        token: Token,
        result: Result<u32, Errno>,
    ) -> Result<u32, Errno> {
        let count = result?;
        let Some(work) = self.requests.get(token).and_then(|request| request.work.as_ref()) else {
            return Ok(count);
        };
        let (Op::RECVMSG, Stable::Message(message)) = (work.sqe.opcode, &work.stable) else {
            return Ok(count);
        };
        if is_multishot(work.sqe.opcode, work.sqe.ioprio) {
            return self.tell_in_buffer(work.sqe.addr, message, count);
        }
        let received = message.received;
        if message.header != 0 {
            if message.name.addr != 0 {
                self.user.write(message.header + header::NAME_BYTES, received.name_bytes)?;
            }
            self.user.write(message.header + header::FLAGS, received.flags)?;
            let control_bytes = received.control_bytes as u64;
            self.user.write(message.header + header::CONTROL_BYTES, control_bytes)?;
        }
        Ok(count)
    }

    /// Writes the header in front of what a multishot RECVMSG received.
    fn tell_in_buffer(&self, addr: u64, message: &Message, count: u32) -> Result<u32, Errno> {
        let received = message.received;
        let room: usize = message.pieces.iter().map(|piece| piece.bytes).sum();
        let head = [received.name_bytes, received.control_bytes as u32, count, received.flags];
        for (n, word) in (0..).zip(head) {
            self.user.write(addr + 4 * n, word)?;
        }
        let ahead = OUT_BYTES + message.name.bytes + message.control.bytes;
        Ok((ahead + room.min(count as usize)) as u32)
    }

    /// Tells that the buffer of a send that need not copy is free. Its result has said that this
    /// comes.
    pub(super) fn notify(&mut self, request: &Ended) {
        let reports = RecvSendFlags(request.ioprio).contains(RecvSendFlags::SEND_ZC_REPORT_USAGE);
        let usage = if reports { NotifUsage::ZC_COPIED.bits() } else { 0 };
        let (user_data, flags) = (request.user_data, CqeFlags::NOTIF);
        self.tell(Completion { user_data, res: usage as i32, flags, big: None });
    }
}

/// Whether an entry's end is followed by a notification, be it refused for what it says otherwise.
pub(super) fn has_notification(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, Op::SEND_ZC | Op::SENDMSG_ZC)
        && (sqe.addr3, sqe.resv) == (0, 0)
        && !sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS)
}
