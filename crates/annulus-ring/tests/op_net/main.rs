//! What the operations on sockets do on this kernel: on loopback and socket pairs, in bounded time.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/rig.rs"]
mod rig;

mod accept;
mod ends;
mod groups;
mod messages;
mod send_recv;
mod sockets;
mod zero_copy;

use std::net::{TcpListener, TcpStream};

/// A connected pair of TCP sockets on loopback.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    (here, there)
}
