//! A socket that is full, for what waits for its peer.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// How long the file is that is sent: more than a socket holds.
pub const LONG: u64 = 8 << 20;

/// Makes `file` long, and fills a socket to the last byte: with written bytes, and with the file's
/// own pages. Before Linux 6.5 some of those found room behind the last that was written, however
/// full the socket was.
pub fn fill(mut socket: &UnixStream, file: &File) {
    file.set_len(LONG).unwrap();
    socket.set_nonblocking(true).unwrap();
    for bytes in [65536, 1] {
        while socket.write(&vec![0; bytes]).is_ok() {}
    }
    while rustix::fs::sendfile(socket, file, Some(&mut 0), 4096).is_ok() {}
    socket.set_nonblocking(false).unwrap();
}
