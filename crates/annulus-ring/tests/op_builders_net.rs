//! Each builder of the operations on sockets and of control against the entry that liburing's
//! `io_uring_prep_*` makes of the same arguments, field by field.
//!
//! The expected fields were dumped from liburing 2.3 where it has the helper, and are those of its
//! header (2.15) or of the kernel's `io_*_prep` for the newer ones. No entry here is submitted:
//! addresses are numbers.

use std::sync::atomic::AtomicU32;

use annulus_ring::abi::{
    AddressFamily, BufGroup, BufIndex, CqeFlags, FixedFd, IdType, MsgFlags, NvmeUringCmd, Op,
    PollEvents, ShutdownHow, SockFlags, SocketType, Sqe, Sqe128, SqeFlags, WaitidOptions,
};
use annulus_ring::op;

/// Pointers that point nowhere: their numbers are what the entry must hold.
fn at<T>(address: usize) -> *mut T {
    std::ptr::without_provenance_mut(address)
}

const A: u64 = 0x1111;
const B: u64 = 0x2222;

/// Two 32-bit fields of one word, the first at the lower address.
fn words(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// A 16-bit field at the lower address of a 32-bit one.
fn short(first: u16) -> i32 {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&first.to_ne_bytes());
    i32::from_ne_bytes(bytes)
}

fn sqe(opcode: u8, fd: i32) -> Sqe {
    Sqe { opcode: Op(opcode), fd, ..Sqe::default() }
}

#[track_caller]
fn same(built: impl Into<Sqe>, expected: Sqe) {
    assert_eq!(built.into(), expected);
}

#[test]
fn send_and_recv() {
    let send = Sqe { addr: A, len: 77, rw_flags: 0x8000, ..sqe(26, 3) };
    same(op::Send::new(3, at(0x1111), 77).flags(MsgFlags::MORE), send);
    same(
        op::Send::new(3, at(0x1111), 77).flags(MsgFlags::MORE).address(at(0x2222), 28),
        Sqe { off: B, splice_fd_in: short(28), ..send },
    );
    same(
        op::Send::new(3, at(0x1111), 7).poll_first(),
        Sqe { addr: A, len: 7, ioprio: 1, ..sqe(26, 3) },
    );
    same(op::Send::vectorized(3, at(0x1111), 2), Sqe { addr: A, len: 2, ioprio: 32, ..sqe(26, 3) });
    let select = SqeFlags::BUFFER_SELECT;
    same(
        op::Send::with_group(3, BufGroup(9), 0).bundle(),
        Sqe { flags: select, buf_index: 9, ioprio: 16, ..sqe(26, 3) },
    );

    let recv = Sqe { addr: A, len: 77, rw_flags: 2, ..sqe(27, 3) };
    same(op::Recv::new(3, at(0x1111), 77).flags(MsgFlags::PEEK), recv);
    same(
        op::Recv::new(3, at(0x1111), 7).poll_first(),
        Sqe { addr: A, len: 7, ioprio: 1, ..sqe(27, 3) },
    );
    same(
        op::Recv::with_group(3, BufGroup(9), 0).multishot().flags(MsgFlags::PEEK),
        Sqe { flags: select, buf_index: 9, ioprio: 2, rw_flags: 2, ..sqe(27, 3) },
    );
    same(
        op::Recv::with_group(3, BufGroup(9), 512).multishot().bundle().total_len(4096),
        Sqe { flags: select, buf_index: 9, ioprio: 18, len: 512, splice_fd_in: 4096, ..sqe(27, 3) },
    );
}

#[test]
fn messages() {
    let send = Sqe { addr: A, len: 1, rw_flags: 0x4000, ..sqe(9, 3) };
    same(op::SendMsg::new(3, at(0x1111)).flags(MsgFlags::NOSIGNAL), send);
    same(op::SendMsg::new(3, at(0x1111)).poll_first(), Sqe { rw_flags: 0, ioprio: 1, ..send });
    let recv = Sqe { addr: A, len: 1, rw_flags: 0x40, ..sqe(10, 3) };
    same(op::RecvMsg::new(3, at(0x1111)).flags(MsgFlags::DONTWAIT), recv);
    same(op::RecvMsg::new(3, at(0x1111)).poll_first(), Sqe { rw_flags: 0, ioprio: 1, ..recv });
    same(
        op::RecvMsg::with_group(3, at(0x1111), BufGroup(9)).multishot().flags(MsgFlags::DONTWAIT),
        Sqe { ioprio: 2, flags: SqeFlags::BUFFER_SELECT, buf_index: 9, ..recv },
    );
}

#[test]
fn zero_copy() {
    let send = Sqe { addr: A, len: 77, rw_flags: 0x8000, ioprio: 1, ..sqe(47, 3) };
    same(op::SendZc::new(3, at(0x1111), 77).flags(MsgFlags::MORE).poll_first(), send);
    same(
        op::SendZc::new(3, at(0x1111), 77)
            .flags(MsgFlags::MORE)
            .poll_first()
            .fixed_buffer(BufIndex(9)),
        Sqe { ioprio: 5, buf_index: 9, ..send },
    );
    let plain = Sqe { addr: A, len: 77, ..sqe(47, 3) };
    same(
        op::SendZc::new(3, at(0x1111), 77).address(at(0x2222), 28),
        Sqe { off: B, splice_fd_in: short(28), ..plain },
    );
    same(op::SendZc::new(3, at(0x1111), 77).report_usage(), Sqe { ioprio: 8, ..plain });
    same(op::SendZc::vectorized(3, at(0x1111), 77), Sqe { ioprio: 32, ..plain });

    let msg = Sqe { addr: A, len: 1, rw_flags: 0x8000, ..sqe(48, 3) };
    same(op::SendMsgZc::new(3, at(0x1111)).flags(MsgFlags::MORE), msg);
    same(
        op::SendMsgZc::new(3, at(0x1111)).fixed_buffer(BufIndex(9)).report_usage().poll_first(),
        Sqe { rw_flags: 0, ioprio: 13, buf_index: 9, ..msg },
    );
    same(op::RecvZc::new(3, 2), Sqe { ioprio: 2, splice_fd_in: 2, ..sqe(58, 3) });
    same(
        op::RecvZc::new(3, 2).total_len(99).poll_first(),
        Sqe { ioprio: 3, splice_fd_in: 2, len: 99, ..sqe(58, 3) },
    );
}

#[test]
fn sockets() {
    let accept = Sqe { addr: A, off: B, ..sqe(13, 3) };
    same(
        op::Accept::new(3).address(at(0x1111), at(0x2222)).flags(SockFlags::CLOEXEC),
        Sqe { rw_flags: 0x80000, ..accept },
    );
    same(
        op::Accept::new(3).address(at(0x1111), at(0x2222)).direct(FixedFd(5)),
        Sqe { splice_fd_in: 6, ..accept },
    );
    same(op::Accept::new(3).multishot(), Sqe { ioprio: 1, ..sqe(13, 3) });
    same(
        op::Accept::new(3).multishot().direct_alloc(),
        Sqe { ioprio: 1, splice_fd_in: -1, ..sqe(13, 3) },
    );
    same(op::Accept::new(3).dontwait().poll_first(), Sqe { ioprio: 6, ..sqe(13, 3) });

    same(op::Connect::new(3, at(0x1111), 16), Sqe { addr: A, off: 16, ..sqe(16, 3) });
    same(op::Bind::new(3, at(0x1111), 16), Sqe { addr: A, off: 16, ..sqe(56, 3) });
    same(op::Listen::new(3, 16), Sqe { len: 16, ..sqe(57, 3) });
    same(op::Shutdown::new(3, ShutdownHow::RDWR), Sqe { len: 2, ..sqe(34, 3) });

    let socket = Sqe { off: 1, len: 6, ..sqe(45, 2) };
    let tcp = || op::Socket::new(AddressFamily::INET, SocketType::STREAM, 6);
    same(tcp(), socket);
    same(tcp().flags(SockFlags::CLOEXEC | SockFlags::NONBLOCK), Sqe { off: 0o2004001, ..socket });
    same(tcp().direct(FixedFd(5)), Sqe { splice_fd_in: 6, ..socket });
    same(tcp().direct_alloc(), Sqe { splice_fd_in: -1, ..socket });
}

#[test]
fn polls() {
    // The helper writes the events word-reversed on a big-endian machine.
    let events = |bits: u32| if cfg!(target_endian = "little") { bits } else { bits << 16 };
    same(
        op::PollAdd::new(3, PollEvents::IN | PollEvents::RDHUP),
        Sqe { rw_flags: events(0x2001), ..sqe(6, 3) },
    );
    same(
        op::PollAdd::new(3, PollEvents::IN).multishot(),
        Sqe { len: 1, rw_flags: events(1), ..sqe(6, 3) },
    );
    same(
        op::PollAdd::new(3, PollEvents::IN).level(),
        Sqe { len: 8, rw_flags: events(1), ..sqe(6, 3) },
    );
    same(op::PollRemove::new(7), Sqe { addr: 7, ..sqe(7, -1) });
    same(
        op::PollUpdate::new(7).events(PollEvents::OUT).new_user_data(8).multishot(),
        Sqe { addr: 7, off: 8, len: 7, rw_flags: events(4), ..sqe(7, -1) },
    );
    same(op::PollUpdate::new(7).new_user_data(8), Sqe { addr: 7, off: 8, len: 4, ..sqe(7, -1) });
}

#[test]
fn timeouts() {
    let timeout = Sqe { addr: A, len: 1, ..sqe(11, -1) };
    same(
        op::Timeout::new(at(0x1111)).count(3).absolute().realtime(),
        Sqe { off: 3, rw_flags: 9, ..timeout },
    );
    same(
        op::Timeout::new(at(0x1111)).boottime().etime_success().multishot(),
        Sqe { rw_flags: 0x64, ..timeout },
    );
    same(op::Timeout::immediate(5), Sqe { addr: 5, rw_flags: 0x80, ..timeout });
    same(op::TimeoutRemove::new(7), Sqe { addr: 7, ..sqe(12, -1) });
    let update = Sqe { addr: 7, off: A, rw_flags: 2, ..sqe(12, -1) };
    same(op::TimeoutUpdate::new(7, at(0x1111)).absolute(), Sqe { rw_flags: 3, ..update });
    same(op::TimeoutUpdate::new(7, at(0x1111)).link_timeout(), Sqe { rw_flags: 0x12, ..update });
    same(op::TimeoutUpdate::immediate(7, 5), Sqe { off: 5, rw_flags: 0x82, ..update });
    let link = Sqe { addr: A, len: 1, ..sqe(15, -1) };
    same(op::LinkTimeout::new(at(0x1111)).boottime(), Sqe { rw_flags: 4, ..link });
    same(op::LinkTimeout::new(at(0x1111)).absolute().realtime(), Sqe { rw_flags: 9, ..link });
    same(op::LinkTimeout::immediate(5), Sqe { addr: 5, rw_flags: 0x80, ..link });
}

#[test]
fn cancellation() {
    let cancel = |fd| sqe(14, fd);
    same(op::AsyncCancel::user_data(7), Sqe { addr: 7, ..cancel(-1) });
    same(op::AsyncCancel::fd(3).all(), Sqe { rw_flags: 3, ..cancel(3) });
    same(op::AsyncCancel::fd(FixedFd(3)), Sqe { rw_flags: 0xa, ..cancel(3) });
    same(op::AsyncCancel::op(Op::RECV).all(), Sqe { len: 27, rw_flags: 0x21, ..cancel(-1) });
    same(op::AsyncCancel::any(), Sqe { rw_flags: 4, ..cancel(-1) });
    same(
        op::AsyncCancel::fd(3).and_op(Op::RECV).and_user_data(7),
        Sqe { addr: 7, len: 27, rw_flags: 0x32, ..cancel(3) },
    );
    same(
        op::AsyncCancel::user_data(7).and_op(Op::RECV),
        Sqe { addr: 7, len: 27, rw_flags: 0x30, ..cancel(-1) },
    );
}

#[test]
fn other_rings() {
    same(op::MsgRing::new(3, 7, 42), Sqe { off: 7, len: 42, ..sqe(40, 3) });
    same(
        op::MsgRing::new(3, 7, 42).cqe_flags(CqeFlags(9)),
        Sqe { off: 7, len: 42, rw_flags: 2, splice_fd_in: 9, ..sqe(40, 3) },
    );
    let fd = Sqe { addr: 1, off: 7, addr3: 4, ..sqe(40, 3) };
    same(op::MsgRingFd::new(3, 7, FixedFd(4), FixedFd(5)), Sqe { splice_fd_in: 6, ..fd });
    same(
        op::MsgRingFd::alloc(3, 7, FixedFd(4)).skip_target_cqe(),
        Sqe { splice_fd_in: -1, rw_flags: 1, ..fd },
    );
}

#[test]
fn epoll() {
    same(op::EpollCtl::add(3, 4, at(0x1111)), Sqe { off: 4, addr: A, len: 1, ..sqe(29, 3) });
    same(op::EpollCtl::delete(3, 4), Sqe { off: 4, len: 2, ..sqe(29, 3) });
    same(op::EpollCtl::modify(3, 4, at(0x1111)), Sqe { off: 4, addr: A, len: 3, ..sqe(29, 3) });
    same(op::EpollWait::new(3, at(0x1111), 8), Sqe { addr: A, len: 8, ..sqe(59, 3) });
}

#[test]
fn futexes_and_children() {
    let word = at::<AtomicU32>(0x1111);
    // As io_uring_prep_futex_wait(sqe, futex, 5, FUTEX_BITSET_MATCH_ANY, U32 | PRIVATE, 0).
    let futex = Sqe { addr: A, off: 5, addr3: 0xffff_ffff, ..sqe(51, 0x82) };
    same(op::FutexWait::new(word, 5), futex);
    same(op::FutexWait::new(word, 5).mask(1), Sqe { addr3: 1, ..futex });
    same(op::FutexWake::new(word, 5), Sqe { opcode: Op(52), ..futex });
    same(op::FutexWaitV::new(at(0x1111), 2), Sqe { addr: A, len: 2, ..sqe(53, 0) });
    same(
        op::WaitId::new(IdType::PID, 77, WaitidOptions::EXITED).info(at(0x1111)),
        Sqe { off: A, len: 1, splice_fd_in: 4, ..sqe(50, 77) },
    );
}

#[test]
fn commands() {
    let command = |op: u32| Sqe { off: words(op, 0), ..sqe(46, 3) };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&A.to_ne_bytes());
    bytes[8..].copy_from_slice(&B.to_ne_bytes());
    let generic = Sqe { addr3: A, resv: B, ..command(9) };
    same(op::UringCmd::new(3, 9, bytes), generic);
    same(
        op::UringCmd::new(3, 9, bytes).fixed_buffer(BufIndex(2)).addr_len(4, 5),
        Sqe { rw_flags: 1, buf_index: 2, addr: 4, len: 5, ..generic },
    );
    same(
        op::UringCmd::new(3, 9, bytes).multishot(BufGroup(2)),
        Sqe { rw_flags: 2, buf_index: 2, flags: SqeFlags::BUFFER_SELECT, ..generic },
    );

    same(op::SocketQueue::receive(3), command(0));
    same(op::SocketQueue::send(3), command(1));
    let option = |op| Sqe { addr: words(1, 7), addr3: A, splice_fd_in: 4, ..command(op) };
    same(op::GetSockOpt::new(3, 7, at(0x1111), 4), option(2));
    same(op::SetSockOpt::new(3, 1, 7, at(0x1111), 4), option(3));
    same(op::GetSockOpt::new(3, 7, at(0x1111), 4).level(6), Sqe { addr: words(6, 7), ..option(2) });
    same(op::TxTimestamp::new(3), command(4));
    same(op::GetSockName::own(3, at(0x1111), at(0x2222)), Sqe { addr: A, addr3: B, ..command(5) });
    same(
        op::GetSockName::peer(3, at(0x1111), at(0x2222)),
        Sqe { addr: A, addr3: B, splice_fd_in: 1, ..command(5) },
    );
    same(op::BlockDiscard::new(3, A, B), Sqe { addr: A, addr3: B, ..command(0x1200) });
}

#[test]
fn wide_commands() {
    let bytes = std::array::from_fn(|i| i as u8 + 1);
    let mut expected = Sqe128::from(Sqe { off: words(9, 0), ..sqe(46, 3) });
    expected.sqe.addr3 = u64::from_ne_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
    expected.sqe.resv = u64::from_ne_bytes([9, 10, 11, 12, 13, 14, 15, 16]);
    expected.extra = std::array::from_fn(|i| i as u8 + 17);
    assert_eq!(op::UringCmd128::new(3, 9, bytes).build(), expected);
    expected.sqe.opcode = Op(64);
    assert_eq!(Sqe128::from(op::UringCmd128::new(3, 9, bytes).mixed()), expected);

    let read = NvmeUringCmd { opcode: 2, nsid: 1, cdw15: 7, ..NvmeUringCmd::default() };
    for (built, number) in [
        (op::NvmeCmd::io(3, &read), 0xc048_4e80),
        (op::NvmeCmd::io_vec(3, &read), 0xc048_4e81),
        (op::NvmeCmd::admin(3, &read), 0xc048_4e82),
        (op::NvmeCmd::admin_vec(3, &read), 0xc048_4e83),
    ] {
        let wide = built.fixed_buffer(BufIndex(2)).build();
        let expected = Sqe {
            off: words(number, 0),
            addr3: words(u32::from_ne_bytes([2, 0, 0, 0]), 1),
            rw_flags: 1,
            buf_index: 2,
            ..sqe(46, 3)
        };
        assert_eq!(wide.sqe, expected);
        // cdw15 is at byte 60 of the command, and the first 16 are in the first half.
        assert_eq!(wide.extra[44..48], 7_u32.to_ne_bytes());
    }
}

#[test]
fn what_every_operation_shares() {
    let fixed = op::Recv::new(FixedFd(3), at(0x1111), 7).build();
    assert_eq!((fixed.fd, fixed.flags), (3, SqeFlags::FIXED_FILE));
    let linked = op::PollAdd::new(FixedFd(3), PollEvents::IN).build().link().user_data(9);
    assert_eq!(linked.flags, SqeFlags::FIXED_FILE | SqeFlags::IO_LINK);
    assert_eq!(linked.user_data, 9);
}
