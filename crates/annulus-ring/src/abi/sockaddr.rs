//! [`SockAddr`]: a socket address as the kernel reads and writes it, with its length beside it.

use core::ffi::c_void;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::newtypes::numbers;

numbers! {
    /// A family of addresses, which is also the domain of a socket.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::AddressFamily::INET6.raw(), 10);
    /// ```
    pub struct AddressFamily: u16;
    /// None.
    UNSPEC = 0, "AF_UNSPEC", "1.0";
    /// This machine, by path.
    UNIX = 1, "AF_UNIX", "1.0";
    /// IPv4.
    INET = 2, "AF_INET", "1.0";
    /// IPv6.
    INET6 = 10, "AF_INET6", "2.2";
    /// The kernel's own messages.
    NETLINK = 16, "AF_NETLINK", "2.2";
    /// Link-layer packets.
    PACKET = 17, "AF_PACKET", "2.2";
    /// Between a virtual machine and its host.
    VSOCK = 40, "AF_VSOCK", "3.9";
    /// Express data path.
    XDP = 44, "AF_XDP", "4.18";
}

numbers! {
    /// A type of socket.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::SocketType::DGRAM.raw(), 2);
    /// ```
    pub struct SocketType: u32;
    /// A reliable stream of bytes.
    STREAM = 1, "SOCK_STREAM", "1.0";
    /// Datagrams.
    DGRAM = 2, "SOCK_DGRAM", "1.0";
    /// Raw packets.
    RAW = 3, "SOCK_RAW", "1.0";
    /// Reliable records, in order.
    SEQPACKET = 5, "SOCK_SEQPACKET", "1.0";
}

/// The longest address (`struct sockaddr_storage`).
const CAPACITY_BYTES: usize = 128;
/// The longest path of a Unix socket, its final zero not counted.
const UNIX_PATH_MAX: usize = 107;

/// A socket address of any family: the bytes, and how many of them count.
///
/// CONNECT and BIND read it; ACCEPT and GETSOCKNAME write it, and say in the length what it should
/// have been: where that is more than [`capacity`](Self::capacity), the address was cut off.
///
/// ```
/// use annulus_ring::abi::{AddressFamily, SockAddr};
/// let addr = SockAddr::from("127.0.0.1:80".parse::<std::net::SocketAddr>()?);
/// assert_eq!((addr.family(), addr.len_bytes()), (AddressFamily::INET, 16));
/// assert_eq!(addr.to_socket_addr(), Some("127.0.0.1:80".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[doc(alias = "sockaddr_storage")]
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct SockAddr {
    bytes: [u8; CAPACITY_BYTES],
    len_bytes: u32,
}

impl SockAddr {
    /// Room for an address of any family, for the kernel to fill.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// let room = SockAddr::empty();
    /// assert_eq!((room.len_bytes(), SockAddr::capacity()), (128, 128));
    /// ```
    pub const fn empty() -> Self {
        Self { bytes: [0; CAPACITY_BYTES], len_bytes: CAPACITY_BYTES as u32 }
    }

    /// How many bytes there is room for: 128.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::SockAddr::capacity(), 128);
    /// ```
    pub const fn capacity() -> u32 {
        CAPACITY_BYTES as u32
    }

    /// The address of a Unix socket; none if the path is empty, longer than 107 bytes, or has a
    /// zero byte in it.
    ///
    /// ```
    /// use annulus_ring::abi::{AddressFamily, SockAddr};
    /// let addr = SockAddr::unix("/run/x.sock").unwrap();
    /// assert_eq!((addr.family(), addr.len_bytes()), (AddressFamily::UNIX, 2 + 11 + 1));
    /// assert!(SockAddr::unix("x".repeat(108)).is_none());
    /// ```
    pub fn unix(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        if path.is_empty() || path.len() > UNIX_PATH_MAX || path.contains(&0) {
            return None;
        }
        let mut addr = Self::with_family(AddressFamily::UNIX, 2 + path.len() + 1);
        addr.bytes[2..2 + path.len()].copy_from_slice(path);
        Some(addr)
    }

    /// An address of any family, from its bytes, the family first; none if over 128.
    ///
    /// ```
    /// use annulus_ring::abi::{AddressFamily, SockAddr};
    /// let family = AddressFamily::VSOCK.raw().to_ne_bytes();
    /// assert_eq!(SockAddr::from_bytes(&family).unwrap().family(), AddressFamily::VSOCK);
    /// assert!(SockAddr::from_bytes(&[0; 129]).is_none());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut addr = Self { len_bytes: u32::try_from(bytes.len()).ok()?, ..Self::empty() };
        addr.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(addr)
    }

    fn with_family(family: AddressFamily, len_bytes: usize) -> Self {
        let mut addr = Self { len_bytes: len_bytes as u32, ..Self::empty() };
        addr.bytes[..2].copy_from_slice(&family.raw().to_ne_bytes());
        addr
    }

    /// The family, from the first two bytes.
    ///
    /// ```
    /// use annulus_ring::abi::{AddressFamily, SockAddr};
    /// assert_eq!(SockAddr::empty().family(), AddressFamily::UNSPEC);
    /// ```
    pub const fn family(&self) -> AddressFamily {
        AddressFamily(u16::from_ne_bytes([self.bytes[0], self.bytes[1]]))
    }

    /// How many bytes count: what the kernel wrote there, which may be more than there is room for.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// assert_eq!(SockAddr::unix("a").unwrap().len_bytes(), 4);
    /// ```
    pub const fn len_bytes(&self) -> u32 {
        self.len_bytes
    }

    /// The bytes that count.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// assert_eq!(SockAddr::unix("a").unwrap().as_bytes()[2..], *b"a\0");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..CAPACITY_BYTES.min(self.len_bytes as usize)]
    }

    /// The internet address and port, if it is one of either version.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// let v6 = "[::1]:443".parse::<std::net::SocketAddr>()?;
    /// assert_eq!(SockAddr::from(v6).to_socket_addr(), Some(v6));
    /// assert_eq!(SockAddr::unix("a").unwrap().to_socket_addr(), None);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        let bytes = self.as_bytes();
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        match self.family() {
            AddressFamily::INET => Some(SocketAddrV4::new(Ipv4Addr::from(*word(4)?), port).into()),
            AddressFamily::INET6 => {
                let ip = Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?);
                // The flow label stays in network order, as the standard library keeps it.
                let flow = u32::from_ne_bytes(*word(4)?);
                let scope = u32::from_ne_bytes(*word(24)?);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    /// The path of a Unix socket, if it is one with a path.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// let addr = SockAddr::unix("/run/x.sock").unwrap();
    /// assert_eq!(addr.to_unix_path(), Some(std::path::Path::new("/run/x.sock")));
    /// ```
    pub fn to_unix_path(&self) -> Option<&Path> {
        if self.family() != AddressFamily::UNIX {
            return None;
        }
        let path = self.as_bytes().get(2..)?;
        let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
        // None at all: not bound. A zero first: an abstract name, which is no path.
        if end == 0 { None } else { Some(Path::new(std::ffi::OsStr::from_bytes(&path[..end]))) }
    }

    /// Where the address is, for the kernel to read.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// let addr = SockAddr::unix("a").unwrap();
    /// assert_eq!(addr.as_ptr().addr(), std::ptr::from_ref(&addr).addr());
    /// ```
    pub const fn as_ptr(&self) -> *const c_void {
        (&raw const self.bytes).cast()
    }

    /// Where the address goes and where its length stands, for the kernel to write both.
    ///
    /// ```
    /// use annulus_ring::abi::SockAddr;
    /// let mut room = SockAddr::empty();
    /// let (addr, len) = room.as_mut_ptrs();
    /// assert_eq!(len.addr() - addr.addr(), 128);
    /// ```
    pub const fn as_mut_ptrs(&mut self) -> (*mut c_void, *mut u32) {
        ((&raw mut self.bytes).cast(), &raw mut self.len_bytes)
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(addr: SocketAddr) -> Self {
        let mut raw = match addr {
            SocketAddr::V4(v4) => {
                let mut raw = Self::with_family(AddressFamily::INET, 16);
                raw.bytes[4..8].copy_from_slice(&v4.ip().octets());
                raw
            }
            SocketAddr::V6(v6) => {
                let mut raw = Self::with_family(AddressFamily::INET6, 28);
                raw.bytes[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                raw.bytes[8..24].copy_from_slice(&v6.ip().octets());
                raw.bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                raw
            }
        };
        raw.bytes[2..4].copy_from_slice(&addr.port().to_be_bytes());
        raw
    }
}

impl core::fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(addr) = self.to_socket_addr() {
            write!(f, "{addr}")
        } else if let Some(path) = self.to_unix_path() {
            write!(f, "{}", path.display())
        } else {
            write!(f, "{:?} {:?}", self.family(), self.as_bytes())
        }
    }
}

// The length follows the bytes: one allocation holds what ACCEPT needs until its completion.
const _: () = assert!(core::mem::offset_of!(SockAddr, len_bytes) == CAPACITY_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_cut_off_is_not_read_past_its_room() {
        let addr = SockAddr { len_bytes: 500, ..SockAddr::empty() };
        assert_eq!(addr.as_bytes().len(), CAPACITY_BYTES);
    }

    #[test]
    fn an_address_too_short_for_its_family_is_none() {
        for len in 0..16_u32 {
            let addr = SockAddr {
                len_bytes: len,
                ..SockAddr::from("1.2.3.4:5".parse::<SocketAddr>().unwrap())
            };
            assert_eq!(addr.to_socket_addr().is_some(), len >= 8, "{len}");
        }
        let v6 = SockAddr::from("[::1]:5".parse::<SocketAddr>().unwrap());
        assert_eq!(SockAddr { len_bytes: 27, ..v6 }.to_socket_addr(), None);
    }

    #[test]
    fn an_unbound_or_abstract_unix_address_has_no_path() {
        let unbound = SockAddr::with_family(AddressFamily::UNIX, 2);
        assert_eq!(unbound.to_unix_path(), None);
        let name = SockAddr::from_bytes(&[1, 0, 0, b'x']).unwrap();
        assert_eq!(name.to_unix_path(), None);
    }

    #[test]
    fn a_scope_and_a_flow_survive() {
        let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, 0x1234_5678, 3));
        assert_eq!(SockAddr::from(v6).to_socket_addr(), Some(v6));
        assert_eq!(format!("{:?}", SockAddr::unix("/a").unwrap()), "/a");
    }
}
