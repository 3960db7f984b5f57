//! A TCP echo on tokio: see `harness/src/echo.rs`.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;

use annulus_bench_harness::echo::{Echo, Requests};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Tokio;

impl Echo for Tokio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listener(listener: StdListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(mut stream: TcpStream, requests: Rc<Requests>) {
        let mut buf = vec![0; requests.buf_bytes];
        while let Ok(count @ 1..) = stream.read(&mut buf).await
            && stream.write_all(&buf[..count]).await.is_ok()
        {
            requests.answered();
        }
    }
}
