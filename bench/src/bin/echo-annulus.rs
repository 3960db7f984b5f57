//! A TCP echo by `TcpStream::read` and `write_all` as a user writes them: see
//! `harness/src/echo.rs`. `pool=1` has streams turn to a pool.

use std::rc::Rc;

use annulus::net::{TcpListener, TcpStream};
use annulus::spawn_local;
use annulus_bench::echo::{self, Requests};
use annulus_bench::fail;
use annulus_runtime::buffer::IoBuf;

fn main() {
    echo::main(&["pool"], |args, listener, requests| {
        let has_pool = args.switch("pool");
        let ended = annulus::run(async move {
            let mut listener = TcpListener::from_std(listener);
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                stream.set_auto_pool(has_pool);
                drop(spawn_local(echo(stream, Rc::clone(&requests))));
            }
        });
        let ended: std::io::Result<std::io::Result<()>> = ended;
        if let Err(why) | Ok(Err(why)) = ended {
            fail(&why.to_string());
        }
    });
}

/// Sends back what comes, until the end, or an error, which is the client's affair.
async fn echo(mut stream: TcpStream, requests: Rc<Requests>) {
    let mut buf = vec![0; requests.buf_bytes];
    while let Ok((n, filled)) = stream.read(buf).await
        && n > 0
        && let Ok((_, part)) = stream.write_all(filled.slice(..n)).await
    {
        requests.answered();
        buf = part.into_inner();
    }
}
