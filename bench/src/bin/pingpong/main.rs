//! TCP ping-pong over loopback, `conns=` connections, messages of `bytes=`; `way=` is the server:
//!
//! - `floor`: a receive and a send, by calls that may wait; it is known who has sent.
//! - `epoll`: by hand, level-triggered.
//! - `single`, `multi`: a ring with registered files; a receive for each message, or one that goes
//!   on, with a ring of buffers. `kernel=` (`host`, `linux`) is who answers it.
//! - `tokio`, `annulus`: a task for each connection, on the runtime of one thread; `annulus-pool`
//!   has what comes received by one operation for each connection.
//!
//! Clients and server are one thread, which takes turns: all clients send, the server answers all,
//! all clients receive. So nobody wakes anybody, the clients cost the same each time, and what is
//! above `floor` is what the server's way costs. The run is `ops=` messages, or `seconds=` long.

mod epoll;
mod ring;
mod tasks;

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};

use annulus_bench::{Args, Limit, Meter, Share, fail, pin};

/// Messages are no longer than that.
const BYTES_MAX: u64 = 4096;

/// What the server answers with.
trait Server {
    /// Answers one message of each connection.
    fn answer(&mut self) -> Result<()>;
}

/// The clients, and how much they are to do.
struct Clients {
    streams: Vec<TcpStream>,
    message: Vec<u8>,
    share: Share,
}

impl Clients {
    /// Sends a message over each connection: false at the end of the run.
    fn send(&mut self) -> Result<bool> {
        if self.share.take(self.streams.len() as u64) == 0 {
            return Ok(false);
        }
        for stream in &mut self.streams {
            stream.write_all(&self.message)?;
        }
        Ok(true)
    }

    /// Receives the answers: how many.
    fn receive(&mut self) -> Result<u64> {
        for stream in &mut self.streams {
            stream.read_exact(&mut self.message)?;
        }
        Ok(self.streams.len() as u64)
    }
}

/// Both ends of `count` connections: the clients', the server's.
fn connect(count: u64) -> Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (mut clients, mut served) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        clients.push(client);
        served.push(server);
    }
    Ok((clients, served))
}

/// Nothing but the calls.
struct Floor {
    streams: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Server for Floor {
    fn answer(&mut self) -> Result<()> {
        for stream in &mut self.streams {
            let count = stream.read(&mut self.buffer)?;
            stream.write_all(&self.buffer[..count])?;
        }
        Ok(())
    }
}

fn turns(mut server: impl Server, mut clients: Clients, limit: Limit) -> Result<()> {
    // Once before it is measured: what is set up at the first message is not in it.
    clients.share = Share::one_of(clients.streams.len() as u64);
    while clients.send()? {
        server.answer()?;
        clients.receive()?;
    }
    clients.share = limit.share(0, 1);
    let (meter, mut done) = (Meter::start(), 0);
    limit.start();
    while clients.send()? {
        server.answer()?;
        done += clients.receive()?;
    }
    meter.report(done);
    Ok(())
}

fn main() {
    let args = Args::parse();
    args.only(&["way", "conns", "bytes", "kernel", "ops", "seconds", "core"]);
    pin(&args);
    if let Err(why) = run(&args) {
        fail(&why.to_string());
    }
}

fn run(args: &Args) -> Result<()> {
    let limit = Limit::of(args, 20_000);
    let (streams, served) = connect(args.count("conns", 1, 1000))?;
    let message = vec![7; args.count("bytes", 64, BYTES_MAX) as usize];
    let clients = Clients { streams, message, share: Share::one_of(0) };
    let buffer = vec![0; BYTES_MAX as usize];
    match args.text("way", "floor").as_str() {
        "floor" => turns(Floor { streams: served, buffer }, clients, limit),
        "epoll" => turns(epoll::Epoll::new(served, buffer)?, clients, limit),
        "single" => turns(ring::Single::new(served, &ring::kernel(args))?, clients, limit),
        "multi" => turns(ring::Multi::new(served, &ring::kernel(args))?, clients, limit),
        "tokio" => tasks::tokio(served, clients, limit),
        "annulus" => tasks::annulus(served, clients, limit, false),
        "annulus-pool" => tasks::annulus(served, clients, limit, true),
        other => fail(&format!(
            "way={other}: floor, epoll, single, multi, tokio, annulus or annulus-pool"
        )),
    }
}
