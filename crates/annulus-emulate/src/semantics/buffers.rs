//! Registered buffers: memory that entries name by an index, and must stay inside.

use annulus_ring::Errno;
use annulus_ring::abi::{Op, RecvSendFlags, Sqe};

use super::Core;
use super::tags::Tag;
use crate::world::{Span, Stable, Token, Work, World};

/// The most that one operation moves (`MAX_RW_COUNT`).
pub(super) const MOVED_BYTES_MAX: usize = 0x7fff_f000;

/// A registered buffer.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub(super) span: Span,
    pub(super) tag: Tag,
}

impl Buffer {
    /// Whether a piece is within it, as Linux checks it.
    fn check(&self, piece: Span) -> Result<(), Errno> {
        let end = |span: Span| span.addr.checked_add(span.bytes as u64).ok_or(Errno::EFAULT);
        let within = piece.addr >= self.span.addr && end(piece)? <= end(self.span)?;
        if within && piece.bytes <= MOVED_BYTES_MAX { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

/// The table of buffers. Without slots there is none.
pub(super) type BufferTable = Vec<Option<Buffer>>;

impl<W: World> Core<W> {
    /// The registered buffer of this index, which the request holds until it is over.
    pub(super) fn fixed_buffer(&mut self, token: Token, index: u16) -> Result<Buffer, Errno> {
        let found = self.buffers.get(usize::from(index)).and_then(Option::as_ref);
        let buffer = found.ok_or(Errno::EFAULT)?.clone();
        self.hold(token, buffer.tag.clone());
        Ok(buffer)
    }

    /// Checks the pieces of a request that names a registered buffer. Not earlier than it begins:
    /// one before it may have registered it.
    ///
    /// # Errors
    /// `EFAULT`: there is no such buffer, or a piece is not inside it.
    pub(super) fn check_fixed(&mut self, token: Token) -> Result<(), Errno> {
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        let Some(work) = work.filter(|work| names_buffer(&work.sqe)) else { return Ok(()) };
        // It is held, whether it is what the pieces want or not.
        self.fixed_buffer(token, work.sqe.buf_index)?;
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        work.map_or(Ok(()), |work| find(&self.buffers, work).map(drop))
    }
}

/// The tag of the registered buffer that a piece of work names, which is checked; none, if it
/// names none.
///
/// # Errors
/// As [`Core::check_fixed`].
pub(super) fn find<F>(buffers: &BufferTable, work: &Work<F>) -> Result<Tag, Errno> {
    if !names_buffer(&work.sqe) {
        return Ok(Tag::default());
    }
    let Sqe { addr, len, buf_index, .. } = work.sqe;
    let found = buffers.get(usize::from(buf_index)).and_then(Option::as_ref);
    let buffer = found.ok_or(Errno::EFAULT)?;
    let pieces = match &work.stable {
        Stable::Pieces(pieces) => Some(pieces),
        Stable::Message(message) => Some(&message.pieces),
        _ => None,
    };
    let checked = match pieces {
        Some(pieces) => pieces.iter().try_for_each(|piece| {
            if piece.bytes == 0 { Err(Errno::EFAULT) } else { buffer.check(*piece) }
        }),
        None => buffer.check(Span { addr, bytes: len as usize }),
    };
    checked.map(|()| buffer.tag.clone())
}

/// Whether an entry names a registered buffer.
fn names_buffer(sqe: &Sqe) -> bool {
    match sqe.opcode {
        Op::READ_FIXED | Op::WRITE_FIXED | Op::READV_FIXED | Op::WRITEV_FIXED => true,
        Op::SEND_ZC | Op::SENDMSG_ZC => {
            RecvSendFlags(sqe.ioprio).contains(RecvSendFlags::FIXED_BUF)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_inside() {
        let span = |addr, bytes| Span { addr, bytes };
        let buffer = Buffer { span: span(0x1000, 0x1000), tag: Tag::default() };
        assert_eq!(buffer.check(span(0x1000, 0x1000)), Ok(()));
        assert_eq!(buffer.check(span(0x2000, 0)), Ok(()));
        for outside in [span(0xfff, 2), span(0x1001, 0x1000), span(u64::MAX, 2), span(0, 0)] {
            assert_eq!(buffer.check(outside), Err(Errno::EFAULT), "{outside:?}");
        }
    }
}
