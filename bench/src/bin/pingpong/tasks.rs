//! The server on a runtime, a task for each connection; the clients are a task as well.

use std::cell::Cell;
use std::io::Result;
use std::net::TcpStream;
use std::rc::Rc;

use annulus_bench::{Limit, Meter, Share};
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::runtime::net::RecvPool;
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

impl Left {
    /// One more has come.
    fn answered(&self) {
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 {
            self.none.notify_one();
        }
    }
}

async fn serve_tokio(stream: TcpStream, left: Rc<Left>) -> Result<()> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::TcpStream::from_std(stream)?;
    let mut buffer = vec![0; BYTES_MAX as usize];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
        left.answered();
    }
}

async fn serve_annulus(mut stream: annulus::net::TcpStream, left: Rc<Left>) -> Result<()> {
    let mut buffer = vec![0; BYTES_MAX as usize];
    loop {
        let (count, filled) = stream.read(buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let (_, part) = stream.write_all(filled.slice(..count)).await?;
        buffer = part.into_inner();
        left.answered();
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

/// The whole run, the tasks of the server being there.
async fn measure(mut clients: Clients, limit: Limit, left: Rc<Left>) -> Result<()> {
    // Some rounds before it is measured: what is set up at the first messages is not in it.
    clients.share = Share::one_of(8 * clients.streams.len() as u64);
    send(&mut clients, &left).await?;
    clients.share = limit.share(0, 1);
    let meter = Meter::start();
    limit.start();
    let done = send(&mut clients, &left).await?;
    meter.report(done);
    Ok(())
}

fn nothing_left() -> Rc<Left> {
    Rc::new(Left { count: Cell::new(0), none: Notify::new() })
}

pub fn tokio(served: Vec<TcpStream>, clients: Clients, limit: Limit) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let left = nothing_left();
        for stream in served {
            tokio::task::spawn_local(serve_tokio(stream, Rc::clone(&left)));
        }
        measure(clients, limit, left).await
    })
}

/// `pools`: all that comes is received by one operation for each connection.
pub fn annulus(served: Vec<TcpStream>, clients: Clients, limit: Limit, pools: bool) -> Result<()> {
    annulus::run(async {
        let left = nothing_left();
        let pool = RecvPool::new()?;
        for stream in served {
            let mut stream = annulus::net::TcpStream::from_std(stream);
            if pools {
                stream.receive_from(&pool);
            }
            drop(annulus::spawn_local(serve_annulus(stream, Rc::clone(&left))));
        }
        measure(clients, limit, left).await
    })?
}
