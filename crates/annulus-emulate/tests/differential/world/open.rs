//! Making files, pipes and sockets, and what happens to them outside.

use std::fs::File;
use std::io::{Seek, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;

use super::World;
use crate::program::{COUNTER, DATAGRAM, INTERNET, LOCAL, PIPE_READ, SMALL_READ, SOCKET, name};

/// What a file has in it at first.
const FILE_BYTES: usize = 1000;
/// The smallest capacity of a pipe, and the usual one.
const SMALL_BYTES: i32 = 4096;
const PIPE_BYTES: i32 = 65536;
/// How many may wait to be accepted.
const BACKLOG: i32 = 8;

/// A regular file with something in it: the first two on the disk, the others in memory.
pub fn file(path: PathBuf, slot: i32) -> OwnedFd {
    let mut file = if slot < 2 {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true).open(path).expect("a file")
    } else {
        // SAFETY: a name that ends.
        let fd = unsafe { libc::memfd_create(c"annulus".as_ptr(), libc::MFD_CLOEXEC) };
        File::from(owned(fd))
    };
    file.write_all(&[b'a' + slot as u8; FILE_BYTES]).expect("room for it");
    file.rewind().expect("a file has a position");
    file.into()
}

pub fn make_nonblocking(fd: RawFd) {
    // SAFETY: numbers.
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) };
}

fn owned(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a descriptor that was made here, and is nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

impl World {
    /// Makes what belongs together, from its first file on; nothing for the others.
    pub(super) fn reset_sockets(&mut self, slot: i32) {
        match slot {
            PIPE_READ | SMALL_READ => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                let bytes = if slot == SMALL_READ { SMALL_BYTES } else { PIPE_BYTES };
                // SAFETY: numbers.
                unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
                self.place(slot, reader.into());
                self.place(slot + 1, writer.into());
            }
            SOCKET..DATAGRAM if slot % 2 == 0 => {
                let (one, other) = UnixStream::pair().expect("sockets");
                self.place(slot, one.into());
                self.place(slot + 1, other.into());
            }
            DATAGRAM => {
                let (one, other) = UnixDatagram::pair().expect("sockets");
                self.place(slot, one.into());
                self.place(slot + 1, other.into());
            }
            COUNTER => {
                // SAFETY: numbers.
                let counter = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
                self.place(slot, owned(counter));
            }
            LOCAL => self.reset_local(),
            INTERNET => self.reset_internet(),
            _ => {}
        }
    }

    fn reset_local(&mut self) {
        let family = libc::AF_UNIX;
        // Each time another: what Linux still has of the last program has its address.
        let text = format!("\0annulus-{}-{}-{}", std::process::id(), self.base, self.round);
        let mut address = (family as u16).to_ne_bytes().to_vec();
        address.extend(text.as_bytes());
        let listener = socket(family);
        let fd = listener.as_raw_fd();
        // SAFETY: an address of that many bytes, which lives during the call.
        let bound = unsafe { libc::bind(fd, address.as_ptr().cast(), address.len() as u32) };
        assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: numbers.
        let listens = unsafe { libc::listen(fd, BACKLOG) };
        assert_eq!(listens, 0, "{}", std::io::Error::last_os_error());
        self.addresses[0] = address;
        self.place(LOCAL, listener);
        for n in 1..3 {
            self.place(LOCAL + n, socket(family));
        }
    }

    fn reset_internet(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let mut address = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        address.extend(port.to_be_bytes());
        address.extend([127, 0, 0, 1]);
        address.resize(size_of::<libc::sockaddr_in>(), 0);
        self.addresses[1] = address;
        self.place(INTERNET, listener.into());
        for n in 1..3 {
            self.place(INTERNET + n, socket(libc::AF_INET));
        }
    }

    /// The address of the listener that `slot` is, or connects to.
    pub(super) fn listens_at(&self, slot: i32) -> &[u8] {
        &self.addresses[usize::from(slot >= INTERNET)]
    }

    /// Writes without waiting: how much.
    pub fn write(&self, slot: i32, bytes: u32) -> i64 {
        if slot == COUNTER {
            // One more: it never waits for that.
            let one = 1_u64;
            // SAFETY: 8 bytes, which live during the call.
            return answer(unsafe { libc::write(self.base + slot, (&raw const one).cast(), 8) });
        }
        let mut from: Vec<u8> = (0..bytes).map(|n| (n * 13) as u8).collect();
        let piece = libc::iovec { iov_base: from.as_mut_ptr().cast(), iov_len: from.len() };
        // SAFETY: one piece, which lives during the call.
        answer(unsafe {
            libc::pwritev2(self.base + slot, &raw const piece, 1, -1, libc::RWF_NOWAIT)
        })
    }

    /// Reads without waiting: how much, and a sum of it.
    pub fn take(&self, slot: i32, bytes: u32) -> i64 {
        let mut to = vec![0_u8; bytes as usize];
        let count = self.take_into(slot, &mut to);
        let Ok(taken) = usize::try_from(count) else { return count };
        let sum = to[..taken]
            .iter()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        count << 32 | i64::from(sum & 0x7fff_ffff)
    }

    pub(super) fn take_into(&self, slot: i32, to: &mut [u8]) -> i64 {
        let piece = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
        // SAFETY: one piece, which lives during the call.
        answer(unsafe {
            libc::preadv2(self.base + slot, &raw const piece, 1, -1, libc::RWF_NOWAIT)
        })
    }

    pub fn close(&self, slot: i32) -> i64 {
        // SAFETY: a number of this world's.
        answer(unsafe { libc::close(self.base + slot) } as isize)
    }

    pub fn shut_down(&self, slot: i32) -> i64 {
        // SAFETY: numbers.
        answer(unsafe { libc::shutdown(self.base + slot, libc::SHUT_WR) } as isize)
    }

    /// A socket connects to its listener; it does not wait until it may.
    pub fn connect(&self, slot: i32) -> i64 {
        let address = self.listens_at(slot);
        let fd = self.base + slot;
        // SAFETY: numbers.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        // SAFETY: numbers.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) };
        // SAFETY: an address of that many bytes, which lives during the call.
        let connected =
            answer(unsafe { libc::connect(fd, address.as_ptr().cast(), address.len() as u32) }
                as isize);
        // SAFETY: numbers.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
        connected
    }

    /// Takes a connection from a listener, and closes it.
    pub fn accept(&self, slot: i32) -> i64 {
        let fd = self.base + slot;
        let mut wanted = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one of them, which lives during the call.
        if unsafe { libc::poll(&raw mut wanted, 1, 0) } != 1 {
            return -i64::from(libc::EAGAIN);
        }
        let nobody = core::ptr::null_mut();
        // SAFETY: no address is asked for.
        let accepted = unsafe { libc::accept4(fd, nobody, nobody.cast(), libc::SOCK_CLOEXEC) };
        if accepted < 0 {
            return answer(accepted as isize);
        }
        drop(owned(accepted));
        0
    }
}

fn socket(family: i32) -> OwnedFd {
    // SAFETY: numbers.
    owned(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })
}

/// A count, or the negated error number.
fn answer(result: isize) -> i64 {
    if result >= 0 {
        return result as i64;
    }
    -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The name that a file has in its directory, with its end.
pub fn path_of(slot: i32) -> Vec<u8> {
    [name(slot).as_bytes(), b"\0"].concat()
}
