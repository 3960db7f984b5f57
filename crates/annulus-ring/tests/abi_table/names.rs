//! Every constant of our `abi`, by the kernel's name.

use annulus_ring::abi::private::{DirentType, SeekWhence, UTIME_NOW, UTIME_OMIT};
use annulus_ring::abi::*;

/// A constant of ours.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// The name in the kernel's header.
    pub name: &'static str,
    /// Its value, widened.
    pub value: u64,
    /// The first Linux with it; empty for those that have no such note.
    pub since: &'static str,
}

/// The tables of the named types, in one list.
macro_rules! tables {
    ($($Type:ident),* $(,)?) => {{
        let mut all: Vec<Constant> = Vec::new();
        $(all.extend($Type::ALL.iter().map(|known| Constant {
            name: known.name,
            value: u64::from(known.value.0),
            since: known.since,
        }));)*
        all
    }};
}

/// Everything that has a table.
pub fn tabled() -> Vec<Constant> {
    [of_rings(), of_registrations(), of_calls()].concat()
}

/// What the rings, their entries and their completions hold.
fn of_rings() -> Vec<Constant> {
    tables!(
        Op,
        SqeFlags,
        CqeFlags,
        SetupFlags,
        Features,
        EnterFlags,
        SqRingFlags,
        CqRingFlags,
        RegWaitFlags,
        NopFlags,
        FsyncFlags,
        TimeoutFlags,
        PollFlags,
        CancelFlags,
        RecvSendFlags,
        NotifUsage,
        AcceptFlags,
        MsgRingCommand,
        MsgRingFlags,
        InstallFdFlags,
        UringCmdFlags,
        RwAttrFlags,
        IntegrityFlags,
        SocketOp,
    )
}

/// What registrations are given.
fn of_registrations() -> Vec<Constant> {
    tables!(
        RegisterOp,
        WqType,
        RsrcRegisterFlags,
        CloneBuffersFlags,
        PbufRingFlags,
        ProbeOpFlags,
        RestrictionOp,
        ClockId,
        MemRegionTypeFlags,
        MemRegionFlags,
        NapiOp,
        NapiTracking,
        QueryOp,
        BpfCommand,
        BpfFilterFlags,
        ZcrxAreaFlags,
        ZcrxRegFlags,
        ZcrxFeatures,
        ZcrxEventType,
        ZcrxEventDescFlags,
        ZcrxCtrlOp,
    )
}

/// What entries take from the system calls and devices.
fn of_calls() -> Vec<Constant> {
    tables!(
        AtFlags,
        BlockCommand,
        DirentType,
        EpollOp,
        Fadvice,
        FallocateMode,
        Futex2Flags,
        IdType,
        Madvice,
        MsgFlags,
        NvmeCommand,
        OpenFlags,
        PollEvents,
        RenameFlags,
        ResolveFlags,
        RwFlags,
        SeekWhence,
        ShutdownHow,
        SockFlags,
        SpliceFlags,
        StatxAttributes,
        StatxMask,
        SyncFileRangeFlags,
        WaitidOptions,
        XattrFlags,
    )
}

/// Everything that stands alone: masks, shifts, special values.
pub fn alone() -> Vec<Constant> {
    let of = |name, value| Constant { name, value, since: "" };
    vec![
        of("AT_FDCWD", u64::from(AT_FDCWD as u32)),
        of("AT_STATX_SYNC_TYPE", AtFlags::STATX_SYNC_TYPE.bits().into()),
        of("FUTEX2_SIZE_MASK", Futex2Flags::SIZE_MASK.bits().into()),
        of("FUTEX_BITSET_MATCH_ANY", FUTEX_BITSET_MATCH_ANY.into()),
        of("FUTEX_WAITV_MAX", FUTEX_WAITV_MAX.into()),
        of("IORING_CQE_BUFFER_SHIFT", CQE_BUFFER_SHIFT.into()),
        of("IORING_FILE_INDEX_ALLOC", FILE_INDEX_ALLOC.into()),
        of("IORING_OFF_CQ_RING", OFF_CQ_RING),
        of("IORING_OFF_MMAP_MASK", OFF_MMAP_MASK),
        of("IORING_OFF_PBUF_RING", OFF_PBUF_RING),
        of("IORING_OFF_PBUF_SHIFT", OFF_PBUF_SHIFT.into()),
        of("IORING_OFF_SQES", OFF_SQES),
        of("IORING_OFF_SQ_RING", OFF_SQ_RING),
        of("IORING_REGISTER_FILES_SKIP", u64::from(REGISTER_FILES_SKIP as u32)),
        of("IORING_REGISTER_USE_REGISTERED_RING", RegisterOp::USE_REGISTERED_RING.raw().into()),
        of("IORING_TIMEOUT_CLOCK_MASK", TimeoutFlags::CLOCK_MASK.bits().into()),
        of("IORING_TIMEOUT_UPDATE_MASK", TimeoutFlags::UPDATE_MASK.bits().into()),
        of("IORING_TIMESTAMP_HW_SHIFT", TIMESTAMP_HW_SHIFT.into()),
        of("IORING_TIMESTAMP_TYPE_SHIFT", TIMESTAMP_TYPE_SHIFT.into()),
        of("IORING_URING_CMD_MASK", UringCmdFlags::MASK.bits().into()),
        of("IORING_ZCRX_AREA_MASK", ZCRX_AREA_MASK),
        of("IORING_ZCRX_AREA_SHIFT", ZCRX_AREA_SHIFT.into()),
        of("IO_INTEGRITY_VALID_FLAGS", IntegrityFlags::VALID.bits().into()),
        of("O_ACCMODE", OpenFlags::ACCMODE.bits().into()),
        of("O_SYNC", OpenFlags::SYNC.bits().into()),
        of("O_TMPFILE", OpenFlags::TMPFILE.bits().into()),
        of("STATX_BASIC_STATS", StatxMask::BASIC_STATS.bits().into()),
        of("UTIME_NOW", UTIME_NOW.cast_unsigned()),
        of("UTIME_OMIT", UTIME_OMIT.cast_unsigned()),
        of("SYNC_FILE_RANGE_WRITE_AND_WAIT", SyncFileRangeFlags::WRITE_AND_WAIT.bits().into()),
    ]
}
