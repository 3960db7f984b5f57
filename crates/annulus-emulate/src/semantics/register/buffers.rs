//! The table of buffers, as registrations make and change it.

use annulus_ring::Errno;
use annulus_ring::abi::{CloneBuffers, CloneBuffersFlags, Iovec, RegisterOp, RsrcUpdate2};

use super::{counted, must};
use crate::semantics::Core;
use crate::semantics::buffers::{Buffer, BufferTable};
use crate::semantics::tags::Tag;
use crate::world::{Span, World};

/// The longest table (`IORING_MAX_REG_BUFFERS`).
const BUFFERS_MAX: u32 = 1 << 14;
/// The longest buffer.
const BUFFER_BYTES_MAX: usize = 1 << 30;

impl<W: World> Core<W> {
    /// A registration of this family. `None`: it is of another.
    pub(super) fn register_buffers(
        &mut self,
        op: RegisterOp,
        arg: u64,
        count: u32,
    ) -> Option<Result<u32, Errno>> {
        Some(match op {
            RegisterOp::BUFFERS if arg == 0 => Err(Errno::EFAULT),
            RegisterOp::BUFFERS => self.make_buffers(count, arg, 0),
            RegisterOp::BUFFERS2 => {
                let table = self.rsrc_register(arg, count);
                table.and_then(|table| self.make_buffers(table.nr, table.data, table.tags))
            }
            RegisterOp::UNREGISTER_BUFFERS => {
                must(arg == 0 && count == 0).and_then(|()| self.drop_buffers())
            }
            RegisterOp::BUFFERS_UPDATE => self.rsrc_update(arg, count, Self::update_buffers),
            _ => return None,
        })
    }

    fn make_buffers(&mut self, count: u32, list: u64, tags: u64) -> Result<u32, Errno> {
        if !self.buffers.is_empty() {
            return Err(Errno::EBUSY);
        }
        must((1..=BUFFERS_MAX).contains(&count))?;
        let made: Result<BufferTable, Errno> = match list {
            0 => (0..count).map(|at| must(self.tag_of(tags, at)? == 0).map(|()| None)).collect(),
            list => (0..count).map(|at| self.buffer_of(list, tags, at)).collect(),
        };
        self.buffers = made?;
        Ok(0)
    }

    /// A buffer of a list, with its tag. `None`: an empty one.
    fn buffer_of(&self, list: u64, tags: u64, at: u32) -> Result<Option<Buffer>, Errno> {
        let piece: Iovec = self.user.read(list + u64::from(at) * size_of::<Iovec>() as u64)?;
        let tag = self.tag_of(tags, at)?;
        let span = Span::from(piece);
        if span.addr == 0 && span.bytes == 0 {
            must(tag == 0)?;
            return Ok(None);
        }
        if span.addr == 0 || span.bytes == 0 || span.bytes > BUFFER_BYTES_MAX {
            return Err(Errno::EFAULT);
        }
        span.addr.checked_add(span.bytes as u64).ok_or(Errno::EOVERFLOW)?;
        self.user.populate(span.addr, span.bytes)?;
        Ok(Some(Buffer { span, tag: Tag::new(tag) }))
    }

    fn drop_buffers(&mut self) -> Result<u32, Errno> {
        if self.buffers.is_empty() {
            return Err(Errno::ENXIO);
        }
        let buffers = core::mem::take(&mut self.buffers);
        self.release_buffers(buffers);
        Ok(0)
    }

    fn release_buffers(&mut self, buffers: BufferTable) {
        for buffer in buffers.into_iter().rev().flatten() {
            self.release(buffer.tag);
        }
    }

    /// Changes slots, one after the other, up to the first error: how many.
    fn update_buffers(&mut self, up: &RsrcUpdate2) -> Result<u32, Errno> {
        let end = up.offset.checked_add(up.nr).ok_or(Errno::EOVERFLOW)?;
        if self.buffers.is_empty() {
            return Err(Errno::ENXIO);
        }
        must(end as usize <= self.buffers.len())?;
        counted(up.nr, |at| {
            let buffer = self.buffer_of(up.data, up.tags, at)?;
            let slot = &mut self.buffers[(up.offset + at) as usize];
            if let Some(before) = core::mem::replace(slot, buffer) {
                self.release(before.tag);
            }
            Ok(())
        })
    }

    /// The buffers, for another ring that takes them.
    pub(crate) fn buffers_to_clone(&self) -> Vec<Option<Span>> {
        let span = |buffer: &Option<Buffer>| buffer.as_ref().map(|buffer| buffer.span);
        self.buffers.iter().map(span).collect()
    }

    /// `CLONE_BUFFERS`: takes buffers of another ring, which `source` looks up.
    ///
    /// # Errors
    /// `EBUSY`: there are buffers, and they are not to be replaced. `ENXIO`: the other has none.
    /// `EINVAL`, `EOVERFLOW`: a range that it has not. Else what `source` says.
    pub(crate) fn clone_buffers(
        &mut self,
        arg: &CloneBuffers,
        source: Result<Vec<Option<Span>>, Errno>,
    ) -> Result<u32, Errno> {
        let replaces = arg.flags.contains(CloneBuffersFlags::DST_REPLACE);
        must(
            (CloneBuffersFlags::SRC_REGISTERED | CloneBuffersFlags::DST_REPLACE)
                .contains(arg.flags),
        )?;
        if !replaces && !self.buffers.is_empty() {
            return Err(Errno::EBUSY);
        }
        must(arg.pad == [0; 3])?;
        let source = source?;
        must(arg.nr > 0 || arg.src_off == 0 && arg.dst_off == 0)?;
        if source.is_empty() {
            return Err(Errno::ENXIO);
        }
        let nr = if arg.nr == 0 { source.len() as u32 } else { arg.nr };
        must(nr as usize <= source.len())?;
        let end = nr.checked_add(arg.src_off).ok_or(Errno::EOVERFLOW)? as usize;
        if end > source.len() {
            return Err(Errno::EOVERFLOW);
        }
        let last = nr.checked_add(arg.dst_off).ok_or(Errno::EOVERFLOW)?;
        must(last <= BUFFERS_MAX)?;
        let before = core::mem::take(&mut self.buffers);
        let mut after = before.clone();
        after.resize(after.len().max(last as usize), None);
        let taken = source[arg.src_off as usize..end].iter();
        for (slot, span) in after[arg.dst_off as usize..].iter_mut().zip(taken) {
            *slot = span.map(|span| Buffer { span, tag: Tag::default() });
        }
        self.buffers = after;
        self.release_buffers(before);
        Ok(0)
    }
}
