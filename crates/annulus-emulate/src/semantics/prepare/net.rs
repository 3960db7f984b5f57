//! Sockets.

use annulus_ring::Errno;
use annulus_ring::abi::{
    AcceptFlags, FILE_INDEX_ALLOC, Iovec, MsgFlags, Op, RecvSendFlags, SockFlags, Sqe, SqeFlags,
    UringCmdFlags,
};

use super::{Traits, must};
use crate::uaccess::Uaccess;
use crate::world::{Message, Span, Stable, Work, cut};

/// The longest address (`struct sockaddr_storage`).
const ADDRESS_BYTES_MAX: u32 = 128;
/// The most pieces of a message (`UIO_MAXIOV`).
const PIECES_MAX: u64 = 1024;
/// Of a socket's type, the bits that are none (`SOCK_TYPE_MASK`).
const TYPE_MASK: u32 = 0xf;

/// What an operation of this family takes.
pub(super) const fn traits(opcode: Op) -> Option<Traits> {
    let plain = Traits { names_file: true, ..Traits::NONE };
    let flagged = Traits { has_ioprio: true, ..plain };
    Some(match opcode {
        Op::RECV | Op::RECVMSG | Op::SEND => Traits { selects_buffers: true, ..flagged },
        Op::SENDMSG | Op::SEND_ZC | Op::SENDMSG_ZC | Op::ACCEPT | Op::RECV_ZC => flagged,
        Op::CONNECT | Op::SHUTDOWN | Op::BIND | Op::LISTEN => plain,
        Op::URING_CMD => Traits { selects_buffers: true, ..plain },
        Op::SOCKET => Traits::NONE,
        _ => return None,
    })
}

/// Checks an entry of this family, and copies what it points to. `None`: it is of another.
pub(super) fn prepare<F>(
    user: Uaccess,
    sqe: &Sqe,
    work: &mut Work<F>,
) -> Option<Result<(), Errno>> {
    let unused = sqe.len == 0 && sqe.buf_index == 0;
    let stable = match sqe.opcode {
        Op::SEND => prepare_send(user, sqe),
        Op::SENDMSG => prepare_sendmsg(user, sqe),
        Op::SEND_ZC | Op::SENDMSG_ZC => prepare_zero_copy(user, sqe),
        Op::RECV => check_receive(sqe).map(|_flags| Stable::None),
        Op::RECVMSG => prepare_recvmsg(user, &mut work.sqe),
        Op::ACCEPT => must(unused).and_then(|()| prepare_accept(sqe)).map(|()| Stable::None),
        Op::CONNECT | Op::BIND => must(unused && sqe.rw_flags == 0 && sqe.splice_fd_in == 0)
            .and_then(|()| Ok(Stable::Address(address(user, sqe.addr, sqe.off as u32)?))),
        Op::LISTEN => {
            let (words, longs) = (sqe.rw_flags == 0 && sqe.splice_fd_in == 0, sqe.off | sqe.addr);
            must(sqe.buf_index == 0 && words && longs == 0).map(|()| Stable::None)
        }
        Op::SHUTDOWN => {
            let (words, longs) = (sqe.rw_flags == 0 && sqe.splice_fd_in == 0, sqe.off | sqe.addr);
            must(sqe.buf_index == 0 && words && longs == 0).map(|()| Stable::None)
        }
        Op::SOCKET => must(sqe.addr == 0 && sqe.rw_flags == 0 && sqe.buf_index == 0)
            .and_then(|()| prepare_descriptor(sqe, sqe.off as u32 & !TYPE_MASK))
            .map(|()| Stable::None),
        Op::URING_CMD => prepare_command(sqe).map(|()| Stable::None),
        _ => return None,
    };
    Some(stable.map(|stable| work.stable = stable))
}

/// Copies a socket's address.
fn address(user: Uaccess, addr: u64, bytes: u32) -> Result<Vec<u8>, Errno> {
    must(bytes <= ADDRESS_BYTES_MAX)?;
    user.read_many(addr, bytes as usize)
}

/// Copies the pieces of a message.
fn pieces(user: Uaccess, addr: u64, count: u64) -> Result<Vec<Span>, Errno> {
    must(count <= PIECES_MAX)?;
    let pieces = user.read_many::<Iovec>(addr, count as usize)?;
    must(pieces.iter().all(|piece| piece.iov_len <= isize::MAX as usize))?;
    let mut pieces: Vec<Span> = pieces.into_iter().map(Span::from).collect();
    cut(&mut pieces);
    Ok(pieces)
}

/// The flags of an entry, all of which must be among these.
fn flags(sqe: &Sqe, known: RecvSendFlags) -> Result<RecvSendFlags, Errno> {
    let flags = RecvSendFlags(sqe.ioprio);
    must(known.contains(flags)).map(|()| flags)
}

fn prepare_send(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    let known = RecvSendFlags::POLL_FIRST | RecvSendFlags::BUNDLE | RecvSendFlags::SEND_VECTORIZED;
    let flags = flags(sqe, known)?;
    prepare_buffer_send(user, sqe, flags)
}

/// A send without a header: its address, and its pieces if it has several.
fn prepare_buffer_send(user: Uaccess, sqe: &Sqe, flags: RecvSendFlags) -> Result<Stable, Errno> {
    // The address's length is the lower half of the field.
    let [address_bytes, pad] = [sqe.splice_fd_in as u32 & 0xffff, sqe.splice_fd_in as u32 >> 16];
    must(pad == 0)?;
    let to = if sqe.off == 0 { Vec::new() } else { address(user, sqe.off, address_bytes)? };
    let selects = sqe.flags.contains(SqeFlags::BUFFER_SELECT);
    let is_vectorized = flags.contains(RecvSendFlags::SEND_VECTORIZED) && !selects;
    if to.is_empty() && !is_vectorized {
        return Ok(Stable::None);
    }
    let pieces = if is_vectorized {
        pieces(user, sqe.addr, u64::from(sqe.len))?
    } else {
        vec![Span { addr: sqe.addr, bytes: sqe.len as usize }]
    };
    Ok(Stable::Message(Box::new(Message { pieces, address: to, ..Message::default() })))
}

fn prepare_sendmsg(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    flags(sqe, RecvSendFlags::POLL_FIRST | RecvSendFlags::SEND_VECTORIZED)?;
    must(sqe.off == 0 && sqe.splice_fd_in == 0)?;
    let header = Header::read(user, sqe.addr)?;
    header.to_send(user).map(|message| Stable::Message(Box::new(message)))
}

fn prepare_zero_copy(user: Uaccess, sqe: &Sqe) -> Result<Stable, Errno> {
    must(sqe.addr3 == 0 && sqe.resv == 0)?;
    must(!sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS))?;
    let known = RecvSendFlags::POLL_FIRST
        | RecvSendFlags::FIXED_BUF
        | RecvSendFlags::SEND_ZC_REPORT_USAGE
        | RecvSendFlags::SEND_VECTORIZED;
    let flags = flags(sqe, known)?;
    if sqe.opcode == Op::SEND_ZC {
        return prepare_buffer_send(user, sqe, flags);
    }
    must(sqe.off == 0 && sqe.splice_fd_in == 0)?;
    let header = Header::read(user, sqe.addr)?;
    header.to_send(user).map(|message| Stable::Message(Box::new(message)))
}

/// The flags of RECV and RECVMSG.
fn check_receive(sqe: &Sqe) -> Result<RecvSendFlags, Errno> {
    let mut known = RecvSendFlags::POLL_FIRST | RecvSendFlags::RECV_MULTISHOT;
    if sqe.opcode == Op::RECV {
        known |= RecvSendFlags::BUNDLE;
    }
    must(sqe.off == 0)?;
    let flags = flags(sqe, known)?;
    let is_multishot = flags.contains(RecvSendFlags::RECV_MULTISHOT);
    if is_multishot {
        must(sqe.flags.contains(SqeFlags::BUFFER_SELECT))?;
        must(!MsgFlags(sqe.rw_flags).contains(MsgFlags::WAITALL))?;
    }
    // How much in all is for a multishot RECV to say.
    must(sqe.splice_fd_in == 0 || is_multishot && sqe.opcode == Op::RECV)?;
    Ok(flags)
}

fn prepare_recvmsg(user: Uaccess, sqe: &mut Sqe) -> Result<Stable, Errno> {
    let flags = check_receive(sqe)?;
    let header = Header::read(user, sqe.addr)?;
    let mut message = header.to_receive()?;
    if sqe.flags.contains(SqeFlags::BUFFER_SELECT) {
        // One piece says how much of a buffer is wanted at most.
        must(header.piece_count <= 1)?;
        let bound = pieces(user, header.pieces, header.piece_count)?;
        let bytes = bound.first().map_or(0, |piece| piece.bytes);
        sqe.len = u32::try_from(bytes).unwrap_or(u32::MAX);
        if flags.contains(RecvSendFlags::RECV_MULTISHOT) {
            // Address and control data get their room within the buffer.
            let bytes = usize::try_from(header.name_bytes).map_err(|_negative| Errno::EOVERFLOW)?;
            message.name = Span { addr: 0, bytes };
            message.control.addr = 0;
            message.header = 0;
        }
    } else {
        message.pieces = pieces(user, header.pieces, header.piece_count)?;
    }
    Ok(Stable::Message(Box::new(message)))
}

fn prepare_accept(sqe: &Sqe) -> Result<(), Errno> {
    prepare_descriptor(sqe, sqe.rw_flags)?;
    let known = AcceptFlags::MULTISHOT | AcceptFlags::DONTWAIT | AcceptFlags::POLL_FIRST;
    let flags = AcceptFlags(sqe.ioprio);
    must(known.contains(flags))?;
    let slot = sqe.splice_fd_in as u32;
    let has_one_slot = slot != 0 && slot != FILE_INDEX_ALLOC;
    must(!(flags.contains(AcceptFlags::MULTISHOT) && has_one_slot))
}

/// What the flags of a descriptor to be made may be; one in the file table has no end at an exec.
fn prepare_descriptor(sqe: &Sqe, flags: u32) -> Result<(), Errno> {
    let flags = SockFlags(flags);
    must(sqe.splice_fd_in == 0 || !flags.contains(SockFlags::CLOEXEC))?;
    must((SockFlags::CLOEXEC | SockFlags::NONBLOCK).contains(flags))
}

fn prepare_command(sqe: &Sqe) -> Result<(), Errno> {
    must(sqe.off >> 32 == 0)?;
    let flags = UringCmdFlags(sqe.rw_flags);
    must((UringCmdFlags::FIXED | UringCmdFlags::MULTISHOT).contains(flags))?;
    let selects = sqe.flags.contains(SqeFlags::BUFFER_SELECT);
    must(!(selects && flags.contains(UringCmdFlags::FIXED)))?;
    must(selects == flags.contains(UringCmdFlags::MULTISHOT))
}

/// `struct user_msghdr`.
struct Header {
    addr: u64,
    name: u64,
    name_bytes: i32,
    pieces: u64,
    piece_count: u64,
    control: u64,
    control_bytes: u64,
}

impl Header {
    fn read(user: Uaccess, addr: u64) -> Result<Self, Errno> {
        let [name, name_bytes, pieces, piece_count, control, control_bytes] = {
            let words = user.read_many::<u64>(addr, 6)?;
            core::array::from_fn(|n| words[n])
        };
        let name_bytes = name_bytes as u32 as i32;
        Ok(Self { addr, name, name_bytes, pieces, piece_count, control, control_bytes })
    }

    /// The length of the address.
    fn name_bytes(&self) -> Result<u32, Errno> {
        if self.name == 0 {
            return Ok(0);
        }
        let bytes = u32::try_from(self.name_bytes).map_err(|_negative| Errno::EINVAL)?;
        Ok(bytes.min(ADDRESS_BYTES_MAX))
    }

    /// What both directions have.
    fn message(&self) -> Result<Message, Errno> {
        self.name_bytes()?;
        if self.piece_count > PIECES_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let control = Span { addr: self.control, bytes: self.control_bytes as usize };
        Ok(Message { control, header: self.addr, ..Message::default() })
    }

    fn to_send(&self, user: Uaccess) -> Result<Message, Errno> {
        let message = self.message()?;
        let address = address(user, self.name, self.name_bytes()?)?;
        let pieces = pieces(user, self.pieces, self.piece_count)?;
        Ok(Message { address, pieces, ..message })
    }

    fn to_receive(&self) -> Result<Message, Errno> {
        let name = Span { addr: self.name, bytes: self.name_bytes()? as usize };
        Ok(Message { name, ..self.message()? })
    }
}

/// Where the parts of a header lie that say what was received.
pub(in crate::semantics) mod header {
    /// `msg_namelen`.
    pub(in crate::semantics) const NAME_BYTES: u64 = 8;
    /// `msg_controllen`.
    pub(in crate::semantics) const CONTROL_BYTES: u64 = 40;
    /// `msg_flags`.
    pub(in crate::semantics) const FLAGS: u64 = 48;
}
