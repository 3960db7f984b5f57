//! An HTTP client on hyper: several requests by one connection.
//!
//! `http_client 127.0.0.1:8080 /path` asks a server for one thing and prints it; without arguments
//! it asks one of its own.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use annulus::hyper::{Server, connect};
use annulus::net::TcpListener;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

type Failure = Box<dyn Error>;

/// The status and the body of what is at `path`.
async fn get(
    client: &mut SendRequest<Empty<Bytes>>,
    host: SocketAddr,
    path: &str,
) -> Result<(StatusCode, Bytes), Failure> {
    // Until it has done with the answer before.
    client.ready().await?;
    let request = Request::get(path).header("host", host.to_string()).body(Empty::new())?;
    let answer = client.send_request(request).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

async fn squares(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = request.uri().path().trim_start_matches('/').parse::<u64>();
    Ok(Response::new(Full::from(number.map_or("?".into(), |n| (n * n).to_string()))))
}

async fn of_its_own() -> Result<(), Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let server = annulus::spawn_local(async move {
        let server = Server::new(TcpListener::from_std(listener));
        server
            .serve_until(
                async {
                    let _ = stopped.await;
                },
                |_| service_fn(squares),
            )
            .await
    });
    let mut client = connect(to).await?;
    for n in 0..100_u64 {
        let (status, body) = get(&mut client, to, &format!("/{n}")).await?;
        assert_eq!((status, &body[..]), (StatusCode::OK, (n * n).to_string().as_bytes()));
    }
    drop((client, stop));
    let drained = server.await??;
    println!("100 answers by {} connection", drained.connections);
    assert_eq!(drained.connections, 1);
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    annulus::run(async move {
        let Some(addr) = args.next() else { return of_its_own().await };
        let to: SocketAddr = addr.parse()?;
        let path = args.next().unwrap_or_else(|| "/".to_owned());
        let (status, body) = get(&mut connect(to).await?, to, &path).await?;
        println!("{status}\n{}", String::from_utf8_lossy(&body));
        Ok(())
    })?
}
