//! Sockets of this machine: streams and datagrams, by path or by an abstract name, with descriptors
//! and the other side's credentials.

mod datagram;
mod listener;
mod stream;

pub use datagram::{UnixDatagram, UnixSender};
pub use listener::UnixListener;
pub use stream::UnixStream;

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::abi::{AddressFamily, SockAddr};

/// The address of a path.
fn path_name(path: &Path) -> io::Result<SockAddr> {
    let why = "a socket's path has 1 to 107 bytes, and no zero byte";
    SockAddr::unix(path).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// An address as the kernel takes it.
fn name_of(addr: &SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = addr.as_pathname() {
        return path_name(path);
    }
    let mut bytes = AddressFamily::UNIX.raw().to_ne_bytes().to_vec();
    if let Some(name) = addr.as_abstract_name() {
        bytes.push(0);
        bytes.extend_from_slice(name);
    }
    SockAddr::from_bytes(&bytes).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// An address as the standard library has it: without a name where there is none.
fn addr_of(name: &SockAddr) -> io::Result<SocketAddr> {
    match (name.to_unix_path(), name.as_bytes().get(2..)) {
        (Some(path), _) => SocketAddr::from_pathname(path),
        (None, Some([0, name @ ..])) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_to_and_fro() {
        let path = SocketAddr::from_pathname("/run/x.sock").expect("a path");
        let back = addr_of(&name_of(&path).expect("a path")).expect("a path");
        assert_eq!(back.as_pathname(), path.as_pathname());
        let name = SocketAddr::from_abstract_name(b"a\0name").expect("a name");
        let back = addr_of(&name_of(&name).expect("a name")).expect("a name");
        assert_eq!(back.as_abstract_name(), Some(&b"a\0name"[..]));
        let none = addr_of(&SockAddr::from_bytes(&[1, 0]).expect("it fits")).expect("no name");
        assert!(none.is_unnamed());
        assert!(path_name(Path::new(&"x".repeat(108))).is_err());
    }
}
