//! A server that ends well: at SIGTERM or Ctrl-C it accepts no more, finishes what it was asked,
//! within a limit, and says what it had to cut off.
//!
//! `graceful_shutdown 127.0.0.1:7777` counts the bytes of each connection until it is told to end;
//! without arguments it is its own client, and ends itself.

use annulus::JoinHandle;
use annulus::net::{TcpListener, TcpStream};
use annulus::process::Command;
use annulus::signal::{SignalKind, signal};
use annulus::spawn_local;
use annulus::time::{sleep, timeout_at};
use futures::future::{Either, select};
use std::error::Error;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

const DRAIN: Duration = Duration::from_millis(500);

/// Answers with how many bytes came, when the client has sent all.
async fn count(mut stream: TcpStream) -> io::Result<u64> {
    let (mut buf, mut total) = (Vec::with_capacity(4096), 0);
    loop {
        let n;
        (n, buf) = stream.read(buf).await?;
        if n == 0 {
            stream.write_all(total.to_string()).await?;
            return Ok(total);
        }
        total += n as u64;
    }
}

/// Serves until a signal comes, and drains: how many connections were answered, and how many cut.
async fn serve(listener: TcpListener) -> io::Result<(usize, usize)> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::TERMINATE)?, signal(SignalKind::INTERRUPT)?);
    let mut told = pin!(async move {
        select(pin!(terminate.next()), pin!(interrupt.next())).await.factor_first().0
    });
    let mut incoming = listener.incoming();
    let mut connections: Vec<JoinHandle<io::Result<u64>>> = Vec::new();
    loop {
        match select(told.as_mut(), pin!(incoming.next())).await {
            Either::Left((signal, _)) => {
                signal?;
                break;
            }
            Either::Right((accepted, _)) => connections.push(spawn_local(count(accepted?))),
        }
        connections.retain(|connection| !connection.is_finished());
    }
    println!("told to end: {} connections are under way", connections.len());
    // Those that the kernel had accepted for us already are served, and no more come.
    let (listener, waiting) = incoming.into_listener().await;
    drop(listener);
    connections.extend(waiting.into_iter().map(|stream| spawn_local(count(stream))));
    drain(connections).await
}

async fn drain(connections: Vec<JoinHandle<io::Result<u64>>>) -> io::Result<(usize, usize)> {
    let end = Instant::now() + DRAIN;
    let (mut answered, mut cut) = (0, 0);
    for mut connection in connections {
        match timeout_at(end, &mut connection).await {
            Ok(_) => answered += 1,
            Err(_) => {
                connection.abort();
                cut += 1;
            }
        }
    }
    Ok((answered, cut))
}

/// One that asks, and takes its time; and one that never comes to an end.
async fn clients(to: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut slow = TcpStream::connect(to).await?;
    let mut silent = TcpStream::connect(to).await?;
    slow.write_all("1234").await?;
    sleep(Duration::from_millis(50)).await;
    let pid = std::process::id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status().await?;
    sleep(Duration::from_millis(50)).await;
    slow.write_all("56").await?;
    slow.shutdown(Shutdown::Write)?;
    let (n, answer) = slow.read(vec![0; 16]).await?;
    assert_eq!(&answer[..n], b"6", "what was begun is finished");
    assert_eq!(silent.read(vec![0; 16]).await?.0, 0, "what does not end is cut off");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args().nth(1);
    annulus::run(async {
        let listener = TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:0")).await?;
        let to = listener.local_addr()?;
        println!("{to}");
        let clients = addr
            .is_none()
            .then(|| spawn_local(async move { clients(to).await.map_err(|why| why.to_string()) }));
        let (answered, cut) = serve(listener).await?;
        println!("{answered} were answered, {cut} cut off after {DRAIN:?}");
        if let Some(clients) = clients {
            clients.await??;
            assert_eq!((answered, cut), (1, 1));
        }
        Ok(())
    })?
}
