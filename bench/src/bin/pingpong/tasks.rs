//! The server on tokio, a task for each connection; the clients are a task as well.

use std::cell::Cell;
use std::io::Result;
use std::net::TcpStream;
use std::rc::Rc;

use annulus_bench::{Limit, Meter, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::{BYTES_MAX, Clients};

/// How many answers are to come, and who is told when all have.
struct Left {
    count: Cell<usize>,
    none: Notify,
}

async fn serve(stream: TcpStream, left: Rc<Left>) -> Result<()> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::TcpStream::from_std(stream)?;
    let mut buffer = vec![0; BYTES_MAX as usize];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
        left.count.set(left.count.get() - 1);
        if left.count.get() == 0 {
            left.none.notify_one();
        }
    }
}

/// Sends until the share is over: how many were answered.
async fn send(clients: &mut Clients, left: &Left) -> Result<u64> {
    let mut done = 0;
    loop {
        left.count.set(clients.streams.len());
        if !clients.send()? {
            return Ok(done);
        }
        left.none.notified().await;
        done += clients.receive()?;
    }
}

pub fn run(served: Vec<TcpStream>, mut clients: Clients, limit: Limit) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let left = Rc::new(Left { count: Cell::new(0), none: Notify::new() });
        for stream in served {
            tokio::task::spawn_local(serve(stream, Rc::clone(&left)));
        }
        clients.share = Share::one_of(clients.streams.len() as u64);
        send(&mut clients, &left).await?;
        clients.share = limit.share(0, 1);
        let meter = Meter::start();
        limit.start();
        let done = send(&mut clients, &left).await?;
        meter.report(done);
        Ok(())
    })
}
