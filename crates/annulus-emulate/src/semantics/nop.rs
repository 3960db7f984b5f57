//! `NOP`, which does nothing, in several ways.

use annulus_ring::Errno;
use annulus_ring::abi::{NopFlags, SetupFlags, Sqe, SqeFlags};

use super::Core;
use crate::world::{Token, World};

/// Checks a NOP of a ring that was made with these flags.
pub(super) fn prepare_nop(sqe: &Sqe, ring: SetupFlags) -> Result<(), Errno> {
    let flags = NopFlags(sqe.rw_flags);
    if flags.is_empty() {
        return Ok(());
    }
    let known = NopFlags::ALL.iter().fold(NopFlags::empty(), |all, known| all | known.value);
    let has_room = ring.intersects(SetupFlags::CQE32 | SetupFlags::CQE_MIXED);
    super::prepare::must(known.contains(flags) && (has_room || !flags.contains(NopFlags::CQE32)))
}

impl<W: World> Core<W> {
    /// Does nothing, but looks for what it names.
    pub(super) fn do_nothing(&mut self, token: Token, sqe: &Sqe) {
        let flags = NopFlags(sqe.rw_flags);
        let is_injected = flags.contains(NopFlags::INJECT_RESULT);
        let injected = if is_injected { sqe.len as i32 } else { 0 };
        let looked = self.look_for_nop(token, sqe, flags);
        let result = looked.map_or_else(|errno: Errno| -errno.raw(), |()| injected);
        let Some(request) = self.requests.get_mut(token) else { return };
        request.result = result;
        if flags.contains(NopFlags::CQE32) {
            request.big = Some([sqe.off, sqe.addr]);
        }
        if result < 0 {
            request.mark_failed();
        }
        self.complete(token);
    }

    fn look_for_nop(&mut self, token: Token, sqe: &Sqe, flags: NopFlags) -> Result<(), Errno> {
        if flags.contains(NopFlags::FILE) {
            let is_fixed =
                flags.contains(NopFlags::FIXED_FILE) || sqe.flags.contains(SqeFlags::FIXED_FILE);
            match is_fixed {
                true => self.fixed_file(token, sqe.fd as u32).map(drop)?,
                false => self.world.file(sqe.fd).map(drop)?,
            }
        }
        if flags.contains(NopFlags::FIXED_BUFFER) {
            self.fixed_buffer(token, sqe.buf_index)?;
        }
        Ok(())
    }
}
