//! What `io_uring_register(2)` can be asked for.

use super::newtypes::numbers;

numbers! {
    /// Which registration is asked for: the second argument of `io_uring_register(2)`.
    ///
    /// ```
    /// use annulus_ring::abi::RegisterOp;
    /// assert_eq!(RegisterOp::QUERY.raw(), 35);
    /// ```
    pub struct RegisterOp: u32;
    /// Registers buffers: an array of [`Iovec`](super::Iovec).
    BUFFERS = 0, "IORING_REGISTER_BUFFERS", "5.1";
    /// Unregisters them.
    UNREGISTER_BUFFERS = 1, "IORING_UNREGISTER_BUFFERS", "5.1";
    /// Registers files: an array of descriptors, −1 for an empty slot.
    FILES = 2, "IORING_REGISTER_FILES", "5.1";
    /// Unregisters them.
    UNREGISTER_FILES = 3, "IORING_UNREGISTER_FILES", "5.1";
    /// Registers an eventfd to be signalled by completions.
    EVENTFD = 4, "IORING_REGISTER_EVENTFD", "5.2";
    /// Unregisters it.
    UNREGISTER_EVENTFD = 5, "IORING_UNREGISTER_EVENTFD", "5.2";
    /// Changes slots of the file table: a [`FilesUpdate`](super::FilesUpdate).
    FILES_UPDATE = 6, "IORING_REGISTER_FILES_UPDATE", "5.5";
    /// Registers an eventfd for those completions that workers post only.
    EVENTFD_ASYNC = 7, "IORING_REGISTER_EVENTFD_ASYNC", "5.6";
    /// Asks which operations there are: a [`Probe`](super::Probe).
    PROBE = 8, "IORING_REGISTER_PROBE", "5.6";
    /// Registers the caller's credentials.
    PERSONALITY = 9, "IORING_REGISTER_PERSONALITY", "5.6";
    /// Unregisters some.
    UNREGISTER_PERSONALITY = 10, "IORING_UNREGISTER_PERSONALITY", "5.6";
    /// Restricts what the ring may do: an array of [`Restriction`](super::Restriction); for a
    /// whole task (descriptor −1, Linux 7.0) a [`TaskRestriction`](super::TaskRestriction).
    RESTRICTIONS = 11, "IORING_REGISTER_RESTRICTIONS", "5.10";
    /// Enables a ring made with `R_DISABLED`.
    ENABLE_RINGS = 12, "IORING_REGISTER_ENABLE_RINGS", "5.10";
    /// Registers files with tags, or an empty table: a [`RsrcRegister`](super::RsrcRegister).
    FILES2 = 13, "IORING_REGISTER_FILES2", "5.13";
    /// Changes files with tags: a [`RsrcUpdate2`](super::RsrcUpdate2).
    FILES_UPDATE2 = 14, "IORING_REGISTER_FILES_UPDATE2", "5.13";
    /// Registers buffers with tags, or an empty table: a [`RsrcRegister`](super::RsrcRegister).
    BUFFERS2 = 15, "IORING_REGISTER_BUFFERS2", "5.13";
    /// Changes buffers with tags: a [`RsrcUpdate2`](super::RsrcUpdate2).
    BUFFERS_UPDATE = 16, "IORING_REGISTER_BUFFERS_UPDATE", "5.13";
    /// Sets the processors of the worker threads.
    IOWQ_AFF = 17, "IORING_REGISTER_IOWQ_AFF", "5.14";
    /// Undoes that.
    UNREGISTER_IOWQ_AFF = 18, "IORING_UNREGISTER_IOWQ_AFF", "5.14";
    /// Limits the worker threads, by [`WqType`]: two numbers, 0 to leave one; answers the old ones.
    IOWQ_MAX_WORKERS = 19, "IORING_REGISTER_IOWQ_MAX_WORKERS", "5.15";
    /// Registers ring descriptors for this thread: an array of [`RsrcUpdate`](super::RsrcUpdate).
    RING_FDS = 20, "IORING_REGISTER_RING_FDS", "5.18";
    /// Unregisters them.
    UNREGISTER_RING_FDS = 21, "IORING_UNREGISTER_RING_FDS", "5.18";
    /// Registers a ring of buffers: a [`BufReg`](super::BufReg).
    PBUF_RING = 22, "IORING_REGISTER_PBUF_RING", "5.19";
    /// Unregisters it.
    UNREGISTER_PBUF_RING = 23, "IORING_UNREGISTER_PBUF_RING", "5.19";
    /// Cancels, and waits until it is done: a [`SyncCancelReg`](super::SyncCancelReg).
    SYNC_CANCEL = 24, "IORING_REGISTER_SYNC_CANCEL", "6.0";
    /// Says which slots of the file table the kernel may pick: a
    /// [`FileIndexRange`](super::FileIndexRange).
    FILE_ALLOC_RANGE = 25, "IORING_REGISTER_FILE_ALLOC_RANGE", "6.0";
    /// Asks how far a ring of buffers is used: a [`BufStatus`](super::BufStatus).
    PBUF_STATUS = 26, "IORING_REGISTER_PBUF_STATUS", "6.8";
    /// Sets busy polling of network devices: a [`Napi`](super::Napi).
    NAPI = 27, "IORING_REGISTER_NAPI", "6.9";
    /// Undoes that.
    UNREGISTER_NAPI = 28, "IORING_UNREGISTER_NAPI", "6.9";
    /// Sets the clock of waits: a [`ClockRegister`](super::ClockRegister).
    CLOCK = 29, "IORING_REGISTER_CLOCK", "6.12";
    /// Takes another ring's registered buffers: a [`CloneBuffers`](super::CloneBuffers).
    CLONE_BUFFERS = 30, "IORING_REGISTER_CLONE_BUFFERS", "6.12";
    /// Sends to a ring without having one (descriptor −1): an [`Sqe`](super::Sqe) of MSG_RING.
    SEND_MSG_RING = 31, "IORING_REGISTER_SEND_MSG_RING", "6.13";
    /// Registers a device's queue to receive from without copying: a
    /// [`ZcrxIfqReg`](super::ZcrxIfqReg).
    ZCRX_IFQ = 32, "IORING_REGISTER_ZCRX_IFQ", "6.15";
    /// Changes the size of the queues: a [`Params`](super::Params).
    RESIZE_RINGS = 33, "IORING_REGISTER_RESIZE_RINGS", "6.13";
    /// Registers memory for a purpose: a [`MemRegionReg`](super::MemRegionReg).
    MEM_REGION = 34, "IORING_REGISTER_MEM_REGION", "6.13";
    /// Asks what the kernel can do (no ring needed): a [`QueryHdr`](super::QueryHdr).
    QUERY = 35, "IORING_REGISTER_QUERY", "6.18";
    /// Controls such a device's queue: a [`ZcrxCtrl`](super::ZcrxCtrl).
    ZCRX_CTRL = 36, "IORING_REGISTER_ZCRX_CTRL", "6.19";
    /// Registers a program that judges entries: a [`Bpf`](super::Bpf).
    BPF_FILTER = 37, "IORING_REGISTER_BPF_FILTER", "7.0";
}

impl RegisterOp {
    /// A bit beside the number: the descriptor is the index of a registered ring (Linux 6.3).
    #[doc(alias = "IORING_REGISTER_USE_REGISTERED_RING")]
    pub const USE_REGISTERED_RING: Self = Self(1 << 31);

    /// The same registration of the ring whose *index* is passed as descriptor.
    ///
    /// ```
    /// use annulus_ring::abi::RegisterOp;
    /// assert_eq!(RegisterOp::FILES.on_registered_ring().raw(), 0x8000_0002);
    /// ```
    #[inline]
    #[must_use]
    pub const fn on_registered_ring(self) -> Self {
        Self(self.0 | Self::USE_REGISTERED_RING.0)
    }
}

numbers! {
    /// The two kinds of worker threads, in the order of IOWQ_MAX_WORKERS's array.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::WqType::UNBOUND.raw(), 1);
    /// ```
    pub struct WqType: u32;
    /// For work that ends soon: files and block devices.
    BOUND = 0, "IO_WQ_BOUND", "5.15";
    /// For work that may take for ever: sockets, pipes, terminals.
    UNBOUND = 1, "IO_WQ_UNBOUND", "5.15";
}

#[cfg(test)]
mod tests {
    use super::RegisterOp;
    use crate::abi::Op;

    #[test]
    fn registrations_are_numbered_from_0_to_37_without_a_gap() {
        let numbers: Vec<u32> = RegisterOp::ALL.iter().map(|k| k.value.raw()).collect();
        assert_eq!(numbers, (0..=37).collect::<Vec<u32>>());
    }

    #[test]
    fn operations_are_numbered_from_0_to_64_without_a_gap() {
        let numbers: Vec<u8> = Op::ALL.iter().map(|k| k.value.raw()).collect();
        assert_eq!(numbers, (0..=64).collect::<Vec<u8>>());
    }
}
