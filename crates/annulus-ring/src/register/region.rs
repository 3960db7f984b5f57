//! Memory regions, and the one use that they have: waits whose arguments are registered.

use core::ptr::{self, NonNull};

use super::Register;
use crate::abi::{
    MemRegionFlags, MemRegionReg, MemRegionTypeFlags, RegWait, RegWaitFlags, RegionDesc,
    RegisterOp, Timespec,
};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::mapping::Mapping;
use crate::submitter::WaitIndex;
use crate::wait::{Limit, SignalMask, Wait};

/// Waits whose arguments the kernel need not copy in: for
/// [`submit_and_wait_registered`](crate::LocalRing::submit_and_wait_registered).
///
/// It is registered with a *disabled* ring, once. Then each place can be set again at any time,
/// without telling the kernel.
///
/// The kernel pins the pages, so dropping the region while the ring lives is harmless: the waits
/// then stay as they were last set (a signal mask excepted, which is read where it was). A program
/// that wants to set them keeps it.
///
/// ```
/// use annulus_ring::{Builder, Wait, WaitIndex, register::WaitRegion};
/// use std::time::Duration;
/// let mut waits = WaitRegion::new(2)?;
/// waits.set(WaitIndex(1), &Wait::new().timeout(Duration::from_millis(2)))?;
///
/// let parked = Builder::new().entries(8).build_parked()?;
/// let registered = parked.register().wait_region(&waits);
/// # if registered.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.13
/// assert!(registered.is_ok());
/// let mut ring = parked.enable()?;
/// assert!(ring.submit_and_wait_registered(1, WaitIndex(1)).unwrap_err().is_timeout());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_reg_wait")]
#[derive(Debug)]
pub struct WaitRegion {
    memory: Mapping,
    /// How many waits; the signal masks lie behind them, one each.
    count: u32,
}

impl WaitRegion {
    /// Memory for `count` waits, each without limit; at most 65,536.
    ///
    /// # Errors
    /// `ENOMEM`: no memory. A count of 0 or above 65,536 is refused.
    ///
    /// ```
    /// use annulus_ring::register::WaitRegion;
    /// assert_eq!(WaitRegion::new(3)?.len(), 3);
    /// assert!(WaitRegion::new(0).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new(count: u32) -> Result<Self> {
        const COUNT_MAX: u32 = 1 << 16;
        if count == 0 || count > COUNT_MAX {
            return Err(Error::usage("a wait region has 1 to 65536 places"));
        }
        let bytes = count as usize * (size_of::<RegWait>() + size_of::<SignalMask>());
        let bytes = bytes.next_multiple_of(rustix::param::page_size());
        let memory = Mapping::anonymous(bytes)
            .map_err(|errno| Error::os(errno, "mapping memory for registered waits"))?;
        Ok(Self { memory, count })
    }

    /// How many waits it has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::register::WaitRegion::new(1)?.len(), 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether it has none: never.
    ///
    /// ```
    /// assert!(!annulus_ring::register::WaitRegion::new(1)?.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn place<T>(&self, start: usize, index: WaitIndex) -> Result<NonNull<T>> {
        if index.0 >= self.count {
            return Err(Error::usage("the wait region has no such place"));
        }
        self.memory
            .at(start + index.0 as usize * size_of::<T>())
            .map_err(|errno| Error::os(errno, "finding a place in a wait region"))
    }

    /// Sets one wait: a time limit, a minimum wait and a signal mask.
    ///
    /// Not while a thread waits there: it may see half of the change.
    ///
    /// # Errors
    /// There is no such place; or `wait` has what a registered one cannot: a point in time, or to
    /// be kept out of the I/O wait time.
    ///
    /// ```
    /// use annulus_ring::{Wait, WaitIndex, abi::Timespec, register::WaitRegion};
    /// use std::time::Duration;
    /// let mut waits = WaitRegion::new(1)?;
    /// waits.set(WaitIndex(0), &Wait::new().min_wait(Duration::from_micros(50)))?;
    /// assert!(waits.set(WaitIndex(1), &Wait::new()).is_err());
    /// assert!(waits.set(WaitIndex(0), &Wait::new().until(Timespec::default())).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn set(&mut self, index: WaitIndex, wait: &Wait) -> Result<()> {
        if !wait.flags.is_empty() {
            return Err(Error::usage("a registered wait cannot be kept out of the I/O wait time"));
        }
        let limit = match wait.limit {
            Some(Limit::After(limit)) => Some(Timespec::from(limit)),
            Some(Limit::At(_)) => {
                return Err(Error::usage("a registered wait has a duration, not a point in time"));
            }
            None => None,
        };
        let masks = self.count as usize * size_of::<RegWait>();
        let mask: NonNull<SignalMask> = self.place(masks, index)?;
        let (sigmask, sigmask_sz) = match wait.signals {
            Some(signals) => {
                // Volatile: the kernel reads it, by the address that is written below.
                // SAFETY: the place is inside the mapping, aligned, and read by the kernel alone.
                unsafe { mask.write_volatile(signals) };
                (mask.as_ptr() as u64, size_of::<SignalMask>() as u32)
            }
            None => (0, 0),
        };
        let entry = RegWait {
            ts: limit.unwrap_or_default(),
            min_wait_usec: wait.min_wait_us,
            flags: if limit.is_some() { RegWaitFlags::TS } else { RegWaitFlags::empty() },
            sigmask,
            sigmask_sz,
            ..RegWait::default()
        };
        let place: NonNull<RegWait> = self.place(0, index)?;
        // Volatile: the kernel reads it, by an offset that no pointer of ours shows.
        // SAFETY: the place is inside the mapping, aligned, and read by the kernel alone.
        unsafe { place.write_volatile(entry) };
        Ok(())
    }
}

/// # Memory regions
impl<K: Kernel> Register<'_, K> {
    /// Registers waits with a disabled ring. `IORING_REGISTER_MEM_REGION` with
    /// `IORING_MEM_REGION_REG_WAIT_ARG`, Linux 6.13.
    ///
    /// # Errors
    /// - `EINVAL`: the ring is enabled: do it before, on a
    ///   [`disabled`](crate::Builder::disabled) ring or a
    ///   [parked](crate::Builder::build_parked) one; or this kernel cannot.
    /// - `EBUSY`: the ring has a region.
    /// - `ENOMEM`: over `RLIMIT_MEMLOCK`.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_region(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_region.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, register::WaitRegion};
    /// let ring = LocalRing::new(8)?; // enabled: too late
    /// let error = ring.register().wait_region(&WaitRegion::new(1)?).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EINVAL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_region")]
    #[doc(alias = "io_uring_register_wait_reg")]
    pub fn wait_region(&self, waits: &WaitRegion) -> Result<()> {
        let mut desc = RegionDesc {
            user_addr: waits.memory.start().as_ptr() as u64,
            size: waits.memory.bytes() as u64,
            flags: MemRegionTypeFlags::USER,
            ..RegionDesc::default()
        };
        // SAFETY: the kernel pins the mapping's pages itself, and only reads them: they may be
        // unmapped at any time.
        unsafe { self.memory_region(&mut desc, MemRegionFlags::REG_WAIT_ARG) }
    }

    /// Registers memory for any purpose that the kernel knows: the program's
    /// ([`USER`](MemRegionTypeFlags::USER)), or the kernel's, which is then mapped from the ring's
    /// descriptor at the `mmap_offset` that is answered. `IORING_REGISTER_MEM_REGION`, Linux 6.13.
    ///
    /// # Safety
    /// - With `USER`, the memory that `desc` names may be read, and written if its purpose says so,
    ///   by the kernel until the ring is closed and its last operation ended.
    ///
    /// # Errors
    /// As [`wait_region`](Self::wait_region); `EINVAL` for what is not whole pages, or a purpose
    /// that this kernel does not know; `EFAULT` for an address that is not the process's.
    ///
    /// See `io_uring_register_region(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_region.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::{MemRegionFlags, RegionDesc}};
    /// let ring = LocalRing::new(8)?;
    /// let mut desc = RegionDesc { size: 4096, ..RegionDesc::default() };
    /// // SAFETY: it is the kernel's own memory.
    /// let made = unsafe { ring.register().memory_region(&mut desc, MemRegionFlags::empty()) };
    /// # if made.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.13
    /// assert!(made.is_ok() && desc.mmap_offset != 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_MEM_REGION")]
    pub unsafe fn memory_region(
        &self,
        desc: &mut RegionDesc,
        purpose: MemRegionFlags,
    ) -> Result<()> {
        let mut reg = MemRegionReg {
            region_uptr: ptr::from_mut(desc) as u64,
            flags: purpose,
            ..MemRegionReg::default()
        };
        // SAFETY: one `io_uring_mem_region_reg` with the address of one `io_uring_region_desc`,
        // read and written during the call; the memory it names is the caller's promise.
        unsafe { self.with(RegisterOp::MEM_REGION, &mut reg, 1) }.map(drop)
    }
}
