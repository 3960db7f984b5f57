//! The listeners: one for each thread, at one address, over which the kernel spreads connections.

use std::net::{SocketAddr, TcpListener};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::failure::Failure;

/// How many connections wait to be accepted, as far as `net.core.somaxconn` allows.
const BACKLOG: i32 = 4096;

/// Makes them. With port 0 they have one that is free.
///
/// # Errors
/// Why nobody can listen there, and what to do.
pub fn listeners(at: SocketAddr, count: usize) -> Result<Vec<TcpListener>, Failure> {
    let failure = |why: Errno| failure(at, why);
    // One alone would be refused where others share the port, and so finds out who has it; those
    // that share it would be let in beside another server of the same user.
    let first = listener(at, false).map_err(failure)?;
    if count == 1 {
        return Ok(vec![first]);
    }
    let at = first.local_addr().map_err(|why| Failure::new(at.to_string(), why))?;
    drop(first);
    (0..count).map(|_| listener(at, true).map_err(failure)).collect()
}

fn listener(at: SocketAddr, is_shared: bool) -> Result<TcpListener, Errno> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if is_shared {
        set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &at)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn failure(at: SocketAddr, why: Errno) -> Failure {
    let cure = match why {
        Errno::ADDRINUSE => {
            format!("`ss -ltnp sport = {}` says who listens there; or --listen another", at.port())
        }
        Errno::ACCESS => {
            "ports below 1024 are for root: --listen a higher one, or give the program \
                          CAP_NET_BIND_SERVICE"
                .to_owned()
        }
        Errno::ADDRNOTAVAIL => {
            "no interface here has it: --listen 0.0.0.0 and the port for all of them".to_owned()
        }
        Errno::AFNOSUPPORT => {
            "this machine has no such protocol: --listen an IPv4 address".to_owned()
        }
        Errno::MFILE | Errno::NFILE => "raise `ulimit -n`".to_owned(),
        _ => "--listen another address".to_owned(),
    };
    Failure::new(format!("listen at {at}"), std::io::Error::from(why)).cure(cure)
}
