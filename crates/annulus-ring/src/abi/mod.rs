//! The user API of io_uring as Linux 6.18 has it, and the later constants known so far.
//!
//! Flat `#[repr(C)]` structs with the kernel's field names (one field per offset: no anonymous
//! unions) and integer newtypes whose constants carry the kernel's name as `doc(alias)`. Sizes and
//! offsets are asserted at compile time; `tests/abi_table` compares every name and value with
//! `linux-raw-sys`.
//!
//! Nothing that the kernel writes is held in a closed enum: a newer kernel's numbers pass through.

pub(crate) mod newtypes;
pub mod private;

mod bpf_filter;
mod buffers;
mod command;
mod cqe;
mod fs;
mod ids;
mod net;
mod opflags;
mod query;
mod register;
mod registration;
mod resources;
mod rw;
mod setup;
mod siginfo;
mod sockaddr;
mod sqe;
mod wait;
mod zcrx;

pub use bpf_filter::{
    Bpf, BpfCommand, BpfCtx, BpfFilter, BpfFilterFlags, BpfInstruction, BpfOpen, BpfSocket,
};
pub use buffers::{Buf, BufReg, BufRing, BufStatus, PbufRingFlags};
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
pub use query::{QueryHdr, QueryOp, QueryOpcode, QueryScq, QueryZcrx, QueryZcrxEvent};
pub use register::{RegisterOp, WqType};
pub use registration::{
    ClockId, ClockRegister, MemRegionFlags, MemRegionReg, MemRegionTypeFlags, Napi, NapiOp,
    NapiTracking, Probe, ProbeOp, ProbeOpFlags, RegionDesc, Restriction, RestrictionOp,
    SyncCancelReg, TaskRestriction,
};
pub use resources::{
    CloneBuffers, CloneBuffersFlags, FileIndexRange, FilesUpdate, REGISTER_FILES_SKIP,
    RsrcRegister, RsrcRegisterFlags, RsrcUpdate, RsrcUpdate2,
};
pub use rw::{
    AttrPi, Fadvice, FallocateMode, IntegrityFlags, Madvice, RwAttrFlags, RwFlags, SpliceFlags,
    SyncFileRangeFlags,
};
pub use setup::{
    CqRingFlags, CqringOffsets, EnterFlags, Features, GeteventsArg, Params, RegWait, RegWaitFlags,
    SetupFlags, SqRingFlags, SqringOffsets, Timespec,
};
pub use setup::{OFF_CQ_RING, OFF_MMAP_MASK, OFF_PBUF_RING, OFF_PBUF_SHIFT, OFF_SQ_RING, OFF_SQES};
pub use siginfo::Siginfo;
pub use sockaddr::{AddressFamily, SockAddr, SocketType};
pub use sqe::{Op, Sqe, Sqe128, SqeFlags};
pub use wait::{
    EpollEvent, EpollOp, FUTEX_BITSET_MATCH_ANY, FUTEX_WAITV_MAX, Futex2Flags, FutexWaitv, IdType,
    PollEvents, WaitidOptions,
};
pub use zcrx::{
    ZCRX_AREA_MASK, ZCRX_AREA_SHIFT, ZcrxAreaFlags, ZcrxAreaReg, ZcrxCqe, ZcrxCtrl, ZcrxCtrlOp,
    ZcrxEventDesc, ZcrxEventDescFlags, ZcrxEventType, ZcrxFeatures, ZcrxIfqReg, ZcrxOffsets,
    ZcrxRegFlags, ZcrxRqe, ZcrxStats,
};
