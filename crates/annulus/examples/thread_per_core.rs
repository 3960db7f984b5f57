//! A server of one thread for each core: each has a runtime, a listener at the same address, and
//! counts of its own. Nothing is shared, so nothing is locked; what all have done is put together
//! at the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use annulus::net::TcpListeners;
use annulus::{Runtime, spawn_local};
use annulus_runtime::runtime::stopped;
use futures::future::{Either, select};
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

/// Sends back what comes on each connection, until it is told to stop: how many there were, and how
/// many bytes.
async fn echo(listeners: TcpListeners) -> std::io::Result<(u64, u64)> {
    let mut listener = listeners.listen()?;
    let (mut connections, bytes) = (0, Rc::new(Cell::new(0)));
    let mut stop = pin!(stopped());
    // Where `stop` comes first, the accept goes on, and what it brings is closed with the listener.
    while let Either::Left((accepted, _)) = select(listener.accept(), stop.as_mut()).await {
        let (mut stream, _) = accepted?;
        connections += 1;
        let bytes = Rc::clone(&bytes);
        drop(spawn_local(async move {
            let mut buf = Vec::with_capacity(4096);
            loop {
                let (count, read) = stream.read(buf).await?;
                if count == 0 {
                    return std::io::Result::Ok(());
                }
                bytes.set(bytes.get() + count as u64);
                buf = stream.write_all(read).await?.1;
                buf.clear();
            }
        }));
    }
    Ok((connections, bytes.get()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cores = std::thread::available_parallelism()?.get();
    let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
    let addr = listeners.local_addr();
    let threads = Runtime::builder().threads(cores).name("echo").start(move |_| {
        let listeners = listeners.clone();
        echo(listeners)
    })?;

    const CLIENTS: u64 = 100;
    for n in 0..CLIENTS {
        let mut stream = TcpStream::connect(addr)?;
        let text = format!("client {n}");
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        assert_eq!(answer, text);
    }

    let mut all = 0;
    for (index, ended) in threads.stop(Duration::from_secs(10)).into_iter().enumerate() {
        let (connections, bytes) = ended??;
        println!("thread {index}: {connections} connections, {bytes} bytes");
        all += connections;
    }
    assert_eq!(all, CLIENTS);
    Ok(())
}
