//! A client that loads an HTTP server, as `wrk` does, for exactly so many requests: one thread,
//! `conns=` connections to `addr=`, each with `depth=` requests under way, `ops=` in all. The
//! answers must all be as long as the first.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use annulus_bench::epoll::Epoll;
use annulus_bench::{Args, Meter, fail, pin};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const MAX: u64 = 1 << 16;

/// One connection.
struct Connection {
    stream: TcpStream,
    /// How many bytes of answers have not come yet.
    due: usize,
}

fn main() {
    let args = Args::parse();
    args.only(&["addr", "conns", "ops", "depth", "core"]);
    pin(&args);
    let conns = args.count("conns", 50, MAX);
    let depth = args.count("depth", 1, 64);
    let ops = args.count("ops", 10_000, u64::MAX);
    let addr: SocketAddr = args.get("addr", ([127, 0, 0, 1], 80).into());
    if let Err(why) = load(addr, conns, depth, ops) {
        fail(&format!("{addr}: {why}"));
    }
}

fn load(addr: SocketAddr, conns: u64, depth: u64, ops: u64) -> std::io::Result<()> {
    let conns = conns.min(ops);
    let mut connections = Vec::new();
    let epoll = Epoll::new()?;
    for index in 0..conns {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        epoll.add(&stream, index)?;
        connections.push(Connection { stream, due: 0 });
    }
    let answer_bytes = first(&mut connections[0].stream)?;
    for connection in &connections {
        connection.stream.set_nonblocking(true)?;
    }
    let requests = REQUEST.repeat(depth as usize);
    let (mut asked, mut answered) = (1, 1);
    let meter = Meter::start();
    for connection in &mut connections {
        asked += ask(connection, &requests, depth.min(ops - asked), answer_bytes)?;
    }
    let mut buf = vec![0; 64 << 10];
    let mut events = Vec::new();
    while answered < ops {
        epoll.wait(&mut events)?;
        for &index in &events {
            let connection = &mut connections[index as usize];
            let count = connection.stream.read(&mut buf)?;
            if count == 0 && connection.due == 0 {
                // It has served its number, and closes what is idle.
                continue;
            }
            if count == 0 || count > connection.due {
                fail(&format!("{count} bytes came where {} were due", connection.due));
            }
            let before = connection.due.div_ceil(answer_bytes);
            connection.due -= count;
            answered += (before - connection.due.div_ceil(answer_bytes)) as u64;
            if connection.due == 0 {
                asked += ask(connection, &requests, depth.min(ops - asked), answer_bytes)?;
            }
        }
    }
    meter.report(ops);
    Ok(())
}

/// Sends so many requests: how many.
fn ask(
    connection: &mut Connection,
    requests: &[u8],
    count: u64,
    answer_bytes: usize,
) -> std::io::Result<u64> {
    connection.stream.write_all(&requests[..count as usize * REQUEST.len()])?;
    connection.due = count as usize * answer_bytes;
    Ok(count)
}

/// Asks once: how long the answer is.
fn first(stream: &mut TcpStream) -> std::io::Result<usize> {
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut buf = [0; 64 << 10];
    loop {
        let count = stream.read(&mut buf)?;
        answer.extend_from_slice(&buf[..count]);
        let text = String::from_utf8_lossy(&answer);
        if count == 0 || !text.starts_with("HTTP/1.1 200 OK\r\n".split_at(text.len().min(17)).0) {
            fail(&format!("no answer: {text}"));
        }
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let lengths = text[..head].lines().filter_map(|line| line.split_once(": "));
        let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let body = lengths.next().and_then(|(_, value)| value.parse::<usize>().ok());
        let Some(body) = body else { fail("the answer does not say how long it is") };
        if answer.len() >= head + 4 + body {
            return Ok(head + 4 + body);
        }
    }
}
