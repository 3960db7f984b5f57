//! A TCP echo on monoio: see `harness/src/echo.rs`.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;

use annulus_bench_harness::echo::{Echo, Requests};
use monoio::buf::IoBuf;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};

use crate::Monoio;

impl Echo for Monoio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listener(listener: StdListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(mut stream: TcpStream, requests: Rc<Requests>) {
        let mut buf = vec![0; requests.buf_bytes];
        loop {
            let (read, filled) = stream.read(buf).await;
            let Ok(count @ 1..) = read else { return };
            let (written, part) = stream.write_all(filled.slice(..count)).await;
            if written.is_err() {
                return;
            }
            requests.answered();
            buf = part.into_inner();
        }
    }
}
