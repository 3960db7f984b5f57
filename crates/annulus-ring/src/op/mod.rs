//! A typed builder for each operation: pointers and descriptors in, an [`Sqe`] out.
//!
//! `new` takes what the operation cannot do without, methods set what it can, and [`build`] makes
//! the entry. What every operation shares (`user_data`, links, drain, personality, …) is set on the
//! [`Sqe`] itself:
//!
//! ```
//! use annulus_ring::{abi::{Op, SqeFlags}, op};
//! let sqe = op::Nop::new().build().user_data(7).link();
//! assert_eq!((sqe.opcode, sqe.user_data, sqe.flags), (Op::NOP, 7, SqeFlags::IO_LINK));
//! ```
//!
//! Building an entry is safe: nothing happens. *Submitting* it is where the promises are made, so
//! the queue's `push` is unsafe: whatever the entry points to must stay valid (and, where the
//! kernel writes, untouched) until its completion, except what `IORING_FEAT_SUBMIT_STABLE` lets go
//! earlier; each operation's page says which of its pointers those are.
//!
//! [`build`]: Nop::build

mod accept;
mod advise;
mod at;
mod buffers;
mod cancel;
mod cmd;
mod cmd_device;
mod cmd_socket;
mod epoll;
mod field;
mod files;
mod futex;
mod msg_ring;
mod net;
mod net_msg;
mod net_zc;
mod nop;
mod open;
mod path;
mod pipe;
mod poll;
mod process;
mod recvmsg_out;
mod rw;
mod rw_fixed;
mod socket;
mod space;
mod splice;
mod statx;
mod sync;
mod target;
mod timeout;
mod xattr;

pub use accept::Accept;
pub use advise::{Fadvise, Madvise};
pub use at::At;
pub use buffers::{ProvideBuffers, RemoveBuffers};
pub use cancel::AsyncCancel;
pub use cmd::{UringCmd, UringCmd128};
pub use cmd_device::{BlockDiscard, NvmeCmd};
pub use cmd_socket::{GetSockName, GetSockOpt, SetSockOpt, SocketQueue, TxTimestamp};
pub use epoll::{EpollCtl, EpollWait};
pub use files::{FilesUpdate, FixedFdInstall};
pub use futex::{FutexWait, FutexWaitV, FutexWake};
pub use msg_ring::{MsgRing, MsgRingFd};
pub use net::{Recv, Send};
pub use net_msg::{RecvMsg, SendMsg};
pub use net_zc::{RecvZc, SendMsgZc, SendZc};
pub use nop::{Nop, Nop128};
pub use open::{Close, OpenAt, OpenAt2};
pub use path::{LinkAt, MkdirAt, RenameAt, SymlinkAt, UnlinkAt};
pub use pipe::Pipe;
pub use poll::{PollAdd, PollRemove, PollUpdate};
pub use process::WaitId;
pub use recvmsg_out::{ControlMessage, ControlMessages, RecvMsgOut};
pub use rw::{Read, ReadMultishot, Readv, Write, Writev};
pub use rw_fixed::{ReadFixed, ReadvFixed, WriteFixed, WritevFixed};
pub use socket::{Bind, Connect, Listen, Shutdown, Socket};
pub use space::{Fallocate, Ftruncate};
pub use splice::{Splice, Tee};
pub use statx::Statx;
pub use sync::{Fsync, SyncFileRange};
pub use target::Target;
pub use timeout::{LinkTimeout, Timeout, TimeoutRemove, TimeoutUpdate};
pub use xattr::{FGetXattr, FSetXattr, GetXattr, SetXattr};

use crate::abi::Sqe;

/// What every builder has: `build`, and conversion into the entry.
macro_rules! operation {
    ($($Type:ident),* $(,)?) => {$(
        impl $Type {
            /// The entry, ready to be pushed.
            #[inline]
            #[must_use]
            pub const fn build(self) -> $crate::abi::Sqe {
                self.sqe
            }
        }

        impl From<$Type> for $crate::abi::Sqe {
            #[inline]
            fn from(op: $Type) -> Self {
                op.sqe
            }
        }

        impl From<$Type> for $crate::abi::Sqe128 {
            #[inline]
            fn from(op: $Type) -> Self {
                $crate::abi::Sqe128::from(op.sqe)
            }
        }
    )*};
}
use operation;

/// An entry for `op` on `target`, everything else zero.
#[inline]
const fn entry(op: crate::abi::Op, target: Target) -> Sqe {
    Sqe { opcode: op, flags: target.flags(), fd: target.fd(), ..ZERO }
}

/// An entry for `op` on no descriptor (−1, as liburing sets it).
#[inline]
const fn bare_entry(op: crate::abi::Op) -> Sqe {
    Sqe { opcode: op, fd: -1, ..ZERO }
}

/// A pointer as an entry carries it. Its provenance is exposed: whoever answers the entry, Linux or
/// a kernel in this process, makes a pointer of the number again.
#[inline]
fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

/// `Sqe::default()`, where a constant is needed.
const ZERO: Sqe = Sqe {
    opcode: crate::abi::Op::NOP,
    flags: crate::abi::SqeFlags::empty(),
    ioprio: 0,
    fd: 0,
    off: 0,
    addr: 0,
    len: 0,
    rw_flags: 0,
    user_data: 0,
    buf_index: 0,
    personality: 0,
    splice_fd_in: 0,
    addr3: 0,
    resv: 0,
};
