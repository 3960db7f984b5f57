//! Each builder of the file half against the entry that liburing's helper prepares, as eight
//! little-endian words: opcode, flags, ioprio and fd · off · addr · len and flags · user_data ·
//! buffer, personality and second file · addr3 · the last eight bytes.
//!
//! The words up to Linux 6.0 were dumped from liburing 2.3, those of later operations follow the
//! helpers of liburing 2.15.

#![cfg(target_endian = "little")]

use annulus_ring::abi::{
    AtFlags, AttrPi, BufGroup, BufIndex, Fadvice, FallocateMode, FixedFd, FsyncFlags,
    InstallFdFlags, Madvice, OpenFlags, RenameFlags, RwFlags, SpliceFlags, Sqe, StatxMask,
    SyncFileRangeFlags, XattrFlags,
};
use annulus_ring::op::*;

/// An address that is never read: 0x10000, 0x20000, 0x30000.
const fn at<T>(n: usize) -> *mut T {
    core::ptr::without_provenance_mut(n << 16)
}

fn words(sqe: Sqe) -> [u64; 8] {
    // SAFETY: both are 64 bytes, an entry has no padding, and every pattern is a number.
    unsafe { core::mem::transmute(sqe) }
}

/// Every case by name, so that one failure tells which.
fn compare(cases: &[(&str, Sqe, [u64; 8])]) {
    for (name, sqe, expected) in cases {
        assert_eq!(words(*sqe), *expected, "{name}: {sqe:x?}");
    }
}

const OWN: u64 = u64::MAX;

#[test]
fn reads_and_writes() {
    let with = |op: u64| 5 << 32 | op;
    compare(&[
        (
            "readv",
            Readv::new(5, at(1), 3).offset(4096).into(),
            [with(1), 4096, 0x10000, 3, 0, 0, 0, 0],
        ),
        (
            "readv2",
            Readv::new(5, at(1), 3).offset(4096).flags(RwFlags::NOWAIT).into(),
            [with(1), 4096, 0x10000, 8 << 32 | 3, 0, 0, 0, 0],
        ),
        (
            "writev",
            Writev::new(5, at(1), 3).offset(4096).into(),
            [with(2), 4096, 0x10000, 3, 0, 0, 0, 0],
        ),
        (
            "writev2",
            Writev::new(5, at(1), 3).flags(RwFlags::DSYNC | RwFlags::APPEND).into(),
            [with(2), OWN, 0x10000, 0x12 << 32 | 3, 0, 0, 0, 0],
        ),
        (
            "read",
            Read::new(5, at(1), 512).offset(4096).into(),
            [with(22), 4096, 0x10000, 512, 0, 0, 0, 0],
        ),
        ("write", Write::new(5, at(1), 512).into(), [with(23), OWN, 0x10000, 512, 0, 0, 0, 0]),
        (
            "read_fixed",
            ReadFixed::new(5, at(1), 512, BufIndex(7)).offset(4096).into(),
            [with(4), 4096, 0x10000, 512, 0, 7, 0, 0],
        ),
        (
            "write_fixed",
            WriteFixed::new(5, at(1), 512, BufIndex(7)).offset(4096).into(),
            [with(5), 4096, 0x10000, 512, 0, 7, 0, 0],
        ),
        (
            "readv_fixed",
            ReadvFixed::new(5, at(1), 3, BufIndex(7)).offset(4096).flags(RwFlags::NOWAIT).into(),
            [with(60), 4096, 0x10000, 8 << 32 | 3, 0, 7, 0, 0],
        ),
        (
            "writev_fixed",
            WritevFixed::new(5, at(1), 3, BufIndex(7)).offset(4096).flags(RwFlags::SYNC).into(),
            [with(61), 4096, 0x10000, 4 << 32 | 3, 0, 7, 0, 0],
        ),
        (
            "read_multishot",
            ReadMultishot::new(5, BufGroup(7)).into(),
            [with(49) | 0x20 << 8, OWN, 0, 0, 0, 7, 0, 0],
        ),
    ]);
}

#[test]
fn what_no_helper_sets_lies_where_the_header_has_it() {
    let pi: *const AttrPi = at(3);
    compare(&[
        (
            "attr_ptr, attr_type_mask",
            Read::new(5, at(1), 512).protection(pi).into(),
            [5 << 32 | 22, OWN, 0x10000, 512, 0, 0, 0x30000, 1],
        ),
        (
            "write_stream",
            Write::new(5, at(1), 512).write_stream(200).into(),
            [5 << 32 | 23, OWN, 0x10000, 512, 0, 200 << 32, 0, 0],
        ),
        (
            "a slot",
            Read::new(FixedFd(5), at(1), 512).into(),
            [5 << 32 | 1 << 8 | 22, OWN, 0x10000, 512, 0, 0, 0, 0],
        ),
    ]);
}

#[test]
fn syncs_space_and_advice() {
    let with = |op: u64| 5 << 32 | op;
    compare(&[
        ("fsync", Fsync::new(5).into(), [with(3), 0, 0, 0, 0, 0, 0, 0]),
        (
            "fsync datasync",
            Fsync::new(5).flags(FsyncFlags::DATASYNC).into(),
            [with(3), 0, 0, 1 << 32, 0, 0, 0, 0],
        ),
        (
            "sync_file_range",
            SyncFileRange::new(5).range(4096, 512).flags(SyncFileRangeFlags::WRITE_AND_WAIT).into(),
            [with(8), 4096, 0, 7 << 32 | 512, 0, 0, 0, 0],
        ),
        (
            "fallocate",
            Fallocate::new(5, 1 << 33)
                .offset(4096)
                .mode(FallocateMode::PUNCH_HOLE | FallocateMode::KEEP_SIZE)
                .into(),
            [with(17), 4096, 1 << 33, 3, 0, 0, 0, 0],
        ),
        ("ftruncate", Ftruncate::new(5, 1 << 33).into(), [with(55), 1 << 33, 0, 0, 0, 0, 0, 0]),
        (
            "fadvise",
            Fadvise::new(5, Fadvice::DONTNEED).range(4096, 512).into(),
            [with(24), 4096, 0, 4 << 32 | 512, 0, 0, 0, 0],
        ),
        (
            "fadvise64",
            Fadvise::new(5, Fadvice::DONTNEED).range(4096, 1 << 33).into(),
            [with(24), 4096, 1 << 33, 4 << 32, 0, 0, 0, 0],
        ),
        (
            "madvise",
            Madvise::new(at(1), 8192, Madvice::HUGEPAGE).into(),
            [0xffff_ffff << 32 | 25, 0, 0x10000, 14 << 32 | 8192, 0, 0, 0, 0],
        ),
        (
            "madvise64",
            Madvise::new(at(1), 1 << 33, Madvice::HUGEPAGE).into(),
            [0xffff_ffff << 32 | 25, 1 << 33, 0x10000, 14 << 32, 0, 0, 0, 0],
        ),
    ]);
}

#[test]
fn opening_and_closing() {
    let with = |op: u64| 5 << 32 | op;
    let cwd = |op: u64| 0xffff_ff9c << 32 | op;
    let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::CLOEXEC;
    let open = OpenAt::new(At::CWD, at(1));
    compare(&[
        (
            "openat",
            OpenAt::new(5, at(1)).flags(flags).mode(0o600).into(),
            [with(18), 0, 0x10000, 0x80042 << 32 | 0o600, 0, 0, 0, 0],
        ),
        (
            "openat_direct",
            open.flags(OpenFlags::WRONLY).mode(0o600).direct(FixedFd(9)).into(),
            [cwd(18), 0, 0x10000, 1 << 32 | 0o600, 0, 10 << 32, 0, 0],
        ),
        (
            "openat_direct, allocated",
            open.direct_alloc().into(),
            [cwd(18), 0, 0x10000, 0, 0, 0xffff_ffff << 32, 0, 0],
        ),
        (
            "openat2",
            OpenAt2::new(5, at(1), at(2)).into(),
            [with(28), 0x20000, 0x10000, 24, 0, 0, 0, 0],
        ),
        (
            "openat2_direct",
            OpenAt2::new(5, at(1), at(2)).direct(FixedFd(9)).into(),
            [with(28), 0x20000, 0x10000, 24, 0, 10 << 32, 0, 0],
        ),
        ("close", Close::new(5).into(), [with(19), 0, 0, 0, 0, 0, 0, 0]),
        ("close_direct", Close::new(FixedFd(9)).into(), [19, 0, 0, 0, 0, 10 << 32, 0, 0]),
        ("pipe", Pipe::new(at(1)).into(), [62, 0, 0x10000, 0, 0, 0, 0, 0]),
        (
            "pipe_direct",
            Pipe::new(at(1)).flags(OpenFlags::NONBLOCK).direct(FixedFd(9)).into(),
            [62, 0, 0x10000, 0o4000 << 32, 0, 10 << 32, 0, 0],
        ),
        (
            "pipe_direct, allocated",
            Pipe::new(at(1)).direct_alloc().into(),
            [62, 0, 0x10000, 0, 0, 0xffff_ffff << 32, 0, 0],
        ),
        (
            "statx",
            Statx::new(5, at(1), at(2))
                .flags(AtFlags::EMPTY_PATH)
                .mask(StatxMask::BASIC_STATS)
                .into(),
            [with(21), 0x20000, 0x10000, 0x1000 << 32 | 0x7ff, 0, 0, 0, 0],
        ),
    ]);
}

#[test]
fn names() {
    let with = |op: u64| 5 << 32 | op;
    let cwd = |op: u64| 0xffff_ff9c << 32 | op;
    compare(&[
        (
            "renameat",
            RenameAt::new(5, at(1), 6, at(2)).flags(RenameFlags::NOREPLACE).into(),
            [with(35), 0x20000, 0x10000, 1 << 32 | 6, 0, 0, 0, 0],
        ),
        (
            "rename",
            RenameAt::new(At::CWD, at(1), At::CWD, at(2)).into(),
            [cwd(35), 0x20000, 0x10000, 0xffff_ff9c, 0, 0, 0, 0],
        ),
        (
            "unlinkat",
            UnlinkAt::new(5, at(1)).directory().into(),
            [with(36), 0, 0x10000, 0x200 << 32, 0, 0, 0, 0],
        ),
        ("unlink", UnlinkAt::new(At::CWD, at(1)).into(), [cwd(36), 0, 0x10000, 0, 0, 0, 0, 0]),
        (
            "mkdirat",
            MkdirAt::new(5, at(1), 0o700).into(),
            [with(37), 0, 0x10000, 0o700, 0, 0, 0, 0],
        ),
        (
            "symlinkat",
            SymlinkAt::new(at(1), 5, at(2)).into(),
            [with(38), 0x20000, 0x10000, 0, 0, 0, 0, 0],
        ),
        (
            "linkat",
            LinkAt::new(5, at(1), 6, at(2)).flags(AtFlags::SYMLINK_FOLLOW).into(),
            [with(39), 0x20000, 0x10000, 0x400 << 32 | 6, 0, 0, 0, 0],
        ),
        (
            "link",
            LinkAt::new(At::CWD, at(1), At::CWD, at(2)).into(),
            [cwd(39), 0x20000, 0x10000, 0xffff_ff9c, 0, 0, 0, 0],
        ),
    ]);
}

#[test]
fn extended_attributes() {
    compare(&[
        (
            "fsetxattr",
            FSetXattr::new(5, at(1), at(2), 64).flags(XattrFlags::CREATE).into(),
            [5 << 32 | 41, 0x20000, 0x10000, 1 << 32 | 64, 0, 0, 0, 0],
        ),
        (
            "setxattr",
            SetXattr::new(at(3), at(1), at(2), 64).flags(XattrFlags::REPLACE).into(),
            [42, 0x20000, 0x10000, 2 << 32 | 64, 0, 0, 0x30000, 0],
        ),
        (
            "fgetxattr",
            FGetXattr::new(5, at(1), at(2), 64).into(),
            [5 << 32 | 43, 0x20000, 0x10000, 64, 0, 0, 0, 0],
        ),
        (
            "getxattr",
            GetXattr::new(at(3), at(1), at(2), 64).into(),
            [44, 0x20000, 0x10000, 64, 0, 0, 0x30000, 0],
        ),
    ]);
}

#[test]
fn splices() {
    compare(&[
        (
            "splice",
            Splice::new(5, 6, 512).offset_in(4096).flags(SpliceFlags::NONBLOCK).into(),
            [6 << 32 | 30, OWN, 4096, 2 << 32 | 512, 0, 5 << 32, 0, 0],
        ),
        (
            "splice from a slot",
            Splice::new(FixedFd(5), 6, 512).into(),
            [6 << 32 | 30, OWN, OWN, 1 << 63 | 512, 0, 5 << 32, 0, 0],
        ),
        (
            "splice to a slot",
            Splice::new(5, FixedFd(6), 512).offset_out(8192).into(),
            [6 << 32 | 1 << 8 | 30, 8192, OWN, 512, 0, 5 << 32, 0, 0],
        ),
        (
            "tee",
            Tee::new(5, 6, 512).flags(SpliceFlags::NONBLOCK).into(),
            [6 << 32 | 33, 0, 0, 2 << 32 | 512, 0, 5 << 32, 0, 0],
        ),
    ]);
}

#[test]
fn tables_and_groups() {
    compare(&[
        (
            "files_update",
            FilesUpdate::new(FixedFd(9), at(1), 4).into(),
            [0xffff_ffff << 32 | 20, 9, 0x10000, 4, 0, 0, 0, 0],
        ),
        (
            "files_update, allocated",
            FilesUpdate::alloc(at(1), 4).into(),
            [0xffff_ffff << 32 | 20, 0xffff_ffff, 0x10000, 4, 0, 0, 0, 0],
        ),
        (
            "fixed_fd_install",
            FixedFdInstall::new(FixedFd(9)).flags(InstallFdFlags::NO_CLOEXEC).into(),
            [9 << 32 | 1 << 8 | 54, 0, 0, 1 << 32, 0, 0, 0, 0],
        ),
        (
            "provide_buffers",
            ProvideBuffers::new(BufGroup(7), at(1), 256, 4).first_id(100).into(),
            [4 << 32 | 31, 100, 0x10000, 256, 0, 7, 0, 0],
        ),
        (
            "remove_buffers",
            RemoveBuffers::new(BufGroup(7), 4).into(),
            [4 << 32 | 32, 0, 0, 0, 0, 7, 0, 0],
        ),
    ]);
}

/// Ours leave `fd` at 0 where liburing sets −1: the kernel looks at it only with a flag.
#[test]
fn nops() {
    compare(&[
        ("nop", Nop::new().into(), [0; 8]),
        ("nop128", Nop128::new().build().sqe, [63, 0, 0, 0, 0, 0, 0, 0]),
        (
            "nop with all there is",
            Nop::new()
                .inject_result(-2)
                .file(FixedFd(3))
                .fixed_buffer(BufIndex(7))
                .task_work()
                .big_completion([8, 9])
                .into(),
            [3 << 32, 8, 9, 0x3f << 32 | 0xffff_fffe, 0, 7, 0, 0],
        ),
    ]);
}
