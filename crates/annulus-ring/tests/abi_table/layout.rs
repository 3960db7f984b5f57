//! Every struct of `linux-raw-sys` beside ours, field by field.

use std::mem::offset_of;

use annulus_ring::abi::private::{DIRENT64_NAME_OFFSET, Dirent64, Statfs};
use annulus_ring::abi::*;
use linux_raw_sys::general::{
    __kernel_timespec, epoll_event, futex_waitv, iovec, linux_dirent64, open_how, statfs, statx,
    statx_timestamp,
};
use linux_raw_sys::io_uring::*;
use linux_raw_sys::net::msghdr;

/// One field: where each of the two has it, and how many bytes of it.
pub struct Field {
    pub owner: &'static str,
    pub name: &'static str,
    pub theirs: (usize, usize),
    pub ours: (usize, usize),
    /// A member of a union may be narrower than the one field we have for it, or lie in its middle.
    pub of_union: bool,
}

/// How many bytes a field takes, whatever its owner holds, packed or not.
macro_rules! width {
    ($Type:ty, $($field:tt)+) => {{
        fn pointee<T>(_: *const T) -> usize {
            size_of::<T>()
        }
        let memory = std::mem::MaybeUninit::<$Type>::uninit();
        let pointer = memory.as_ptr();
        // SAFETY: `pointer` is to `memory`, which lives; a place is named here, nothing is read.
        pointee(unsafe { &raw const (*pointer).$($field)+ })
    }};
}

/// A struct that has the same fields in both: `theirs = Ours { field, … }`.
macro_rules! same {
    ($rows:ident: $($theirs:ident = $Ours:ident { $($field:ident),* $(,)? })*) => {$(
        assert_eq!(size_of::<$theirs>(), size_of::<$Ours>(), stringify!($theirs));
        assert_eq!(align_of::<$theirs>(), align_of::<$Ours>(), stringify!($theirs));
        $($rows.push(Field {
            owner: stringify!($theirs),
            name: stringify!($field),
            theirs: (offset_of!($theirs, $field), width!($theirs, $field)),
            ours: (offset_of!($Ours, $field), width!($Ours, $field)),
            of_union: false,
        });)*
    )*};
}

/// As [`same`], for structs of which this is a part of the fields.
macro_rules! same_fields {
    ($rows:ident: $theirs:ident = $Ours:ident { $($field:ident),* $(,)? }) => {$(
        $rows.push(Field {
            owner: stringify!($theirs).split("__bindgen").next().unwrap(),
            name: stringify!($field),
            theirs: (offset_of!($theirs, $field), width!($theirs, $field)),
            ours: (offset_of!($Ours, $field), width!($Ours, $field)),
            of_union: false,
        });
    )*};
}
/// Members of the unions of `io_uring_sqe`: `path.member => our_field`.
macro_rules! members {
    ($rows:ident: $($union:ident { $($($path:ident).+ => $ours:ident),* $(,)? })*) => {$($(
        $rows.push(Field {
            owner: "io_uring_sqe",
            name: stringify!($($path).+).rsplit('.').next().unwrap().trim(),
            theirs: (
                offset_of!(io_uring_sqe, $union.$($path).+),
                width!(io_uring_sqe, $union.$($path).+),
            ),
            ours: (offset_of!(Sqe, $ours), width!(Sqe, $ours)),
            of_union: true,
        });
    )*)*};
}

/// The structs that both have with the same fields.
pub fn structs() -> Vec<Field> {
    let mut rows = Vec::new();
    same!(rows:
        io_sqring_offsets = SqringOffsets {
            head, tail, ring_mask, ring_entries, flags, dropped, array, resv1, user_addr,
        }
        io_cqring_offsets = CqringOffsets {
            head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1, user_addr,
        }
        io_uring_params = Params {
            sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv,
            sq_off, cq_off,
        }
        io_uring_attr_pi = AttrPi { flags, app_tag, len, addr, seed, rsvd }
        io_uring_files_update = FilesUpdate { offset, resv, fds }
        io_uring_region_desc = RegionDesc { user_addr, size, flags, id, mmap_offset, __resv }
        io_uring_mem_region_reg = MemRegionReg { region_uptr, flags, __resv }
        io_uring_rsrc_register = RsrcRegister { nr, flags, resv2, data, tags }
        io_uring_rsrc_update = RsrcUpdate { offset, resv, data }
        io_uring_rsrc_update2 = RsrcUpdate2 { offset, resv, data, tags, nr, resv2 }
        io_uring_probe_op = ProbeOp { op, resv, flags, resv2 }
        io_uring_clock_register = ClockRegister { clockid, __resv }
        io_uring_clone_buffers = CloneBuffers { src_fd, flags, src_off, dst_off, nr, pad }
        io_uring_buf = Buf { addr, len, bid, resv }
        io_uring_buf_status = BufStatus { buf_group, head, resv }
        io_uring_napi = Napi { busy_poll_to, prefer_busy_poll, opcode, pad, op_param, resv }
        io_uring_reg_wait = RegWait { ts, min_wait_usec, flags, sigmask, sigmask_sz, pad, pad2 }
        io_uring_getevents_arg = GeteventsArg { sigmask, sigmask_sz, min_wait_usec, ts }
        io_uring_sync_cancel_reg = SyncCancelReg { addr, fd, flags, timeout, opcode, pad, pad2 }
        io_uring_file_index_range = FileIndexRange { off, len, resv }
        io_uring_recvmsg_out = RecvmsgOut { namelen, controllen, payloadlen, flags }
        io_timespec = IoTimespec { tv_sec, tv_nsec }
        io_uring_zcrx_rqe = ZcrxRqe { off, len, __pad }
        io_uring_zcrx_cqe = ZcrxCqe { off, __pad }
        io_uring_zcrx_offsets = ZcrxOffsets { head, tail, rqes, __resv2, __resv }
        io_uring_zcrx_area_reg = ZcrxAreaReg {
            addr, len, rq_area_token, flags, dmabuf_fd, __resv2,
        }
    );
    rows
}

/// The structs of other headers that entries point to.
pub fn pointed_to() -> Vec<Field> {
    let mut rows = Vec::new();
    same!(rows:
        __kernel_timespec = Timespec { tv_sec, tv_nsec }
        epoll_event = EpollEvent { events, data }
        futex_waitv = FutexWaitv { val, uaddr, flags, __reserved }
        iovec = Iovec { iov_base, iov_len }
        msghdr = Msghdr {
            msg_name, msg_namelen, msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags,
        }
        open_how = OpenHow { flags, mode, resolve }
        statx = Statx {
            stx_mask, stx_blksize, stx_attributes, stx_nlink, stx_uid, stx_gid, stx_mode, __spare0,
            stx_ino, stx_size, stx_blocks, stx_attributes_mask, stx_atime, stx_btime, stx_ctime,
            stx_mtime, stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor, stx_mnt_id,
            stx_dio_mem_align, stx_dio_offset_align, stx_subvol, stx_atomic_write_unit_min,
            stx_atomic_write_unit_max, stx_atomic_write_segments_max, stx_dio_read_offset_align,
            stx_atomic_write_unit_max_opt, __spare2, __spare3,
        }
        statx_timestamp = StatxTimestamp { tv_sec, tv_nsec, __reserved }
        linux_dirent64 = Dirent64 { d_ino, d_off, d_reclen, d_type }
    );
    assert_eq!(offset_of!(linux_dirent64, d_name), DIRENT64_NAME_OFFSET);
    // Ours is that of the 64-bit architectures on all.
    #[cfg(target_pointer_width = "64")]
    same!(rows: statfs = Statfs {
        f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_fsid, f_namelen,
        f_frsize, f_flags, f_spare,
    });
    rows
}

/// The structs with unions, with arrays without length, and those that have grown since.
pub fn special() -> Vec<Field> {
    let mut rows = Vec::new();
    rows.extend(sqe());
    assert_eq!(size_of::<io_uring_cqe>(), size_of::<Cqe>());
    same_fields!(rows: io_uring_cqe = Cqe { user_data, res, flags });
    rows.push(flexible("io_uring_cqe", "big_cqe", offset_of!(io_uring_cqe, big_cqe), 16));
    assert_eq!(offset_of!(Cqe32, big_cqe), 16);

    assert_eq!(size_of::<io_uring_probe>(), size_of::<Probe>());
    same_fields!(rows: io_uring_probe = Probe { last_op, ops_len, resv, resv2 });
    let end = size_of::<Probe>();
    rows.push(flexible("io_uring_probe", "ops", offset_of!(io_uring_probe, ops), end));

    assert_eq!(size_of::<io_uring_restriction>(), size_of::<Restriction>());
    same_fields!(rows: io_uring_restriction = Restriction { opcode, resv, resv2 });
    let byte = (offset_of!(Restriction, sqe_op), width!(Restriction, sqe_op));
    for name in ["register_op", "sqe_op", "sqe_flags"] {
        // The three members of a union of bytes.
        let theirs = offset_of!(io_uring_restriction, __bindgen_anon_1);
        let size = size_of::<io_uring_restriction__bindgen_ty_1>();
        let owner = "io_uring_restriction";
        rows.push(Field { owner, name, theirs: (theirs, size), ours: byte, of_union: false });
    }

    assert_eq!(size_of::<io_uring_buf_ring>(), size_of::<BufRing>());
    same_fields!(rows: io_uring_buf_ring__bindgen_ty_1__bindgen_ty_1 = BufRing {
        resv1, resv2, resv3, tail,
    });
    rows.push(flexible("io_uring_buf_ring", "bufs", 0, 0));

    // `min_left` came out of `resv` in Linux 7.1, `rx_buf_len` out of `__resv2` in 7.0 and
    // `event_desc` out of `__resv` in 7.2.
    assert_eq!(size_of::<io_uring_buf_reg>(), size_of::<BufReg>());
    same_fields!(rows: io_uring_buf_reg = BufReg { ring_addr, ring_entries, bgid, flags });
    let resv = (offset_of!(io_uring_buf_reg, resv), width!(io_uring_buf_reg, resv));
    let taken = width!(BufReg, min_left) + width!(BufReg, resv);
    let ours = (offset_of!(BufReg, min_left), taken);
    rows.push(grown("io_uring_buf_reg", "resv", resv, ours));

    assert_eq!(size_of::<io_uring_zcrx_ifq_reg>(), size_of::<ZcrxIfqReg>());
    same_fields!(rows: io_uring_zcrx_ifq_reg = ZcrxIfqReg {
        if_idx, if_rxq, rq_entries, flags, area_ptr, region_ptr, offsets, zcrx_id,
    });
    let resv2 = offset_of!(io_uring_zcrx_ifq_reg, __resv2);
    let ours = (offset_of!(ZcrxIfqReg, rx_buf_len), width!(ZcrxIfqReg, rx_buf_len));
    rows.push(grown("io_uring_zcrx_ifq_reg", "__resv2", (resv2, 4), ours));
    let resv = (offset_of!(io_uring_zcrx_ifq_reg, __resv), width!(io_uring_zcrx_ifq_reg, __resv));
    let taken = width!(ZcrxIfqReg, event_desc) + width!(ZcrxIfqReg, __resv);
    let ours = (offset_of!(ZcrxIfqReg, event_desc), taken);
    rows.push(grown("io_uring_zcrx_ifq_reg", "__resv", resv, ours));
    rows
}

/// `io_uring_sqe`, whose every union is one field of ours.
fn sqe() -> Vec<Field> {
    let mut rows = Vec::new();
    assert_eq!(size_of::<io_uring_sqe>(), size_of::<Sqe>());
    assert_eq!(align_of::<io_uring_sqe>(), align_of::<Sqe>());
    same_fields!(rows: io_uring_sqe = Sqe {
        opcode, flags, ioprio, fd, len, user_data, personality,
    });
    members!(rows:
        __bindgen_anon_1 {
            off => off, addr2 => off, __bindgen_anon_1.cmd_op => off,
            __bindgen_anon_1.__pad1 => off,
        }
        __bindgen_anon_2 {
            addr => addr, splice_off_in => addr, __bindgen_anon_1.level => addr,
            __bindgen_anon_1.optname => addr,
        }
        __bindgen_anon_3 {
            rw_flags => rw_flags, fsync_flags => rw_flags, poll_events => rw_flags,
            poll32_events => rw_flags, sync_range_flags => rw_flags, msg_flags => rw_flags,
            timeout_flags => rw_flags, accept_flags => rw_flags, cancel_flags => rw_flags,
            open_flags => rw_flags, statx_flags => rw_flags, fadvise_advice => rw_flags,
            splice_flags => rw_flags, rename_flags => rw_flags, unlink_flags => rw_flags,
            hardlink_flags => rw_flags, xattr_flags => rw_flags, msg_ring_flags => rw_flags,
            uring_cmd_flags => rw_flags, waitid_flags => rw_flags, futex_flags => rw_flags,
            install_fd_flags => rw_flags, nop_flags => rw_flags, pipe_flags => rw_flags,
        }
        __bindgen_anon_4 { buf_index => buf_index, buf_group => buf_index }
        __bindgen_anon_5 {
            splice_fd_in => splice_fd_in, file_index => splice_fd_in,
            zcrx_ifq_idx => splice_fd_in, optlen => splice_fd_in,
            __bindgen_anon_1.addr_len => splice_fd_in, __bindgen_anon_1.__pad3 => splice_fd_in,
            __bindgen_anon_2.write_stream => splice_fd_in,
            __bindgen_anon_2.__pad4 => splice_fd_in,
        }
        __bindgen_anon_6 { optval => addr3, cmd => addr3 }
    );
    // The last union is one that bindgen cannot express: its structs are types beside it.
    let base = offset_of!(io_uring_sqe, __bindgen_anon_6);
    type Plain = io_uring_sqe__bindgen_ty_6__bindgen_ty_1;
    type Attributes = io_uring_sqe__bindgen_ty_6__bindgen_ty_2;
    let addr3 = (offset_of!(Sqe, addr3), width!(Sqe, addr3));
    let resv = (offset_of!(Sqe, resv), width!(Sqe, resv));
    for (name, offset, ours) in [
        ("addr3", offset_of!(Plain, addr3), addr3),
        ("__pad2", offset_of!(Plain, __pad2), resv),
        ("attr_ptr", offset_of!(Attributes, attr_ptr), addr3),
        ("attr_type_mask", offset_of!(Attributes, attr_type_mask), resv),
    ] {
        let theirs = (base + offset, 8);
        rows.push(Field { owner: "io_uring_sqe", name, theirs, ours, of_union: false });
    }
    rows
}

/// An array without length: where it begins.
fn flexible(owner: &'static str, name: &'static str, theirs: usize, ours: usize) -> Field {
    Field { owner, name, theirs: (theirs, 0), ours: (ours, 0), of_union: false }
}

/// A reserved field, of which a later Linux has used a part.
fn grown(
    owner: &'static str,
    name: &'static str,
    theirs: (usize, usize),
    ours: (usize, usize),
) -> Field {
    Field { owner, name, theirs, ours, of_union: false }
}
