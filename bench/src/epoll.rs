//! The sockets that have something to read.

use std::io::{Error, Result};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

const EVENTS: usize = 64;

/// See above.
pub struct Epoll(i32);

impl Epoll {
    /// Without sockets.
    pub fn new() -> Result<Self> {
        // SAFETY: a number.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 { Err(Error::last_os_error()) } else { Ok(Self(epoll)) }
    }

    /// Looks after one: `index` is its name.
    pub fn add(&self, stream: &TcpStream, index: u64) -> Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index };
        let (add, fd) = (libc::EPOLL_CTL_ADD, stream.as_raw_fd());
        // SAFETY: one event, which lives during the call.
        let done = unsafe { libc::epoll_ctl(self.0, add, fd, &raw mut event) };
        if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits for some: their indices.
    pub fn wait(&self, indices: &mut Vec<u64>) -> Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: room for so many events, which lives during the call.
        let count = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), EVENTS as i32, -1) };
        let count = usize::try_from(count).map_err(|_negative| Error::last_os_error())?;
        indices.clear();
        indices.extend(events[..count].iter().map(|event| event.u64));
        Ok(())
    }
}
