//! The addresses of hosts.

use core::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::private::{self, ResolvedAddress};
use annulus_ring::abi::{AddressFamily, Sqe};

use super::{Engine, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// How many addresses are told.
const ADDRESSES_MAX: usize = 64;

/// Finding a host's addresses: see [`Engine::resolve`].
#[derive(Debug)]
pub struct Resolve {
    host: String,
    port: u16,
    found: Vec<ResolvedAddress>,
}

/// The address that one found is, if this knows what it is.
fn socket_addr(found: &ResolvedAddress, port: u16) -> Option<SocketAddr> {
    let [a, b, c, d, ..] = found.addr;
    match AddressFamily(found.family) {
        AddressFamily::INET => Some((Ipv4Addr::new(a, b, c, d), port).into()),
        AddressFamily::INET6 => {
            let addr = Ipv6Addr::from_octets(found.addr);
            Some(SocketAddrV6::new(addr, port, 0, found.scope_id).into())
        }
        _ => None,
    }
}

// SAFETY: the entry points to the name and to room for addresses, on the heap and owned here, and
// names no descriptor.
unsafe impl Operation for Resolve {
    type Output = Result<Vec<SocketAddr>, ResolveError>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    // An address that is written out needs nobody.
    fn attempt(&mut self) -> Option<Completion> {
        let mut own = ResolvedAddress::default();
        match self.host.parse().ok()? {
            IpAddr::V4(addr) => {
                own.family = AddressFamily::INET.0;
                own.addr[..4].copy_from_slice(&addr.octets());
            }
            IpAddr::V6(addr) => {
                own.family = AddressFamily::INET6.0;
                own.addr = addr.octets();
            }
        }
        self.found[0] = own;
        Some(Completion::new(Ok(1)))
    }

    fn entry(&mut self) -> Sqe {
        let (name, bytes) = (self.host.as_ptr(), self.host.len());
        // A name is at most 253 bytes long.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (to, room) = (self.found.as_mut_ptr(), self.found.len() as u32);
        private::getaddrinfo(name, bytes, 0, to, room)
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.outcome() {
            Ok(count) => {
                self.found.truncate(count as usize);
                let port = self.port;
                Ok(self.found.iter().filter_map(|found| socket_addr(found, port)).collect())
            }
            Err(error) => Err(ResolveError { error, host: self.host }),
        }
    }

    fn reclaim(self, _: Completion) {
        // What was found goes with it.
    }
}

/// The addresses of a host were not found: its text names the host, and says why.
///
/// `?` makes an [`io::Error`] of it, which keeps the text and the kind.
///
/// ```
/// use annulus_runtime::Engine;
/// let engine = Engine::new()?;
/// let resolve = engine.resolve("a zero \0 byte", 80);
/// let error = futures::executor::block_on(resolve).unwrap_err();
/// assert!(error.to_string().starts_with("resolve \"a zero \\0 byte\": "));
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResolveError {
    error: Error,
    host: String,
}

impl ResolveError {
    /// Whether there is no such host, or it has no address: the name is wrong.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let error = futures::executor::block_on(engine.resolve("", 80)).unwrap_err();
    /// assert!(error.is_not_found());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_not_found(&self) -> bool {
        self.error.errno() == Some(Errno::ENOENT)
    }

    /// Why, without the host: whether it was cancelled, or its deadline came first, is asked there.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let error = futures::executor::block_on(engine.resolve("", 80)).unwrap_err();
    /// assert!(!error.error().is_timeout());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn error(&self) -> Error {
        self.error
    }

    /// The host that was asked for.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let error = futures::executor::block_on(engine.resolve("", 80)).unwrap_err();
    /// assert_eq!(error.host(), "");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resolve {:?}: ", self.host)?;
        match self.error.errno() {
            Some(Errno::ENOENT) => f.write_str("no such host, or it has no address"),
            Some(Errno::ETIMEDOUT) => f.write_str("the name servers do not answer: try again"),
            Some(Errno::EIO) => f.write_str("the name servers failed"),
            Some(Errno::EINVAL) => f.write_str("this is no name of a host"),
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        Self::new(error.error.kind(), error)
    }
}

/// # Names of hosts
impl Engine {
    /// The addresses of `host`, with `port`, in the order in which to try them: what the C library
    /// finds, in `/etc/hosts`, by DNS or otherwise (`getaddrinfo(3)`). At most 64. An address that
    /// is written out is its own, at once.
    ///
    /// io_uring has no operation for it: a thread asks (see
    /// [`IS_PRIVATE`](Operation::IS_PRIVATE)), for seconds where no server answers. A cancel, or a
    /// [`deadline`](Op::deadline), is waited for as long as that: the C library knows of no other
    /// end. In a chain ([`Op::then`]) it fails with `EINVAL`.
    ///
    /// # Errors
    /// - [`is_not_found`](ResolveError::is_not_found) (`ENOENT`): no such host, or it has no
    ///   address.
    /// - `ETIMEDOUT`: the name servers do not answer: try again, and look at `/etc/resolv.conf`.
    /// - `EIO`: they failed. `EINVAL`: a zero byte in the name. `ENOMEM`, `EMFILE`: the process is
    ///   short of that.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// See [getaddrinfo(3)](https://man7.org/linux/man-pages/man3/getaddrinfo.3.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let found = block_on(engine.resolve("localhost", 80))?;
    /// assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
    /// assert_eq!(block_on(engine.resolve("::1", 7))?, ["[::1]:7".parse().unwrap()]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getaddrinfo")]
    #[doc(alias = "lookup_host")]
    pub fn resolve(&self, host: impl Into<String>, port: u16) -> Op<Resolve> {
        let found = vec![ResolvedAddress::default(); ADDRESSES_MAX];
        Op::new(Arc::clone(self.ports()), Resolve { host: host.into(), port, found })
    }
}
