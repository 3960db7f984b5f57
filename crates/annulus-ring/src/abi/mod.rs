//! The user API of io_uring as Linux 6.18 has it, and the later constants known so far.
//!
//! Flat `#[repr(C)]` structs with the kernel's field names (one field per offset: no anonymous
//! unions) and integer newtypes whose constants carry the kernel's name as `doc(alias)`. Sizes and
//! offsets are asserted at compile time; `tests/abi_table.rs` compares every name and value with
//! `linux-raw-sys`.
//!
//! Nothing that the kernel writes is held in a closed enum: a newer kernel's numbers pass through.

pub(crate) mod newtypes;

mod command;
mod cqe;
mod fs;
mod ids;
mod net;
mod opflags;
mod register;
mod rw;
mod setup;
mod sqe;
mod wait;

pub use command::{
    BlockCommand, IoTimespec, NvmeCommand, NvmeUringCmd, SocketOp, TIMESTAMP_HW_SHIFT,
    TIMESTAMP_TYPE_SHIFT,
};
pub use cqe::{CQE_BUFFER_SHIFT, Cqe, Cqe32, CqeFlags};
pub use fs::{
    AT_FDCWD, AtFlags, OpenFlags, OpenHow, RenameFlags, ResolveFlags, Statx, StatxAttributes,
    StatxMask, StatxTimestamp, XattrFlags,
};
pub use ids::{BufGroup, BufIndex, FixedFd, Personality};
pub use net::{Iovec, MsgFlags, Msghdr, RecvmsgOut, ShutdownHow, SockFlags};
pub use newtypes::Known;
pub use opflags::{
    AcceptFlags, CancelFlags, FILE_INDEX_ALLOC, FsyncFlags, InstallFdFlags, MsgRingCommand,
    MsgRingFlags, NopFlags, NotifUsage, PollFlags, RecvSendFlags, TimeoutFlags, UringCmdFlags,
};
pub use register::{RegisterOp, RsrcUpdate};
pub use rw::{
    AttrPi, Fadvice, FallocateMode, IntegrityFlags, Madvice, RwAttrFlags, RwFlags, SpliceFlags,
    SyncFileRangeFlags,
};
pub use setup::{
    CqRingFlags, CqringOffsets, EnterFlags, Features, GeteventsArg, Params, RegWait, RegWaitFlags,
    SetupFlags, SqRingFlags, SqringOffsets, Timespec,
};
pub use setup::{OFF_CQ_RING, OFF_MMAP_MASK, OFF_PBUF_RING, OFF_PBUF_SHIFT, OFF_SQ_RING, OFF_SQES};
pub use sqe::{Op, Sqe, Sqe128, SqeFlags};
pub use wait::{
    EpollEvent, EpollOp, FUTEX_BITSET_MATCH_ANY, FUTEX_WAITV_MAX, Futex2Flags, FutexWaitv, IdType,
    PollEvents, WaitidOptions,
};
