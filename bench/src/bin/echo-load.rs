//! The clients of an echo: one thread, `conns=` connections to `addr=`, each with one request of
//! `size=` bytes under way, `ops=` in all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use annulus_bench::epoll::Epoll;
use annulus_bench::{Args, Meter, fail, pin};

const MAX: u64 = 1 << 20;

fn main() {
    let args = Args::parse();
    args.only(&["addr", "conns", "ops", "size", "core"]);
    pin(&args);
    let conns = args.count("conns", 1, MAX);
    let size = args.count("size", 1, MAX) as usize;
    let ops = args.count("ops", 10_000, u64::MAX);
    let addr: SocketAddr = args.get("addr", ([127, 0, 0, 1], 7).into());
    if let Err(why) = load(addr, conns, size, ops) {
        fail(&format!("{addr}: {why}"));
    }
}

fn load(addr: SocketAddr, conns: u64, size: usize, ops: u64) -> std::io::Result<()> {
    let epoll = Epoll::new()?;
    let mut connections = Vec::new();
    for index in 0..conns.min(ops) {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        epoll.add(&stream, index)?;
        connections.push((stream, size));
    }
    let request: Vec<u8> = (0..size).map(|index| index as u8).collect();
    let mut answer = vec![0; size];
    let (mut asked, mut answered) = (0, 0);
    let meter = Meter::start();
    for (stream, _) in &mut connections {
        stream.write_all(&request)?;
        asked += 1;
    }
    let mut events = Vec::new();
    while answered < ops {
        epoll.wait(&mut events)?;
        for &index in &events {
            let (stream, due) = &mut connections[index as usize];
            let count = stream.read(&mut answer[size - *due..])?;
            *due -= count;
            if count == 0 {
                fail("the server has gone");
            }
            if *due > 0 {
                continue;
            }
            if answer != request {
                fail("an answer is not what was asked");
            }
            answered += 1;
            *due = size;
            if asked < ops {
                stream.write_all(&request)?;
                asked += 1;
            }
        }
    }
    meter.report(ops);
    Ok(())
}
