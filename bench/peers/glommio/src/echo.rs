//! A TCP echo on glommio: see `harness/src/echo.rs`.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::rc::Rc;

use annulus_bench_harness::echo::{Echo, Requests};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};

use crate::Glommio;

impl Echo for Glommio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listener(listener: StdListener) -> io::Result<TcpListener> {
        // SAFETY: the descriptor is a listener's, and given up here.
        Ok(unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) })
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let stream = listener.accept().await.map_err(|why| io::Error::other(why.to_string()))?;
        stream.set_nodelay(true).map_err(|why| io::Error::other(why.to_string()))?;
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
