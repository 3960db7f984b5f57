//! Copies from and to the addresses that entries carry, as a kernel makes them: by value, checked
//! against nonsense, and never as a reference.
//!
//! What a program may write wrongly into an entry, Linux answers with `EFAULT`. A kernel inside the
//! program cannot: an address that is wrong ends the program, as anywhere else. Only the first page
//! is known to be nobody's.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicU16, Ordering};
use std::ffi::CString;

use annulus_ring::Errno;
use annulus_ring::abi::{
    AttrPi, Buf, BufReg, BufStatus, ClockRegister, CloneBuffers, EpollEvent, FileIndexRange,
    GeteventsArg, Iovec, MemRegionReg, OpenHow, Probe, ProbeOp, QueryHdr, QueryOpcode, RegWait,
    RegionDesc, Restriction, RsrcRegister, RsrcUpdate, RsrcUpdate2, Sqe, SyncCancelReg, Timespec,
};

use crate::world::Span;

/// The longest path, with its end (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;
/// What is beyond the beginning of a page.
const PAGE_MASK: u64 = 4095;
/// Below that nothing is mapped.
const FIRST_ADDRESS: u64 = 4096;
/// From there on nothing is a program's, on any machine.
const END_ADDRESS: u64 = 1 << 56;

/// A type that any bytes are a value of, and that has no bytes beside its fields.
///
/// # Safety
/// - As said.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($Type:ty),* $(,)?) => {$(
        // SAFETY: integers, and flat structures of integers without padding.
        unsafe impl Plain for $Type {}
    )*};
}
plain!(u8, u16, u32, i32, u64, Iovec, Timespec, GeteventsArg, OpenHow, EpollEvent, AttrPi);
plain!(Buf, BufReg, BufStatus, CloneBuffers, FileIndexRange, RsrcRegister, RsrcUpdate, RsrcUpdate2);
plain!(annulus_ring::abi::FutexWaitv);
plain!(ClockRegister, MemRegionReg, Probe, ProbeOp, QueryHdr, QueryOpcode, RegWait, RegionDesc);
plain!(Restriction, Sqe, SyncCancelReg);

/// Leave to touch the program's memory where its entries say so.
///
/// Each copy happens while the entry that carries the address is under way, or in the call that
/// carries it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uaccess(());

/// An address that may be one.
pub(crate) fn checked(addr: u64) -> Result<usize, Errno> {
    let may_be = (FIRST_ADDRESS..END_ADDRESS).contains(&addr);
    if may_be { Ok(addr as usize) } else { Err(Errno::EFAULT) }
}

/// Whether the kernel brings pages when it is asked to: it is asked to bring none.
fn can_populate() -> bool {
    // SAFETY: no page is touched.
    unsafe { libc::madvise(core::ptr::null_mut(), 0, libc::MADV_POPULATE_WRITE) == 0 }
}

impl Uaccess {
    /// Leave to touch what entries and calls point to.
    ///
    /// # Safety
    /// - The addresses that are given to the methods are those of entries, or of calls, whose
    ///   makers promised that what they point to is valid as their operation demands, and it still
    ///   is so.
    pub(crate) unsafe fn promised() -> Self {
        Self(())
    }

    /// Looks whether memory can be a program's at all, as Linux does when it takes an entry. What
    /// is there is seen by the call that moves bytes.
    pub(crate) fn check_span(self, span: Span) -> Result<(), Errno> {
        let end = span.addr.checked_add(span.bytes as u64);
        if end.is_some_and(|end| end <= END_ADDRESS) { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies a value out of the program's memory; it need not be aligned there.
    pub(crate) fn read<T: Plain>(self, addr: u64) -> Result<T, Errno> {
        let from = core::ptr::with_exposed_provenance::<T>(checked(addr)?);
        // SAFETY: an address of an entry's, valid for its operation (`promised`); any bytes are a
        // value (`Plain`).
        Ok(unsafe { from.read_unaligned() })
    }

    /// Copies a value into the program's memory; it need not be aligned there.
    pub(crate) fn write<T: Plain>(self, addr: u64, value: T) -> Result<(), Errno> {
        let to = core::ptr::with_exposed_provenance_mut::<T>(checked(addr)?);
        // SAFETY: an address of an entry's, writable for its operation (`promised`).
        unsafe { to.write_unaligned(value) };
        Ok(())
    }

    /// Copies `count` values out.
    pub(crate) fn read_many<T: Plain>(self, addr: u64, count: usize) -> Result<Vec<T>, Errno> {
        let from = core::ptr::with_exposed_provenance::<T>(if count == 0 {
            return Ok(Vec::new());
        } else {
            checked(addr)?
        });
        let mut values = Vec::with_capacity(count);
        for n in 0..count {
            // SAFETY: the entry says that so many are there (`promised`).
            let at = unsafe { from.add(n) };
            // SAFETY: as above; any bytes are a value (`Plain`).
            values.push(unsafe { at.read_unaligned() });
        }
        Ok(values)
    }

    /// Has memory be there, to be written to, as what is registered must.
    ///
    /// # Errors
    /// `EFAULT`: it is not mapped, or not to be written to.
    pub(crate) fn populate(self, addr: u64, bytes: usize) -> Result<(), Errno> {
        let begin = addr & !PAGE_MASK;
        let end = addr.checked_add(bytes as u64).ok_or(Errno::EFAULT)?;
        let at = core::ptr::with_exposed_provenance_mut(checked(begin)?);
        let length = (end.checked_add(PAGE_MASK).ok_or(Errno::EFAULT)? & !PAGE_MASK) - begin;
        // SAFETY: no content changes: pages that are there already stay as they are, and those of
        // a mapping that are not come as its first touch would bring them.
        let result = unsafe { libc::madvise(at, length as usize, libc::MADV_POPULATE_WRITE) };
        if result == 0 {
            return Ok(());
        }
        match std::io::Error::last_os_error().raw_os_error() {
            // Before Linux 5.14, or kept from us: it is as good as it is.
            Some(libc::EINVAL | libc::EPERM | libc::ENOSYS) if !can_populate() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Reads a tail that the program moves, and all that it wrote before.
    pub(crate) fn tail(self, addr: u64) -> Result<u16, Errno> {
        let at = core::ptr::with_exposed_provenance_mut::<u16>(checked(addr)?);
        // SAFETY: the tail of a ring of buffers, aligned since the ring begins a page, and there
        // until it is unregistered (`promised`); both sides touch it as an atomic.
        let tail = unsafe { AtomicU16::from_ptr(at) };
        // Acquire: pairs with the program's release of the tail: what it put in comes before.
        Ok(tail.load(Ordering::Acquire))
    }

    /// Copies a path.
    ///
    /// # Errors
    /// `ENAMETOOLONG`: it has no end within 4096 bytes.
    pub(crate) fn path(self, addr: u64) -> Result<CString, Errno> {
        let path = self.text(addr, PATH_BYTES_MAX)?;
        path.ok_or(Errno::ENAMETOOLONG)
    }

    /// Copies a text, unless it is `bytes_max` long, its end included, and has none by then.
    pub(crate) fn text(self, addr: u64, bytes_max: usize) -> Result<Option<CString>, Errno> {
        let from = core::ptr::with_exposed_provenance::<c_char>(checked(addr)?);
        // SAFETY: the entry says that a text with an end is there (`promised`); the count stops at
        // its end, or at so many bytes.
        let bytes = unsafe { libc::strnlen(from, bytes_max) };
        if bytes == bytes_max {
            return Ok(None);
        }
        // SAFETY: its end was found.
        Ok(Some(unsafe { CStr::from_ptr(from) }.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Uaccess {
        // SAFETY: the tests name memory of their own, and the first page.
        unsafe { Uaccess::promised() }
    }

    #[test]
    fn values_are_copied_wherever_they_lie() {
        let mut bytes = [0u8; 9];
        let addr = bytes.as_mut_ptr().expose_provenance() as u64 + 1;
        user().write(addr, 0x0102_0304_0506_0708_u64).expect("room");
        assert_eq!(user().read::<u64>(addr), Ok(0x0102_0304_0506_0708));
        assert_eq!(user().read_many::<u16>(addr, 4).expect("eight bytes").len(), 4);
        assert_eq!(bytes[0], 0);
    }

    #[test]
    fn nothing_is_at_the_beginning() {
        assert_eq!(user().read::<u32>(0), Err(Errno::EFAULT));
        assert_eq!(user().write(8, 1u32), Err(Errno::EFAULT));
        assert_eq!(user().path(0), Err(Errno::EFAULT));
        assert_eq!(user().write(0, 1_u8), Err(Errno::EFAULT));
    }

    #[test]
    fn a_text_has_an_end_in_time() {
        let text = c"four";
        let addr = text.as_ptr().expose_provenance() as u64;
        assert_eq!(user().text(addr, 5), Ok(Some(text.to_owned())));
        assert_eq!(user().text(addr, 4), Ok(None));
        let long = CString::new(vec![b'x'; PATH_BYTES_MAX]).expect("no zero");
        assert_eq!(user().path(long.as_ptr().expose_provenance() as u64), Err(Errno::ENAMETOOLONG));
    }
}
