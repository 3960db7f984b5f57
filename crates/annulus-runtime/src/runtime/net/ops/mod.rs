//! Operations on sockets, for a runtime's ring: each owns its socket, and what its entry points to.
//!
//! [`TcpStream`](super::TcpStream) and [`TcpListener`](super::TcpListener) are made of them. Alone
//! they lose what nobody waits for: a receive whose future is dropped may take bytes along.

mod accept;
mod accept_many;
mod bind;
mod connect;
mod control;
mod message;
mod read_many;
mod recv;
mod recv_many;
mod recv_msg;
pub(super) mod recv_msg_many;
mod send;
mod send_msg;
mod send_msg_zc;
mod send_zc;
mod zero_copy;

pub use accept::Accept;
pub use accept_many::AcceptMany;
pub use bind::{Bind, Listen, Shutdown};
pub use connect::{Connect, OpenSocket};
pub use message::Message;
pub(super) use read_many::ReadMany;
pub use recv::Recv;
pub(super) use recv_many::RecvMany;
pub use recv_msg::RecvMsg;
pub(super) use recv_msg_many::RecvMsgMany;
pub use send::Send;
pub(super) use send::send_at_once;
pub use send_msg::SendMsg;
pub use send_msg_zc::SendMsgZc;
pub use send_zc::SendZc;
pub use zero_copy::ZeroCopy;

pub(super) use bind::number;

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;
use annulus_ring::kernel::{Descriptors, Process};

use crate::operation::{Advance, Completion, Operation};

/// Does as much of a send or receive on this thread as can be done at once.
///
/// # Safety
/// - What the operation's entries point to is valid while they are asked for.
unsafe fn attempt<T: Operation>(operation: &mut T) -> Option<Completion> {
    loop {
        let entry: Sqe = operation.entry();
        // SAFETY: what it points to is valid during the call (the caller's promise).
        let result = unsafe { Process.call(&entry) };
        if result == Err(Errno::EAGAIN) {
            return None;
        }
        let mut completion = Completion::new(result);
        if operation.advance(&mut completion) == Advance::Finished {
            return Some(completion);
        }
    }
}

/// The part of a buffer that is left: where it starts and how long it is, at most as much as one
/// entry can say.
#[inline]
fn left(start: *const u8, total: usize, done: usize) -> (*const u8, u32) {
    (start.wrapping_add(done), crate::buffer::io_len(total.saturating_sub(done)))
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use futures::executor::block_on;

    use super::*;
    use crate::engine::Engine;

    #[test]
    fn an_engine_does_them_too() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let (here, there) = (Arc::new(OwnedFd::from(here)), Arc::new(OwnedFd::from(there)));
        let engine = Engine::new().expect("an engine");
        let file = engine.file(std::fs::File::open("Cargo.toml").expect("it is there"));
        // More than fits in a socket: it goes on when there is room again.
        let data = vec![7; 4 << 20];
        let send = file.op(Send::new(Arc::clone(&here), data.clone()).exact());
        let recv = file.op(Recv::new(there, Vec::with_capacity(data.len())).exact());
        let reader = std::thread::spawn(move || block_on(recv));
        let (sent, _) = block_on(send).map_err(std::io::Error::from).expect("it is sent");
        let received = reader.join().expect("no panic");
        let (count, got) = received.map_err(std::io::Error::from).expect("it is received");
        assert_eq!((sent, count), (data.len(), data.len()));
        assert!(got == data);
    }
}
