//! A TCP echo on Annulus's own runtime: a task for each connection, each of one buffer.
//!
//! It prints its address and serves until it is ended: `core=` its processor, `buf=` the bytes of a
//! buffer. With `ops=` there are clients too, `conns=` of them on the same thread, each with one
//! request of `size=` bytes under way, and it ends after so many answers in all: four operations
//! for each, two of them the server's.

use std::io::Write;
use std::net::SocketAddr;

use annulus_bench::{Args, Limit, Meter, Share, fail, pin};
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::runtime::Runtime;
use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use annulus_runtime::spawn_local;

/// More than that is no program.
const MAX: u64 = 1 << 20;

fn main() {
    let args = Args::parse();
    args.only(&["core", "buf", "ops", "conns", "size"]);
    pin(&args);
    let bytes = args.count("buf", 4096, MAX) as usize;
    let is_alone = args.get("ops", 0) == 0;
    let runtime = Runtime::new().unwrap_or_else(|why| fail(&why.to_string()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.unwrap_or_else(|why| fail(&why.to_string()));
    let addr = listener.local_addr().unwrap_or_else(|why| fail(&why.to_string()));
    runtime.block_on(async {
        let server = spawn_local(serve(TcpListener::from_std(listener), bytes));
        if is_alone {
            println!("{addr}");
            let _ = std::io::stdout().flush();
            let _ = server.await;
        } else {
            measure(&args, addr).await;
        }
    });
}

/// Accepts for ever.
async fn serve(mut listener: TcpListener, bytes: usize) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                drop(spawn_local(echo(stream, bytes)));
            }
            Err(why) => fail(&why.to_string()),
        }
    }
}

/// Sends back what comes, until the end, or an error, which is the client's affair.
async fn echo(mut stream: TcpStream, bytes: usize) {
    let mut buf = vec![0; bytes];
    while let Ok((n, filled)) = stream.read(buf).await
        && n > 0
        && let Ok((_, part)) = stream.write_all(filled.slice(..n)).await
    {
        buf = part.into_inner();
    }
}

/// Has clients ask, on the same thread, until all answers are there.
async fn measure(args: &Args, addr: SocketAddr) {
    let limit = Limit::of(args, 1);
    let (conns, size) = (args.count("conns", 1, MAX), args.count("size", 64, MAX) as usize);
    let mut streams = Vec::new();
    for _ in 0..conns {
        let stream = TcpStream::connect(addr).await.unwrap_or_else(|why| fail(&why.to_string()));
        let _ = stream.set_nodelay(true);
        streams.push(stream);
    }
    let meter = Meter::start();
    limit.start();
    let tasks: Vec<_> = (0..)
        .zip(streams)
        .map(|(index, stream)| spawn_local(ask(stream, limit.share(index, conns), size)))
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap_or_else(|why| fail(&why.to_string()));
    }
    meter.report(done);
}

/// One client: an answer after the other.
async fn ask(mut stream: TcpStream, mut share: Share, size: usize) -> u64 {
    let (mut sent, mut room, mut done) = (vec![7; size], vec![0; size], 0);
    while share.take(1) != 0 {
        match stream.write_all(sent).await {
            Ok((_, own)) => sent = own,
            Err(why) => fail(&why.to_string()),
        }
        let mut left = size;
        while left > 0 {
            match stream.read(room).await {
                Ok((0, _)) => fail("the server has gone"),
                Ok((n, own)) => (left, room) = (left - n, own),
                Err(why) => fail(&why.to_string()),
            }
        }
        done += 1;
    }
    done
}
