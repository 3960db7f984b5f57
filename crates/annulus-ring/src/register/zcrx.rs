//! Receiving without copying: a network device's queue writes into memory of the program's.

use core::ptr;

use super::Register;
use crate::abi::{
    RegionDesc, RegisterOp, ZcrxAreaReg, ZcrxCtrl, ZcrxCtrlOp, ZcrxIfqReg, ZcrxOffsets,
};
use crate::error::{Error, Result};
use crate::kernel::{Fd, Kernel};

/// A queue of a network device, the area that it writes into, and the ring in which pieces of the
/// area are given back: for [`Register::zcrx_queue`].
///
/// ```
/// use annulus_ring::{abi::ZcrxIfqReg, register::ZcrxQueue};
/// let mut queue = ZcrxQueue::default();
/// queue.queue = ZcrxIfqReg { if_idx: 1, if_rxq: 0, rq_entries: 256, ..Default::default() };
/// assert_eq!(queue.offsets().tail, 0); // not yet answered
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ZcrxQueue {
    /// Which queue, and how many places the refill ring has. Its two addresses are filled in.
    pub queue: ZcrxIfqReg,
    /// The memory that the device writes into.
    pub area: ZcrxAreaReg,
    /// The memory of the refill ring.
    pub refill: RegionDesc,
}

impl ZcrxQueue {
    /// The queue's identity: for RECV_ZC, and for the other functions here.
    ///
    /// ```
    /// assert_eq!(annulus_ring::register::ZcrxQueue::default().id(), 0);
    /// ```
    pub fn id(&self) -> u32 {
        self.queue.zcrx_id
    }

    /// Where in the refill ring's memory its words are.
    ///
    /// ```
    /// assert_eq!(annulus_ring::register::ZcrxQueue::default().offsets().head, 0);
    /// ```
    pub fn offsets(&self) -> ZcrxOffsets {
        self.queue.offsets
    }
}

/// # Receiving without copying
///
/// For rings with `DEFER_TASKRUN` and 32-byte (or mixed) completions, by a process with
/// `CAP_NET_ADMIN`, on a device that can split headers from data and steer flows.
impl<K: Kernel> Register<'_, K> {
    /// Gives a device's queue memory of the program's to write into. The kernel answers in `queue`.
    /// `IORING_REGISTER_ZCRX_IFQ`, Linux 6.15.
    ///
    /// # Safety
    /// - `queue.area` names memory (or a dma-buf) that nothing else uses, from now until the ring
    ///   is closed and its last operation ended. The device writes there at any time: what is in it
    ///   may be read only where a RECV_ZC completion says so, and until it is given back.
    /// - `queue.refill` names memory of the length it says, that only the refill ring's protocol
    ///   touches, equally long.
    ///
    /// # Errors
    /// - `EPERM`: without `CAP_NET_ADMIN`.
    /// - `EINVAL`: the ring is without `DEFER_TASKRUN` or large completions; or this kernel cannot.
    /// - `ENODEV`: no such device.
    /// - `EOPNOTSUPP`, `ERANGE`: the device cannot, or has no such queue.
    /// - `EEXIST`, `EBUSY`: the queue is taken.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_ifq(3)`, <https://docs.kernel.org/networking/iou-zcrx.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, register::ZcrxQueue};
    /// let ring = LocalRing::new(8)?; // completions of 16 bytes: refused
    /// // SAFETY: no memory is named.
    /// assert!(unsafe { ring.register().zcrx_queue(&mut ZcrxQueue::default()) }.is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_ifq")]
    #[doc(alias = "IORING_REGISTER_ZCRX_IFQ")]
    pub unsafe fn zcrx_queue(&self, queue: &mut ZcrxQueue) -> Result<()> {
        queue.queue.area_ptr = ptr::from_mut(&mut queue.area) as u64;
        queue.queue.region_ptr = ptr::from_mut(&mut queue.refill) as u64;
        // SAFETY: one `io_uring_zcrx_ifq_reg` with the addresses of its two parts, all read and
        // written during the call; the memory they name is the caller's promise.
        let answer = unsafe { self.with(RegisterOp::ZCRX_IFQ, &mut queue.queue, 1) };
        // The addresses were for this call only: the value may move.
        (queue.queue.area_ptr, queue.queue.region_ptr) = (0, 0);
        answer.map(drop)
    }

    /// Takes everything out of a refill ring now. `IORING_REGISTER_ZCRX_CTRL`, **Linux 6.19**.
    ///
    /// # Errors
    /// - `ENXIO`: the ring has no such queue.
    /// - `EINVAL`: this kernel cannot.
    ///
    /// ```
    /// let ring = annulus_ring::LocalRing::new(8)?;
    /// assert!(ring.register().zcrx_flush(0).is_err()); // no queue; before 6.19 not even known
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "ZCRX_CTRL_FLUSH_RQ")]
    #[doc(alias = "io_uring_register_zcrx_ctrl")]
    pub fn zcrx_flush(&self, id: u32) -> Result<()> {
        self.zcrx_control(ZcrxCtrl { zcrx_id: id, op: ZcrxCtrlOp::FLUSH_RQ, ..Default::default() })
            .map(drop)
    }

    /// Makes a descriptor of a queue, with which another ring can receive from it too (there, with
    /// [`ZcrxRegFlags::IMPORT`](crate::abi::ZcrxRegFlags::IMPORT)). **Linux 6.19**.
    ///
    /// # Errors
    /// As [`zcrx_flush`](Self::zcrx_flush); `EMFILE`: no descriptor left.
    ///
    /// ```
    /// let ring = annulus_ring::LocalRing::new(8)?;
    /// assert!(ring.register().zcrx_export(0).is_err()); // no queue; before 6.19 not even known
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "ZCRX_CTRL_EXPORT")]
    pub fn zcrx_export(&self, id: u32) -> Result<Fd<K::Descriptors>> {
        let asked = ZcrxCtrl { zcrx_id: id, op: ZcrxCtrlOp::EXPORT, ..Default::default() };
        let answered = self.zcrx_control(asked)?;
        let raw = i32::try_from(answered.zcrx_fd)
            .map_err(|_| Error::usage("the kernel exported a queue as no descriptor"))?;
        // SAFETY: the kernel made the descriptor for this answer, so nobody else closes it.
        Ok(unsafe { Fd::from_raw(raw, self.submitter.kernel.descriptors()) })
    }

    fn zcrx_control(&self, mut control: ZcrxCtrl) -> Result<ZcrxCtrl> {
        // The kernel demands a count of 0 with this one.
        // SAFETY: one `zcrx_ctrl`, read and written during the call; no address is in it.
        unsafe { self.with(RegisterOp::ZCRX_CTRL, &mut control, 0) }?;
        Ok(control)
    }
}
