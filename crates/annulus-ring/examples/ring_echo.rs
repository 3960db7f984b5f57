//! An echo server on one thread: one multishot accept, one multishot receive per connection, and
//! buffers that the kernel picks from a ring of them. What came in goes out from the very buffer it
//! came in, which then goes back into the ring.
//!
//! Its clients are threads of this program; when the last one has gone, it ends.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};

use annulus_ring::abi::{BufGroup, Cqe, MsgFlags, SockFlags};
use annulus_ring::register::{Buffer, BufferRing};
use annulus_ring::{Errno, LocalRing, SubmissionQueue, Submitter, op};

const CLIENTS: u64 = 4;
const MESSAGES: usize = 200;
const GROUP: BufGroup = BufGroup(1);

/// What a completion is of: the kind of operation, and the connection's number above it.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const KINDS: u64 = 4;

/// One connection, with what waits to be sent back: the first of them is being sent.
struct Connection<'b, 'r> {
    socket: TcpStream,
    out: VecDeque<Buffer<'b, 'r>>,
    is_receiving: bool,
}

struct Server<'b, 'r> {
    sq: &'b mut SubmissionQueue,
    submitter: &'r Submitter<annulus_ring::Linux>,
    buffers: &'b BufferRing<'r>,
    connections: HashMap<u64, Connection<'b, 'r>>,
    accepted: u64,
}

impl Server<'_, '_> {
    /// Queues an entry, making room if there is none.
    fn push(&mut self, sqe: annulus_ring::abi::Sqe) -> annulus_ring::Result<()> {
        if self.sq.space_left() == 0 {
            self.submitter.submit(self.sq)?;
        }
        // SAFETY: receives write to buffers of the group, which outlives the server; a buffer that
        // is sent is kept by its connection, whose socket is open, until the send has completed.
        unsafe { self.sq.push(sqe) }
    }

    fn receive(&mut self, id: u64) -> annulus_ring::Result<()> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.is_receiving = true;
        let receive = op::Recv::with_group(&connection.socket, GROUP, 0).multishot().build();
        self.push(receive.user_data(id * KINDS + RECEIVE))
    }

    /// Sends the first of what waits.
    fn send(&mut self, id: u64) -> annulus_ring::Result<()> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let Some(first) = connection.out.front() else { return Ok(()) };
        // WAITALL: the kernel goes on after a short send by itself.
        let send = op::Send::new(&connection.socket, first.as_ptr(), first.len() as u32)
            .flags(MsgFlags::WAITALL | MsgFlags::NOSIGNAL)
            .build();
        self.push(send.user_data(id * KINDS + SEND))
    }
}

impl<'b, 'r> Server<'b, 'r> {
    fn accepted(&mut self, cqe: Cqe) -> Result<(), Box<dyn Error>> {
        let fd = cqe.result()?;
        // SAFETY: the completion made this descriptor ours.
        let socket = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        socket.set_nodelay(true)?;
        let connection = Connection { socket, out: VecDeque::new(), is_receiving: false };
        let id = self.accepted;
        self.accepted += 1;
        self.connections.insert(id, connection);
        assert!(cqe.has_more(), "the accept goes on by itself");
        Ok(self.receive(id)?)
    }

    fn received(&mut self, id: u64, cqe: Cqe) -> Result<(), Box<dyn Error>> {
        // SAFETY: a completion of this ring, for this group, taken once and in order.
        let buffer = unsafe { self.buffers.take(&cqe) };
        let connection = self.connections.get_mut(&id).ok_or("no such connection")?;
        // Without "more" the receive has ended, be it for want of buffers.
        connection.is_receiving = cqe.has_more();
        match (cqe.result(), buffer) {
            // The client has gone.
            (Ok(0), _) => {
                self.finish(id);
                return Ok(());
            }
            (Ok(_), Some(buffer)) => {
                connection.out.push_back(buffer);
                if connection.out.len() == 1 {
                    self.send(id)?;
                }
            }
            (Err(Errno::ENOBUFS), _) => {}
            (Ok(_), None) => return Err("a receive named no buffer".into()),
            (Err(errno), _) => return Err(errno.into()),
        }
        if cqe.has_more() { Ok(()) } else { Ok(self.receive(id)?) }
    }

    fn sent(&mut self, id: u64, cqe: Cqe) -> Result<(), Box<dyn Error>> {
        let connection = self.connections.get_mut(&id).ok_or("no such connection")?;
        // Dropped, and so back in the ring.
        let buffer = connection.out.pop_front().ok_or("nothing was being sent")?;
        assert_eq!(cqe.result()? as usize, buffer.len());
        drop(buffer);
        self.send(id)?;
        self.finish(id);
        Ok(())
    }

    /// Closes the connection if its client has gone and all has been sent.
    fn finish(&mut self, id: u64) {
        let done = |c: &Connection| c.out.is_empty() && !c.is_receiving;
        if self.connections.get(&id).is_some_and(done) {
            self.connections.remove(&id);
        }
    }

    fn completed(&mut self, cqe: Cqe) -> Result<(), Box<dyn Error>> {
        let id = cqe.user_data / KINDS;
        match cqe.user_data % KINDS {
            ACCEPT => self.accepted(cqe),
            RECEIVE => self.received(id, cqe),
            _ => self.sent(id, cqe),
        }
    }
}

fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    let mut ring = LocalRing::new(64)?;
    let (sq, cq, submitter) = ring.parts();
    let buffers = BufferRing::new(submitter.register(), GROUP, 16, 1024)?;
    let connections = HashMap::new();
    let mut server = Server { sq, submitter, buffers: &buffers, connections, accepted: 0 };
    let accept = op::Accept::new(listener).flags(SockFlags::CLOEXEC).multishot();
    server.push(accept.build().user_data(ACCEPT))?;
    while server.accepted < CLIENTS || !server.connections.is_empty() {
        submitter.submit_and_wait(server.sq, 1)?;
        for cqe in cq.completions()? {
            server.completed(cqe)?;
        }
    }
    // The accept is still under way: it points to nothing of ours, and ends with the ring.
    assert_eq!(usize::from(buffers.available()?), buffers.len(), "every buffer is back");
    Ok(())
}

/// Sends messages of many lengths and waits for each to come back.
fn client(address: SocketAddr, seed: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    for n in 0..MESSAGES {
        // Up to 5000 bytes: more than one buffer holds.
        let message: Vec<u8> = (0..(n * 37 + seed) % 5000 + 1).map(|i| (i + n) as u8).collect();
        stream.write_all(&message)?;
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo)?;
        assert_eq!(echo, message);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = |n: u64| std::thread::spawn(move || client(address, n as usize));
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    serve(&listener)?;
    for client in clients {
        client.join().map_err(|_| "a client failed")??;
    }
    println!("{CLIENTS} clients, {MESSAGES} messages each, all came back");
    Ok(())
}
