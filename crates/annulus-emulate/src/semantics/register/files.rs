//! The table of files, as registrations make and change it.

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{
    FileIndexRange, REGISTER_FILES_SKIP, RegisterOp, RsrcRegister, RsrcRegisterFlags, RsrcUpdate,
    RsrcUpdate2,
};

use super::{counted, must};
use crate::semantics::Core;
use crate::semantics::files::FileTable;
use crate::semantics::tags::Tag;
use crate::world::World;

/// The longest table (`IORING_MAX_FIXED_FILES`).
const FILES_MAX: u32 = 1 << 20;
/// In a list of descriptors: an empty slot.
const EMPTY: RawFd = -1;

impl<W: World> Core<W> {
    /// A registration of this family. `None`: it is of another.
    pub(super) fn register_files(
        &mut self,
        op: RegisterOp,
        arg: u64,
        count: u32,
    ) -> Option<Result<u32, Errno>> {
        Some(match op {
            RegisterOp::FILES if arg == 0 => Err(Errno::EFAULT),
            RegisterOp::FILES => self.make_files(count, arg, 0),
            RegisterOp::FILES2 => self.make_files_tagged(arg, count),
            RegisterOp::UNREGISTER_FILES => {
                must(arg == 0 && count == 0).and_then(|()| self.drop_files())
            }
            RegisterOp::FILES_UPDATE => self.update_files_list(arg, count),
            RegisterOp::FILES_UPDATE2 => self.rsrc_update(arg, count, Self::update_files),
            RegisterOp::FILE_ALLOC_RANGE => self.pick_files_in(arg, count),
            _ => return None,
        })
    }

    fn make_files_tagged(&mut self, arg: u64, bytes: u32) -> Result<u32, Errno> {
        let table = self.rsrc_register(arg, bytes)?;
        self.make_files(table.nr, table.data, table.tags)
    }

    /// What FILES2 and BUFFERS2 are told.
    pub(super) fn rsrc_register(&self, arg: u64, bytes: u32) -> Result<RsrcRegister, Errno> {
        must(bytes as usize == size_of::<RsrcRegister>())?;
        let table: RsrcRegister = self.user.read(arg)?;
        must(table.nr > 0 && table.resv2 == 0 && RsrcRegisterFlags::SPARSE.contains(table.flags))?;
        must(!table.flags.contains(RsrcRegisterFlags::SPARSE) || table.data == 0)?;
        Ok(table)
    }

    /// What FILES_UPDATE2 and BUFFERS_UPDATE are told.
    pub(super) fn rsrc_update(
        &mut self,
        arg: u64,
        bytes: u32,
        update: fn(&mut Self, &RsrcUpdate2) -> Result<u32, Errno>,
    ) -> Result<u32, Errno> {
        must(bytes as usize == size_of::<RsrcUpdate2>())?;
        let change: RsrcUpdate2 = self.user.read(arg)?;
        must(change.nr > 0 && change.resv == 0 && change.resv2 == 0)?;
        update(self, &change)
    }

    fn make_files(&mut self, count: u32, list: u64, tags: u64) -> Result<u32, Errno> {
        if !self.files.is_none() {
            return Err(Errno::EBUSY);
        }
        must(count > 0)?;
        if count > FILES_MAX || u64::from(count) > self.world.files_max() {
            return Err(Errno::EMFILE);
        }
        let mut files = FileTable::sparse(count);
        for slot in 0..count {
            let tag = self.tag_of(tags, slot)?;
            let fd = if list == 0 { EMPTY } else { self.user.read(list + u64::from(slot) * 4)? };
            if fd == EMPTY {
                must(tag == 0)?;
                continue;
            }
            let file = self.file_for_table(fd)?;
            files.fill(slot, file, Tag::new(tag));
        }
        files.pick_in(0..count);
        self.files = files;
        Ok(0)
    }

    /// The tag of a list, if there is one.
    pub(super) fn tag_of(&self, tags: u64, at: u32) -> Result<u64, Errno> {
        if tags == 0 { Ok(0) } else { self.user.read(tags + u64::from(at) * 8) }
    }

    fn drop_files(&mut self) -> Result<u32, Errno> {
        if self.files.is_none() {
            return Err(Errno::ENXIO);
        }
        let files = core::mem::replace(&mut self.files, FileTable::new());
        for tag in files.into_tags() {
            self.release(tag);
        }
        Ok(0)
    }

    fn update_files_list(&mut self, arg: u64, count: u32) -> Result<u32, Errno> {
        must(count > 0)?;
        let RsrcUpdate { offset, resv, data } = self.user.read(arg)?;
        must(resv == 0)?;
        self.update_files(&RsrcUpdate2 { offset, data, nr: count, ..RsrcUpdate2::default() })
    }

    /// Changes slots, one after the other, up to the first error: how many.
    pub(in crate::semantics) fn update_files(&mut self, up: &RsrcUpdate2) -> Result<u32, Errno> {
        let end = up.offset.checked_add(up.nr).ok_or(Errno::EOVERFLOW)?;
        if self.files.is_none() {
            return Err(Errno::ENXIO);
        }
        must(end <= self.files.len())?;
        counted(up.nr, |at| self.update_file(up, at))
    }

    fn update_file(&mut self, up: &RsrcUpdate2, at: u32) -> Result<(), Errno> {
        let tag = self.tag_of(up.tags, at)?;
        let fd: RawFd = self.user.read(up.data + u64::from(at) * 4)?;
        must(tag == 0 || fd != EMPTY && fd != REGISTER_FILES_SKIP)?;
        if fd == REGISTER_FILES_SKIP {
            return Ok(());
        }
        let slot = up.offset + at;
        // Emptied whatever comes then.
        if let Some(before) = self.files.empty(slot) {
            self.release_file(before);
        }
        if fd != EMPTY {
            let file = self.file_for_table(fd)?;
            self.files.fill(slot, file, Tag::new(tag));
        }
        Ok(())
    }

    fn pick_files_in(&mut self, arg: u64, count: u32) -> Result<u32, Errno> {
        must(arg != 0 && count == 0)?;
        let range: FileIndexRange = self.user.read(arg)?;
        let end = range.off.checked_add(range.len).ok_or(Errno::EOVERFLOW)?;
        must(range.resv == 0 && end <= self.files.len())?;
        self.files.pick_in(range.off..end);
        Ok(0)
    }
}
