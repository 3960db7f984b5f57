//! [`Options`]: what can be set and asked of a socket.

use core::fmt;
use core::time::Duration;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use annulus_ring::Errno;

use super::at_once::{get, set};

/// `SOL_SOCKET`.
const SOCKET: u32 = 1;
/// `IPPROTO_IP`.
const IP: u32 = 0;
/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// `IPPROTO_UDP`.
const UDP: u32 = 17;
/// `IPPROTO_IPV6`.
const IPV6: u32 = 41;

/// `SO_ERROR`.
const SO_ERROR: (u32, u32) = (SOCKET, 4);
/// `SO_LINGER`.
const SO_LINGER: (u32, u32) = (SOCKET, 13);
/// `SO_PEERCRED`.
const SO_PEERCRED: (u32, u32) = (SOCKET, 17);
/// `IP_ADD_MEMBERSHIP` and `IP_DROP_MEMBERSHIP`.
const IP_MEMBERSHIP: [(u32, u32); 2] = [(IP, 35), (IP, 36)];
/// `IPV6_ADD_MEMBERSHIP` and `IPV6_DROP_MEMBERSHIP`.
const IPV6_MEMBERSHIP: [(u32, u32); 2] = [(IPV6, 20), (IPV6, 21)];

/// The options of a socket, to be set and asked: on this thread, at once, as `setsockopt(2)` and
/// `getsockopt(2)`.
///
/// Every socket of [this module](super) has them by its `options`, and [`new`](Self::new) takes any
/// other. What they are is in `socket(7)`, `ip(7)`, `ipv6(7)`, `tcp(7)` and `udp(7)`.
///
/// # Errors
/// - `ENOPROTOOPT` (92): sockets of this kind have it not. `EOPNOTSUPP`: nor this one.
/// - `EINVAL`, `EDOM` (33): a value that it cannot have, or a socket whose state is past it.
/// - `EPERM`: for privileged programs. `ENOTSOCK`, `EBADF`.
///
/// ```
/// use annulus_runtime::runtime::net::TcpSocket;
/// use std::time::Duration;
/// let socket = TcpSocket::v4()?;
/// socket.options().set_keepalive(Some(Duration::from_secs(30)))?;
/// assert_eq!(socket.options().keepalive()?, Some(Duration::from_secs(30)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "setsockopt")]
#[doc(alias = "getsockopt")]
#[derive(Clone, Copy)]
pub struct Options<'a> {
    fd: BorrowedFd<'a>,
}

/// Who sent something over a Unix socket, or connected it, as the kernel knows it
/// (`struct ucred`).
///
/// ```
/// use annulus_runtime::runtime::net::Options;
/// let (here, _there) = std::os::unix::net::UnixStream::pair()?;
/// assert_eq!(Options::new(&here).peer_cred()?.pid, std::process::id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "ucred")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process: 0 where it is in no namespace of ours.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl Credentials {
    /// Of the bytes of a `struct ucred`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self { pid: word(0)?, uid: word(4)?, gid: word(8)? })
    }
}

/// The value of an option that is a number.
fn number(fd: BorrowedFd<'_>, option: (u32, u32)) -> io::Result<u32> {
    let mut value = [0; 4];
    // Some are written in one byte, which is then the first.
    let bytes = get(fd, option, &mut value)?;
    Ok(if bytes == 1 { value[0].into() } else { u32::from_ne_bytes(value) })
}

/// Sets an option that is a number.
fn set_number(fd: BorrowedFd<'_>, option: (u32, u32), value: u32) -> io::Result<()> {
    set(fd, option, &value.to_ne_bytes())
}

/// Options that are numbers, or a yes or no.
macro_rules! options {
    (@set bool $on:ident) => { u32::from($on) };
    (@set u32 $on:ident) => { $on };
    (@get bool $on:expr) => { $on.map(|on| on != 0) };
    (@get u32 $on:expr) => { $on };
    // IPv6 is not everywhere: compiled, and run by the tests.
    (@begin v6) => { "```no_run" };
    (@begin v6_udp) => { "```no_run" };
    (@begin $other:ident) => { "```" };
    (@make tcp) => { "TcpSocket::v4()" };
    (@make v6) => { "TcpSocket::v6()" };
    (@make v6_udp) => { "std::net::UdpSocket::bind(\"[::1]:0\")" };
    (@make udp) => { "std::net::UdpSocket::bind(\"127.0.0.1:0\")" };
    (@make unix) => { "std::os::unix::net::UnixDatagram::unbound()" };
    ($($(#[$doc:meta])* $name:ident, $set:ident: $Type:ident = $level:ident $number:literal,
        $alias:literal, of $socket:ident, $value:literal => $read:literal;)*) => {
        impl Options<'_> {$(
            $(#[$doc])*
            #[doc = ""]
            #[doc = options!(@begin $socket)]
            #[doc = "use annulus_runtime::runtime::net::{Options, TcpSocket};"]
            #[doc = concat!("let socket = ", options!(@make $socket), "?;")]
            #[doc = concat!("Options::new(&socket).", stringify!($set), "(", $value, ")?;")]
            #[doc = concat!(
                "assert_eq!(Options::new(&socket).", stringify!($name), "()?, ", $read, ");"
            )]
            #[doc = "# Ok::<(), std::io::Error>(())"]
            #[doc = "```"]
            #[doc(alias = $alias)]
            pub fn $set(self, value: $Type) -> io::Result<()> {
                set_number(self.fd, ($level, $number), options!(@set $Type value))
            }

            #[doc = concat!(
                "What [`", stringify!($set), "`](Self::", stringify!($set), ") has set, or the ",
                "kernel."
            )]
            #[doc = ""]
            #[doc = options!(@begin $socket)]
            #[doc = "use annulus_runtime::runtime::net::{Options, TcpSocket};"]
            #[doc = concat!("let socket = ", options!(@make $socket), "?;")]
            #[doc = concat!("let before = Options::new(&socket).", stringify!($name), "()?;")]
            #[doc = concat!("Options::new(&socket).", stringify!($set), "(", $value, ")?;")]
            #[doc = concat!(
                "assert_ne!(Options::new(&socket).", stringify!($name), "()?, before);"
            )]
            #[doc = "# Ok::<(), std::io::Error>(())"]
            #[doc = "```"]
            pub fn $name(self) -> io::Result<$Type> {
                options!(@get $Type number(self.fd, ($level, $number)))
            }
        )*}
    };
}

options! {
    /// Whether an address may be taken that an earlier connection's end still holds
    /// (`TIME_WAIT`); of UDP, one that others have. [`TcpListener::bind`](super::TcpListener::bind)
    /// sets it, as the standard library does.
    reuse_address, set_reuse_address: bool = SOCKET 2, "SO_REUSEADDR", of tcp, "true" => "true";
    /// Whether several sockets, each with this set before it is bound, share an address: the kernel
    /// spreads connections and datagrams over them. One for each thread needs no lock between them.
    reuse_port, set_reuse_port: bool = SOCKET 15, "SO_REUSEPORT", of tcp, "true" => "true";
    /// How many bytes may wait to be sent. The kernel doubles it, for its own needs, which is what
    /// is read; `net.core.wmem_max` is the most.
    send_buffer_bytes, set_send_buffer_bytes: u32 = SOCKET 7, "SO_SNDBUF",
        of tcp, "16384" => "32768";
    /// How many bytes may wait to be read: doubled as those [to be
    /// sent](Self::set_send_buffer_bytes), at most `net.core.rmem_max`. Set before a connection is
    /// made it bounds the connection's window too.
    recv_buffer_bytes, set_recv_buffer_bytes: u32 = SOCKET 8, "SO_RCVBUF",
        of tcp, "16384" => "32768";
    /// Whether datagrams may go to a broadcast address.
    broadcast, set_broadcast: bool = SOCKET 6, "SO_BROADCAST", of tcp, "true" => "true";
    /// Whether messages say who sent them, where they are received with control data: of Unix
    /// sockets.
    pass_credentials, set_pass_credentials: bool = SOCKET 16, "SO_PASSCRED",
        of unix, "true" => "true";
    /// Whether small segments go at once, instead of waiting for more to go with them.
    nodelay, set_nodelay: bool = TCP 1, "TCP_NODELAY", of tcp, "true" => "true";
    /// How many keep-alive probes may stay without an answer.
    keepalive_count, set_keepalive_count: u32 = TCP 6, "TCP_KEEPCNT", of tcp, "5" => "5";
    /// Whether what arrives is acknowledged at once, for now: the kernel goes back to delaying when
    /// it thinks that better. So it is set again after each read.
    quickack, set_quickack: bool = TCP 12, "TCP_QUICKACK", of tcp, "false" => "false";
    /// How many hops a packet may make, over IPv4.
    ttl, set_ttl: u32 = IP 2, "IP_TTL", of tcp, "42" => "42";
    /// The type of service of packets over IPv4: its upper six bits are the DSCP.
    tos, set_tos: u32 = IP 1, "IP_TOS", of tcp, "16" => "16";
    /// How many hops a multicast datagram may make over IPv4: 1 stays on the network.
    multicast_ttl_v4, set_multicast_ttl_v4: u32 = IP 33, "IP_MULTICAST_TTL",
        of udp, "4" => "4";
    /// Whether multicast datagrams over IPv4 come back to this machine.
    multicast_loop_v4, set_multicast_loop_v4: bool = IP 34, "IP_MULTICAST_LOOP",
        of udp, "false" => "false";
    /// How many hops a packet may make, over IPv6.
    unicast_hops_v6, set_unicast_hops_v6: u32 = IPV6 16, "IPV6_UNICAST_HOPS",
        of v6, "42" => "42";
    /// How many hops a multicast datagram may make over IPv6.
    multicast_hops_v6, set_multicast_hops_v6: u32 = IPV6 18, "IPV6_MULTICAST_HOPS",
        of v6_udp, "4" => "4";
    /// Whether multicast datagrams over IPv6 come back to this machine.
    multicast_loop_v6, set_multicast_loop_v6: bool = IPV6 19, "IPV6_MULTICAST_LOOP",
        of v6_udp, "false" => "false";
    /// Whether a socket of IPv6 takes nothing of IPv4: before it is bound.
    only_v6, set_only_v6: bool = IPV6 26, "IPV6_V6ONLY", of v6, "true" => "true";
    /// Whether datagrams that follow one another may be received as one buffer (Linux 5.0); control
    /// data says how long each is.
    udp_gro, set_udp_gro: bool = UDP 104, "UDP_GRO", of udp, "true" => "true";
}

/// Whole seconds, at least one.
fn seconds(span: Duration) -> u32 {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

impl<'a> Options<'a> {
    /// Those of any socket.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::Options;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert!(Options::new(&listener).reuse_address()?); // set by the standard library
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: &'a impl AsFd) -> Self {
        Self { fd: socket.as_fd() }
    }

    /// After how long a silence probes are sent to a peer, to learn whether it is there; or none.
    /// In whole seconds, at least one.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// let socket = TcpSocket::v4()?;
    /// assert_eq!(socket.options().keepalive()?, None); // unless one says so
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_KEEPALIVE")]
    #[doc(alias = "TCP_KEEPIDLE")]
    pub fn set_keepalive(self, idle: Option<Duration>) -> io::Result<()> {
        if let Some(idle) = idle {
            set_number(self.fd, (TCP, 4), seconds(idle))?;
        }
        set_number(self.fd, (SOCKET, 9), idle.is_some().into())
    }

    /// What [`set_keepalive`](Self::set_keepalive) has set.
    pub fn keepalive(self) -> io::Result<Option<Duration>> {
        if number(self.fd, (SOCKET, 9))? == 0 {
            return Ok(None);
        }
        let idle = number(self.fd, (TCP, 4))?;
        Ok(Some(Duration::from_secs(idle.into())))
    }

    /// How long after a probe without an answer the next is sent: whole seconds, at least one.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// use std::time::Duration;
    /// let socket = TcpSocket::v4()?;
    /// socket.options().set_keepalive_interval(Duration::from_millis(1500))?;
    /// assert_eq!(socket.options().keepalive_interval()?, Duration::from_secs(2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "TCP_KEEPINTVL")]
    pub fn set_keepalive_interval(self, interval: Duration) -> io::Result<()> {
        set_number(self.fd, (TCP, 5), seconds(interval))
    }

    /// What [`set_keepalive_interval`](Self::set_keepalive_interval) has set.
    pub fn keepalive_interval(self) -> io::Result<Duration> {
        Ok(Duration::from_secs(number(self.fd, (TCP, 5))?.into()))
    }

    /// How long what was sent may stay without an acknowledgement, before the connection is given
    /// up with `ETIMEDOUT`: in milliseconds; none is the kernel's own limit, of some 15 minutes.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// use std::time::Duration;
    /// let socket = TcpSocket::v4()?;
    /// socket.options().set_user_timeout(Some(Duration::from_secs(10)))?;
    /// assert_eq!(socket.options().user_timeout()?, Some(Duration::from_secs(10)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "TCP_USER_TIMEOUT")]
    pub fn set_user_timeout(self, limit: Option<Duration>) -> io::Result<()> {
        let millis = limit.map_or(0, |limit| limit.as_millis().max(1));
        set_number(self.fd, (TCP, 18), u32::try_from(millis).unwrap_or(u32::MAX))
    }

    /// What [`set_user_timeout`](Self::set_user_timeout) has set.
    pub fn user_timeout(self) -> io::Result<Option<Duration>> {
        let millis = number(self.fd, (TCP, 18))?;
        Ok((millis > 0).then(|| Duration::from_millis(millis.into())))
    }

    /// What becomes of unsent bytes when the last descriptor is closed: nothing said, the kernel
    /// goes on sending and the close waits for nothing; a span, the close *waits* so long, in whole
    /// seconds, and blocks the thread; zero, they are thrown away, and the peer sees a reset.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// use std::time::Duration;
    /// let socket = TcpSocket::v4()?;
    /// assert_eq!(socket.options().linger()?, None);
    /// socket.options().set_linger(Some(Duration::ZERO))?;
    /// assert_eq!(socket.options().linger()?, Some(Duration::ZERO));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_LINGER")]
    pub fn set_linger(self, limit: Option<Duration>) -> io::Result<()> {
        let span = limit.map_or(0, |limit| if limit.is_zero() { 0 } else { seconds(limit) });
        let (on, span) = (u32::from(limit.is_some()).to_ne_bytes(), span.to_ne_bytes());
        let value: Vec<u8> = on.into_iter().chain(span).collect();
        set(self.fd, SO_LINGER, &value)
    }

    /// What [`set_linger`](Self::set_linger) has set.
    pub fn linger(self) -> io::Result<Option<Duration>> {
        let mut value = [0; 8];
        get(self.fd, SO_LINGER, &mut value)?;
        let [on, seconds] = [0, 4].map(|at| value[at..].first_chunk().copied().unwrap_or([0; 4]));
        let seconds = u64::from(u32::from_ne_bytes(seconds));
        Ok((u32::from_ne_bytes(on) != 0).then(|| Duration::from_secs(seconds)))
    }

    /// The error that is pending, which no operation was told yet; it is gone then.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// assert!(TcpSocket::v4()?.options().take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(self) -> io::Result<Option<io::Error>> {
        let errno = number(self.fd, SO_ERROR)?.cast_signed();
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }

    /// Who connected a Unix socket, or made the pair, at that time: `SO_PEERCRED`.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::Options;
    /// let (here, _there) = std::os::unix::net::UnixStream::pair()?;
    /// assert_eq!(Options::new(&here).peer_cred()?.pid, std::process::id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(self) -> io::Result<Credentials> {
        let mut value = [0; 12];
        get(self.fd, SO_PEERCRED, &mut value)?;
        Credentials::from_bytes(&value).ok_or_else(|| Errno::EINVAL.into())
    }

    /// Takes part in a multicast group of IPv4, on the interface with the address `interface`, or
    /// any that is fit where that is unspecified; or takes no part any more.
    pub(super) fn membership_v4(
        self,
        group: Ipv4Addr,
        interface: Ipv4Addr,
        joins: bool,
    ) -> io::Result<()> {
        let value: Vec<u8> = group.octets().into_iter().chain(interface.octets()).collect();
        set(self.fd, IP_MEMBERSHIP[usize::from(!joins)], &value)
    }

    /// The same with IPv6, on the interface with this number, or any that is fit where it is 0.
    pub(super) fn membership_v6(
        self,
        group: Ipv6Addr,
        interface: u32,
        joins: bool,
    ) -> io::Result<()> {
        let interface = interface.to_ne_bytes();
        let value: Vec<u8> = group.octets().into_iter().chain(interface).collect();
        set(self.fd, IPV6_MEMBERSHIP[usize::from(!joins)], &value)
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("fd", &self.fd).finish()
    }
}
