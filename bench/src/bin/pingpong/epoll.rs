//! The server on epoll, by hand.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use super::Server;

const EVENTS: usize = 64;

pub struct Epoll {
    epoll: i32,
    streams: Vec<TcpStream>,
    buffer: Vec<u8>,
    events: [libc::epoll_event; EVENTS],
}

impl Epoll {
    pub fn new(streams: Vec<TcpStream>, buffer: Vec<u8>) -> Result<Self> {
        // SAFETY: a number.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        for (n, stream) in (0..).zip(&streams) {
            stream.set_nonblocking(true)?;
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: n };
            let (add, fd) = (libc::EPOLL_CTL_ADD, stream.as_raw_fd());
            // SAFETY: one event, which lives during the call.
            if unsafe { libc::epoll_ctl(epoll, add, fd, &raw mut event) } != 0 {
                return Err(Error::last_os_error());
            }
        }
        let events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        Ok(Self { epoll, streams, buffer, events })
    }
}

impl Server for Epoll {
    fn answer(&mut self) -> Result<()> {
        let mut left = self.streams.len();
        while left > 0 {
            let at = self.events.as_mut_ptr();
            // SAFETY: room for so many events, which lives during the call.
            let count = unsafe { libc::epoll_wait(self.epoll, at, EVENTS as i32, -1) };
            let count = usize::try_from(count).map_err(|_negative| Error::last_os_error())?;
            for event in &self.events[..count] {
                let stream = &mut self.streams[event.u64 as usize];
                let count = stream.read(&mut self.buffer)?;
                stream.write_all(&self.buffer[..count])?;
                left -= 1;
            }
        }
        Ok(())
    }
}
