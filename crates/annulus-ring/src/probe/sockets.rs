//! What sockets do: on loopback and on a pair of Unix sockets, nothing leaves the machine.

use core::cell::UnsafeCell;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use super::report::Outcome;
use super::rig::{Fault, Rig, Tried};
use crate::abi::{Buf, BufGroup, BufReg, Cqe, CqeFlags, PbufRingFlags, RegisterOp};
use crate::errno::Errno;
use crate::op::{Accept, Recv};

/// Accepts two connections by one entry.
pub(super) fn multishot_accept(rig: &mut Rig) -> Outcome {
    rig.test((), |rig, ()| {
        const NO_NETWORK: Fault = Fault::Untried("no loopback network");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|_| NO_NETWORK)?;
        let address = listener.local_addr().map_err(|_| NO_NETWORK)?;
        // Connecting only queues: the listener's backlog takes both without anybody accepting.
        let connect =
            || TcpStream::connect_timeout(&address, core::time::Duration::from_millis(50));
        let _clients = [connect().map_err(|_| NO_NETWORK)?, connect().map_err(|_| NO_NETWORK)?];
        // SAFETY: without an address the entry points to nothing.
        unsafe { rig.submit(Accept::new(&listener).multishot().build()) }?;
        for _ in 0..2 {
            let cqe = rig.next()?;
            let accepted = cqe.result()?;
            // SAFETY: the descriptor is new, and nobody else knows it.
            drop(unsafe { OwnedFd::from_raw_fd(accepted as RawFd) });
            if !cqe.has_more() {
                return Err(Fault::Wrong("it ended after one"));
            }
        }
        // Ended before the listener is closed.
        rig.settle();
        Ok(())
    })
}

const BUFFERS: usize = 4;
const BUFFER_BYTES: usize = 64;
/// A group of its own: an earlier one that could not be unregistered does not matter.
const GROUP: BufGroup = BufGroup(0x7a00);

/// A ring of buffers, and the buffers. Cells: the kernel writes to both while they are borrowed.
#[repr(C, align(4096))]
struct Buffers {
    ring: UnsafeCell<[Buf; BUFFERS]>,
    bytes: UnsafeCell<[[u8; BUFFER_BYTES]; BUFFERS]>,
}

impl Buffers {
    fn new() -> Self {
        Self {
            ring: UnsafeCell::new([Buf::default(); BUFFERS]),
            bytes: UnsafeCell::new([[0; BUFFER_BYTES]; BUFFERS]),
        }
    }

    /// Fills the ring with all buffers; the first entry's `resv` is the ring's tail.
    fn fill(&mut self) {
        let ring = self.ring.get_mut();
        for (bid, (buf, bytes)) in ring.iter_mut().zip(self.bytes.get_mut()).enumerate() {
            let addr = bytes.as_mut_ptr() as u64;
            *buf = Buf { addr, len: BUFFER_BYTES as u32, bid: bid as u16, resv: 0 };
        }
        ring[0].resv = BUFFERS as u16;
    }

    /// Whether the buffer that `cqe` names begins with `bytes`.
    ///
    /// # Safety
    /// - No operation that may pick a buffer is underway.
    unsafe fn begins(&self, cqe: Cqe, bytes: &[u8]) -> Tried<bool> {
        // SAFETY: nothing is underway (the caller's promise), so the kernel does not write.
        let all = unsafe { self.bytes.get().read() };
        let named = cqe.buffer_id().and_then(|bid| all.get(usize::from(bid)));
        named.map(|buffer| buffer.starts_with(bytes)).ok_or(Fault::Wrong("no buffer was named"))
    }
}

/// Runs `test` with a ring of buffers registered, and a pair of sockets.
fn with_buffers(
    rig: &mut Rig,
    flags: PbufRingFlags,
    test: impl FnOnce(&mut Rig, &mut UnixStream, &UnixStream, &Buffers) -> Tried,
) -> Outcome {
    rig.test(Buffers::new(), |rig, buffers| {
        let pair = UnixStream::pair();
        let (mut near, far) = pair.map_err(|_| Fault::Untried("no pair of sockets"))?;
        buffers.fill();
        let reg = BufReg {
            ring_addr: buffers.ring.get() as u64,
            ring_entries: BUFFERS as u32,
            bgid: GROUP,
            flags,
            ..BufReg::default()
        };
        // SAFETY: the ring and its buffers are the test's memory; it is unregistered below.
        unsafe { rig.register(RegisterOp::PBUF_RING, &raw const reg, 1) }?;
        let tried = test(rig, &mut near, &far, buffers);
        rig.settle();
        let gone = BufReg { bgid: GROUP, ..BufReg::default() };
        // SAFETY: it names the group only.
        unsafe { rig.register(RegisterOp::UNREGISTER_PBUF_RING, &raw const gone, 1) }?;
        tried
    })
}

/// Sends `bytes`, and receives them into whichever buffers the kernel picks.
fn receive(
    rig: &mut Rig,
    (near, far): (&mut UnixStream, &UnixStream),
    bytes: &[u8],
    bundle: bool,
) -> Tried<Cqe> {
    near.write_all(bytes).map_err(|_| Fault::Untried("a socket does not send"))?;
    let entry = Recv::with_group(far, GROUP, 0);
    let entry = if bundle { entry.bundle() } else { entry };
    // SAFETY: the group's buffers are the test's memory.
    let cqe = unsafe { rig.run(entry.build()) }?;
    match cqe.result() {
        Ok(len) if len as usize == bytes.len() => Ok(cqe),
        // Linux 6.12 bundles what TCP brings, and fills one buffer at a time from a local socket.
        Ok(len) if bundle && len as usize == BUFFER_BYTES => {
            Err(Fault::Untried("local sockets have none in this kernel; TCP may have"))
        }
        _ => Err(Fault::Wrong("another length was received")),
    }
}

/// Receives into a buffer that the kernel takes from the ring.
pub(super) fn buffer_ring(rig: &mut Rig) -> Outcome {
    with_buffers(rig, PbufRingFlags::empty(), |rig, near, far, buffers| {
        let cqe = receive(rig, (near, far), b"annulus", false)?;
        // SAFETY: the one operation has completed.
        match unsafe { buffers.begins(cqe, b"annulus") }? {
            true => Ok(()),
            false => Err(Fault::Wrong("the bytes are in another buffer")),
        }
    })
}

/// Receives twice into one buffer, piece after piece.
pub(super) fn incremental_buffer_ring(rig: &mut Rig) -> Outcome {
    with_buffers(rig, PbufRingFlags::INC, |rig, near, far, buffers| {
        let first = receive(rig, (near, far), b"annu", false)?;
        let second = receive(rig, (near, far), b"lus", false)?;
        if first.buffer_id() != second.buffer_id() || !first.flags.contains(CqeFlags::BUF_MORE) {
            return Err(Fault::Wrong("each took a buffer of its own"));
        }
        // SAFETY: both operations have completed.
        match unsafe { buffers.begins(first, b"annulus") }? {
            true => Ok(()),
            false => Err(Fault::Wrong("the pieces are elsewhere")),
        }
    })
}

/// Receives more than one buffer holds, by one completion.
pub(super) fn bundle(rig: &mut Rig) -> Outcome {
    with_buffers(rig, PbufRingFlags::empty(), |rig, near, far, _| {
        receive(rig, (near, far), &[7; BUFFER_BYTES + BUFFER_BYTES / 2], true).map(drop)
    })
}

/// Whether the kernel refuses a ring of buffers that is as it should be, though it knows them: a
/// fault of Ubuntu's 6.8.0-136 to 6.8.0-139.
pub(super) fn refuses_buffer_rings(outcome: Outcome, known: Option<bool>) -> bool {
    outcome == Outcome::Refused(Errno::EINVAL) && known == Some(true)
}
