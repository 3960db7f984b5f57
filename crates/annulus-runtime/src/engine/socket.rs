//! What a socket is called, and its peer.

use std::sync::Arc;

use annulus_ring::abi::{SockAddr, Sqe, private};

use super::file::OpenFile;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Room for any address (`struct sockaddr_storage`).
const ADDRESS_BYTES: usize = 128;

/// Asking for a socket's address: see [`File::socket_name`].
#[derive(Debug)]
pub struct SocketName(Address);

/// Asking for its peer's: see [`File::peer_name`].
#[derive(Debug)]
pub struct PeerName(Address);

#[derive(Debug)]
struct Address {
    socket: Arc<OpenFile>,
    bytes: [u8; ADDRESS_BYTES],
    length: u32,
}

impl Address {
    fn of(socket: Arc<OpenFile>) -> Self {
        Self { socket, bytes: [0; ADDRESS_BYTES], length: ADDRESS_BYTES as u32 }
    }

    fn complete(self, completion: Completion) -> Result<Option<SockAddr>, Error> {
        completion.outcome()?;
        let length = (self.length as usize).min(ADDRESS_BYTES);
        Ok(SockAddr::from_bytes(&self.bytes[..length]))
    }
}

/// The two differ in what they ask.
macro_rules! operation {
    ($Name:ident, $ask:ident) => {
        // SAFETY: the entry points to address and length, which lie here and stay in place, and
        // names a descriptor that is kept open here.
        unsafe impl Operation for $Name {
            type Output = Result<Option<SockAddr>, Error>;
            const IS_PRIVATE: bool = true;

            #[inline]
            fn may_attempt(&self) -> bool {
                true
            }

            fn attempt(&mut self) -> Option<Completion> {
                let entry = self.entry();
                // SAFETY: address and length outlive the call.
                unsafe { self.0.socket.call_once(&entry) }
            }

            fn entry(&mut self) -> Sqe {
                let Address { socket, bytes, length } = &mut self.0;
                *length = ADDRESS_BYTES as u32;
                private::$ask(socket.raw(), bytes.as_mut_ptr().cast(), length)
            }

            fn complete(self, completion: Completion) -> Self::Output {
                self.0.complete(completion)
            }

            fn reclaim(self, _: Completion) {
                // The address goes with it.
            }
        }
    };
}
operation!(SocketName, getsockname);
operation!(PeerName, getpeername);

/// # Sockets
///
/// io_uring has no operation for them (up to Linux 6.18): they are done at once on this
/// thread, since they cannot block. In a chain ([`Op::then`]) they fail with `EINVAL`.
impl File {
    /// The address of a socket (`getsockname(2)`): with the port that the kernel has chosen.
    /// Nothing where it is of a family that [`SockAddr`] does not know.
    ///
    /// # Errors
    /// - `ENOTSOCK`: it is no socket. `ENOBUFS`: the kernel is short of memory.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    ///
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let expected = listener.local_addr()?;
    /// let socket = annulus_runtime::Engine::new()?.file(listener);
    /// let found = futures::executor::block_on(socket.socket_name())?;
    /// assert_eq!(found.and_then(|addr| addr.to_socket_addr()), Some(expected));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getsockname")]
    #[doc(alias = "local_addr")]
    pub fn socket_name(&self) -> Op<SocketName> {
        self.op(SocketName(Address::of(self.open())))
    }

    /// The address of a socket's peer (`getpeername(2)`).
    ///
    /// # Errors
    /// - `ENOTCONN`: it has none. `ENOTSOCK`: it is no socket. `ENOBUFS`: the kernel is short of
    ///   memory.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [getpeername(2)](https://man7.org/linux/man-pages/man2/getpeername.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = listener.local_addr()?;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let socket = engine.file(std::net::TcpStream::connect(to)?);
    /// let found = futures::executor::block_on(socket.peer_name())?;
    /// assert_eq!(found.and_then(|addr| addr.to_socket_addr()), Some(to));
    /// let error = futures::executor::block_on(engine.file(listener).peer_name()).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOTCONN));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getpeername")]
    #[doc(alias = "peer_addr")]
    pub fn peer_name(&self) -> Op<PeerName> {
        self.op(PeerName(Address::of(self.open())))
    }
}
