//! The server on a ring, with registered files: of Linux's, or of the host's.

use std::io::Result;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use annulus_bench::{Args, fail};
use annulus_emulate::abi::{BufGroup, Cqe, CqeFlags, FixedFd};
use annulus_emulate::register::{BufRing, BufRingOptions, Detached};
use annulus_emulate::{AnyKernel, Builder, KernelChoice, LocalRing, op};

use super::Server;

/// Room for a message.
const ROOM_BYTES: usize = 4096;
/// Of a `user_data`: it is a send's.
const SEND: u64 = 1 << 32;
/// The group of buffers, and how many there are for each connection.
const GROUP: BufGroup = BufGroup(1);
const BUFFERS_EACH: usize = 2;

/// Which kernel is to answer.
pub fn kernel(args: &Args) -> KernelChoice {
    match args.text("kernel", "host").as_str() {
        "host" => KernelChoice::Host,
        "linux" => KernelChoice::Linux,
        other => fail(&format!("kernel={other}: host or linux")),
    }
}

fn ring(streams: &[TcpStream], kernel: &KernelChoice) -> Result<LocalRing> {
    let entries = (streams.len() as u32 * 2).next_power_of_two().max(8);
    let ring = Builder::new().entries(entries).kernel(*kernel).build_local()?;
    let table: Vec<RawFd> = streams.iter().map(AsRawFd::as_raw_fd).collect();
    ring.register().files(&table)?;
    Ok(ring)
}

/// The completions that are there, whose results are all fine.
fn taken(ring: &mut LocalRing, cqes: &mut Vec<Cqe>) -> Result<()> {
    cqes.clear();
    cqes.extend(ring.completions()?);
    match cqes.iter().find(|cqe| cqe.res < 0) {
        Some(cqe) => Err(std::io::Error::from_raw_os_error(-cqe.res)),
        None => Ok(()),
    }
}

/// A receive for each message.
pub struct Single {
    ring: LocalRing,
    rooms: Vec<[u8; ROOM_BYTES]>,
    cqes: Vec<Cqe>,
    _streams: Vec<TcpStream>,
}

impl Single {
    pub fn new(streams: Vec<TcpStream>, kernel: &KernelChoice) -> Result<Self> {
        let ring = ring(&streams, kernel)?;
        let rooms = vec![[0; ROOM_BYTES]; streams.len()];
        let mut server = Self { ring, rooms, cqes: Vec::new(), _streams: streams };
        for n in 0..server.rooms.len() {
            server.receive(n)?;
        }
        Ok(server)
    }

    fn receive(&mut self, n: usize) -> Result<()> {
        let (slot, room) = (FixedFd(n as u32), self.rooms[n].as_mut_ptr());
        let receive = op::Recv::new(slot, room, ROOM_BYTES as u32).build().user_data(n as u64);
        // SAFETY: the room lives as long as the ring, and nobody else touches it until the send
        // that follows is over.
        Ok(unsafe { self.ring.push(receive) }?)
    }

    fn send(&mut self, n: usize, bytes: u32) -> Result<()> {
        let (slot, room) = (FixedFd(n as u32), self.rooms[n].as_mut_ptr());
        let send = op::Send::new(slot, room, bytes).build().user_data(n as u64 | SEND);
        // SAFETY: as `receive`.
        Ok(unsafe { self.ring.push(send) }?)
    }
}

impl Server for Single {
    fn answer(&mut self) -> Result<()> {
        let mut left = self.rooms.len();
        while left > 0 {
            self.ring.submit_and_wait(1)?;
            let mut cqes = core::mem::take(&mut self.cqes);
            taken(&mut self.ring, &mut cqes)?;
            for cqe in &cqes {
                let n = cqe.user_data as u32 as usize;
                if cqe.user_data & SEND == 0 {
                    self.send(n, cqe.res as u32)?;
                } else {
                    self.receive(n)?;
                    left -= 1;
                }
            }
            self.cqes = cqes;
        }
        Ok(())
    }
}

/// A receive that goes on, into the buffers of a ring.
pub struct Multi {
    buffers: Detached<BufRing<'static, AnyKernel>>,
    ring: LocalRing,
    rooms: Vec<[u8; ROOM_BYTES]>,
    cqes: Vec<Cqe>,
    streams: Vec<TcpStream>,
}

impl Multi {
    pub fn new(streams: Vec<TcpStream>, kernel: &KernelChoice) -> Result<Self> {
        let mut ring = ring(&streams, kernel)?;
        let count = (streams.len() * BUFFERS_EACH).next_power_of_two();
        let mut rooms = vec![[0; ROOM_BYTES]; count];
        let mut buffers = BufRingOptions::new(GROUP, count as u32).register(ring.register())?;
        for (id, room) in (0..).zip(&mut rooms) {
            // SAFETY: the rooms live as long as the ring; none is used before it is picked.
            unsafe { buffers.add(room.as_mut_ptr(), ROOM_BYTES as u32, id) };
        }
        buffers.advance();
        let buffers = buffers.detach();
        for n in 0..streams.len() {
            let receive = op::Recv::with_group(FixedFd(n as u32), GROUP, 0).multishot().build();
            // SAFETY: the buffers are the group's.
            unsafe { ring.push(receive.user_data(n as u64)) }?;
        }
        Ok(Self { buffers, ring, rooms, cqes: Vec::new(), streams })
    }

    /// Sends what came, from the buffer that it is in.
    fn send(&mut self, cqe: &Cqe) -> Result<()> {
        let (n, id) = (cqe.user_data as u32, cqe.buffer_id().unwrap_or_default());
        if !cqe.flags.contains(CqeFlags::MORE) {
            fail("a receive that goes on has ended");
        }
        let room = self.rooms[usize::from(id)].as_mut_ptr();
        let send = op::Send::new(FixedFd(n), room, cqe.res as u32).build();
        // SAFETY: the buffer is the program's until it is added again, when this is over.
        Ok(unsafe { self.ring.push(send.user_data(SEND | u64::from(id))) }?)
    }
}

impl Server for Multi {
    fn answer(&mut self) -> Result<()> {
        let mut left = self.streams.len();
        while left > 0 {
            self.ring.submit_and_wait(1)?;
            let mut cqes = core::mem::take(&mut self.cqes);
            taken(&mut self.ring, &mut cqes)?;
            for cqe in cqes.iter().filter(|cqe| cqe.user_data & SEND == 0) {
                self.send(cqe)?;
            }
            for cqe in cqes.iter().filter(|cqe| cqe.user_data & SEND != 0) {
                let id = cqe.user_data as u16;
                let room = self.rooms[usize::from(id)].as_mut_ptr();
                // SAFETY: as in `new`; its send is over.
                unsafe { self.buffers.add(room, ROOM_BYTES as u32, id) };
                left -= 1;
            }
            self.buffers.advance();
            self.cqes = cqes;
        }
        Ok(())
    }
}
