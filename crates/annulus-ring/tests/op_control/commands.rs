//! URING_CMD: the commands of sockets; those of devices as far as none is needed.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

use annulus_ring::abi::{BufIndex, FixedFd, NvmeUringCmd, SockAddr};
use annulus_ring::{Builder, Errno, op};

use crate::common;
use crate::rig::{file_table, push, result, ring, set_file, silent, wait};

const SOL_SOCKET: u32 = 1;
const SO_TYPE: u32 = 3;
const SO_KEEPALIVE: u32 = 9;
const IPPROTO_TCP: u32 = 6;
const TCP_NODELAY: u32 = 1;
/// Why a test of the commands of sockets is skipped, where the kernel refuses the first.
const NO_COMMANDS: &str = "no commands of sockets before Linux 6.7";
/// "Protocol not available".
const ENOPROTOOPT: Errno = Errno::from_raw(92);

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    (here, there)
}

#[test]
fn the_lengths_of_the_queues() {
    let (mut here, there) = tcp_pair();
    let mut ring = ring();
    let empty = result(&mut ring, op::SocketQueue::receive(&there));
    if empty == Err(Errno::EOPNOTSUPP) {
        return common::skip("the_lengths_of_the_queues", NO_COMMANDS);
    }
    assert_eq!(empty, Ok(0));
    here.write_all(b"hello").unwrap();
    assert_eq!(result(&mut ring, op::SocketQueue::receive(&there)), Ok(5));
    let unsent = result(&mut ring, op::SocketQueue::send(&here)).unwrap();
    assert!(unsent <= 5, "{unsent}");
    // By slot, too.
    file_table(&ring, 1);
    set_file(&ring, 0, &there);
    assert_eq!(result(&mut ring, op::SocketQueue::receive(FixedFd(0))), Ok(5));
}

#[test]
fn an_option_is_read_and_set() {
    let (here, _there) = tcp_pair();
    let (mut ring, mut value) = (ring(), 0_i32);
    let place = (&raw mut value).cast();
    let got = result(&mut ring, op::GetSockOpt::new(&here, SO_TYPE, place, 4));
    if got == Err(Errno::EOPNOTSUPP) {
        return common::skip("an_option_is_read_and_set", NO_COMMANDS);
    }
    assert_eq!((got, value), (Ok(4), 1));
    let on = 1_i32;
    let one = (&raw const on).cast();
    let set = op::SetSockOpt::new(&here, IPPROTO_TCP, TCP_NODELAY, one, 4);
    assert_eq!(result(&mut ring, set), Ok(0));
    assert!(here.nodelay().unwrap());
    let set = op::SetSockOpt::new(&here, SOL_SOCKET, SO_KEEPALIVE, one, 4);
    assert_eq!(result(&mut ring, set), Ok(0));
    assert_eq!(result(&mut ring, op::GetSockOpt::new(&here, SO_KEEPALIVE, place, 4)), Ok(4));
    assert_eq!(value, 1);
}

#[test]
fn options_that_cannot_be() {
    let (here, _there) = tcp_pair();
    let (mut ring, mut value) = (ring(), 0_i32);
    let place = (&raw mut value).cast();
    let get = op::GetSockOpt::new(&here, SO_TYPE, place, 4);
    assert_eq!(result(&mut ring, get.level(IPPROTO_TCP)), Err(Errno::EOPNOTSUPP));
    let none = result(&mut ring, op::GetSockOpt::new(&here, 9999, place, 4));
    if none == Err(Errno::EOPNOTSUPP) {
        return common::skip("options_that_cannot_be", NO_COMMANDS);
    }
    assert_eq!(none, Err(ENOPROTOOPT));
    let none = op::SetSockOpt::new(&here, SOL_SOCKET, 9999, place, 4);
    assert_eq!(result(&mut ring, none), Err(ENOPROTOOPT));
    let short = op::SetSockOpt::new(&here, SOL_SOCKET, SO_KEEPALIVE, place, 1);
    assert_eq!(result(&mut ring, short), Err(Errno::EINVAL));
    let null = op::SetSockOpt::new(&here, SOL_SOCKET, SO_KEEPALIVE, std::ptr::null(), 4);
    assert_eq!(result(&mut ring, null), Err(Errno::EFAULT));
}

#[test]
fn who_takes_no_commands() {
    let mut ring = ring();
    let pipe = std::io::pipe().unwrap().0;
    assert_eq!(result(&mut ring, op::SocketQueue::receive(&pipe)), Err(Errno::EOPNOTSUPP));
    assert_eq!(result(&mut ring, op::SocketQueue::receive(-1)), Err(Errno::EBADF));
    let (unix, _peer) = UnixStream::pair().unwrap();
    assert_eq!(result(&mut ring, op::SocketQueue::receive(&unix)), Err(Errno::EOPNOTSUPP));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unknown = op::UringCmd::new(&udp, 9999, [0; 16]);
    assert_eq!(result(&mut ring, unknown), Err(Errno::EOPNOTSUPP));
    let unregistered = op::UringCmd::new(&udp, 0, [0; 16]).fixed_buffer(BufIndex(3));
    let refused = result(&mut ring, unregistered);
    assert!(matches!(refused, Ok(0) | Err(Errno::EFAULT)), "{refused:?}");
}

#[test]
fn a_multishot_command_needs_a_group_to_select_from() {
    use annulus_ring::abi::SqeFlags;
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut without =
        op::UringCmd::new(&udp, 0, [0; 16]).multishot(annulus_ring::abi::BufGroup(1)).build();
    without.flags = SqeFlags::empty();
    assert_eq!(result(&mut ring(), without), Err(Errno::EINVAL));
}

#[test]
fn the_address_of_a_socket_and_of_its_peer() {
    let (here, there) = tcp_pair();
    let mut ring = ring();
    let mut name = SockAddr::empty();
    let (addr, len) = name.as_mut_ptrs();
    let own = op::GetSockName::own(&here, addr, len);
    if result(&mut ring, own) == Err(Errno::EOPNOTSUPP) {
        let test = "the_address_of_a_socket_and_of_its_peer";
        return common::skip(test, "Linux 6.19 or later");
    }
    assert_eq!(name.to_socket_addr(), Some(here.local_addr().unwrap()));
    let mut name = SockAddr::empty();
    let (addr, len) = name.as_mut_ptrs();
    assert_eq!(result(&mut ring, op::GetSockName::peer(&here, addr, len)), Ok(0));
    assert_eq!(name.to_socket_addr(), Some(there.local_addr().unwrap()));
}

#[test]
fn when_a_packet_was_sent() {
    use annulus_ring::abi::{CqeFlags, IoTimespec};
    /// `SO_TIMESTAMPING`, and `SOF_TIMESTAMPING_`: `TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY`.
    const SO_TIMESTAMPING: u32 = 37;
    const ASK: u32 = 1 << 1 | 1 << 4 | 1 << 7 | 1 << 11;
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    here.connect(there.local_addr().unwrap()).unwrap();
    let mut plain = ring();
    let ask = ASK;
    let value = (&raw const ask).cast();
    let set = op::SetSockOpt::new(&here, SOL_SOCKET, SO_TIMESTAMPING, value, 4);
    let set = result(&mut plain, set);
    if set == Err(Errno::EOPNOTSUPP) {
        return common::skip("when_a_packet_was_sent", NO_COMMANDS);
    }
    assert_eq!(set, Ok(0));
    // A ring of narrow completions cannot.
    let narrow = result(&mut plain, op::TxTimestamp::new(&here));
    if narrow == Err(Errno::EOPNOTSUPP) {
        return common::skip("when_a_packet_was_sent", "Linux 6.17 or later");
    }
    assert_eq!(narrow, Err(Errno::EINVAL));

    let mut ring = Builder::new().entries(8).cqe32().build_local().unwrap();
    push(&mut ring, op::TxTimestamp::new(&here).build().user_data(1));
    silent(&mut ring);
    for key in 0..2 {
        here.send(b"stamp").unwrap();
        let wide = wait(&mut ring, 1)[0];
        assert_eq!((wide.cqe.user_data, wide.cqe.result()), (1, Ok(key)));
        assert!(wide.cqe.has_more());
        assert!(!wide.cqe.flags.contains(CqeFlags::TSTAMP_HW));
        let [tv_sec, tv_nsec] = wide.big_cqe;
        let stamp = IoTimespec { tv_sec, tv_nsec };
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(now.abs_diff(stamp.tv_sec) < 60 && stamp.tv_nsec < 1_000_000_000, "{stamp:?}");
    }
    push(&mut ring, op::AsyncCancel::user_data(1).build().user_data(2).skip_success());
    let end = wait(&mut ring, 1)[0].cqe;
    assert_eq!((end.result(), end.has_more()), (Err(Errno::ECANCELED), false));
}

#[test]
fn wide_commands_go_in_wide_entries() {
    let mut ring = Builder::new().entries(8).sqe128().build_local().unwrap();
    let file = std::fs::File::open("Cargo.toml").unwrap();
    push(&mut ring, op::UringCmd128::new(&file, 1, [7; 80]));
    assert_eq!(wait(&mut ring, 1)[0].result(), Err(Errno::EOPNOTSUPP));
    push(&mut ring, op::NvmeCmd::io(&file, &NvmeUringCmd::default()));
    assert_eq!(wait(&mut ring, 1)[0].result(), Err(Errno::EOPNOTSUPP));
    // The socket commands fit too.
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    push(&mut ring, op::SocketQueue::receive(&udp));
    let fits = wait(&mut ring, 1)[0].result();
    if fits == Err(Errno::EOPNOTSUPP) {
        common::skip("wide_commands_go_in_wide_entries: of sockets", NO_COMMANDS);
    } else {
        assert_eq!(fits, Ok(0));
    }
    // The mixed kind is of another ring, and of a later kernel.
    push(&mut ring, op::UringCmd128::new(&file, 1, [7; 80]).mixed());
    assert_eq!(wait(&mut ring, 1)[0].result(), Err(Errno::EINVAL));
}

#[test]
fn discarding_needs_a_block_device() {
    let mut ring = ring();
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let discard = op::BlockDiscard::new(&file, 0, 4096);
    assert_eq!(result(&mut ring, discard), Err(Errno::EOPNOTSUPP));
}

#[test]
fn an_nvme_command() {
    if common::only_on_linux("an_nvme_command", "commands are for the kernel's drivers") {
        return;
    }
    // Identify, controller: it reads, on any machine that has one.
    let Ok(device) = std::fs::File::open("/dev/nvme0") else {
        return common::skip(
            "an_nvme_command",
            "an NVMe controller that may be opened (/dev/nvme0)",
        );
    };
    let mut ring = Builder::new().entries(8).sqe128().cqe32().build_local().unwrap();
    let mut identity = vec![0_u8; 4096];
    let addr = identity.as_mut_ptr().expose_provenance() as u64;
    let identify = NvmeUringCmd { opcode: 6, cdw10: 1, addr, data_len: 4096, ..Default::default() };
    push(&mut ring, op::NvmeCmd::admin(&device, &identify));
    assert_eq!(wait(&mut ring, 1)[0].cqe.result(), Ok(0));
    assert!(identity.iter().any(|byte| *byte != 0));
}

/// A block device in a file of its own, taken apart at the end.
struct Loop {
    device: String,
    path: std::path::PathBuf,
}

impl Loop {
    /// A device of 1 MiB of sevens, if this user may make one.
    fn new() -> Option<Self> {
        let name = format!("annulus-loop-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let made = Command::new("losetup").args(["--find", "--show"]).arg(&path).output();
        let made = made.ok().filter(|made| made.status.success());
        let device = made.and_then(|made| String::from_utf8(made.stdout).ok());
        if device.is_none() {
            let _ = std::fs::remove_file(&path);
        }
        Some(Self { device: device?.trim().to_owned(), path })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn discarding_on_a_device() {
    let Some(device) = Loop::new() else {
        let reason = "a loop device (losetup, and the right to use it)";
        return common::skip("discarding_on_a_device", reason);
    };
    let file = std::fs::File::options().read(true).write(true).open(&device.device).unwrap();
    let mut ring = ring();
    assert_eq!(result(&mut ring, op::BlockDiscard::new(&file, 4096, 65536)), Ok(0));
    let left = std::fs::read(&device.path).unwrap();
    assert!(left[..4096].iter().chain(&left[4096 + 65536..]).all(|byte| *byte == 7));
    assert!(left[4096..4096 + 65536].iter().all(|byte| *byte == 0));
    for (offset, len) in [(1, 4096), (0, 4097), (1 << 20, 4096), (0, 0)] {
        let outside = op::BlockDiscard::new(&file, offset, len);
        assert_eq!(result(&mut ring, outside), Err(Errno::EINVAL), "{offset}, {len}");
    }
    let reader = std::fs::File::open(&device.device).unwrap();
    let refused = op::BlockDiscard::new(&reader, 0, 4096);
    assert_eq!(result(&mut ring, refused), Err(Errno::EBADF));
}

#[test]
fn a_ublk_command() {
    /// `UBLK_U_CMD_GET_FEATURES`: its `struct ublksrv_ctrl_cmd` has the length of the answer at
    /// byte 6 and its address at byte 8.
    const GET_FEATURES: u32 = 0x8020_7513;
    let Ok(device) = std::fs::File::options().read(true).write(true).open("/dev/ublk-control")
    else {
        return common::skip("a_ublk_command", "the ublk driver (/dev/ublk-control)");
    };
    let (mut features, mut command) = (0_u64, [0; 80]);
    command[6..8].copy_from_slice(&8_u16.to_ne_bytes());
    let answer = (&raw mut features).expose_provenance() as u64;
    command[8..16].copy_from_slice(&answer.to_ne_bytes());
    let mut ring = Builder::new().entries(8).sqe128().build_local().unwrap();
    push(&mut ring, op::UringCmd128::new(&device, GET_FEATURES, command));
    assert_eq!(wait(&mut ring, 1)[0].result(), Ok(0));
    assert_ne!(features, 0);
}
