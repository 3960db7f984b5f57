//! What is particular to sockets: results of which there are several, headers that say what was
//! received, and the notification behind a send that need not copy.

use annulus_ring::Errno;
use annulus_ring::abi::{AcceptFlags, CqeFlags, NotifUsage, Op, PollEvents, RecvSendFlags};

use super::Core;
use super::prepare::header;
use super::request::Request;
use crate::queues::Completion;
use crate::world::{Message, Stable, Token, World};

/// Bytes of the header in front of what a multishot RECVMSG leaves in a buffer.
const OUT_BYTES: usize = 16;

/// Whether an entry is a multishot of this family.
pub(super) fn is_multishot(opcode: Op, ioprio: u16) -> bool {
    match opcode {
        Op::ACCEPT => AcceptFlags(ioprio).contains(AcceptFlags::MULTISHOT),
        Op::RECV | Op::RECVMSG => RecvSendFlags(ioprio).contains(RecvSendFlags::RECV_MULTISHOT),
        _ => false,
    }
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
        let (Ok(count), true) = (result, is_multishot(work.sqe.opcode, work.sqe.ioprio)) else {
            return Shot::Last;
        };
        let outcome = work.outcome;
        if work.sqe.opcode != Op::ACCEPT && outcome.is_last {
            return Shot::Last;
        }
        if work.sqe.opcode == Op::RECV && work.sqe.splice_fd_in != 0 {
            // How much in all.
            work.sqe.splice_fd_in -= work.sqe.splice_fd_in.min(count as i32);
            if work.sqe.splice_fd_in == 0 {
                return Shot::Last;
            }
        }
        work.done = 0;
        let cflags = request.cflags | outcome.cflags;
        request.cflags = CqeFlags::empty();
        self.tell_more(token, count, cflags);
        if outcome.is_drained { Shot::Wait(PollEvents::IN) } else { Shot::Again }
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
    pub(super) fn notify(&mut self, request: &Request<W::File>) {
        let Some(sqe) = request.work.as_ref().map(|work| work.sqe) else { return };
        let reports = RecvSendFlags(sqe.ioprio).contains(RecvSendFlags::SEND_ZC_REPORT_USAGE);
        let usage = if reports { NotifUsage::ZC_COPIED.bits() } else { 0 };
        let (user_data, flags) = (request.user_data, CqeFlags::NOTIF);
        self.tell(Completion { user_data, res: usage as i32, flags, big: None });
    }
}

/// Whether a request's end is followed by a notification.
pub(super) fn notifies<F>(request: &Request<F>) -> bool {
    matches!(request.opcode, Op::SEND_ZC | Op::SENDMSG_ZC) && request.work.is_some()
}
