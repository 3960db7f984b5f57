//! A server that sends back what it is sent, and a client: a task for each connection.
//!
//! `echo serve 127.0.0.1:7777` serves until it is ended, `echo send 127.0.0.1:7777 TEXT` asks it;
//! without arguments it asks itself, by a hundred connections at once.

use annulus::net::{TcpListener, TcpStream, ToSocketAddrs};
use annulus::spawn_local;
use std::error::Error;
use std::io;
use std::net::Shutdown;

/// Sends back all that comes, with one buffer.
async fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let mut buf = Vec::with_capacity(4096);
    let mut total = 0;
    loop {
        let (n, mut got) = stream.read(buf).await?;
        if n == 0 {
            return Ok(total);
        }
        got.truncate(n);
        buf = stream.write_all(got).await?.1;
        total += n as u64;
    }
}

/// Accepts for ever: one operation of the ring for all connections.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let mut incoming = listener.incoming();
    loop {
        let stream = match incoming.next().await {
            Ok(stream) => stream,
            // This connection, or no descriptor left for it: the next may do.
            Err(why) => {
                eprintln!("echo: accept: {why}");
                annulus::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        // It goes on without its handle.
        drop(spawn_local(async move {
            if let Err(why) = echo(stream).await {
                eprintln!("echo: {why}");
            }
        }));
    }
}

/// What comes back of `text`.
async fn send(to: impl ToSocketAddrs, text: String) -> io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(text).await?;
    // The server sees the end, and so do we then.
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    loop {
        let (n, mut part) = stream.read(Vec::with_capacity(4096)).await?;
        if n == 0 {
            return String::from_utf8(answer).map_err(io::Error::other);
        }
        part.truncate(n);
        answer.append(&mut part);
    }
}

async fn with_itself() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let to = listener.local_addr()?;
    let server = spawn_local(serve(listener));
    let clients: Vec<_> = (0..100).map(|n| spawn_local(send(to, format!("message {n}")))).collect();
    for (n, client) in clients.into_iter().enumerate() {
        assert_eq!(client.await??, format!("message {n}"));
    }
    server.abort();
    println!("100 connections, {} enters of the kernel", annulus::metrics().ops.enters);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    annulus::run(async {
        match args[..] {
            [] => with_itself().await?,
            ["serve", addr] => {
                let listener = TcpListener::bind(addr).await?;
                println!("{}", listener.local_addr()?);
                serve(listener).await?;
            }
            ["send", addr, text] => println!("{}", send(addr, text.to_owned()).await?),
            _ => return Err("usage: echo [serve ADDR | send ADDR TEXT]".into()),
        }
        Ok(())
    })?
}
