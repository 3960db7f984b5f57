//! The table of files: those that entries name by a slot, kept open for as long as they are there.

use core::ops::Range;
use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{FILE_INDEX_ALLOC, InstallFdFlags, Op, RsrcUpdate2, Sqe};

use super::Core;
use super::tags::Tag;
use crate::world::{Stable, Token, World};

/// A file of the table.
#[derive(Debug)]
struct Slot<F> {
    file: F,
    tag: Tag,
}

/// See above. Without slots there is no table.
#[derive(Debug)]
pub(super) struct FileTable<F> {
    slots: Vec<Option<Slot<F>>>,
    /// Where free slots are picked.
    range: Range<u32>,
    /// Where the search for one begins.
    hint: u32,
}

impl<F> FileTable<F> {
    /// No table.
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), range: 0..0, hint: 0 }
    }

    /// A table whose slots are all empty.
    pub(super) fn sparse(count: u32) -> Self {
        let slots = (0..count).map(|_| None).collect();
        Self { slots, range: 0..count, hint: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The file in a slot.
    pub(super) fn at(&self, slot: u32) -> Option<&F> {
        self.slots.get(slot as usize).and_then(Option::as_ref).map(|slot| &slot.file)
    }

    /// The file in a slot, if nobody is told of its end.
    pub(super) fn untagged(&self, slot: u32) -> Option<&F> {
        let slot = self.slots.get(slot as usize)?.as_ref()?;
        if slot.tag.is_some() { None } else { Some(&slot.file) }
    }

    pub(super) fn is_none(&self) -> bool {
        self.slots.is_empty()
    }

    /// Has free slots be picked there.
    pub(super) fn pick_in(&mut self, range: Range<u32>) {
        self.hint = range.start;
        self.range = range;
    }

    /// A free slot: behind the one that was filled last, or the one that was emptied last, or
    /// behind, as Linux looks for it.
    fn vacant(&mut self) -> Result<u32, Errno> {
        if !self.range.contains(&self.hint) {
            self.hint = self.range.start;
        }
        let mut end = self.range.end.min(self.len());
        loop {
            let free = |slot: &u32| self.slots[*slot as usize].is_none();
            if let Some(slot) = (self.hint..end).find(free) {
                return Ok(slot);
            }
            if self.hint == self.range.start {
                return Err(Errno::ENFILE);
            }
            end = self.hint.min(self.len());
            self.hint = self.range.start;
        }
    }

    /// Fills a slot that there is; what was in it is to be released.
    pub(super) fn fill(&mut self, slot: u32, file: F, tag: Tag) -> Option<(F, Tag)> {
        let before = self.slots[slot as usize].replace(Slot { file, tag });
        if before.is_none() {
            self.hint = slot + 1;
        }
        before.map(|before| (before.file, before.tag))
    }

    /// Empties a slot that there is; what was in it is to be released.
    pub(super) fn empty(&mut self, slot: u32) -> Option<(F, Tag)> {
        let before = self.slots[slot as usize].take()?;
        self.hint = slot;
        Some((before.file, before.tag))
    }

    /// Empties all of them: the tags, the last first.
    pub(super) fn into_tags(self) -> impl Iterator<Item = Tag> {
        self.slots.into_iter().rev().flatten().map(|slot| slot.tag)
    }
}

/// `FILES_UPDATE`, as an entry has it.
pub(super) fn prepare_files_update(sqe: &Sqe) -> Result<(), Errno> {
    use annulus_ring::abi::SqeFlags;
    let wrong = sqe.flags.intersects(SqeFlags::FIXED_FILE | SqeFlags::BUFFER_SELECT);
    super::prepare::must(!wrong && sqe.rw_flags == 0 && sqe.splice_fd_in == 0 && sqe.len > 0)
}

/// `FIXED_FD_INSTALL`.
pub(super) fn prepare_install(sqe: &Sqe) -> Result<(), Errno> {
    use annulus_ring::abi::SqeFlags;
    let Sqe { off, addr, len, buf_index, splice_fd_in, addr3, .. } = *sqe;
    let is_bare = (off, addr, len, buf_index, splice_fd_in, addr3) == (0, 0, 0, 0, 0, 0);
    super::prepare::must(is_bare)?;
    if !sqe.flags.contains(SqeFlags::FIXED_FILE) {
        return Err(Errno::EBADF);
    }
    super::prepare::must(InstallFdFlags::NO_CLOEXEC.contains(InstallFdFlags(sqe.rw_flags)))
}

impl<W: World> Core<W> {
    /// The file in a slot of the table, which the request holds until it is over.
    ///
    /// # Errors
    /// `EBADF`: there is none.
    pub(super) fn fixed_file(&mut self, token: Token, slot: u32) -> Result<W::File, Errno> {
        let found = self.files.slots.get(slot as usize).and_then(Option::as_ref);
        let Slot { file, tag } = found.ok_or(Errno::EBADF)?;
        let (file, tag) = (file.clone(), tag.clone());
        self.hold(token, tag);
        Ok(file)
    }

    /// Whether a slot of the table has a file.
    ///
    /// # Errors
    /// `EBADF`: it has not.
    pub(super) fn has_fixed(&self, slot: u32) -> Result<(), Errno> {
        let found = self.files.slots.get(slot as usize).and_then(Option::as_ref);
        found.map(drop).ok_or(Errno::EBADF)
    }

    /// Puts a descriptor that an operation has made into the table: it is the process's no longer,
    /// whatever the answer. `file_index` is an entry's: a slot and one, or
    /// [`FILE_INDEX_ALLOC`], which answers the slot that was picked.
    ///
    /// # Errors
    /// `ENXIO`: there is no table. `EINVAL`: it has no such slot. `ENFILE`: none is free. `EMFILE`.
    pub(super) fn install_fixed(&mut self, file_index: u32, fd: RawFd) -> Result<u32, Errno> {
        let file = self.world.file(fd).and_then(|file| self.world.keep(file));
        // The table keeps a descriptor of its own: what closing this one says matters to nobody.
        let _ = self.world.close(fd);
        let file = file?;
        let put = self.put_fixed(file_index, file.clone());
        if put.is_err() {
            // Linux ends it a little later.
            self.closed.hold(file);
        }
        put
    }

    /// As [`install_fixed`](Self::install_fixed), of a file that is kept.
    pub(super) fn put_fixed(&mut self, file_index: u32, file: W::File) -> Result<u32, Errno> {
        let slot = match file_index {
            FILE_INDEX_ALLOC => self.files.vacant()?,
            index => index.wrapping_sub(1),
        };
        if self.files.is_none() {
            return Err(Errno::ENXIO);
        }
        if slot >= self.files.len() {
            return Err(Errno::EINVAL);
        }
        if let Some(before) = self.files.fill(slot, file, Tag::default()) {
            self.release_file(before);
        }
        Ok(if file_index == FILE_INDEX_ALLOC { slot } else { 0 })
    }

    /// Puts both ends of a pipe into the table, one slot after the other where the first is given,
    /// and writes the slots where the entry says.
    ///
    /// # Errors
    /// As [`install_fixed`](Self::install_fixed): then neither is in the table.
    pub(super) fn install_pipe(&mut self, token: Token, file_index: u32) -> Result<u32, Errno> {
        let work = self.requests.get_mut(token).and_then(|request| request.work.as_mut());
        let Some(work) = work else { return Ok(0) };
        let Stable::Ends(ends) = core::mem::take(&mut work.stable) else { return Ok(0) };
        let addr = work.sqe.addr;
        let mut slots = [0; 2];
        let mut failed = None;
        for (n, end) in ends.into_iter().enumerate() {
            if failed.is_some() {
                let _ = self.world.close(end);
                continue;
            }
            let picks = file_index == FILE_INDEX_ALLOC;
            let index = if picks { file_index } else { file_index.wrapping_add(n as u32) };
            match self.install_fixed(index, end) {
                Ok(slot) => slots[n] = if picks { slot } else { index - 1 },
                Err(errno) => failed = Some((n, errno)),
            }
        }
        if failed.is_none() {
            let written = self.user.write(addr, slots[0]);
            let written = written.and_then(|()| self.user.write(addr + 4, slots[1]));
            failed = written.err().map(|errno| (2, errno));
        }
        let Some((count, errno)) = failed else { return Ok(0) };
        for slot in &slots[..count] {
            let _ = self.close_fixed(*slot);
        }
        Err(errno)
    }

    /// Empties a slot, as `CLOSE` does.
    ///
    /// # Errors
    /// `ENXIO`: there is no table. `EINVAL`: it has no such slot. `EBADF`: the slot is empty.
    pub(super) fn close_fixed(&mut self, slot: u32) -> Result<u32, Errno> {
        if self.files.is_none() {
            return Err(Errno::ENXIO);
        }
        if slot >= self.files.len() {
            return Err(Errno::EINVAL);
        }
        let before = self.files.empty(slot).ok_or(Errno::EBADF)?;
        self.release_file(before);
        Ok(0)
    }

    /// Lets go what was in a slot. Linux ends the file a little later: those that begin in the same
    /// round, or in the next, may find that it is open still.
    pub(super) fn release_file(&mut self, (file, tag): (W::File, Tag)) {
        self.closed.hold(file);
        self.release(tag);
    }

    /// Begins what changes the table. Whether it is that.
    pub(super) fn begin_with_table(&mut self, token: Token, sqe: &Sqe) -> bool {
        let result = match sqe.opcode {
            Op::FILES_UPDATE if sqe.off as u32 == FILE_INDEX_ALLOC => {
                self.fill_vacant(sqe.addr, sqe.len)
            }
            Op::FILES_UPDATE => {
                let (offset, data, nr) = (sqe.off as u32, sqe.addr, sqe.len);
                self.update_files(&RsrcUpdate2 { offset, data, nr, ..RsrcUpdate2::default() })
            }
            Op::FIXED_FD_INSTALL => {
                let cloexec = !InstallFdFlags(sqe.rw_flags).contains(InstallFdFlags::NO_CLOEXEC);
                let file = self.fixed_file(token, sqe.fd as u32);
                file.and_then(|file| self.world.install(&file, cloexec)).map(|fd| fd as u32)
            }
            Op::CLOSE if sqe.splice_fd_in != 0 => {
                self.close_fixed((sqe.splice_fd_in as u32).wrapping_sub(1))
            }
            _ => return false,
        };
        self.finish(token, result);
        true
    }

    /// Puts the descriptors at `addr` into free slots, whose numbers take their place.
    fn fill_vacant(&mut self, addr: u64, count: u32) -> Result<u32, Errno> {
        if self.files.is_none() {
            return Err(Errno::ENXIO);
        }
        for done in 0..count {
            if let Err(errno) = self.fill_vacant_one(addr + u64::from(done) * 4) {
                return if done > 0 { Ok(done) } else { Err(errno) };
            }
        }
        Ok(count)
    }

    fn fill_vacant_one(&mut self, addr: u64) -> Result<(), Errno> {
        let file = self.file_for_table(self.user.read(addr)?)?;
        let slot = self.put_fixed(FILE_INDEX_ALLOC, file)?;
        self.user.write(addr, slot)
    }

    /// A file of the process, kept for the table: no ring, which would keep itself.
    pub(super) fn file_for_table(&mut self, fd: RawFd) -> Result<W::File, Errno> {
        let file = self.world.file(fd)?;
        if self.world.is_ring(fd) {
            return Err(Errno::EBADF);
        }
        self.world.keep(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_slots_are_found_where_they_may_be() {
        let mut table: FileTable<()> = FileTable::sparse(8);
        assert_eq!(table.vacant(), Ok(0));
        table.pick_in(6..8);
        assert_eq!(table.vacant(), Ok(6));
        assert!(table.fill(6, (), Tag::default()).is_none());
        assert_eq!(table.vacant(), Ok(7));
        assert!(table.fill(7, (), Tag::default()).is_none());
        assert_eq!(table.vacant(), Err(Errno::ENFILE));
        assert!(table.empty(6).is_some() && table.empty(6).is_none());
        assert_eq!(table.vacant(), Ok(6));
        assert_eq!(FileTable::<()>::new().vacant(), Err(Errno::ENFILE));
    }
}
