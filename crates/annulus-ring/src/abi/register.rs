//! The numbers of `io_uring_register(2)`.

use super::newtypes::numbers;

numbers! {
    /// What `io_uring_register(2)` is asked to do.
    ///
    /// ```
    /// use annulus_ring::abi::RegisterOp;
    /// assert_eq!(RegisterOp(12), RegisterOp::ENABLE_RINGS);
    /// ```
    pub struct RegisterOp: u32;
    /// Lets a ring made disabled begin.
    ENABLE_RINGS = 12, "IORING_REGISTER_ENABLE_RINGS", "5.10";
    /// Gives ring descriptors an index of the task's table.
    RING_FDS = 20, "IORING_REGISTER_RING_FDS", "5.18";
    /// Takes such indices back.
    UNREGISTER_RING_FDS = 21, "IORING_UNREGISTER_RING_FDS", "5.18";
    /// Changes the lengths of the queues.
    RESIZE_RINGS = 33, "IORING_REGISTER_RESIZE_RINGS", "6.13";
    /// The descriptor is the index of a registered ring (or'ed to the number).
    USE_REGISTERED_RING = 1 << 31, "IORING_REGISTER_USE_REGISTERED_RING", "6.3";
}

/// A change of one slot of a table (`struct io_uring_rsrc_update`).
#[doc(alias = "io_uring_rsrc_update")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RsrcUpdate {
    /// Which slot.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// The value, or the address of the values.
    pub data: u64,
}
