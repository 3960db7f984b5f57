//! Messages from ring to ring (`MSG_RING`): a completion, or a file, for another.
//!
//! Two rings send to each other at once, so nobody may hold the locks of both: a message is put
//! into an outbox, and delivered by the host when the sender's lock was released; then the sender
//! is told what became of it ([`Core::sent`]).

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, MsgRingCommand, MsgRingFlags, SetupFlags, Sqe, SqeFlags};

use super::Core;
use crate::queues::Completion;
use crate::world::{Token, World};

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Message<W: World> {
    /// Who is told what became of it.
    pub(crate) token: Option<Token>,
    /// The ring it is for.
    pub(crate) target: W::Ring,
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: CqeFlags,
    /// A file, and the slot for it as entries have it.
    pub(crate) file: Option<(W::File, u32)>,
    /// The target is not told of the file.
    pub(crate) is_silent: bool,
}

impl<W: World> Message<W> {
    /// A message of data, as an entry has it.
    ///
    /// # Errors
    /// `EINVAL`: fields that mean nothing.
    pub(crate) fn data(sqe: &Sqe, target: W::Ring) -> Result<Self, Errno> {
        let passes = MsgRingFlags(sqe.rw_flags) == MsgRingFlags::FLAGS_PASS;
        let is_fine = sqe.addr == MsgRingCommand::DATA.raw()
            && sqe.addr3 == 0
            && (passes || sqe.rw_flags == 0 && sqe.splice_fd_in == 0);
        if !is_fine {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            token: None,
            target,
            user_data: sqe.off,
            result: sqe.len as i32,
            flags: CqeFlags(if passes { sqe.splice_fd_in as u32 } else { 0 }),
            file: None,
            is_silent: false,
        })
    }
}

impl<W: World> Core<W> {
    /// Begins a `MSG_RING`.
    pub(super) fn begin_message(&mut self, token: Token) {
        let message = match self.message(token) {
            Ok(message) => message,
            Err(errno) => return self.finish(token, Err(errno)),
        };
        let is_own = self.world.is_own(&message.target);
        if !is_own || !self.flags.contains(SetupFlags::DEFER_TASKRUN) {
            return self.outbox.push(Message { token: Some(token), ..message });
        }
        // Task work tells what is for the ring itself: in the next round, before all others.
        let Message { user_data, result, flags, .. } = message;
        self.own_messages.push(Completion { user_data, res: result, flags, big: None });
        self.finish(token, Ok(0));
    }

    /// Tells the messages that the ring has for itself.
    #[inline(never)]
    pub(super) fn tell_messages(&mut self) {
        for message in core::mem::take(&mut self.own_messages) {
            self.tell(message);
        }
    }

    fn message(&mut self, token: Token) -> Result<Message<W>, Errno> {
        let sqe = self.entry(token).ok_or(Errno::EBADF)?;
        // No ring is in a table of files.
        let is_fixed = sqe.flags.contains(SqeFlags::FIXED_FILE);
        let target = if is_fixed { None } else { self.world.ring(sqe.fd) };
        let target = target.ok_or(Errno::EBADFD)?;
        if sqe.addr != MsgRingCommand::SEND_FD.raw() {
            return Message::data(&sqe, target);
        }
        if sqe.len != 0 || self.world.is_own(&target) {
            return Err(Errno::EINVAL);
        }
        let file = self.fixed_file(token, sqe.addr3 as u32)?;
        Ok(Message {
            token: None,
            target,
            user_data: sqe.off,
            result: 0,
            flags: CqeFlags::empty(),
            file: Some((file, sqe.splice_fd_in as u32)),
            is_silent: MsgRingFlags(sqe.rw_flags).contains(MsgRingFlags::CQE_SKIP),
        })
    }

    /// Whether there is something to deliver.
    pub(crate) fn has_messages(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// What is to be delivered.
    pub(crate) fn take_messages(&mut self) -> Vec<Message<W>> {
        core::mem::take(&mut self.outbox)
    }

    /// A message was delivered, or could not be.
    pub(crate) fn sent(&mut self, token: Option<Token>, result: Result<u32, Errno>) {
        if let Some(token) = token {
            self.finish(token, result);
        }
    }

    /// A message for this ring. `file` is a number of this process, which stays the caller's.
    ///
    /// # Errors
    /// `EBADFD`: the ring is not enabled. `ENXIO`, `EINVAL`, `ENFILE`: there is no slot for it.
    pub(crate) fn receive(
        &mut self,
        message: &Message<W>,
        file: Option<(i32, u32)>,
    ) -> Result<u32, Errno> {
        if !self.rules.is_enabled() {
            return Err(Errno::EBADFD);
        }
        let mut answer = 0;
        let mut result = message.result;
        if let Some((number, slot)) = file {
            let kept = self.world.file(number).and_then(|file| self.world.keep(file))?;
            let put = self.put_fixed(slot, kept);
            // It is the sender's thread that lets go what was there.
            self.closed.let_go();
            answer = put?;
            result = answer as i32;
        }
        if !message.is_silent {
            let Message { user_data, flags, .. } = *message;
            self.tell(Completion { user_data, res: result, flags, big: None });
            self.run();
        }
        Ok(answer)
    }
}
