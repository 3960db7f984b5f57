//! Which ring of buffers is wanted, and making it.

use super::{BufRing, unregister};
use crate::abi::{Buf, BufGroup, BufReg, OFF_PBUF_RING, OFF_PBUF_SHIFT, PbufRingFlags, RegisterOp};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::mapping::Mapping;
use crate::register::Register;

/// How many buffers a ring can hold at most.
const ENTRIES_MAX: u32 = 32_768;

/// What `EBADF` says.
const NO_DESCRIPTOR: &str = "a ring without a descriptor has nothing to map from";

/// Which ring of buffers is wanted.
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
/// let ring = LocalRing::new(8)?;
/// let buffers = BufRingOptions::new(BufGroup(0), 16).register(ring.register())?;
/// assert_eq!(buffers.entries(), 16);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_buf_reg")]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct BufRingOptions(BufReg);

impl BufRingOptions {
    /// A ring of this group, for so many buffers: a power of two, at most 32,768.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// assert!(BufRingOptions::new(BufGroup(0), 15).register(ring.register()).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new(group: BufGroup, entries: u32) -> Self {
        Self(BufReg { ring_entries: entries, bgid: group, ..BufReg::default() })
    }

    /// Buffers are used up piece by piece: a completion with
    /// [`BUF_MORE`](crate::abi::CqeFlags::BUF_MORE) leaves the rest of its buffer in the ring.
    /// Linux 6.12.
    ///
    /// For files that are waited for: sockets and pipes. A read from a regular file uses up all
    /// that it asked for, whatever came (6.18): where the next data lies is then not where the
    /// results add up to.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufRingOptions::new(BufGroup(0), 2).incremental().register(ring.register());
    /// # if buffers.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.12
    /// assert!(buffers?.is_incremental());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IOU_PBUF_RING_INC")]
    pub fn incremental(mut self) -> Self {
        self.0.flags |= PbufRingFlags::INC;
        self
    }

    /// An incremental buffer with fewer bytes left is done with. **Linux 7.1**: older kernels
    /// answer `EINVAL` unless it is 0.
    ///
    /// ```
    /// use annulus_ring::{abi::BufGroup, register::BufRingOptions};
    /// let options = BufRingOptions::new(BufGroup(0), 2).incremental().min_left_bytes(64);
    /// assert!(format!("{options:?}").contains("min_left: 64"));
    /// ```
    pub fn min_left_bytes(mut self, bytes: u32) -> Self {
        self.0.min_left = bytes;
        self
    }

    fn entries(&self) -> Result<u16> {
        let entries = self.0.ring_entries;
        if !entries.is_power_of_two() || entries > ENTRIES_MAX {
            return Err(Error::usage(
                "a ring of buffers has a power of two of entries, at most 32768",
            ));
        }
        Ok(entries as u16)
    }

    /// Makes the ring, in memory of the process's own. `IORING_REGISTER_PBUF_RING`, Linux 5.19.
    ///
    /// # Errors
    /// - `EEXIST`: the group has buffers already.
    /// - `EINVAL`: not a power of two; or this kernel has no such rings, or not this kind.
    /// - `ENOMEM`: no memory, or over `RLIMIT_MEMLOCK`.
    /// - [those of every registration](crate::register#errors-of-every-registration).
    ///
    /// See `io_uring_setup_buf_ring(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_setup_buf_ring.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufRingOptions::new(BufGroup(5), 16).register(ring.register())?;
    /// let second = BufRingOptions::new(BufGroup(5), 16).register(ring.register());
    /// assert_eq!(second.unwrap_err().errno(), Some(Errno::EEXIST));
    /// drop(buffers); // unregistered
    /// assert!(BufRingOptions::new(BufGroup(5), 16).register(ring.register()).is_ok());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_setup_buf_ring")]
    #[doc(alias = "IORING_REGISTER_PBUF_RING")]
    pub fn register<'r, K: Kernel>(self, register: Register<'r, K>) -> Result<BufRing<'r, K>> {
        let entries = self.entries()?;
        let memory = Mapping::anonymous(ring_bytes(entries))
            .map_err(|errno| Error::os(errno, "mapping memory for a ring of buffers"))?;
        let mut reg = BufReg { ring_addr: memory.start().as_ptr() as u64, ..self.0 };
        // SAFETY: one `io_uring_buf_reg`, whose address is a zeroed mapping of the length that its
        // entries need, kept until the group is unregistered (`BufRing::drop`).
        unsafe { register.with(RegisterOp::PBUF_RING, &mut reg, 1) }?;
        BufRing::over(memory, &reg, register)
    }

    /// Makes the ring in the kernel's memory, and maps it: nothing is pinned. `IOU_PBUF_RING_MMAP`,
    /// Linux 6.4.
    ///
    /// # Errors
    /// As [`register`](Self::register). `EOPNOTSUPP`: a kernel other than Linux has no such memory.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::BufGroup, register::BufRingOptions};
    /// let ring = LocalRing::new(8)?;
    /// let buffers = BufRingOptions::new(BufGroup(0), 16).register_in_kernel(ring.register());
    /// # if buffers.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.4
    /// assert_eq!(buffers?.available()?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IOU_PBUF_RING_MMAP")]
    pub fn register_in_kernel<'r, K: Kernel>(
        self,
        register: Register<'r, K>,
    ) -> Result<BufRing<'r, K>> {
        let entries = self.entries()?;
        let mut reg = BufReg { flags: self.0.flags | PbufRingFlags::MMAP, ..self.0 };
        // SAFETY: one `io_uring_buf_reg` without an address.
        unsafe { register.with(RegisterOp::PBUF_RING, &mut reg, 1) }?;
        let offset = OFF_PBUF_RING | u64::from(reg.bgid.0) << OFF_PBUF_SHIFT;
        match register.submitter.kernel.map(offset, ring_bytes(entries)) {
            Ok(memory) => BufRing::over(memory, &reg, register),
            Err(errno) => {
                // Nothing was put in: the kernel has no buffer of ours.
                unregister(register, reg.bgid)?;
                Err(match errno {
                    Errno::EBADF => Error::usage(NO_DESCRIPTOR),
                    errno => Error::os(errno, "mapping a ring of buffers"),
                })
            }
        }
    }
}

/// How long the memory of a ring is: whole pages.
fn ring_bytes(entries: u16) -> usize {
    (usize::from(entries) * size_of::<Buf>()).next_multiple_of(rustix::param::page_size())
}
