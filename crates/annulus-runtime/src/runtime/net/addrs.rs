//! [`ToSocketAddrs`] and [`lookup_host`]: names become addresses.

use core::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::runtime::context;

/// What is or becomes one address or several, as the standard library's trait of this name: what
/// [`TcpStream::connect`](super::TcpStream::connect) and the others take.
///
/// Addresses, alone or with a port, and text: `"127.0.0.1:80"`, `"[::1]:80"`, `"localhost:80"`,
/// `("localhost", 80)`. Addresses that are written out are taken as they are; a name is looked up
/// by a thread of the runtime's pool, where that may take seconds.
///
/// ```
/// use annulus_runtime::runtime::net::lookup_host;
/// annulus_runtime::run(async {
///     let found: Vec<_> = lookup_host("127.0.0.1:80").await?.collect();
///     assert_eq!(found, [([127, 0, 0, 1], 80).into()]);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToSocketAddrs {
    /// The addresses, or what is to be looked up.
    #[doc(hidden)]
    fn to_target(&self) -> io::Result<Target>;
}

/// Addresses, or what is to be looked up.
#[doc(hidden)]
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    Addrs(Vec<SocketAddr>),
    Name { host: String, port: u16 },
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addrs(addrs) => addrs.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Target {
    fn one(addr: impl Into<SocketAddr>) -> io::Result<Self> {
        Ok(Self::Addrs(vec![addr.into()]))
    }

    /// A host, by number or name.
    fn host(host: &str, port: u16) -> io::Result<Self> {
        match host.parse::<IpAddr>() {
            Ok(ip) => Self::one((ip, port)),
            Err(_) if host.is_empty() || host.contains('\0') => {
                Err(invalid("there is no host in this address"))
            }
            Err(_) => Ok(Self::Name { host: host.to_owned(), port }),
        }
    }

    /// A host and its port.
    fn text(text: &str) -> io::Result<Self> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Self::one(addr);
        }
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| invalid("there is no port in this address"))?;
        let port = port.parse().map_err(|_| invalid("the port is no number below 65536"))?;
        Self::host(host, port)
    }

    /// The addresses, of which there is at least one.
    pub(super) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let found = match self {
            Self::Addrs(addrs) => addrs,
            Self::Name { host, port } => {
                let find = move || {
                    let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
                    found.map(Iterator::collect::<Vec<_>>)
                };
                let found = context::with(|core| core.blocking.spawn(find)).await;
                found.map_err(|ended| io::Error::other(ended.to_string()))??
            }
        };
        if found.is_empty() { Err(invalid("there is no address to it")) } else { Ok(found) }
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Single addresses.
macro_rules! addresses {
    ($($Type:ty),*) => {$(
        impl ToSocketAddrs for $Type {
            fn to_target(&self) -> io::Result<Target> {
                Target::one(*self)
            }
        }
    )*};
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16)
);

impl ToSocketAddrs for [SocketAddr] {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Addrs(self.to_vec()))
    }
}

impl<const N: usize> ToSocketAddrs for [SocketAddr; N] {
    fn to_target(&self) -> io::Result<Target> {
        self[..].to_target()
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn to_target(&self) -> io::Result<Target> {
        self[..].to_target()
    }
}

impl ToSocketAddrs for str {
    fn to_target(&self) -> io::Result<Target> {
        Target::text(self)
    }
}

impl ToSocketAddrs for String {
    fn to_target(&self) -> io::Result<Target> {
        Target::text(self)
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_target(&self) -> io::Result<Target> {
        Target::host(self.0, self.1)
    }
}

impl ToSocketAddrs for (String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        Target::host(&self.0, self.1)
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_target(&self) -> io::Result<Target> {
        (**self).to_target()
    }
}

/// The addresses of a host, in the order in which to try them.
///
/// *Cancel and discard*: where its future is dropped, a thread of the pool goes on looking, and
/// what it finds is thrown away.
///
/// # Errors
/// - [`InvalidInput`](io::ErrorKind::InvalidInput): no port, no host, or a port that is none.
/// - What `getaddrinfo(3)` says of a name that cannot be found, or of servers that do not answer.
///
/// # Panics
/// Outside of a runtime, where there is a name to be looked up.
///
/// ```
/// use annulus_runtime::runtime::net::lookup_host;
/// annulus_runtime::run(async {
///     let mut found = lookup_host(("localhost", 443)).await?;
///     assert!(found.all(|addr| addr.ip().is_loopback() && addr.port() == 443));
///     assert!(lookup_host("no port").await.is_err());
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "getaddrinfo")]
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    Ok(resolve(host).await?.into_iter())
}

/// The same, as a list that is not empty.
pub(super) async fn resolve(host: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    host.to_target()?.resolve().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_is_not_looked_up() {
        for text in ["127.0.0.1:80", "[::1]:80"] {
            let target = text.to_target().expect("an address");
            assert!(matches!(target, Target::Addrs(_)), "{text}: {target:?}");
        }
        let target = ("::1", 80).to_target().expect("an address");
        assert!(matches!(&target, Target::Addrs(addrs) if addrs[0].is_ipv6()), "{target:?}");
        let name = Target::Name { host: "localhost".to_owned(), port: 80 };
        assert_eq!("localhost:80".to_target().expect("a name"), name);
        for bad in ["", ":80", "localhost", "localhost:", "localhost:65536", "a\0b:1"] {
            assert!(bad.to_target().is_err(), "{bad}");
        }
    }
}
